"""Unknown words are distinguished within a story, and can be the answer."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.long_context.story_index import StoryIndex, write_index
from dmn_keras.tasks.batching import EpochSequence
from dmn_keras.tasks.question_answering import Calibration, QuestionAnswerer, QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.augmentation import PlaceholderAugmentation
from dmn_keras.text import UNKNOWN_ID, Vocabulary, tokenize
from dmn_keras.training.transfer import continue_from
from tests.layers.helpers import randomize
from tests.tasks.answers import assert_same_answer
from tests.training.runs import in_eager_steps, without_tracing

pytestmark = [without_tracing, in_eager_steps]
WORDS = ("is", "in", "the", "park", "office", "where", "mary")
STORY = ("Zoe is in the park.", "TCK-1 is in the Shed.", "ZOE is in the office.")
SETTINGS = {"units": 6, "embedding_dim": 5, "num_passes": 2, "question_match": 3, "batch_size": 8}


def preprocessor(num_placeholders=4, **options):
    return QuestionAnsweringPreprocessor(num_placeholders=num_placeholders, words=WORDS, **options)


def task(num_placeholders=4, answer_words=None, **settings):
    """A task with random weights."""
    config = {**SETTINGS, **settings}
    made = QuestionAnswerer(**config, preprocessor=preprocessor(num_placeholders, answer_words=answer_words))
    randomize(made.network)
    return made


def examples(count, rng, names="abcdefghijkl"):
    """Stories about names that no model knows, more of them than there are placeholders in some."""
    stories = [[f"{rng.choice([*names])} is in the park" for _ in range(rng.integers(1, 9))] for _ in range(count)]
    return [Example(tuple(story), f"where is {story[0][0]}", ("park",), (0,)) for story in stories]


def test_each_unknown_word_has_its_placeholder_wherever_it_stands_and_in_whatever_case():
    made = preprocessor()
    [encoded] = made.encode([Example(STORY, "Where is zoe?", ("SHED",))])
    zoe, shed, ticket = made.vocabulary.placeholder_ids[:3]
    said, inside, the, park, office, where, _ = made.vocabulary.ids(WORDS)
    assert encoded.story == (
        (zoe, said, inside, the, park, 2),
        (ticket, said, inside, the, shed, 2),
        (zoe, said, inside, the, office, 2),
    )
    assert encoded.question == (where, said, zoe, 2)
    assert encoded.answer == (shed,)
    assert encoded.placeholders == ("Zoe", "Shed", "TCK-1")
    assert made.vocabulary.answer_text(encoded.answer, encoded.placeholders) == "Shed"
    assert made.vocabulary.answer_text([shed, park, 2], encoded.placeholders) == "Shed park"
    assert made.vocabulary.answer([shed, park, 2], encoded.placeholders) == ["shed", "park"]


def test_a_closed_vocabulary_reads_all_unknown_words_as_one():
    made = preprocessor(0)
    [encoded] = made.encode([Example(STORY, "Where is zoe?", ("Shed",))])
    assert made.vocabulary.words[3:] == WORDS
    assert encoded.question[2] == encoded.story[0][0] == encoded.story[1][0] == encoded.answer[0] == UNKNOWN_ID
    assert encoded.placeholders == ()


def test_of_too_many_unknown_words_those_of_the_question_and_the_last_facts_are_distinguished():
    made = preprocessor(3)
    story = [f"name{number} is in the park" for number in range(9)]
    [encoded] = made.encode([Example(tuple(story), "where is name0")])
    assert encoded.placeholders == ("name0", "name8", "name7")
    assert encoded.question[2] == encoded.story[0][0]
    assert [fact[0] for fact in encoded.story[1:7]] == 6 * [UNKNOWN_ID]
    story[2] = "name0 is zoe"
    [encoded] = made.encode([Example(tuple(story), "where is name0")])
    assert encoded.placeholders == ("name0", "zoe", "name8")


def test_words_of_few_stories_are_unknown_but_for_answers_that_their_stories_lack():
    stories = [
        Example((f"t-{i} is mine", "all is well"), "is it", ("yes" if i else "never",), story_id=i) for i in range(3)
    ]
    stories.append(dataclasses.replace(stories[0], answer=("t-0",), question="is t-0"))
    vocabulary = Vocabulary.from_examples(stories, num_placeholders=2, min_stories=2)
    assert vocabulary.known_words == ("all", "is", "it", "mine", "never", "well", "yes")
    assert vocabulary.answers == ("yes", "never")
    assert vocabulary.words[-2:] == ("<placeholder 1>", "<placeholder 2>")
    made = QuestionAnsweringPreprocessor(num_placeholders=2, min_stories=3)
    made.adapt(stories)
    assert made.vocabulary.known_words == ("all", "is", "it", "mine", "never", "well", "yes")
    again = QuestionAnsweringPreprocessor.from_config(json.loads(json.dumps(made.get_config())))
    assert again.get_config() == made.get_config()
    assert again.vocabulary.words == made.vocabulary.words
    assert again.encode(stories) == made.encode(stories)
    assert made.encode(stories)[0].placeholders == ("t-0",)
    closed = QuestionAnsweringPreprocessor(min_stories=3)
    closed.adapt(stories)
    assert "t-1" in closed.vocabulary


@pytest.mark.parametrize("answer_words", [None, 2])
def test_no_answer_holds_a_placeholder_that_the_story_lacks(answer_words):
    made = task(answer_words=answer_words)
    logits = made.network.get_layer("answer_decoder").logits
    kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in logits.get_weights())
    bias[list(made.vocabulary.placeholder_ids)] += 1000.0
    logits.set_weights([kernel, bias])
    asked = [Example(STORY[:length], question) for length in (1, 2) for question in ("where", "where is Yan", "Zoe")]
    asked += [Example(("mary is in the park",), "where is mary")]
    for example, answer in zip(asked, made.predict(asked, beam_width=2), strict=True):
        said = {word for text in (*example.story, example.question) for word in tokenize(text)}
        unknown = {word for word in said if word not in made.vocabulary}
        assert not answer.unknown_words
        assert answer.probability > 0.0
        for text, probability in ((answer.answer, answer.probability), *answer.others):
            assert probability > 0.0
            assert set(text.split()) <= {*said, *WORDS, "<end>"}, example
        if unknown:
            assert set(answer.answer.split()) <= unknown
    logs = made.compute_loss(None, *_targets(made, asked), training=False)
    assert np.isfinite(keras.ops.convert_to_numpy(logs))


def _targets(made, asked):
    batches = made.batches([dataclasses.replace(example, answer=("park",)) for example in asked], num_buckets=1)
    inputs, targets, _ = batches.batch(batches.plan()[0])
    made.compile()
    return targets, made.network(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["dmn", "memn2n"])
def test_answers_depend_neither_on_the_batch_nor_on_other_stories(family):
    settings = SETTINGS if family == "dmn" else {"model.family": family, "embedding_dim": 5}
    made = QuestionAnswerer(preprocessor=preprocessor(), **settings)
    randomize(made.network)
    asked = [*examples(12, np.random.default_rng(0)), Example(STORY, "Where is ZOE?")]
    alone = [made.ask(example.story, example.question) for example in asked]
    for size in (1, 5, 64):
        for answer, expected in zip(made.predict(asked, batch_size=size), alone, strict=True):
            assert_same_answer(answer, expected)
            assert answer.words == expected.words


def test_confidence_falls_with_the_unknown_words_that_are_not_distinguished():
    unknown, confidences = {4: (), 2: ("yan",), 1: ("yan", "or")}, []
    for num_placeholders in unknown:
        made = task(num_placeholders, gate="sigmoid")
        made.calibration = Calibration(scale=0.0, shift=0.0)
        story = ("zoe is in the park", "yan is in the park")
        answer = made.ask(story, "where is zoe or yan")
        assert answer.unknown_words == unknown[num_placeholders]
        confidences.append(answer.confidence)
    assert confidences == [pytest.approx(0.5 / (1 + len(words))) for words in unknown.values()]


def random_batch(rng, first, stop):
    story = rng.integers(0, stop, (6, 5, 4)).astype("int32")
    question = rng.integers(0, stop, (6, 3)).astype("int32")
    answer = np.array([rng.choice(story[i].ravel()) for i in range(6)], "int32")
    return {"story": story, "question": question}, {"answer": answer, "gate_logits": rng.random((6, 2, 5))}


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("num_placeholders", [1, 3, 30])
@pytest.mark.parametrize("known_fraction", [0.0, 0.5, 1.0])
def test_augmentation_renames_the_words_of_each_story_one_to_one(fraction, num_placeholders, known_fraction):
    rng = np.random.default_rng(0)
    first, stop = 30, 30 + num_placeholders
    augment, replaced, exchanged = PlaceholderAugmentation(range(first, stop), fraction, known_fraction), 0, 0
    for seed in range(20):
        inputs, targets = random_batch(rng, first, stop)
        new_inputs, new_targets = augment(inputs, targets, np.random.default_rng(seed))
        again, _ = augment(inputs, targets, np.random.default_rng(seed))
        assert (again["story"] == new_inputs["story"]).all()
        assert new_targets["gate_logits"] is targets["gate_logits"]
        for i in range(6):
            old = np.concatenate([inputs["story"][i].ravel(), inputs["question"][i], targets["answer"][i : i + 1]])
            new = np.concatenate(
                [new_inputs["story"][i].ravel(), new_inputs["question"][i], new_targets["answer"][i : i + 1]]
            )
            pairs = set(zip(old.tolist(), new.tolist(), strict=True))
            assert len(pairs) == len(set(old.tolist())) == len(set(new.tolist()))
            for before, after in pairs:
                if before < 3 or (fraction == 0.0 and before < first):
                    assert after == before
                assert after == before or after >= 3
                exchanged += before != after < first
            in_story = set(inputs["story"][i].ravel().tolist())
            assert all(before == after for before, after in pairs if before < first and before not in in_story)
            replaced += sum(before < first and before != after for before, after in pairs)
    assert (replaced > 0) == (fraction > 0)
    assert (exchanged > 0) == (fraction * known_fraction > 0)
    assert (exchanged < replaced) == (fraction > 0 and known_fraction < 1)


def test_every_placeholder_is_drawn_alike():
    augment = PlaceholderAugmentation(range(5, 9), 0.0)
    inputs = {"story": np.full((4000, 1, 1), 6), "question": np.full((4000, 1), 6)}
    drawn = augment(inputs, {}, np.random.default_rng(0))[0]["story"].ravel()
    assert np.bincount(drawn, minlength=9)[5:].min() > 900


def test_training_batches_are_a_function_of_seed_and_epoch():
    made = task(placeholder_fraction=1.0)
    encoded = made.preprocessor.encode(examples(20, np.random.default_rng(0)))
    epoch = [0]
    sequence = made.training_sequence(encoded, lambda: epoch[0], num_buckets=1)

    def stories(sequence):
        return [sequence[i][0]["story"].tolist() for i in range(len(sequence))]

    first = stories(sequence)
    assert stories(sequence) == first
    epoch[0] = 1
    sequence.on_epoch_begin()
    second = stories(sequence)
    assert second != first
    assert stories(made.training_sequence(encoded, lambda: 1, num_buckets=1)) == second
    parts = [made.training_sequence(encoded, lambda: 1, part=i, parts=2, num_buckets=1) for i in range(2)]
    halves = zip(*map(stories, parts), strict=True)
    assert [one + other for one, other in halves] == second
    held_out = EpochSequence(made.encoded_batches(encoded))
    assert stories(held_out) == stories(EpochSequence(made.encoded_batches(encoded)))
    assert task(0).augmentation() is None


def test_unknown_words_of_facts_that_are_not_retrieved_take_no_placeholders(tmp_path):
    made = task(2, max_retrieved_facts=4)
    [bias] = [weight for weight in made.retriever.layer.weights if weight.shape == (1,)]
    bias.assign([9.0])  # all gates are above the threshold: there are more facts to choose among than are retrieved
    background = [f"w{number} of x{number}" for number in range(60)]
    story = [*background[:30], "zoe is in the park", "yan is in the office", *background[30:]]
    question = "where is zoe"
    expected = made.ask(story, question)
    assert len(expected.facts) == 4
    assert expected.unknown_words, "so that there are too few placeholders"
    [whole] = made.predict([Example(tuple(story), question)])
    assert_same_answer(whole, expected)
    (tmp_path / "story.txt").write_text("\n".join(story))
    write_index(made.retriever, tmp_path / "story.txt", tmp_path / "index", report=str)
    assert_same_answer(made.ask_index(StoryIndex(tmp_path / "index"), question), expected)


def test_prediction_does_not_know_which_sentences_are_the_storys_own():
    made = task()
    hidden = Example((*STORY, "xia is in the park"), "where is zoe", ("park",), (0,), story_positions=(0,))
    expected = made.ask(hidden.story, hidden.question)
    [answer] = made.predict([hidden])
    assert_same_answer(answer, expected)
    assert (
        made.preprocessor.encode([hidden])[0].story
        != made.preprocessor.assign_placeholders(made.preprocessor.encode([hidden])[0]).story
    ), "so that training, which knows them, reads it in another way"


def test_a_retriever_reads_every_placeholder_as_the_unknown_word():
    made = task(3, max_retrieved_facts=4)
    ids = np.array([[[3, 4, 2], [UNKNOWN_ID, 4, 2]]], "int32")
    placeholders = [np.where(ids == UNKNOWN_ID, index, ids) for index in made.vocabulary.placeholder_ids]
    expected, *others = (made.retriever.layer(array, ids[:, 0])["gates"] for array in (ids, *placeholders))
    for gates in others:
        np.testing.assert_array_equal(gates, expected)


def test_a_model_with_a_closed_vocabulary_is_continued_with_an_open_one():
    start = task(0)
    new = [Example(("eve is in the cellar",), "where is eve", ("cellar",), story_id=i) for i in range(2)]
    settings = {"num_placeholders": 3, "min_stories": 1}
    again = continue_from(start, start.config.replace(settings), new)
    assert again.vocabulary.words[: len(start.vocabulary)] == start.vocabulary.words
    assert again.vocabulary.words[-5:-3] == ("cellar", "eve")
    arrays = start.preprocessor([Example(("mary is in the park",), "where is mary")])
    expected, found = (keras.ops.convert_to_numpy(made.network(arrays)["answer"]) for made in (start, again))
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-5)
    third = continue_from(again, again.config, [dataclasses.replace(new[0], question="which is eve")])
    assert third.vocabulary.words[-5:] == ("eve", "which", *again.vocabulary.words[-3:])
    rows = [made.network.get_layer("semantic_memory").get_weights()[0] for made in (again, third)]
    np.testing.assert_array_equal(rows[0][-3:], rows[1][-3:])


def test_records_without_a_number_are_stories_of_their_own():
    records = [
        {"story": [f"Name{i} is in the {place}."], "question": f"Where is Name{i}?", "answer": place}
        for i in range(12)
        for place in ("park", "hall")
    ]
    preprocessor = QuestionAnsweringPreprocessor(num_placeholders=3, min_stories=5)
    preprocessor.adapt(records)
    assert set(preprocessor.vocabulary.known_words) == {"is", "in", "the", "where", "park", "hall"}
    with pytest.raises(ValueError, match="min_stories=50: no word stands in so many of the training stories"):
        QuestionAnsweringPreprocessor(num_placeholders=3, min_stories=50).adapt(
            [{"story": ["a b"], "question": "a", "answer": "b"}]
        )
