import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import DNCCell
from tests.layers.helpers import controller_weights, numpy, randomize
from tests.layers.registry import B, D, F, U, memory_rnn, random
from tests.reference import dnc as reference

N, W = 6, 3
OPTIONS = {
    "lstm": {},
    "content": {"controller": "gru", "link": False, "read_heads": 2, "clip": 0.5},
    "heads": {"controller": "feedforward", "read_heads": 3, "write_heads": 2},
    "options": {"write_heads": 2, "masked_lookup": True, "deallocate": True, "sharpen_links": True},
}


def make(**options):
    cell = DNCCell(U, N, W, **options)
    cell.build((None, D))
    return randomize(cell, scale=0.8)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.usefixtures("float64")
def test_cell_is_that_of_the_loops(options):
    cell = make(dtype="float64", **options)
    sequences = random(B, F, D).astype("float64")
    outputs, *states = numpy(list(memory_rnn(cell, return_state=True)(sequences)))
    for row in range(B):
        expected, last_states = reference.dnc(
            sequences[row],
            controller_weights(cell),
            kind=cell.controller,
            slots=N,
            width=W,
            reads=cell.read_heads,
            writes=cell.write_heads,
            link=cell.link,
            masked=cell.masked_lookup,
            deallocate=cell.deallocate,
            sharpened=cell.sharpen_links,
            clip=cell.clip,
        )
        np.testing.assert_allclose(outputs[row], expected, atol=1e-9)
        for state, last in zip(states, last_states, strict=True):
            np.testing.assert_allclose(state[row], last, atol=1e-9)


def test_interface_has_the_size_of_the_paper():
    read_heads, width = 4, 16
    cell = DNCCell(U, 16, width, read_heads=read_heads)
    assert cell.interface_size == width * read_heads + 3 * width + 5 * read_heads + 3


def test_links_are_sharpened_only_where_there_are_links():
    with pytest.raises(ValueError, match=r"^sharpen_links must be False without link. Received: sharpen_links=True"):
        DNCCell(U, link=False, sharpen_links=True)


def test_weights_fit_a_memory_of_more_slots():
    """The paper's networks are tested with more memory than they are trained with."""
    small, large = make(), DNCCell(U, 2 * N, W)
    large.build((None, D))
    large.set_weights(small.get_weights())
    output, (memory, *_) = large(ops.convert_to_tensor(random(B, D)), large.get_initial_state(B))
    assert memory.shape == (B, 2 * N, W)
    assert np.isfinite(numpy(output)).all()
