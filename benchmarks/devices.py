"""Examples per second of training on the devices there are, and the share of the time that is waiting between steps.

python -m benchmarks.devices --backend tensorflow --json FILE
python -m benchmarks.devices --backend jax --batch-sizes 128 --units 80 --facts 20 --dtypes float32
python -m benchmarks.devices --table FILE ...

Each setting trains `model.fit` on batches of one shape for some steps. Beside it runs the same compiled step on one
batch that lies on the device already, called again and again without callbacks or data: what `fit` takes longer is
waiting, for data, for transfers or for Python. A setting that the device has no memory for is written down as such.
"""

import argparse
import json
import os
import pathlib
import time

from benchmarks import report


def main(arguments=None):
    """Measure and print, or print the table of what was measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.devices", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--strategy", default="auto", help="as of dmn-keras train")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[128, 1024, 8192])
    parser.add_argument("--units", type=int, nargs="+", default=[80, 256])
    parser.add_argument("--facts", type=int, nargs="+", default=[20, 130])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "mixed_bfloat16"])
    parser.add_argument("--preset", default="fused", help="the model, a preset of dmn-keras train")
    parser.add_argument("--words", type=int, default=8, help="words a fact")
    parser.add_argument("--passes", type=int, default=3, help="passes over the facts")
    parser.add_argument("--steps", type=int, default=50, help="steps that count")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--table", type=pathlib.Path, nargs="+", help="files that --json wrote")
    options = parser.parse_args(arguments)
    if options.table:
        for path in options.table:
            print(table(json.loads(path.read_text(encoding="utf-8"))))
        return
    os.environ["KERAS_BACKEND"] = options.backend
    from dmn_keras.training.evaluation import versions

    rows = []
    for units in options.units:
        for facts in options.facts:
            for dtype in options.dtypes:
                for batch_size in options.batch_sizes:
                    rows.append(measure(options, units, facts, dtype, batch_size))
                    print(table({"rows": rows[-1:]}).splitlines()[-1], flush=True)
    content = {
        "command": report.command("devices", arguments),
        "machine": report.machine(),
        "devices": _devices(options.backend),
        "versions": versions(),
        "settings": {name: getattr(options, name) for name in ("preset", "words", "passes", "steps")},
        "rows": rows,
    }
    print(table(content))
    if options.json:
        report.write(options.json, content)


def measure(options, units, facts, dtype, batch_size):
    """Return the row of one setting: `"examples_per_second"` and `"waiting"`, a share of 1; or `"failed"`."""
    row = {"units": units, "facts": facts, "dtype": dtype, "batch_size": batch_size}
    try:
        return {**row, **_speed(options, units, facts, dtype, batch_size)}
    except Exception as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "OOM" not in str(error):
            raise
        return {**row, "failed": "out of memory"}


def _speed(options, units, facts, dtype, batch_size):
    import keras

    from dmn_keras.training.batches import StoryBatches
    from dmn_keras.training.config import Config
    from dmn_keras.training.fit import build
    from dmn_keras.training.pipeline import training_data
    from dmn_keras.training.strategy import choose

    config = Config.preset(
        options.preset,
        units=units,
        num_passes=options.passes,
        dtype=dtype,
        batch_size=batch_size,
        steps_per_execution=options.steps_per_execution,
    )
    place = choose(options.strategy)
    stories = _BATCHES * _stories(batch_size, facts, options.words)
    batches = StoryBatches(
        stories, batch_size=batch_size, num_passes=options.passes, num_buckets=1, multiple_of=place.num_devices
    )
    epochs = -(-options.steps // len(batches))
    with place.scope():
        model = build(_recipe(config), say=lambda line: None)
        data = training_data(batches, seed=0, epoch=lambda: 0)
        model.fit(**data, epochs=2, verbose=0)  # traces, compiles, fills caches
        watch = _watch(keras)
        model.fit(**data, epochs=epochs, verbose=0, callbacks=[watch])
        steps, seconds = epochs * len(batches), watch.seconds
        step = _step_seconds(model, batches, steps)
    return {
        "devices": place.num_devices,
        "examples_per_second": round(steps * batch_size / seconds, 1),
        "step_ms": round(1000 * seconds / steps, 3),
        "busy_ms": round(1000 * step, 3),
        "waiting": round(max(1 - step * steps / seconds, 0.0), 4),
    }


def _stories(count, facts, words):
    import numpy as np

    from dmn_keras.text import EncodedExample

    rng = np.random.default_rng(0)
    return [
        EncodedExample(
            story=[list(row) for row in rng.integers(3, _VOCABULARY, (facts, words))],
            question=list(rng.integers(3, _VOCABULARY, 4)),
            answer=[int(rng.integers(3, _VOCABULARY))],
            supporting_facts=(),
        )
        for _ in range(count)
    ]


_VOCABULARY = 160
_BATCHES = 10
"""Batches of an epoch, of the same stories in another order each."""


def _recipe(config):
    from dmn_keras.training.run_folder import Recipe

    return Recipe("none", None, ("none",), config, tuple(f"word{i}" for i in range(_VOCABULARY - 3)), None)


def _watch(keras):
    """Return a callback that measures from the first step to the last, until its result is there."""

    class Watch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.start = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # as training looks at each, for NaN

        def on_train_end(self, logs=None):
            self.seconds = time.perf_counter() - self.start

    return Watch()


def _step_seconds(model, batches, steps):
    """Return the time of one step of training on a batch that is there, as many steps in a row."""
    import keras

    model.make_train_function()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # An endless dataset of one batch that is kept in memory.
        batch = tf.nest.map_structure(tf.convert_to_tensor, batches.batch(*batches.plan()[0]))
        dataset = tf.data.Dataset.from_tensors(batch).cache().repeat()
        iterator = iter(model.distribute_strategy.experimental_distribute_dataset(dataset))
        float(model.train_function(iterator)["loss"])
        start, done = time.perf_counter(), 0
        while done < steps:
            logs = model.train_function(iterator)
            done += model.steps_per_execution
        float(logs["loss"])
        return (time.perf_counter() - start) / done
    import itertools

    from keras.src.backend.jax.trainer import _distribute_data

    batch = _distribute_data(batches.batch(*batches.plan()[0]))
    parts = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    state = model._get_jax_state(**dict.fromkeys(parts, True), purge_model_variables=True)
    iterator = itertools.repeat(batch)
    logs, state = model.train_function(state, iterator)
    float(logs["loss"])
    start, done = time.perf_counter(), 0
    while done < steps:
        logs, state = model.train_function(state, iterator)
        done += model.steps_per_execution
    float(logs["loss"])
    return (time.perf_counter() - start) / done


def _devices(backend):
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.local_devices()]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus] or ["cpu"]


def table(content):
    """Lay the rows out."""
    rows = []
    for row in content["rows"]:
        speed = ["-", "-", row.get("failed")]
        if "failed" not in row:
            speed = [f"{row['examples_per_second']:,.0f}", f"{row['step_ms']:.1f}", f"{100 * row['waiting']:.0f}"]
        rows.append([row["units"], row["facts"], row["dtype"], f"{row['batch_size']:,}", *speed])
    return report.markdown(["hidden", "facts", "dtype", "batch", "examples a second", "ms a step", "waiting, %"], rows)


if __name__ == "__main__":
    main()
