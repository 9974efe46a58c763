"""Batches -> what `model.fit` reads: tf.data on TensorFlow, the same batches as arrays elsewhere."""

import itertools

import keras
import numpy as np

from dmn_keras.training.batches import EpochSequence, share_of_epoch


def training_data(batches, *, seed, first_epoch=0, curriculum=0):
    """Return the training split for `model.fit`, shuffled anew each epoch.

    The order is a function of seed and epoch alone, and the same on every backend.

    Args:
        batches: `StoryBatches`.
        seed: Integer.
        first_epoch: Number of the epoch that comes first, from 0.
        curriculum: Number of first epochs that grow from the shortest stories to all.

    Returns:
        Dict of the arguments `x`, `steps_per_epoch` and `shuffle` of `model.fit`.
    """
    if keras.backend.backend() != "tensorflow":
        sequence = EpochSequence(batches, seed=seed, first_epoch=first_epoch, curriculum=curriculum)
        return {"x": sequence, "shuffle": False}

    def plans():
        for epoch in itertools.count(first_epoch):
            share = share_of_epoch(epoch, curriculum)
            yield from batches.plan(np.random.default_rng([seed, epoch]), share=share)

    # One endless dataset: an iterator that started over each epoch could not know the epoch's number.
    return {"x": _as_dataset(batches, plans), "steps_per_epoch": len(batches), "shuffle": False}


def evaluation_data(batches):
    """Return a split for `validation_data` or `model.evaluate`: one pass, in a fixed order.

    Args:
        batches: `StoryBatches`.

    Returns:
        A `tf.data.Dataset` on TensorFlow, a `keras.utils.PyDataset` elsewhere.
    """
    if keras.backend.backend() != "tensorflow":
        return EpochSequence(batches)
    dataset = _as_dataset(batches, batches.plan)
    return dataset.apply(_tensorflow().data.experimental.assert_cardinality(len(batches)))


def _as_dataset(batches, plans):
    """Make a `tf.data.Dataset` of the batches that `plans()` yields; all batch dimensions are `None`.

    With unknown dimensions the training step is traced once, whatever the buckets.
    """
    tf = _tensorflow()

    def generate():
        for entry in plans():
            yield batches.batch(*entry)

    example = batches.batch(*batches.plan()[0])
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec([None] * array.ndim, array.dtype), example)
    return tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(tf.data.AUTOTUNE)


def _tensorflow():
    import tensorflow

    return tensorflow
