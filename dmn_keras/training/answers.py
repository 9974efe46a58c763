"""A trained model, encoded questions -> answers, with their probability and the gates of each pass."""

import dataclasses
import threading
import weakref

import numpy as np

from dmn_keras.models import answering_model
from dmn_keras.text import UNKNOWN_ID, UNSAID_IDS
from dmn_keras.training.batches import StoryBatches


@dataclasses.dataclass(frozen=True)
class RawAnswer:
    """One answer, in ids.

    Attributes:
        ids: Ids of the answer's words; of several words, up to and with the end word. Never the unknown word.
        probability: Probability the model gives to the whole answer.
        gates: float32 `(passes, facts)`, over the real facts alone; without the passes that a learned stop left out.
        others: The next likeliest answers that the search kept, pairs of ids and probability; none of width 1.
    """

    ids: tuple[int, ...]
    probability: float
    gates: np.ndarray
    others: tuple[tuple[tuple[int, ...], float], ...] = ()


def answer_questions(model, recipe, encoded, *, batch_size=100, beam_width=1):
    """Answer questions.

    The answers depend neither on the batch size nor on the other questions.

    Args:
        model: The model of `recipe`.
        recipe: The `Recipe`.
        encoded: List of `dmn_keras.text.EncodedExample`, at least one; answers and supporting facts are not looked at.
        batch_size: Questions answered at a time.
        beam_width: Width of the search for answers of several words, 1 for greedy.

    Returns:
        List of `RawAnswer`, in the order of `encoded`.
    """
    batches = StoryBatches(
        encoded,
        batch_size=batch_size,
        num_passes=recipe.config.num_passes,
        answer_words=recipe.answer_words,
        fact_level=recipe.config.fact_level,
    )
    plan = batches.plan()
    if len(encoded) == 1:
        [entry] = plan
        plan = [entry._replace(num_facts=_padded(entry.num_facts), num_words=_padded(entry.num_words))]
        batches.question_words = _padded(batches.question_words)
    answerer = _answerer(model, beam_width)
    answers = [None] * len(encoded)
    for batch in plan:
        inputs, _, _ = batches.batch(*batch)
        outputs = answerer({name: inputs[name] for name in ("story", "question")})
        for row, member in enumerate(batch.members):
            story = encoded[member].story
            num_facts = len(story[0]) if recipe.config.fact_level == "word" else len(story)
            answers[member] = _raw_answer(outputs, row, num_facts, recipe.config.gate)
    return answers


def is_right(answer, example, vocabulary):
    """Return whether a `RawAnswer` says all words of an `Example`'s answer, in their order.

    An answer that holds a word outside the `Vocabulary` cannot be said.
    """
    expected = vocabulary.encode(example.answer_text)
    return UNKNOWN_ID not in expected and vocabulary.answer_ids(answer.ids) == expected


def _padded(size):
    """Return the size that a question asked alone is padded to: JAX compiles each shape anew."""
    return max(8, 1 << (size - 1).bit_length())


class _Answerer:
    """An answering model that one thread traces, once for each shape, while other threads wait."""

    def __init__(self, model):
        self._model = model
        self._lock = threading.Lock()
        self._traced = set()

    def __call__(self, inputs):
        shapes = tuple(array.shape for array in inputs.values())
        if shapes in self._traced:
            return self._model.predict_on_batch(inputs)
        with self._lock:
            outputs = self._model.predict_on_batch(inputs)
            self._traced.add(shapes)
        return outputs


_ANSWERERS = weakref.WeakKeyDictionary()
_ANSWERERS_LOCK = threading.Lock()


def _answerer(model, beam_width):
    """Return the `_Answerer` of a model, the same one call after call as long as the model lives."""
    with _ANSWERERS_LOCK:
        answerers = _ANSWERERS.setdefault(model, {})
        if beam_width not in answerers:
            answerers[beam_width] = _Answerer(answering_model(model, beam_width=beam_width, unsaid=UNSAID_IDS))
        return answerers[beam_width]


def _raw_answer(outputs, row, num_facts, gate):
    gates = outputs["gates"][row, :, :num_facts]
    if "stop" in outputs:
        # As the episodic memory chooses: sigmoid gates do not compete, so the stop must also be likely in itself.
        stopped = outputs["stop"][row] > gates.max(axis=1, initial=0.5 if gate == "sigmoid" else 0.0)
        gates = gates[: int(np.argmax(stopped)) + 1] if stopped.any() else gates
    kept = zip(outputs["top_words"][row].tolist(), np.exp(outputs["top_log_probabilities"][row]).tolist(), strict=True)
    return RawAnswer(
        ids=tuple(int(i) for i in outputs["words"][row]),
        probability=float(np.exp(outputs["log_probability"][row])),
        gates=gates,
        others=tuple((tuple(ids), probability) for ids, probability in kept)[1:],
    )
