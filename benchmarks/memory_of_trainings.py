"""Memory that trainings in one process leave behind: resident size after each of many small ones."""

import gc
import json
import pathlib
import tempfile
import time

from benchmarks import base

SETTINGS = {
    "units": 8,
    "num_passes": 2,
    "gate": "softmax",
    "fact_encoder": "position",
    "input_fusion": True,
    "epochs": 1,
}
"""Changes of the preset `dmn_2015`."""


def main(arguments=None):
    """Measure, print the table, and write JSON."""
    parser = base.parser("memory_of_trainings", __doc__)
    parser.add_argument("--trainings", type=int, default=30)
    options = parser.parse_args(arguments)
    base.report("memory_of_trainings", arguments, options.json, table, measure(options.trainings))


def measure(trainings):
    """Train models of 8 units, one after the other, each from data to measured errors (`dmn_keras.train`).

    Args:
        trainings: How many.

    Returns:
        Dict of the resident size in MB after each training and the seconds they all took.
    """
    import keras

    from dmn_keras import RunConfig, Source, train

    start, sizes = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for split, count in (("train", 40), ("valid", 10)):
            about = {"question": "Where is Mary?", "answer": "home"}
            records = [{"story": ["Mary went home.", f"John took {i % 3} keys."], **about} for i in range(count)]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        source = Source("jsonl", tasks=["all"], data_dir=str(folder))
        for i in range(trainings):
            config = RunConfig.preset("dmn_2015", **SETTINGS, seed=i)
            train(source, config, folder / "run", overwrite=True, verbose=0)
            keras.utils.clear_session()
            gc.collect()
            sizes.append(round(base.memory_mib("VmRSS")))
    return {"resident_mb": sizes, "seconds": round(time.perf_counter() - start)}


def table(*results):
    """Return the table of several measurements, with a row for each."""
    header = ["backend", "trainings", "MB after the first", "the fifth", "the last", "seconds"]
    rows = [
        [result["versions"]["backend"], len(sizes), *(sizes[i] for i in (0, 4, -1)), result["seconds"]]
        for result in results
        for sizes in [result["resident_mb"]]
    ]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
