"""Memory that trainings in one process leave behind: resident size after each of many small ones."""

import argparse
import gc
import json
import pathlib
import tempfile
import time

from benchmarks import report

_SETTINGS = {"units": 8, "num_passes": 2, "fact_encoder": "position", "input_fusion": True, "epochs": 1}


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of JSON files."""
    options = _parser().parse_args(arguments)
    if options.table:
        print(table([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return
    result = {**report.about("memory_of_trainings", arguments), **measure(options.trainings)}
    print(table([result]))
    if options.json:
        report.write(options.json, result)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_of_trainings", description=__doc__)
    parser.add_argument("--trainings", type=int, default=30)
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the table of these files")
    return parser


def measure(trainings):
    """Train models of 8 units, one after the other, each from data to measured errors (`dmn_keras.train`).

    Args:
        trainings: How many.

    Returns:
        Dict of the resident size in MB after each training and the seconds they all took.
    """
    import keras

    from dmn_keras import Config, Source, train

    start, sizes = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for split, count in (("train", 40), ("valid", 10)):
            records = [
                {
                    "story": ["Mary went home.", f"John took {i % 3} keys."],
                    "question": "Where is Mary?",
                    "answer": "home",
                }
                for i in range(count)
            ]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        source = Source("jsonl", tasks=["all"], data_dir=str(folder))
        for i in range(trainings):
            train(source, Config(**_SETTINGS, seed=i), folder / "run", overwrite=True, verbose=0, say=lambda line: None)
            keras.utils.clear_session()
            gc.collect()
            sizes.append(round(_resident_mb()))
    return {"resident_mb": sizes, "seconds": round(time.perf_counter() - start)}


def _resident_mb():
    [line] = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def table(results):
    """Lay measurements out as a Markdown table, a line a backend."""
    header = ["backend", "trainings", "MB after the first", "the fifth", "the last", "seconds"]
    rows = [
        [result["versions"]["backend"], len(sizes), *(sizes[i] for i in (0, 4, -1)), result["seconds"]]
        for result in results
        for sizes in [result["resident_mb"]]
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
