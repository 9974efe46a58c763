"""Every public layer with inputs for it, so that one set of generic tests covers them all."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from dmn_keras import layers
from tests.layers.helpers import numpy

B, F, W, D, U, V, Q = 3, 5, 4, 3, 4, 6, 3
"""Stories, facts, words of a sentence, entries of a word vector, units, words of the vocabulary and of a question."""


def random(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype("float32")


def fact_mask():
    """Real facts first, 3, 5 and 1 of them."""
    return np.arange(F)[None] < np.array([3, 5, 1])[:, None]


def word_mask():
    """Real words anywhere: padding between words, between sentences, and at the end."""
    mask = np.random.default_rng(1).random((B, F, W)) < 0.6
    mask[1, 2] = False
    mask[2, 4] = False
    return mask


def word_ids():
    """Ids of story and question out of few words, some of them padding."""
    rng = np.random.default_rng(3)
    return {"story": rng.integers(0, 6, (B, F, W), "int32"), "question": rng.integers(0, 6, (B, Q), "int32")}


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer and what its generic tests need.

    Attributes:
        layer: The class.
        arguments: Arguments of the constructor for the tests.
        inputs: Arrays of the call, by argument.
        masks: Boolean masks of the call, by argument.
        padded: Which inputs have values under which mask: input -> mask.
        others: Another value of each argument of the constructor, in order; it must change weights or results.
        resized: The inputs that another value of an argument needs, by argument.
        observe: Takes the layer and its case, returns arrays.
        wrap: Takes the layer, returns the one that is called: for a cell, the `MemoryRNN` that runs it.
    """

    layer: type
    arguments: dict
    inputs: dict
    others: dict
    masks: dict = dataclasses.field(default_factory=dict)
    padded: dict = dataclasses.field(default_factory=dict)
    resized: dict = dataclasses.field(default_factory=dict)
    observe: Callable = lambda layer, case: []
    wrap: Callable = lambda layer: layer

    def make(self, **changes):
        return self.wrap(self.layer(**{**self.arguments, **changes}))

    def call(self, layer, rows=slice(None), inputs=None, masks=None, **options):
        """Call the layer on some rows of the batch."""
        tensors = {name: ops.convert_to_tensor(x[rows]) for name, x in (inputs or self.inputs).items()}
        tensors |= {name: ops.convert_to_tensor(x[rows]) for name, x in (masks or self.masks).items()}
        return layer(**tensors, **options)

    def everything(self, layer):
        """All that the layer's arguments can change: outputs, penalties, and what `observe` adds."""
        outputs = keras.tree.flatten(numpy(self.call(layer)))
        penalty = numpy(ops.convert_to_tensor(sum(layer.losses, 0.0)))
        return [*outputs, penalty, *self.observe(layer, self)]


def _generated(layer, case):
    inputs = [ops.convert_to_tensor(case.inputs[name]) for name in ("memory", "question")]
    return list(numpy(layer.generate(*inputs, beam_width=3)).values())


def _forced(layer, case):
    return [numpy(case.call(layer, training=True))]


def _in_training(layer, case):
    keras.utils.set_random_seed(0)
    return [numpy(case.call(case.make(**layer.get_config()), training=True))]


def cell_inputs(units):
    fact_and_gate = np.concatenate([random(B, D), np.full((B, 1), 0.3, "float32")], axis=1)
    return {"inputs": fact_and_gate, "states": random(B, units)}


def update_inputs(units):
    vectors = {"memory": units, "episode": U, "question": U}
    return {name: random(B, size, seed=k) for k, (name, size) in enumerate(vectors.items())}


def passes_inputs(units):
    return {"facts": random(B, F, units), "question": random(B, units, seed=1)}


def shared_passes_inputs(units):
    return {"facts": random(B, F, units), "questions": random(B, Q, units, seed=1)}


OTHER_PASSES = {
    "num_passes": 3,
    "gate": "softmax",
    "gate_features": layers.DMN_PLUS_FEATURES,
    "gate_units": U + 2,
    "episode": "attention_gru",
    "memory_update": "relu",
    "tie_weights": False,
    "learned_stop": True,
    "num_heads": 2,
    "layer_norm": True,
    "top_facts": 1,
}
"""Other values of the arguments of `EpisodicMemory`, but for its units."""


def memory_rnn(cell, **options):
    """Run a cell over sequences, in its own precision."""
    return layers.MemoryRNN(cell, return_sequences=True, dtype=cell.dtype_policy, name="rnn", **options)


def _first_states(rnn, case):
    """The states before the first step of a cell whose weights are as they are initialized."""
    cell = type(rnn.cell).from_config(rnn.cell.get_config())
    cell.build((None, D))
    return numpy(cell.get_initial_state(B))


def cell_case(cell, arguments, others, **options):
    """The case of a cell in `MemoryRNN`."""
    return Case(
        cell,
        {"units": U, **arguments, "name": "cell"},
        {"sequences": random(B, F, D)},
        masks={"mask": fact_mask()},
        padded={"sequences": "mask"},
        others={"units": U + 1, **others},
        wrap=memory_rnn,
        **options,
    )


def _action_case(cell, memories):
    """The case of a cell that acts on memories, whose number is the argument `memories`."""
    return cell_case(
        cell,
        {memories: 2, "depth": F, "recurrent": True},
        others={
            memories: 3,
            "depth": F + 1,
            "cell_size": 2,
            "top_k": 1,
            "no_op": True,
            "recurrent": False,
            "rounding": True,
            "activation": "tanh",
            "value_activation": "tanh",
            "empty_value": 0.5,
        },
        observe=_first_states,
    )


CASES = {
    case.layer.__name__: case
    for case in [
        Case(
            layers.FactEncoder,
            {"units": U},
            {"words": random(B, F, W, D)},
            masks={"mask": word_mask()},
            padded={"words": "mask"},
            others={"units": U + 1, "scope": "sentence"},
        ),
        Case(
            layers.PositionEncoding,
            {},
            {"words": random(B, F, W, D)},
            masks={"mask": word_mask()},
            padded={"words": "mask"},
            others={},
        ),
        Case(
            layers.InputFusion,
            {"units": U},
            {"facts": random(B, F, D)},
            masks={"mask": fact_mask()},
            padded={"facts": "mask"},
            others={"units": U + 1},
        ),
        Case(
            layers.LastState,
            {},
            {"states": random(B, W, U)},
            masks={"mask": word_mask()[:, 0]},
            padded={"states": "mask"},
            others={},
        ),
        Case(
            layers.QuestionMatch,
            {"units": 2},
            {"words": random(B, F, W, D), **word_ids(), "states": random(B, Q, U)},
            others={"units": 3},
        ),
        Case(
            layers.LexicalLinks,
            {"units": 2, "mode": "chain"},
            {"words": random(B, F, W, D), "story": word_ids()["story"], "facts": random(B, F, U)},
            others={"units": 3, "mode": "neighbours"},
        ),
        Case(
            layers.MentionLinks,
            {"units": U, "num_rounds": 1, "ordered": True},
            {
                "words": random(B, F, W, D),
                "story": word_ids()["story"],
                "question_words": random(B, Q, D),
                "question": word_ids()["question"],
            },
            others={"units": U + 1, "num_rounds": 2, "ordered": False},
        ),
        Case(
            layers.FactRetriever,
            {"vocabulary_size": 6, "units": 5, "max_facts": 2},
            word_ids(),
            others={"vocabulary_size": 7, "units": 6, "max_facts": 3, "num_placeholders": 3},
        ),
        Case(
            layers.ChainRetriever,
            {"vocabulary_size": 6, "units": 5, "max_facts": 2, "num_rounds": 2, "beam_width": 2},
            word_ids(),
            others={
                "vocabulary_size": 7,
                "units": 6,
                "max_facts": 3,
                "num_rounds": 3,
                "beam_width": 1,
                "num_placeholders": 3,
            },
        ),
        Case(
            layers.ScatterGates,
            {},
            {"gates": random(B, 2, 3), "retrieved": fact_mask() & (np.arange(F) % 2 == 0)},
            others={"fill_value": -1.0},
        ),
        Case(
            layers.AttentionGate,
            {"units": 6},
            {"facts": random(B, F, U), "question": random(B, U, seed=1), "memory": random(B, U, seed=2)},
            masks={"facts_mask": fact_mask()},
            padded={"facts": "facts_mask"},
            others={
                "units": 7,
                "activation": "softmax",
                "features": layers.DMN_PLUS_FEATURES,
            },
        ),
        Case(
            layers.AttentionGRUCell,
            {"units": U},
            cell_inputs(U),
            resized={"units": cell_inputs(U + 1)},
            others={"units": U + 1, "mode": "attention_gru"},
        ),
        Case(
            layers.AttentionGRU,
            {"units": U},
            {"facts": random(B, F, D), "gates": abs(np.tanh(random(B, F)))},
            others={"units": U + 1, "mode": "attention_gru"},
        ),
        Case(
            layers.MemoryUpdate,
            {"units": U},
            update_inputs(U),
            resized={"units": update_inputs(U + 1)},
            others={"units": U + 1, "kind": "relu"},
        ),
        Case(
            layers.EpisodicMemory,
            {"units": U, "num_passes": 2},
            passes_inputs(U),
            resized={"units": passes_inputs(U + 1)},
            masks={"facts_mask": fact_mask()},
            padded={"facts": "facts_mask"},
            others={"units": U + 1, **OTHER_PASSES},
        ),
        Case(
            layers.SharedFactsMemory,
            {"units": U, "num_passes": 2},
            shared_passes_inputs(U),
            resized={"units": shared_passes_inputs(U + 1)},
            masks={"facts_mask": fact_mask()},
            padded={"facts": "facts_mask"},
            others={"units": U + 1, **OTHER_PASSES},
        ),
        Case(
            layers.ImageRegions,
            {"units": U},
            {"feature_map": random(B, 2, 3, D)},
            others={"units": U + 1, "activation": "linear"},
        ),
        Case(
            layers.TemporalPosition,
            {},
            {"facts_mask": fact_mask()},
            others={"random_noise": 0.9},
            observe=_in_training,
        ),
        Case(
            layers.MemoryHop,
            {"linear_map": True},
            {"keys": random(B, F, U), "values": random(B, F, U, seed=1), "state": random(B, U, seed=2)},
            masks={"keys_mask": fact_mask()},
            padded={"keys": "keys_mask", "values": "keys_mask"},
            others={"attention": "hard", "linear_map": False},
        ),
        Case(
            layers.CharacterEncoder,
            {"num_characters": 6, "units": 3},
            {"characters": word_ids()["story"]},
            others={"num_characters": 7, "units": 4, "window": 3},
        ),
        Case(
            layers.ContextWindows,
            {"size": 1},
            {"facts": random(B, F, U)},
            masks={"facts_mask": fact_mask()},
            others={"size": 2},
        ),
        Case(layers.LearnedQuestion, {}, {"facts": random(B, F, U)}, others={}),
        Case(
            layers.WordDropout,
            {"num_words": 4},
            {"words": word_ids()["story"]},
            others={"num_words": 5, "rate": 0.9},
            observe=_in_training,
        ),
        Case(
            layers.AnswerDecoder,
            {"vocabulary_size": V, "max_words": 2},
            {
                "memory": random(B, U),
                "question": random(B, D, seed=1),
                "answer": np.array([[3, 4, 2], [5, 2, 0], [4, 4, 2]], "int32"),
            },
            others={
                "vocabulary_size": V + 1,
                "max_words": 3,
                "start_id": 1,
                "end_id": 3,
            },
            observe=lambda layer, case: [*_generated(layer, case), *_forced(layer, case)],
        ),
        cell_case(
            layers.NTMCell,
            {"memory_slots": 6, "memory_width": 3, "controller": "gru"},
            others={
                "memory_slots": 7,
                "memory_width": 4,
                "read_heads": 2,
                "write_heads": 2,
                "shift_range": 2,
                "controller": "lstm",
                "memory_init": "learned",
                "weights_init": "uniform",
                "read_first": True,
                "clip": 0.5,
            },
            observe=_first_states,
        ),
        _action_case(layers.StackRNNCell, "num_stacks"),
        _action_case(layers.ListRNNCell, "num_lists"),
        cell_case(
            layers.DNCCell,
            {"memory_slots": 6, "memory_width": 3, "controller": "gru"},
            others={
                "memory_slots": 7,
                "memory_width": 4,
                "read_heads": 2,
                "write_heads": 2,
                "controller": "lstm",
                "link": False,
                "masked_lookup": True,
                "deallocate": True,
                "sharpen_links": True,
                "clip": 0.5,
            },
        ),
        cell_case(
            layers.DynamicNTMCell,
            # Without `lru`, whose gradient is, by the equations, not that of differences.
            {"memory_slots": 4, "memory_width": 3, "address_width": 2, "lru": False},
            others={
                "memory_slots": 5,
                "memory_width": 4,
                "address_width": 3,
                "controller": "feedforward",
                "num_steps": 2,
                "lru": True,
                "addressing": "discrete",
                "no_op": False,
            },
        ),
    ]
}
