"""Gather the metrics of trained runs into one file under version control: `dmn_keras.training.reproduce.collect`."""

import argparse
import sys

from benchmarks import report


def main(arguments=None):
    """Collect the runs in some folders and write the JSON file."""
    from dmn_keras.training.reproduce import collect

    options = _parser().parse_args(arguments)
    content = {
        "about": options.about,
        "commands": options.command,
        "machine": report.machine(),
        **collect(options.folders),
    }
    report.write(options.json, content)
    print(f"mean error {content['mean_error']} %, {content['failed']} failed")
    return 0


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="run folders")
    parser.add_argument("--about", required=True, help="one sentence on what was measured")
    parser.add_argument("--command", action="append", default=[], help="command that made a folder; may be repeated")
    parser.add_argument("--json", required=True, help="file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
