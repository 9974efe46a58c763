"""Batches -> what `model.fit` reads: tf.data on TensorFlow, the same batches as arrays elsewhere."""

import keras
import numpy as np

from dmn_keras.training.batches import EpochSequence, share_of_epoch


def training_data(batches, *, seed, epoch, curriculum=0, part=0, parts=1):
    """Return the training split for `model.fit`, shuffled anew each epoch.

    The order is a function of seed and epoch alone, and the same on every backend. An epoch is one pass with an end, so
    that several steps per execution, which take what there is, never reach into the next.

    Args:
        batches: `StoryBatches`.
        seed: Integer.
        epoch: Function without arguments that returns the number of the epoch, from 0, when it begins.
        curriculum: Number of first epochs that grow from the shortest stories to all.
        part: Number of this worker, from 0.
        parts: Number of workers, each of which gives its own rows of a batch; 1 on TensorFlow.

    Returns:
        Dict of the arguments `x` and `shuffle` of `model.fit`.
    """
    if keras.backend.backend() != "tensorflow":
        own = {"part": part, "parts": parts}
        return {"x": EpochSequence(batches, seed=seed, epoch=epoch, curriculum=curriculum, **own), "shuffle": False}

    def plan():
        number = epoch()
        return batches.plan(np.random.default_rng([seed, number]), share=share_of_epoch(number, curriculum))

    return {"x": _as_dataset(batches, plan), "shuffle": False}


def evaluation_data(batches, *, part=0, parts=1, plan=None):
    """Return a split for `validation_data` or `model.evaluate`: one pass, in a fixed order.

    Args:
        batches: `StoryBatches`.
        part: Number of this worker, from 0.
        parts: Number of workers.
        plan: The batches to take, as `batches.plan` lists them; `None` for all.

    Returns:
        A `tf.data.Dataset` on TensorFlow, a `keras.utils.PyDataset` elsewhere.
    """
    if keras.backend.backend() != "tensorflow":
        return EpochSequence(batches, part=part, parts=parts, plan=plan)
    return _as_dataset(batches, batches.plan if plan is None else lambda: plan)


def _as_dataset(batches, plan):
    """Make a `tf.data.Dataset` of the batches that `plan()` lists at its beginning.

    All dimensions are unknown, so that the training step is traced once, whatever the shapes.
    """
    import tensorflow as tf

    def generate():
        for entry in plan():
            yield batches.batch(*entry)

    example = batches.batch(*batches.plan()[0])
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None] * array.ndim, array.dtype), example)
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(tf.data.AUTOTUNE)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(plan())))
