import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import AnswerDecoder
from tests.layers.helpers import compiled, decoder_weights, each_policy, numpy, randomize
from tests.layers.registry import D, U, V, random
from tests.reference import answer as reference

ROWS = 15  # so many that one decoder gives answers of several lengths
MEMORY, QUESTION = random(ROWS, U), random(ROWS, D, seed=1)
TENSORS = [ops.convert_to_tensor(x) for x in (MEMORY, QUESTION)]
ANSWER = np.tile(np.array([[3, 4, 2], [5, 2, 0], [4, 4, 2]], "int32"), (ROWS // 3, 1))
END = 2


def make(max_words=2, scale=1.5, **arguments):
    decoder = AnswerDecoder(V, max_words, **arguments)
    decoder.build((None, U), (None, D))
    return randomize(decoder, seed=2, scale=scale)


def rows(function, *more):
    return np.stack([function(*row) for row in zip(MEMORY, QUESTION, *more, strict=True)])


def test_classification_is_one_product():
    decoder = make(None)
    weights = decoder_weights(decoder)
    expected = rows(lambda m, q: reference.classify(m, q, weights))
    np.testing.assert_allclose(numpy(decoder(*TENSORS)), expected, atol=1e-6)
    outputs, _ = compiled(decoder, {"memory": MEMORY, "question": QUESTION})
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


@pytest.mark.parametrize("start", [0, 1])
def test_words_are_those_of_the_equations(start):
    decoder = make(start_id=start, scale=0.9)
    weights = decoder_weights(decoder)
    expected = rows(lambda m, q, y: reference.teacher_forced(m, q, y, 3, start, weights), ANSWER)
    outputs = decoder(*TENSORS, answer=ops.convert_to_tensor(ANSWER), training=True)
    np.testing.assert_allclose(numpy(outputs), expected, atol=1e-6)
    expected = rows(lambda m, q: reference.greedy(m, q, 3, start, weights))
    np.testing.assert_allclose(numpy(decoder(*TENSORS)), expected, atol=1e-6)


def test_the_right_answer_is_used_in_training_alone():
    decoder = make()
    answer = ops.convert_to_tensor(ANSWER)
    np.testing.assert_array_equal(numpy(decoder(*TENSORS, answer=answer)), numpy(decoder(*TENSORS)))
    np.testing.assert_array_equal(numpy(decoder(*TENSORS, training=True)), numpy(decoder(*TENSORS)))


def test_each_step_sees_only_the_words_before_it():
    decoder = make()
    changed = ANSWER.copy()
    changed[:, 1] = 1
    changed[:, 2] = 5
    here, there = (numpy(decoder(*TENSORS, answer=ops.convert_to_tensor(y), training=True)) for y in (ANSWER, changed))
    np.testing.assert_array_equal(here[:, :2], there[:, :2])
    assert np.abs(here[:, 2] - there[:, 2]).max() > 1e-3


def test_a_word_that_is_not_allowed_is_neither_given_nor_read():
    decoder = make(3)
    free = numpy(decoder(*TENSORS)).argmax(-1)
    allowed = np.ones((ROWS, V), bool)
    allowed[np.arange(ROWS), free[:, 0]] = False
    logits = numpy(decoder(*TENSORS, allowed=ops.convert_to_tensor(allowed)))
    words = logits.argmax(-1)
    assert np.take_along_axis(allowed, words, axis=1).all()
    # The logits of the allowed words are those of a decoder that has read the words given.
    taught = decoder(*TENSORS, answer=ops.convert_to_tensor(words.astype("int32")), training=True)
    np.testing.assert_allclose(logits, np.where(allowed[:, None], numpy(taught), -1e9), atol=1e-6)
    found = numpy(decoder.generate(*TENSORS, allowed=ops.convert_to_tensor(allowed)))
    np.testing.assert_array_equal(found["words"], [reference.until_end(row, END) for row in words])


def test_one_beam_is_greedy():
    decoder = make(3)
    greedy = numpy(decoder(*TENSORS)).argmax(-1)
    found = numpy(decoder.generate(*TENSORS, beam_width=1))
    np.testing.assert_array_equal(found["words"], [reference.until_end(words, END) for words in greedy])
    weights = decoder_weights(decoder)
    scores = rows(lambda m, q, y: reference.log_probability(m, q, list(y), 0, END, weights), found["words"])
    np.testing.assert_allclose(found["log_probability"], scores, atol=1e-5)


def test_beams_for_all_words_find_the_best_of_all_answers():
    """With one word and the end, as many beams as words keep every first word: the search is exhaustive."""
    decoder = make(1)
    weights = decoder_weights(decoder)
    found = numpy(decoder.generate(*TENSORS, beam_width=V))
    for row, (m, q) in enumerate(zip(MEMORY, QUESTION, strict=True)):
        words, score = reference.exhaustive(m, q, 2, 0, END, weights)
        assert found["words"][row].tolist() == words
        np.testing.assert_allclose(found["log_probability"][row], score, atol=1e-5)


def test_beams_find_what_greedy_misses():
    decoder = make(3)
    weights = decoder_weights(decoder)
    wide, narrow = (numpy(decoder.generate(*TENSORS, beam_width=k)) for k in (V, 1))
    assert np.any(wide["log_probability"] > narrow["log_probability"] + 1e-4)
    scores = rows(lambda m, q, y: reference.log_probability(m, q, list(y), 0, END, weights), wide["words"])
    np.testing.assert_allclose(wide["log_probability"], scores, atol=1e-4)
    best = rows(lambda m, q: reference.exhaustive(m, q, 4, 0, END, weights)[1])
    assert np.all(wide["log_probability"] <= best + 1e-4)


@pytest.mark.parametrize("beam_width", [1, 3])
def test_a_generated_answer_does_not_depend_on_its_batch(beam_width):
    decoder = make(3)
    whole = numpy(decoder.generate(*TENSORS, beam_width=beam_width))
    for row in range(0, ROWS, 3):
        alone = numpy(decoder.generate(*(x[row : row + 1] for x in TENSORS), beam_width=beam_width))
        np.testing.assert_array_equal(alone["words"][0], whole["words"][row])
        np.testing.assert_allclose(alone["log_probability"][0], whole["log_probability"][row], atol=1e-5)


@pytest.mark.parametrize("beam_width", [1, 2])
def test_nothing_stands_after_the_end(beam_width):
    words = numpy(make(4).generate(*TENSORS, beam_width=beam_width)["words"]).tolist()
    assert words == [reference.until_end(row, END) for row in words]
    assert len({row.index(END) if END in row else None for row in words}) > 2  # else the test shows nothing


def test_a_decoder_that_ends_at_once_takes_one_step(monkeypatch):
    decoder = make(5)
    decoder.logits.bias.assign(50.0 * np.eye(V)[END])
    steps = []
    call = type(decoder.cell).call
    monkeypatch.setattr(type(decoder.cell), "call", lambda *args, **kwargs: steps.append(1) or call(*args, **kwargs))
    found = numpy(decoder.generate(*TENSORS))
    assert found["words"].tolist() == [[END, 0, 0, 0, 0, 0]] * ROWS
    np.testing.assert_allclose(found["log_probability"], 0, atol=1e-5)
    # JAX traces its loops, the condition and the body once each, and so runs none of this code a second time.
    assert len(steps) == 1


@each_policy
def test_generates_in_mixed_precision(policy):
    decoder = make(2, dtype=policy)
    found = decoder.generate(*TENSORS, beam_width=2)
    assert np.isfinite(numpy(found["log_probability"])).all()
    assert keras.backend.standardize_dtype(found["log_probability"].dtype) == "float32"
    assert keras.backend.standardize_dtype(found["words"].dtype) == "int32"


def test_result_carries_no_mask():
    assert make().compute_mask(TENSORS[0], ops.ones((ROWS,), "bool")) is None


def test_errors_of_calls():
    with pytest.raises(ValueError, match=r"answer must be None for classification \(max_words=None\)"):
        make(None)(*TENSORS, answer=ops.convert_to_tensor(ANSWER))
    message = r"answer must have at least max_words=4 ids a row. Received: answer.shape=\(15, 3\)"
    with pytest.raises(ValueError, match=message):
        make(4)(*TENSORS, answer=ops.convert_to_tensor(ANSWER), training=True)
    with pytest.raises(ValueError, match=r"beam_width must be a positive integer. Received: beam_width=0"):
        make().generate(*TENSORS, beam_width=0)
    with pytest.raises(ValueError, match=r"beam_width must not exceed vocabulary_size=6. Received: beam_width=7"):
        make().generate(*TENSORS, beam_width=7)
    with pytest.raises(ValueError, match=r"generate needs a decoder with max_words; this one classifies"):
        make(None).generate(*TENSORS)
