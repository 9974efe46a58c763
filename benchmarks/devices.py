"""Examples per second of training on the devices there are, and the share of the time that is waiting between steps.

python -m benchmarks.devices --backend tensorflow --json FILE
python -m benchmarks.devices --backend jax --batch-sizes 128 --units 80 --facts 20 --dtypes float32
python -m benchmarks.devices --table FILE ...

Each setting trains with `model.fit` as `dmn-keras train` does, with its input pipeline, its progress bar, TensorBoard
and a look at each step's loss, in epochs of some steps of one shape. Epochs take turns with as many calls of the same
compiled step on one batch that lies on the device already, without callbacks or data: what an epoch takes longer is
waiting, for data, for transfers or for Python. Medians count. A setting that the device has no memory for is written
down as such.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import pathlib
import statistics
import tempfile
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
    parser.add_argument("--steps", type=int, default=50, help="steps of an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="epochs that count")
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
    from dmn_keras.training.memory import keep_freed_memory

    keep_freed_memory()
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
        "settings": {name: getattr(options, name) for name in ("preset", "words", "passes", "steps", "rounds")},
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
    from dmn_keras.training.batches import StoryBatches
    from dmn_keras.training.config import Config
    from dmn_keras.training.fit import build
    from dmn_keras.training.pipeline import training_data
    from dmn_keras.training.strategy import get_distribution

    config = Config.preset(
        options.preset,
        units=units,
        num_passes=options.passes,
        dtype=dtype,
        batch_size=batch_size,
        steps_per_execution=options.steps_per_execution,
    )
    place = get_distribution(options.strategy)
    encoded = options.steps * stories(batch_size, facts, options.words)
    batches = StoryBatches(
        encoded, batch_size=batch_size, num_passes=options.passes, num_buckets=1, multiple_of=place.num_devices
    )
    with place.scope(), tempfile.TemporaryDirectory() as logs:
        model = build(recipe(config), say=lambda line: None)
        data = training_data(batches, seed=0, epoch=lambda: 0)
        epoch, bare = _epoch(model, data, logs), bare_steps(model, batches)
        seconds, busy = zip(*((epoch(), bare(len(batches))) for _ in range(1 + options.rounds)), strict=True)
    # The first round traces, compiles and fills caches.
    step, busy_step = (statistics.median(times[1:]) / len(batches) for times in (seconds, busy))
    return {
        "devices": place.num_devices,
        "examples_per_second": round(batch_size / step, 1),
        "step_ms": round(1000 * step, 3),
        "busy_ms": round(1000 * busy_step, 3),
        "waiting": round(max(1 - busy_step / step, 0.0), 4),
    }


def stories(count, facts, words):
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


def recipe(config):
    from dmn_keras.training.run_folder import Recipe

    return Recipe("none", None, ("none",), config, tuple(f"word{i}" for i in range(_VOCABULARY - 3)), None)


def _epoch(model, data, logs):
    """Return a function that trains an epoch and returns its seconds, from its beginning until its result is there."""
    import keras

    from dmn_keras.training.fit import tensorboard

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # as training looks at each, for NaN

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.start

    watch = Watch()

    def epoch():
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(**data, epochs=1, verbose=1, callbacks=[watch, *tensorboard(logs)])
        return watch.seconds

    return epoch


def bare_steps(model, batches):
    """Return a function that makes a number of steps on a batch that is there, in a row, and returns their seconds."""
    import keras

    batch = batches.batch(*batches.plan()[0])
    call = _tensorflow_steps(model, batch) if keras.backend.backend() == "tensorflow" else _jax_steps(model, batch)

    def seconds(steps):
        start = time.perf_counter()
        for _ in range(0, steps, model.steps_per_execution):
            logs = call()
        float(logs["loss"])
        return time.perf_counter() - start

    return seconds


def _tensorflow_steps(model, batch):
    import tensorflow as tf

    # An endless dataset of one batch that is kept in memory.
    dataset = tf.data.Dataset.from_tensors(tf.nest.map_structure(tf.convert_to_tensor, batch)).cache().repeat()
    iterator = iter(model.distribute_strategy.experimental_distribute_dataset(dataset))
    return lambda: model.train_function(iterator)


def _jax_steps(model, batch):
    import jax
    from keras.src.backend.jax.trainer import _distribute_data

    iterator, states = itertools.repeat(_distribute_data(batch)), []

    def call():
        if not states:  # a copy, for a step takes the state it is given for its own
            parts = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
            states.append(jax.tree.map(jax.numpy.array, model._get_jax_state(**dict.fromkeys(parts, True))))
        logs, states[0] = model.train_function(states[0], iterator)
        return logs

    return call


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
