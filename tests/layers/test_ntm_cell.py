import keras
import numpy as np
import pytest

from dmn_keras.layers import NTMCell
from tests.layers.helpers import controller_weights, numpy, randomize
from tests.layers.registry import B, D, F, U, memory_rnn, random
from tests.reference import ntm as reference

N, W = 6, 3
OPTIONS = {
    "lstm": {},
    "gru": {"controller": "gru", "memory_init": "random", "weights_init": "uniform", "read_first": True, "clip": 0.5},
    "heads": {
        "controller": "feedforward",
        "memory_init": "learned",
        "read_heads": 2,
        "write_heads": 3,
        "shift_range": 2,
    },
}


def make(**options):
    cell = NTMCell(U, N, W, **options)
    cell.build((None, D))
    return cell


def weights_of(cell):
    constant = cell.memory_init == "constant"
    return {
        **controller_weights(cell),
        "M_0": np.full((N, W), 1e-6) if constant else numpy(cell.initial_memory),
        "w_0": numpy(cell.initial_weight_logits),
    }


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.usefixtures("float64")
def test_cell_is_that_of_the_loops(options):
    cell = randomize(make(dtype="float64", **options), scale=0.8)
    sequences = random(B, F, D).astype("float64")
    outputs, *states = numpy(list(memory_rnn(cell, return_state=True)(sequences)))
    for row in range(B):
        expected, last_states = reference.ntm(
            sequences[row],
            weights_of(cell),
            kind=cell.controller,
            reads=cell.read_heads,
            writes=cell.write_heads,
            shift_range=cell.shift_range,
            read_first=cell.read_first,
            clip=cell.clip,
        )
        np.testing.assert_allclose(outputs[row], expected, atol=1e-10)
        for state, last in zip(states, last_states, strict=True):
            np.testing.assert_allclose(state[row], last, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_slots": 0}, "memory_slots must be a positive integer. Received: memory_slots=0"),
        (
            {"memory_slots": 4, "shift_range": 2},
            "shift_range must be .* at most memory_slots=4. Received: shift_range=2",
        ),
        ({"clip": float("nan")}, "clip must be a positive number. Received: clip=nan"),
        ({"clip": 0}, "clip must be a positive number. Received: clip=0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NTMCell(U, **arguments)


@pytest.mark.parametrize(("weights_init", "first"), [("focused", np.exp(5) / (np.exp(5) + N - 1)), ("uniform", 1 / N)])
def test_first_weights_are_focused_or_uniform(weights_init, first):
    weights = numpy(make(weights_init=weights_init).get_initial_state(2)[1])
    np.testing.assert_allclose(weights[:, :, 0], first, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize(("memory_init", "trainable"), [("random", False), ("learned", True)])
def test_random_memory_is_drawn_once_and_only_a_learned_one_is_trained(memory_init, trainable):
    cell = make(memory_init=memory_init)
    first, second = (numpy(cell.get_initial_state(2)[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert 0 < np.abs(first).max() <= 1 / 3
    assert cell.initial_memory.trainable is trainable


@pytest.mark.parametrize(("controller", "published"), [("lstm", 67_561), ("feedforward", 17_162)])
def test_copying_takes_about_as_many_weights_as_in_the_paper(controller, published):
    """Within 7 %, the published counts being not consistent with each other; initial memory and weights learned."""
    rnn = memory_rnn(NTMCell(100, controller=controller, memory_init="learned"))
    model = keras.Sequential([keras.Input((None, 9)), rnn, keras.layers.Dense(8)])
    assert model.count_params() == pytest.approx(published, rel=0.07)


def test_initial_states_need_a_built_cell():
    with pytest.raises(ValueError, match="build it first"):
        NTMCell(4, memory_slots=4, memory_width=3).get_initial_state(2)
