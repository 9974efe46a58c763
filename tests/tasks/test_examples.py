"""Raw data in any of its forms, for every kind of example."""

import dataclasses

import keras
import numpy as np
import pytest

from dmn_keras.datasets.example import (
    Example,
    SequenceTransductionExample,
    TextClassificationExample,
    TokenTaggingExample,
    VisualQuestionAnsweringExample,
)
from dmn_keras.tasks.examples import read_examples

TAGGED = [TokenTaggingExample(("Go", "home", "now"), ("V", "N", "R")), TokenTaggingExample(("Sing",), ("V",))]
ASKED = [Example(("Anna left.", "Ben came."), "Who came?", ("Ben",), (1,)), Example(("Eve sat.",), "Who?", ("Eve",))]


@pytest.fixture
def tf():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tensors of TensorFlow")
    import tensorflow

    return tensorflow


def as_dataset(tf, rows, **signature):
    signature = {name: tf.TensorSpec(*spec) for name, spec in signature.items()}
    return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=signature)


@pytest.mark.parametrize("batch", [None, 2])
def test_a_dataset_without_a_scalar_is_told_from_its_batches(batch, tf):
    rows = [{"tokens": list(e.tokens), "tags": list(e.tags)} for e in TAGGED]
    tagged = as_dataset(tf, rows, tokens=([None], tf.string), tags=([None], tf.string))
    sequences = as_dataset(tf, [{"inputs": np.eye(3, 4)}] * 2, inputs=([None, 4], tf.float32))
    if batch:
        tagged, sequences = tagged.ragged_batch(batch), sequences.batch(batch)
    assert read_examples(tagged, TokenTaggingExample) == TAGGED
    assert [e.inputs.shape for e in read_examples(sequences, SequenceTransductionExample)] == [(3, 4)] * 2


def test_tensors_are_read_in_dicts_and_columns(tf):
    rows = [{"tokens": tf.constant(e.tokens), "tags": tf.constant(e.tags)} for e in TAGGED]
    assert read_examples(rows, TokenTaggingExample) == TAGGED
    columns = {name: tf.ragged.constant([getattr(e, name) for e in TAGGED]) for name in ("tokens", "tags")}
    assert read_examples(columns, TokenTaggingExample) == TAGGED
    texts = {"text": tf.constant(["fine", "dull"]), "weight": tf.constant([1.0, 2.0])}
    assert [e.weight for e in read_examples(texts, TextClassificationExample)] == [1.0, 2.0]
    image = read_examples([{"image": tf.constant(b"png"), "question": tf.constant("what?")}], IMAGE)[0]
    assert (image.image, image.question) == (b"png", "what?")


IMAGE = VisualQuestionAnsweringExample


def test_a_padded_batch_is_refused(tf):
    rows = [{"tokens": list(e.tokens)} for e in TAGGED]
    padded = as_dataset(tf, rows, tokens=([None], tf.string)).padded_batch(2)
    with pytest.raises(ValueError, match=r"the column 'tokens' of a batch must not be padded: .* `ragged_batch`"):
        read_examples(padded, TokenTaggingExample)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (dataclasses.replace(ASKED[0], story="Anna left."), 'story must be a sequence of strings. Received: "Anna'),
        (dataclasses.replace(ASKED[0], story=("Anna left.", 3)), r"story\[1\] must be a string. Received: 3"),
        (dataclasses.replace(ASKED[0], question=None), "question must be a string. Received: null"),
        (dataclasses.replace(ASKED[0], answer="Ben"), 'answer must be a sequence of strings. Received: "Ben"'),
        (dataclasses.replace(ASKED[0], supporting_facts=(2,)), "supporting_facts must be .* from 0 to 1"),
        (TextClassificationExample(None), "text must be a string. Received: null"),
        (TokenTaggingExample("Go home"), 'tokens must be a list of at least one string. Received: "Go home"'),
        (TokenTaggingExample(("Go", "home"), ("V",)), "expected a tag for each token, got 2 tokens and 1 tags"),
        (IMAGE("image.png", None), "question must be a string. Received: null"),
    ],
)
def test_examples_are_checked_as_dicts_are(example, message):
    right = next(
        e for e in (*ASKED, *TAGGED, TextClassificationExample("x"), IMAGE("i", "q")) if type(e) is type(example)
    )
    assert read_examples([right], type(example)) == [right]
    with pytest.raises(ValueError, match=f"record 2: {message}"):
        read_examples([right, example], type(example))


def test_a_key_that_is_nearly_a_field_is_named():
    with pytest.raises(ValueError, match=r"record 1: unknown key 'lable'. Did you mean 'label'"):
        read_examples([{"text": "fine", "lable": "good"}], TextClassificationExample)
    assert read_examples([{"text": "fine", "source": "web"}], TextClassificationExample)[0].text == "fine"


def test_numbers_stand_for_their_text_as_in_files():
    [text] = read_examples([{"text": 1984, "label": 5}], TextClassificationExample)
    assert (text.text, text.label) == ("1984", "5")
    [tagged] = read_examples([{"tokens": ["In", 1984], "tags": ("P", True)}], TokenTaggingExample)
    assert (tagged.tokens, tagged.tags) == (("In", "1984"), ("P", "true"))


def test_a_data_frame_is_columns():
    class Frame:
        """What data frames have in common."""

        columns = ("text", "label")

        def __getitem__(self, name):
            return np.array({"text": ["fine", "dull"], "label": ["good", "bad"]}[name])

    assert [(e.text, e.label) for e in read_examples(Frame(), TextClassificationExample)] == [
        ("fine", "good"),
        ("dull", "bad"),
    ]


def test_a_dataset_without_an_end_is_refused(tf):
    dataset = tf.data.Dataset.from_tensor_slices({"text": ["fine"]}).repeat()
    with pytest.raises(ValueError, match=r"a dataset of examples must end: leave out its repeat\(\)"):
        read_examples(dataset, TextClassificationExample)


def test_a_missing_label_of_a_data_frame_is_none():
    with pytest.raises(ValueError, match="record 1: label must be a string that is not empty"):
        read_examples([{"text": "A film.", "label": float("nan")}], TextClassificationExample)
