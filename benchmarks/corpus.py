"""What a large corpus costs, on paper: bytes of its records, and the time of one pass over it, from measured figures.

python -m benchmarks.corpus --data-dir DIR [--config en] --json FILE
python -m benchmarks.corpus --table FILE
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time

from benchmarks import report

STORIES = 10**9
STEPS = pathlib.Path(__file__).parent / "results_speed" / "training_step_dmn_2015_tensorflow_80.json"


def main(arguments=None):
    """Measure and print, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dataset", default="babi")
    parser.add_argument("--data-dir", help="archive or folder of the data")
    parser.add_argument("--config", default=None)
    parser.add_argument("--tasks", default="all")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    content = {
        "command": report.command("corpus", arguments),
        "machine": report.machine(),
        **measure(options.dataset, options.data_dir, options.config, options.tasks),
    }
    print(table(content))
    if options.json:
        report.write(options.json, content)


def measure(dataset, data_dir, config, tasks):
    """Write training questions as records and read them; take the time of a step from the file of `training_step`.

    Returns:
        Dict of `"records"`, a dict a format, and `"step"`, the measured step that comes nearest to these stories.
    """
    from dmn_keras.datasets import records, registry

    names = registry.parse_tasks(tasks, registry.task_names(dataset, data_dir))
    place = {"split": "train", "data_dir": data_dir, "config": config}
    examples = [example for task in names for example in registry.load(dataset, task=task, **place)]
    rows = {file_format: _written(records, examples, file_format) for file_format in records.FORMATS}
    facts = statistics.fmean(len(example.story) for example in examples)
    steps = json.loads(STEPS.read_text(encoding="utf-8"))
    nearest = min(steps["rows"], key=lambda row: abs(row["facts"] - facts))
    step = {
        "command": steps["command"],
        "batch_size": steps["settings"]["batch"],
        "units": steps["settings"]["units"],
        "facts": nearest["facts"],
        "cpu_ms": nearest["step"]["cpu_ms"],
    }
    return {"questions": len(examples), "mean_facts": round(facts, 1), "records": rows, "step": step}


def _written(records, examples, file_format):
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        path = records.write({"train": examples}, folder, file_format=file_format)
        written = time.perf_counter()
        count = sum(1 for _ in records.read(folder, "train"))
        read = time.perf_counter()
        size = sum(file.stat().st_size for file in path.iterdir() if "-train." in file.name)
    return {
        "bytes": size / count,
        "written_per_second": round(count / (written - start)),
        "read_per_second": round(count / (read - written)),
    }


def table(content):
    """Lay out what each costs: the measured figure, and what follows from it for `STORIES`."""
    step, rows = content["step"], []
    for name, row in content["records"].items():
        rows.append([f"{name}, size", f"{row['bytes']:,.0f} bytes a story", f"{row['bytes'] * STORIES / 1e12:.2f} TB"])
        for what in ("written", "read"):
            speed = row[f"{what}_per_second"]
            rows.append([f"{name}, {what} by one process", f"{speed:,} stories a second", _hours(STORIES / speed)])
    seconds = step["cpu_ms"] / 1000 / step["batch_size"]
    what = f"training, one pass, hidden {step['units']}, {step['facts']} facts, one core"
    rows.append([what, f"{1 / seconds:,.0f} stories a second", _hours(STORIES * seconds)])
    return report.markdown(["what", "measured", f"10^{len(str(STORIES)) - 1} stories"], rows)


def _hours(seconds):
    return f"{seconds / 3600:,.0f} hours"


if __name__ == "__main__":
    main()
