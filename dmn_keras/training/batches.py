"""Encoded examples -> padded batches: few shapes, nothing dropped, the same on every backend."""

import typing

import keras
import numpy as np

from dmn_keras.text import END_ID, pad_ids, pad_sentences


class Bucket(typing.NamedTuple):
    """Examples of like size and the shape that they are padded to.

    Attributes:
        num_facts: Sentences of a story.
        num_words: Words of a sentence, its end included.
        rows: Rows of a batch.
        members: Indexes of the examples, integer array.
        weight: Weight of a row that holds an example.
    """

    num_facts: int
    num_words: int
    rows: int
    members: np.ndarray
    weight: float


class StoryBatches:
    """The batches of one split, padded to a few shapes.

    Stories are put into at most `num_buckets` buckets by their number of sentences and their longest sentence, so that
    little is padded. A bucket's stories are padded to its longest, and its last batch is filled up with empty rows of
    weight 0: every batch of a bucket has one shape, so that a compiled step is compiled once a bucket.

    All real rows of the split have the same weight, `rows / examples`. A loss that is a mean over the rows of a batch
    is then, over the whole split and on any number of devices, the mean over the examples.

    Devices share a batch in equal parts. Where its size does not divide by their number, rows of weight 0 are added, so
    that a batch holds the same examples on any number of devices. With `same_steps` the weights of each bucket make up
    for its added rows: every step of training is then the one that a single device makes. (Where buckets gain unlike
    shares of rows, the mean of the steps' losses counts their examples as unlike by as much.)

    Args:
        encoded: List of `dmn_keras.text.EncodedExample`, at least one.
        batch_size: Rows of a batch; fewer in a bucket that holds fewer stories.
        num_passes: Passes of the model, for the gates' targets.
        answer_words: Longest answer in words, `None` for classification, as in `dmn`.
        fact_level: `"sentence"` or `"word"`, as in `dmn`.
        gate_targets: `None` without gate supervision; `"file"` where pass i is to attend to the i-th supporting fact
            and the last pass to all that remain; `"any"` where every pass is to attend to all of them.
        gate: `"softmax"`, where a pass's targets sum to 1, or `"sigmoid"`, where each is 0 or 1.
        learned_stop: Whether to give targets for `"stop"`: 1 for the passes after the last supporting fact.
        narrowing: Whether to give targets for `"narrowing"`: 1 for the sentences that belong to the story itself.
        num_buckets: Most buckets.
        multiple_of: The rows of a batch are a multiple of this, the number of devices.
        same_steps: Whether the weights make each step, rather than the mean over the split, that of one device.

    Raises:
        ValueError: If there is no example.
    """

    def __init__(
        self,
        encoded,
        *,
        batch_size,
        num_passes,
        answer_words=None,
        fact_level="sentence",
        gate_targets=None,
        gate="softmax",
        learned_stop=False,
        narrowing=False,
        num_buckets=4,
        multiple_of=1,
        same_steps=False,
    ):
        if not encoded:
            raise ValueError("encoded must hold at least one example. Received none.")
        self.encoded, self.num_passes, self.answer_words = encoded, num_passes, answer_words
        self.fact_level, self.gate_targets, self.gate = fact_level, gate_targets, gate
        self.learned_stop, self.narrowing = learned_stop, narrowing
        self.question_words = max(len(e.question) for e in encoded)
        self.story_words = np.array([sum(map(len, e.story)) for e in encoded])
        groups = _groups(encoded, num_buckets)
        self._sizes = [min(batch_size, len(members)) for _, members in groups]
        rows = [-(-size // multiple_of) * multiple_of for size in self._sizes]
        counts = [-(-len(members) // size) for (_, members), size in zip(groups, self._sizes, strict=True)]
        weights = np.divide(rows, self._sizes) if same_steps else np.ones(len(rows))
        weights = weights * np.dot(counts, self._sizes if same_steps else rows) / len(encoded)
        self.buckets = [
            Bucket(*sides, of_batch, members, float(weight))
            for (sides, members), of_batch, weight in zip(groups, rows, weights, strict=True)
        ]
        self._num_batches = sum(counts)

    def __len__(self):
        """Return the number of batches of an epoch."""
        return self._num_batches

    def plan(self, rng=None, *, share=1.0):
        """Choose the batches of one epoch.

        Args:
            rng: `np.random.Generator` that shuffles the stories of each bucket and the batches; `None` keeps the
                examples' order in each bucket, shortest bucket first.
            share: Share of the examples to take, those with the fewest words in their stories, and all that have no
                more than the longest of these. Their batches are drawn anew until there are as many as without it, so
                that an epoch has the same number of steps and the shapes stay the same; the last drawing is cut off.

        Returns:
            List of `Bucket`, each with the members of one batch, for `batch`. Every example that is taken stands in
            one, without `share` in exactly one.
        """
        buckets = list(zip(self.buckets, self._sizes, strict=True))
        if share >= 1:
            return self._once_each(rng, buckets)
        most_words = np.quantile(self.story_words, share, method="inverted_cdf")
        short = [bucket.members[self.story_words[bucket.members] <= most_words] for bucket in self.buckets]
        buckets = [(bucket._replace(members=m), n) for (bucket, n), m in zip(buckets, short, strict=True) if len(m)]
        plan = []
        while len(plan) < len(self):
            plan += self._once_each(rng, buckets)
        return plan[: len(self)]

    def _once_each(self, rng, buckets):
        plan = []
        for bucket, size in buckets:
            members = bucket.members if rng is None else rng.permutation(bucket.members)
            plan += [bucket._replace(members=members[i : i + size]) for i in range(0, len(members), size)]
        if rng is not None:
            rng.shuffle(plan)
        return plan

    def batch(self, num_facts, num_words, rows, members, weight=1.0):
        """Pad the examples of one entry of a plan.

        Args:
            num_facts: Sentences to pad to.
            num_words: Words to pad each of them to.
            rows: Rows of the batch.
            members: Indexes of the examples, at most `rows`.
            weight: Weight of their rows.

        Returns:
            Inputs, targets and weights, three dicts for `model.fit`. Rows beyond the members are zeros, with weight 0.
        """
        examples = [self.encoded[i] for i in members]
        empty = [()] * (rows - len(examples))
        story = pad_sentences([e.story for e in examples] + empty, num_facts, num_words)
        question = pad_ids([e.question for e in examples] + empty, self.question_words)
        inputs = {"story": story if self.fact_level == "sentence" else story[:, 0], "question": question}
        answer = self._answers(examples, empty)
        if self.answer_words is not None:
            inputs["answer"] = answer
        targets = {"answer": answer}
        if self.gate_targets is not None:
            targets["gates"] = self._gate_targets(examples, rows, num_facts)
        if self.learned_stop:
            targets["stop"] = self._stop_targets(examples, rows)
        if self.narrowing:
            targets["narrowing"] = self._narrowing_targets(examples, rows, num_facts)
        weights = np.zeros(rows, dtype="float32")
        weights[: len(examples)] = weight
        return inputs, targets, dict.fromkeys(targets, weights)

    def _answers(self, examples, empty):
        if self.answer_words is None:
            return pad_ids([e.answer[:1] for e in examples] + empty, 1)[:, 0]
        # A longer answer, which only a test split can hold, cannot be said and must not pass for its beginning.
        said = [(*e.answer, END_ID)[: self.answer_words + 1] for e in examples]
        return pad_ids(said + empty, self.answer_words + 1)

    def _gate_targets(self, examples, rows, num_facts):
        targets = np.full((rows, self.num_passes, num_facts), -1.0, dtype="float32")
        for passes, example in zip(targets, examples, strict=False):
            facts = list(example.supporting_facts)
            if not facts:
                continue
            passes[:] = 0.0
            for i, target in enumerate(passes):
                chosen = facts if self.gate_targets == "any" else self._facts_of_pass(i, facts)
                if not chosen:
                    target[:] = -1.0
                else:
                    target[chosen] = 1.0 if self.gate == "sigmoid" else 1.0 / len(chosen)
        return targets

    def _facts_of_pass(self, i, facts):
        """Return the facts that pass `i` is to attend to, in the order of reasoning."""
        if i >= len(facts):
            # No fact is left: with a learned stop the passes have ended, else the last fact is read again.
            return [] if self.learned_stop else facts[-1:]
        return facts[i:] if i == self.num_passes - 1 else facts[i : i + 1]

    def _stop_targets(self, examples, rows):
        targets = np.full((rows, self.num_passes), -1.0, dtype="float32")
        for target, example in zip(targets, examples, strict=False):
            if example.supporting_facts and self.gate_targets is not None:
                target[:] = np.arange(self.num_passes) >= len(example.supporting_facts)
        return targets

    def _narrowing_targets(self, examples, rows, num_facts):
        targets = np.zeros((rows, num_facts), dtype="float32")
        for target, example in zip(targets, examples, strict=False):
            own = range(len(example.story)) if example.own_facts is None else example.own_facts
            target[list(own)] = 1.0
        return targets


# A further shape has to save this share of the places: it costs a compilation, and fuller batches train as well.
_WORTHWHILE = 0.03


def _groups(encoded, num_buckets):
    """Return the stories of each bucket and the sides they are padded to, smallest stories first."""
    sizes = np.array([(len(e.story), max(map(len, e.story), default=0)) for e in encoded]).clip(1)
    groups = [(sizes[members].max(axis=0).tolist(), members) for members in split_by_size(sizes, num_buckets)]
    return sorted(groups, key=lambda group: group[0])


def split_by_size(sizes, num_groups):
    """Put rectangles into groups so that few places are padded when each is padded to its group's largest sides.

    Greedy: the cut that saves most, of one group by one side, comes next, until `num_groups` are made or the best cut
    saves less than a few percent.

    Args:
        sizes: Integer array `(rectangles, 2)`, the sides, each at least 1.
        num_groups: Most groups.

    Returns:
        List of ascending index arrays, each rectangle in one of them.
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
    """Return the places of rectangles that are padded to their largest sides."""
    return int(sizes.max(axis=0).prod()) * len(sizes)


def _best_cut(sizes):
    """Return the places that the best cut in two saves, and a mask of the smaller part."""
    best = 0, np.zeros(len(sizes), dtype=bool)
    counts = np.arange(1, len(sizes))
    for side in (0, 1):
        order = np.lexsort((sizes[:, 1 - side], sizes[:, side]))
        ordered = sizes[order]
        low = np.maximum.accumulate(ordered)[:-1].prod(axis=1) * counts
        high = np.maximum.accumulate(ordered[::-1])[::-1][1:].prod(axis=1) * counts[::-1]
        saved = _padded(sizes) - (low + high)
        if saved.size and saved.max() > best[0]:
            small = np.zeros(len(sizes), dtype=bool)
            small[order[: saved.argmax() + 1]] = True
            best = int(saved.max()), small
    return best


def share_of_epoch(epoch, curriculum):
    """Return the share of the stories, shortest first, that an epoch takes its batches from.

    Args:
        epoch: Number of the epoch, from 0.
        curriculum: Number of first epochs that do not take all, as in `Config`.

    Returns:
        A number above 0, at most 1.
    """
    return min((epoch + 1) / (curriculum + 1), 1.0)


class EpochSequence(keras.utils.PyDataset):
    """`StoryBatches` for `model.fit`, in an order that is a function of seed and epoch alone.

    A run that resumes at an epoch therefore sees the batches it would have seen.

    Where several workers train together, each makes the same plan and gives its own rows of every batch: the first
    worker the first ones, and so on.

    Args:
        batches: `StoryBatches`.
        seed: Integer that shuffles each epoch anew; `None` keeps the order of the examples.
        epoch: Function without arguments that returns the number of the epoch, from 0, when it begins; `None` for the
            first.
        curriculum: Number of first epochs that grow from the shortest stories to all.
        part: Number of this worker, from 0.
        parts: Number of workers; each batch's rows are a multiple of it.
        plan: The batches themselves, as `StoryBatches.plan` lists them, the same every epoch; `None` for all.
    """

    def __init__(self, batches, *, seed=None, epoch=None, curriculum=0, part=0, parts=1, plan=None):
        super().__init__(workers=1)
        self.batches, self.plan = batches, plan
        self.seed, self.epoch, self.curriculum = seed, epoch, curriculum
        self.part, self.parts = part, parts
        self._plan = self._draw()

    def _draw(self):
        if self.plan is not None:
            return self.plan
        epoch = 0 if self.epoch is None else self.epoch()
        rng = None if self.seed is None else np.random.default_rng([self.seed, epoch])
        return self.batches.plan(rng, share=share_of_epoch(epoch, self.curriculum))

    def __len__(self):
        """Return the number of batches of an epoch."""
        return len(self._plan)

    def __getitem__(self, index):
        """Return the batch `index` of the current epoch."""
        planned = self._plan[index]
        rows = planned.rows // self.parts
        own = planned.members[self.part * rows : (self.part + 1) * rows]
        return self.batches.batch(*planned._replace(rows=rows, members=own))

    def on_epoch_begin(self):
        """Draw the order of the epoch that begins."""
        self._plan = self._draw()
