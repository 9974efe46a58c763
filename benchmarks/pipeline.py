"""Examples a second of the input pipeline, beside those of training steps that read them, in the same run.

The pipeline is the one of `dmn-keras train`, read by itself: bAbI-like stories with gates to supervise, which cost it
most, are shuffled, put into batches and padded. The model makes the compiled step of each preset on a batch that is
there. Epochs of the one and of the other take turns; medians count.
"""

import argparse
import json
import os
import pathlib
import statistics
import time

from benchmarks import devices, report

PRESETS = {"dmn_2": {}, "dmn_plus": {}, "fused": {"episode": "soft"}}
"""The quickest of the presets of `dmn-keras train`, those that read sentences by position encoding."""


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of JSON files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--facts", type=int, nargs="+", default=[10, 40, 130], help="facts a story")
    parser.add_argument("--words", type=int, default=8, help="words a fact")
    parser.add_argument("--units", type=int, default=80, help="size of facts, question, episode and memory")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--steps", type=int, default=50, help="steps of an epoch")
    parser.add_argument("--rounds", type=int, default=3, help="epochs that count")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the table of these files")
    options = parser.parse_args(arguments)
    if options.table:
        print(table([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return
    os.environ["KERAS_BACKEND"] = options.backend
    from dmn_keras.training.memory import keep_freed_memory

    keep_freed_memory()
    result = {
        **report.about("pipeline", arguments),
        "rows": [measure(options, facts) for facts in options.facts],
    }
    print(table([result]))
    if options.json:
        report.write(options.json, result)


def measure(options, facts):
    """Return the examples a second of the pipeline and of each preset, and how the quickest compares."""
    from dmn_keras.training.pipeline import training_data

    data = training_data(_batches(options, facts, options.steps), seed=0, epoch=lambda: 0)["x"]
    timed = {"pipeline": lambda: _read(data)}
    for preset, settings in PRESETS.items():
        bare = _steps(options, preset, settings, _batches(options, facts, 1))
        timed[preset] = lambda bare=bare: bare(options.steps)
    seconds = {name: [] for name in timed}
    for _ in range(1 + options.rounds):  # the first traces, compiles and fills caches
        for name, epoch in timed.items():
            seconds[name].append(epoch())
    examples = options.steps * options.batch_size
    speeds = {name: round(examples / statistics.median(times[1:]), 1) for name, times in seconds.items()}
    pipeline = speeds.pop("pipeline")
    fastest = max(speeds, key=speeds.get)
    return {
        "facts": facts,
        "pipeline": pipeline,
        "models": speeds,
        "fastest": fastest,
        "ratio": round(pipeline / speeds[fastest], 2),
    }


def _batches(options, facts, count):
    import dataclasses

    from dmn_keras.training.batches import StoryBatches

    stories = [
        dataclasses.replace(story, supporting_facts=(facts // 3, facts // 2))
        for story in devices.stories(options.batch_size, facts, options.words)
    ]
    settings = {"batch_size": options.batch_size, "num_passes": 3, "num_buckets": 1, "gate_targets": "file"}
    return StoryBatches(count * stories, **settings)


def _read(data):
    """Read an epoch as `fit` does; return the seconds it took."""
    import keras

    start = time.perf_counter()
    if isinstance(data, keras.utils.PyDataset):
        data.on_epoch_begin()
        for index in range(len(data)):
            data[index]
    else:
        for _ in data:
            pass
    return time.perf_counter() - start


def _steps(options, preset, settings, first):
    """Return a function that makes steps of a preset's model on the one batch of `first`, and returns their seconds."""
    from dmn_keras.training.config import Config
    from dmn_keras.training.fit import build
    from dmn_keras.training.pipeline import training_data

    config = Config.preset(preset, units=options.units, num_passes=3, supervise_gates=True, **settings)
    model = build(devices.recipe(config), say=lambda line: None)
    model.fit(**training_data(first, seed=0, epoch=lambda: 0), verbose=0)  # makes all variables
    return devices.bare_steps(model, first)


def table(results):
    """Lay measurements out as a Markdown table, a line for each backend and number of facts."""
    header = ["backend", "facts", "pipeline, examples a second", "fastest model", "its examples a second", "ratio"]
    rows = [
        [
            result["versions"]["backend"],
            row["facts"],
            f"{row['pipeline']:,.0f}",
            row["fastest"],
            f"{row['models'][row['fastest']]:,.0f}",
            f"{row['ratio']:.1f}",
        ]
        for result in results
        for row in result["rows"]
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
