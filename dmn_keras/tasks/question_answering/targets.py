"""What question answering learns from: answers, supporting facts, and which facts belong to a story."""

import numpy as np

from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target
from dmn_keras.text import END_ID, UNKNOWN_ID

_UNKNOWN = -1.0  # a target that does not count


def answer_target(answer_words: int | None) -> Target:
    """Return the target of the answers, ids `()` or, of several words, `(answer_words + 1,)` with the end word."""

    def value(example):
        # A longer answer, which only a test part can hold, cannot be given and must not pass for its beginning.
        if answer_words is None:
            return UNKNOWN_ID if len(example.answer) > 1 else next(iter(example.answer), 0)
        ids = (*example.answer, END_ID)[: answer_words + 1]
        return (*ids, *[0] * (answer_words + 1 - len(ids)))

    axes = () if answer_words is None else (answer_words + 1,)
    accuracy = AnswerAccuracy(unknown_id=UNKNOWN_ID)
    return Target("answer", FeatureSpec("int32", axes), value, AnswerCrossentropy(), metrics=(accuracy,))


def gate_target(num_passes: int, gate: str, *, order: str, learned_stop: bool, weight: float) -> Target:
    """Return the target of the gates, `(num_passes, facts)`.

    Args:
        num_passes: Passes of the model.
        gate: `"softmax"`, where a pass's targets sum to 1, or `"sigmoid"`, where each is 0 or 1.
        order: `"annotated"` where pass i is to attend to the i-th supporting fact and the last pass to all that remain;
            `"unordered"` where every pass is to attend to all of them.
        learned_stop: Whether the passes end with the supporting facts.
        weight: Weight of the loss.
    """

    def facts_of_pass(i, facts):
        if order == "unordered":
            return facts
        if i >= len(facts):
            # No fact is left: with a learned stop the passes have ended, else the last fact is read again.
            return [] if learned_stop else facts[-1:]
        return facts[i:] if i == num_passes - 1 else facts[i : i + 1]

    def value(example):
        facts = list(example.supporting_facts)
        targets = np.full((num_passes, len(example.story)), 0.0 if facts else _UNKNOWN, "float32")
        for i, target in enumerate(targets if facts else ()):
            chosen = facts_of_pass(i, facts)
            if not chosen:
                target[:] = _UNKNOWN
            else:
                target[chosen] = 1.0 if gate == "sigmoid" else 1.0 / len(chosen)
        return targets

    spec = FeatureSpec("float32", (num_passes, "facts"), _UNKNOWN)
    return Target("gate_logits", spec, value, GateCrossentropy(gate), weight)


def stop_target(num_passes: int, weight: float) -> Target:
    """Return the target of a learned stop, `(num_passes,)`: 1 for the passes after the last supporting fact."""

    def value(example):
        count = len(example.supporting_facts)
        return np.arange(num_passes) >= count if count else np.full(num_passes, _UNKNOWN)

    return Target("stop_logits", FeatureSpec("float32", (num_passes,)), value, GateCrossentropy("sigmoid"), weight)


def retriever_target() -> Target:
    """Return the target of the retriever, `(facts,)`: 1 for the facts that belong to the story itself."""

    def value(example):
        targets = np.zeros(len(example.story), "float32")
        targets[slice(None) if example.story_positions is None else list(example.story_positions)] = 1.0
        return targets

    spec = FeatureSpec("float32", ("facts",))
    return Target("retriever_logits", spec, value, GateCrossentropy("sigmoid"))


def chain_target(num_rounds: int) -> Target:
    """Return the target of a chain retriever, `(num_rounds, facts)`.

    Round i is to find the i-th supporting fact alone, the last round all that remain, and a round behind the last
    supporting fact none. An example that names no supporting facts does not count.
    """

    def value(example):
        facts = example.supporting_facts
        targets = np.full((num_rounds, len(example.story)), 0.0 if facts else _UNKNOWN, "float32")
        for i, fact in enumerate(facts):
            targets[min(i, num_rounds - 1), fact] = 1.0
        return targets

    spec = FeatureSpec("float32", (num_rounds, "facts"))
    return Target("retriever_logits", spec, value, GateCrossentropy("sigmoid"))
