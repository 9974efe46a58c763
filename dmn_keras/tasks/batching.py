"""Encoded examples -> padded batches: few shapes, nothing dropped, the same on every backend."""

import dataclasses
import functools
import math
import typing
from collections.abc import Callable, Collection, Mapping, Sequence

import keras
import numpy as np

from dmn_keras.tasks.feature_spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of some examples, not yet padded.

    Attributes:
        inputs: Dict of name to a list with one value for each example.
        targets: The same of the targets, empty where there are none.
        specs: `FeatureSpec` of each input and target.
        weights: Weight of each example in the loss, `None` for 1.
        draw: Function of a generator to the indexes of the examples that an epoch of training takes, about as many
            each time; `None` for all.
    """

    inputs: Mapping[str, Sequence]
    targets: Mapping[str, Sequence]
    specs: Mapping[str, FeatureSpec]
    weights: Sequence[float] | None = None
    draw: Callable[[np.random.Generator], np.ndarray] | None = None

    def __len__(self):
        return len(next(iter(self.inputs.values())))

    def largest_sizes(self, besides: Collection[str] = ()) -> dict[str, int]:
        """Return the largest size of each named axis, at least 1, besides those of some names."""
        largest: dict[str, int] = {}
        for name, values in {**self.inputs, **self.targets}.items():
            for axis, sizes in self.specs[name].sizes(values).items():
                if axis not in besides:
                    largest[axis] = max(largest.get(axis, 1), int(sizes.max()))
        return largest


class Batch(typing.NamedTuple):
    """One batch of a plan.

    Attributes:
        bucket: Number of its bucket.
        members: Indexes of the examples, integer array.
        rows: Rows of the batch; those after the members are padding, of weight 0.
    """

    bucket: int
    members: np.ndarray
    rows: int


@dataclasses.dataclass(frozen=True)
class _Bucket:
    """Examples of like size, padded to one shape."""

    sizes: Mapping[str, int]
    members: np.ndarray
    batch_size: int
    rows: int
    weight: float


class Batches:
    """The batches of one split.

    Examples are put into at most `num_buckets` buckets by the sizes of their largest input, so that little is padded. A
    bucket is padded once, and a batch is a selection of its rows. The last batch of a bucket is padded with rows of
    weight 0: every batch of a bucket has one shape, so that a compiled step is compiled once a bucket.

    All real rows of the split have the same weight, `rows / examples`, times that of the example. A loss that is a mean
    over the rows of a batch is then, over the whole split and on any number of devices, the mean over the examples.

    Devices share a batch in equal parts. Where its size does not divide by their number, rows of weight 0 are added, so
    that a batch holds the same examples on any number of devices. With `same_steps` the weights of each bucket make up
    for its added rows: every step of training is then the one that a single device makes. (Where buckets gain unlike
    fractions of rows, the mean of the steps' losses counts their examples as unlike by as much.)

    Args:
        features: The `Features`, of at least one example.
        batch_size: Examples of a batch; fewer in a bucket that holds fewer.
        num_buckets: Most buckets.
        multiple_of: The rows of a batch are a multiple of this, the number of devices.
        same_steps: Whether the weights make each step, rather than the mean over the split, that of one device.
        ladder: Whether sizes and rows are rounded up to a few, so that other examples cause few more shapes. The last
            axis of the largest input and those of smaller ones are then of one size: a question is padded to as many
            words as the facts of its story.
        like: Batches of other examples, whose shapes are used again where the examples fit into them; for those that do
            not, sizes and rows are rounded as with `ladder`. Examples drawn anew each epoch then cause few shapes.

    Raises:
        ValueError: If there is no example.
    """

    def __init__(
        self,
        features: Features,
        *,
        batch_size: int,
        num_buckets: int = 4,
        multiple_of: int = 1,
        same_steps: bool = False,
        ladder: bool = False,
        like: "Batches | None" = None,
    ):
        if not len(features):
            raise ValueError("features must hold at least one example. Received none.")
        self.features = features
        largest = max(features.inputs, key=lambda name: len(features.specs[name].named_axes))
        sides = features.specs[largest].sizes(features.inputs[largest])
        self.lengths = np.array([_count(value, len(sides)) for value in features.inputs[largest]])
        shared = features.largest_sizes(besides=sides)  # of the axes that all buckets share
        # At least 1: a layer may not like an empty axis.
        sizes = np.stack([*sides.values()] or [np.ones(len(features), "int64")], axis=1).clip(1)
        named = {axis for name in features.inputs for axis in features.specs[name].named_axes}
        alike = named.difference([*sides][:-1])  # the last axis of the largest input, and those of smaller ones
        self.buckets, others, smallest = [], np.arange(len(features)), 8
        if like is not None:
            self.buckets, others = _fit(sizes, [*sides], like.buckets, shared)
            ladder, smallest = True, 4
        for group in split_by_size(sizes[others], num_buckets) if len(others) else ():
            members = others[group]
            side = dict(zip(sides, sizes[members].max(axis=0).tolist(), strict=False))
            of_bucket = {**shared, **side}
            if ladder:
                of_bucket = {axis: rung(size, smallest) for axis, size in of_bucket.items()}
                of_bucket |= dict.fromkeys(alike, max((of_bucket[axis] for axis in alike), default=1))
            size = min(batch_size, len(members))
            rows = -(-(min(rung(size, 1), batch_size) if ladder else size) // multiple_of) * multiple_of
            self.buckets.append(_Bucket(of_bucket, members, size, rows, rows / size if same_steps else 1.0))
        self.buckets.sort(key=lambda bucket: tuple(bucket.sizes.values())[::-1])
        counts = [-(-len(bucket.members) // bucket.batch_size) for bucket in self.buckets]
        self._num_batches = sum(counts)
        if features.draw is not None:
            drawn = len(features.draw(np.random.default_rng(0)))
            self._num_batches = max(round(self._num_batches * drawn / len(features)), 1)
        placed = [bucket.batch_size if same_steps else bucket.rows for bucket in self.buckets]
        self._weight = np.dot(counts, placed) / len(features)
        self._row = np.empty(len(features), "int64")
        for bucket in self.buckets:
            self._row[bucket.members] = np.arange(len(bucket.members))
        self._arrays = functools.cache(self._pad)

    def __len__(self):
        """Return the number of batches of an epoch of training."""
        return self._num_batches

    def plan(self, rng: np.random.Generator | None = None, *, fraction: float = 1.0) -> list[Batch]:
        """Choose the batches of one epoch.

        Args:
            rng: Shuffles the examples of each bucket and the batches; `None` keeps the examples' order in each bucket,
                smallest bucket first.
            fraction: Fraction of the examples to take, the shortest, and all that are no longer than the longest of
                these. Their batches are drawn anew until there are as many as without it, so that an epoch has the same
                number of steps and the shapes stay the same; the last drawing is cut off.

        With `rng` and the features' `draw` these are batches of the examples that it gives, as many as `len` says: the
        last drawing is cut off likewise.

        Raises:
            ValueError: If `draw` gives no example.

        Returns:
            The batches; every example that is taken stands in one, without `fraction` and `draw` in exactly one.
        """
        draw = self.features.draw
        if fraction >= 1 and (rng is None or draw is None):
            return self._draw(rng, [bucket.members for bucket in self.buckets])
        longest = np.quantile(self.lengths, min(fraction, 1), method="inverted_cdf")
        plan = []
        while len(plan) < len(self):
            taken = self.lengths <= longest
            if rng is not None and draw is not None:
                drawn = np.zeros(len(taken), bool)
                drawn[draw(rng)] = True
                if not drawn.any():
                    raise ValueError(
                        f"an epoch draws none of the {len(drawn)} training examples. Of phrases alone (is_phrase) it "
                        "draws phrase_fraction: raise it, or give whole texts too."
                    )
                taken &= drawn
            plan += self._draw(rng, [bucket.members[taken[bucket.members]] for bucket in self.buckets])
        return plan[: len(self)]

    def _draw(self, rng, members):
        plan = []
        for number, (bucket, chosen) in enumerate(zip(self.buckets, members, strict=True)):
            chosen = chosen if rng is None else rng.permutation(chosen)
            starts = range(0, len(chosen), bucket.batch_size)
            plan += [Batch(number, chosen[i : i + bucket.batch_size], bucket.rows) for i in starts]
        if rng is not None:
            rng.shuffle(plan)
        return plan

    def batch(self, planned: Batch) -> tuple[dict, dict, dict]:
        """Return the arrays of a batch.

        Returns:
            Three dicts of name to array, whose first axis has `planned.rows` rows: inputs, targets, and of each target
            the weights of the rows, float32.
        """
        bucket = self.buckets[planned.bucket]
        padding = len(bucket.members)  # the row behind the last
        rows = np.full(planned.rows, padding)
        rows[: len(planned.members)] = self._row[planned.members]
        arrays = {name: values[index[rows]] for name, (values, index) in self._arrays(planned.bucket).items()}
        weights = np.zeros(planned.rows, "float32")
        own = self.features.weights
        weights[: len(planned.members)] = self._weight * bucket.weight
        if own is not None:
            weights[: len(planned.members)] *= np.asarray(own, "float32")[planned.members]
        inputs = {name: arrays[name] for name in self.features.inputs}
        targets = {name: arrays[name] for name in self.features.targets}
        return inputs, targets, dict.fromkeys(targets, weights)

    def _pad(self, number):
        """Return of each feature of a bucket the array of its distinct values, and where in it those of each row are.

        Examples may share an object, such as an image with many questions. The last row is padding.
        """
        bucket, arrays = self.buckets[number], {}
        for name, values in {**self.features.inputs, **self.features.targets}.items():
            spec = self.features.specs[name]
            of_rows = [values[i] for i in bucket.members]
            distinct = {id(value): value for value in of_rows}
            places = {key: place for place, key in enumerate(distinct)}
            padded = spec.pad([*distinct.values()], bucket.sizes)
            padded = np.concatenate([padded, np.full((1, *padded.shape[1:]), spec.padding, padded.dtype)])
            arrays[name] = padded, np.array([*(places[id(value)] for value in of_rows), len(places)])
        return arrays


def _fit(sizes, axes, buckets, shared):
    """Put examples into the first of some buckets that holds them.

    Args:
        sizes: Integer array `(examples, axes)`.
        axes: Names of these axes.
        buckets: Buckets of other examples, smallest first.
        shared: Sizes of the axes that all buckets share.

    Returns:
        The buckets with their new members, some empty, and the examples that fit into none, an index array.
    """
    filled, others = [], np.arange(len(sizes))
    for bucket in buckets:
        limits = [bucket.sizes.get(axis, 1) for axis in axes]
        fits = (sizes[others] <= limits).all(axis=1) if axes else np.ones(len(others), bool)
        fits &= all(size <= bucket.sizes[axis] for axis, size in shared.items())
        filled.append(dataclasses.replace(bucket, members=others[fits]))
        others = others[~fits]
    return filled, others


def rung(size: int, smallest: int = 8) -> int:
    """Return the step of the ladder that a size is padded to: `smallest` times a power of 2, at least the size."""
    return smallest << max(0, math.ceil(size / smallest) - 1).bit_length()


def _count(value, depth):
    """Return how many numbers nested sequences hold."""
    return len(value) if depth <= 1 else sum(_count(part, depth - 1) for part in value)


# A further shape has to save this fraction of the places: it costs a compilation, and fuller batches train as well.
_WORTHWHILE = 0.03


def split_by_size(sizes: np.ndarray, num_groups: int) -> list[np.ndarray]:
    """Put boxes into groups so that few places are padded when each is padded to its group's largest sides.

    Greedy: the cut that saves most, of one group by one side, comes next, until `num_groups` are made or the best cut
    saves less than a few percent.

    Args:
        sizes: Integer array `(boxes, sides)`, each at least 1.
        num_groups: Most groups.

    Returns:
        List of ascending index arrays, each box in one of them.
    """
    groups = [(np.arange(len(sizes)), _best_cut(sizes))]
    while len(groups) < num_groups:
        chosen = max(range(len(groups)), key=lambda i: groups[i][1][0])
        members, (saved, small) = groups[chosen]
        if saved < _WORTHWHILE * sum(_padded(sizes[group]) for group, _ in groups):
            break
        parts = members[small], members[~small]
        groups[chosen : chosen + 1] = [(part, _best_cut(sizes[part])) for part in parts]
    return [members for members, _ in groups]


def _padded(sizes):
    """Return the places of boxes that are padded to their largest sides."""
    return int(sizes.max(axis=0).prod()) * len(sizes)


def _best_cut(sizes):
    """Return the places that the best cut in two saves, and a mask of the smaller part."""
    best = 0, np.zeros(len(sizes), dtype=bool)
    counts = np.arange(1, len(sizes))
    for side in range(sizes.shape[1]):
        order = np.lexsort((*np.delete(sizes, side, axis=1).T, sizes[:, side]))
        ordered = sizes[order]
        low = np.maximum.accumulate(ordered)[:-1].prod(axis=1) * counts
        high = np.maximum.accumulate(ordered[::-1])[::-1][1:].prod(axis=1) * counts[::-1]
        saved = _padded(sizes) - (low + high)
        if saved.size and saved.max() > best[0]:
            small = np.zeros(len(sizes), dtype=bool)
            small[order[: saved.argmax() + 1]] = True
            best = int(saved.max()), small
    return best


class EpochSequence(keras.utils.PyDataset):
    """`Batches` for `model.fit`, in an order, and augmented, as a function of seed and epoch alone.

    A run that resumes at an epoch therefore sees the batches it would have seen.

    Where several workers train together, each makes the same plan and gives its own rows of every batch: the first
    worker the first ones, and so on.

    Args:
        batches: `Batches`.
        seed: Integer that shuffles each epoch anew; `None` keeps the order of the examples.
        epoch: Function that returns the number of the epoch, from 0, when it begins; `None` for the first.
        curriculum: Number of first epochs that grow from the shortest examples to all.
        part: Number of this worker, from 0.
        parts: Number of workers; each batch's rows are a multiple of it.
        plan: The batches themselves, as `Batches.plan` lists them, the same every epoch; `None` for all.
        redraw: Function of the number of an epoch that returns the `Batches` of examples that are drawn anew for it;
            `None` for the same examples every epoch. Each epoch has as many batches as `batches`: of more the last are
            left out, of fewer some come again.
        augment: Function `(inputs, targets, rng)` of the arrays of a batch and a `numpy.random.Generator` that returns
            other inputs and targets of the same shapes; `None` leaves batches as they are.
    """

    def __init__(
        self,
        batches: Batches,
        *,
        seed: int | None = None,
        epoch: Callable[[], int] | None = None,
        curriculum: int = 0,
        part: int = 0,
        parts: int = 1,
        plan: Sequence[Batch] | None = None,
        redraw: Callable[[int], Batches] | None = None,
        augment: Callable[[dict, dict, np.random.Generator], tuple[dict, dict]] | None = None,
    ):
        super().__init__(workers=1)
        self.batches, self.plan, self.redraw, self.augment = batches, plan, redraw, augment
        self._drawn_epoch: int | None = None
        self.seed, self.epoch, self.curriculum = seed, epoch, curriculum
        self.part, self.parts = part, parts
        self._steps = len(batches)
        self._plan = self.draw()

    def draw(self) -> Sequence[Batch]:
        """Return the batches of the epoch that begins."""
        self._epoch = epoch = 0 if self.epoch is None else self.epoch()
        if self.plan is not None:
            return self.plan
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch])
        fraction = min((epoch + 1) / (self.curriculum + 1), 1.0)
        if self.redraw is None:
            return self.batches.plan(rng, fraction=fraction)
        if self._drawn_epoch not in (None, epoch):
            self.batches = self.redraw(epoch)
        self._drawn_epoch = epoch
        plan = self.batches.plan(rng, fraction=fraction)
        while len(plan) < self._steps:
            plan += self.batches.plan(rng, fraction=fraction)
        return plan[: self._steps]

    def __len__(self):
        """Return the number of batches of an epoch."""
        return len(self._plan)

    def __getitem__(self, index):
        """Return the batch `index` of the current epoch."""
        planned = self._plan[index]
        rows = planned.rows // self.parts
        own = slice(self.part * rows, (self.part + 1) * rows)
        arrays = self._augmented(index, planned)
        return tuple({name: array[own] for name, array in of_kind.items()} for of_kind in arrays)

    def _augmented(self, index, planned):
        """Return the arrays of batch `index` of the current epoch."""
        inputs, targets, weights = self.batches.batch(planned)
        if self.augment is not None:
            inputs, targets = self.augment(inputs, targets, np.random.default_rng([self.seed or 0, self._epoch, index]))
        return inputs, targets, weights

    def on_epoch_begin(self):
        """Draw the order of the epoch that begins."""
        self._plan = self.draw()

    def for_fit(self):
        """Return what `model.fit` and `model.evaluate` read: a `tf.data.Dataset` on TensorFlow, itself elsewhere.

        The padded dimensions of the dataset are unknown, so that the training step is traced once, whatever the shapes.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        def generate():
            for index, planned in enumerate(self.draw()):
                yield self._augmented(index, planned)

        inputs, targets, weights = self[0]
        specs = self.batches.features.specs

        def signature_of(arrays):
            return {n: tf.TensorSpec([None, *specs[n].shape({})], array.dtype) for n, array in arrays.items()}

        of_weights = {name: tf.TensorSpec([None], array.dtype) for name, array in weights.items()}
        signature = signature_of(inputs), signature_of(targets), of_weights
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature).prefetch(tf.data.AUTOTUNE)
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
