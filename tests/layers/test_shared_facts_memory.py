import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import EpisodicMemory, SharedFactsMemory
from tests.layers.helpers import numpy, randomize

B, F, Q, U = 3, 5, 4, 6
ARGUMENTS = {"num_passes": 2, "gate": "softmax", "learned_stop": True}


@pytest.mark.parametrize("masked", [False, True])
def test_each_question_is_answered_as_if_it_were_alone(masked):
    rng = np.random.default_rng(0)
    facts, questions = (rng.standard_normal((B, count, U)).astype("float32") for count in (F, Q))
    mask = {"facts_mask": ops.convert_to_tensor(np.arange(F) < np.array([[3], [5], [1]]))} if masked else {}
    shared, alone = SharedFactsMemory(U, **ARGUMENTS), EpisodicMemory(U, **ARGUMENTS)
    together = numpy(shared(facts, questions, **mask))
    randomize(shared)
    together = numpy(shared(facts, questions, **mask))
    alone(facts, questions[:, 0])
    alone.set_weights(shared.get_weights())
    for number in range(Q):
        for name, expected in numpy(alone(facts, questions[:, number], **mask)).items():
            np.testing.assert_allclose(together[name][:, number], expected, atol=1e-5, err_msg=name)
    assert not np.allclose(together["gates"][:, 0], together["gates"][:, 1])
