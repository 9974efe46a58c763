import dataclasses
import gc
import json
import random
import threading
import weakref

import keras
import numpy as np
import pytest

import dmn_keras
from dmn_keras.datasets import Example
from dmn_keras.tasks.batching import EpochSequence
from dmn_keras.tasks.question_answering import Calibration, QuestionAnswerer
from dmn_keras.tasks.task import Task
from tests.layers.helpers import randomize
from tests.tasks.answers import assert_same_answer
from tests.training.runs import in_eager_steps, tiny, tiny_task, without_tracing

pytestmark = [without_tracing, in_eager_steps]
PEOPLE, PLACES = ["mary", "john", "bill"], ["park", "office", "home"]
EVERY_PART = {
    "units": 6,
    "embedding_dim": 5,
    "num_passes": 2,
    "fact_encoder": "sentence",
    "question_match": 3,
    "lexical_links": 1,
    "batch_size": 8,
}
"""Settings with what the default network reads by, in small."""
SETTINGS = {**EVERY_PART, "fact_encoder": "position", "embedding_dim": 6, "question_match": None, "lexical_links": 0}
"""The same without steps over words, which take the time."""


def examples(count=23, several=False, most_facts=9):
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        facts = range(rng.integers(1, most_facts))
        story = tuple(f"{rng.choice(PEOPLE)} is in the {rng.choice(PLACES)}" for _ in facts)
        answer = tuple(map(str, rng.choice(PLACES, rng.integers(1, 4)))) if several else (str(rng.choice(PLACES)),)
        made.append(Example(story, f"where is {rng.choice(PEOPLE)}", answer, (0,), task="1"))
    return made


def task(several=False, **settings):
    made = QuestionAnswerer(**{**SETTINGS, **settings})
    made.adapt(examples(several=several))
    randomize(made.network)
    return made


@pytest.fixture(scope="module")
def shared_task():
    """A task that no test changes."""
    return task()


def as_record(example):
    return {"story": example.story, "question": example.question, "answer": example.answer}


def test_raw_examples_in_every_form_are_the_same(shared_task):
    asked = examples(6)
    expected = shared_task.predict(asked)
    records = list(map(as_record, asked))
    columns = {name: [record[name] for record in records] for name in records[0]}
    for form in (records, iter(asked), (as_record(e) for e in asked), columns, {**columns, "answer": [None] * 6}):
        for answer, right in zip(shared_task.predict(form), expected, strict=True):
            assert_same_answer(answer, right, 0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is for TensorFlow")
@pytest.mark.parametrize("batch", [None, 4])
def test_a_tf_dataset_of_dicts_is_raw_examples(batch, shared_task):
    import tensorflow as tf

    asked = examples(6, most_facts=3)
    signature = {"story": tf.TensorSpec([None], tf.string), "question": tf.TensorSpec([], tf.string)}
    rows = ({"story": list(e.story), "question": e.question} for e in asked)
    dataset = tf.data.Dataset.from_generator(lambda: rows, output_signature=signature)
    dataset = dataset.ragged_batch(batch) if batch else dataset
    for answer, right in zip(shared_task.predict(dataset), shared_task.predict(asked), strict=True):
        assert_same_answer(answer, right, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("Mary", "data must be an iterable of Example or of dicts"),
        ([{"question": "Where?"}], "record 1: the key 'story' is missing"),
        ([as_record(examples(1)[0]), {"story": ["A."], "question": 3}], "record 2: question must be a string"),
        ([{"story": [1], "question": "Who?"}], r"record 1: story\[0\] must be a string"),
        (
            {"story": [["A."], [b"\xff"]], "question": ["Who?"] * 2},
            r"record 2: expected text in UTF-8. Received: b'\\xff'",
        ),
        (["Mary"], "record 1: expected a dict or Example. Received: str"),
        ([Example(("A.",), "Who?", story_positions=(1,))], r"record 1: story_positions must be .* from 0 to 0"),
        ({"story": [["A."]], "question": ["Who?", "Where?"]}, "columns must have one length. Received: story: 1, que"),
        ({"story": "A.", "question": ["Who?"]}, "column 'story' must be a sequence with a value for each example"),
    ],
)
def test_malformed_data_is_named(data, message, shared_task):
    with pytest.raises((ValueError, TypeError), match=message):
        shared_task.predict(data)


def test_mistakes_in_the_order_of_calls():
    qa = QuestionAnswerer(**SETTINGS)
    with pytest.raises(ValueError, match=r"is not adapted yet: call adapt\(training_data\) or fit first"):
        qa.predict(examples(1))
    with pytest.raises(ValueError, match="fit needs at least one example"):
        qa.fit([])
    with pytest.raises(ValueError, match="adapt needs at least one example"):
        qa.adapt([])
    qa.fit(iter(examples(8)), verbose=0)
    with pytest.raises(ValueError, match="adapt was called after the network was built for other data"):
        qa.adapt(examples())
    with pytest.raises(ValueError, match="adapt was called after the network was built for other data"):
        qa.preprocessor.adapt(examples())
    qa.fit(examples(8), verbose=0)


CHAIN = {"retriever": "chain", "max_retrieved_facts": 3, "retriever_rounds": 2}


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        {"model.family": "memn2n", "embedding_dim": 6},
        pytest.param(EVERY_PART, marks=pytest.mark.slow),
        pytest.param({**EVERY_PART, **CHAIN}, marks=pytest.mark.slow),
    ],
)
def test_fit_evaluate_save_and_load(settings, tmp_path):
    qa = QuestionAnswerer(**settings)
    assert isinstance(qa, keras.Model)
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs))
    epochs = []
    qa.compile(optimizer=keras.optimizers.Adam(0.02))
    history = qa.fit(examples(11), validation_data=examples(5), epochs=2, batch_size=9, callbacks=[seen], verbose=0)
    assert len(epochs) == 2
    assert set(history.history) >= {"loss", "answer_accuracy", "val_answer_accuracy"}
    logs = qa.evaluate(examples(5), verbose=0)
    answers = qa.predict(examples(5))
    right = np.mean([a.answer == e.answer_text for a, e in zip(answers, examples(5), strict=True)])
    assert logs["answer_accuracy"] == pytest.approx(right)
    assert logs["loss"] == pytest.approx(history.history["val_loss"][-1], rel=1e-4)
    qa.save_to_preset(tmp_path / "preset")
    qa.save(tmp_path / "task.keras")
    for again in (
        QuestionAnswerer.from_preset(tmp_path / "preset"),
        dmn_keras.Task.from_preset(tmp_path / "preset"),
        keras.models.load_model(tmp_path / "task.keras"),
    ):
        assert again.config == qa.config
        for answer, expected in zip(again.predict(examples(5)), answers, strict=True):
            assert_same_answer(answer, expected, 0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traces of TensorFlow")
def test_the_first_step_is_traced_once():
    import tensorflow as tf

    class Measured(QuestionAnswerer):
        traced, read = 0, set()

        def train_step(self, data):
            self.traced += 1
            return super().train_step(data)

        def compute_loss(self, x=None, *arguments, **options):
            self.read |= {*x}
            return super().compute_loss(x, *arguments, **options)

    tf.config.run_functions_eagerly(False)
    qa = Measured(tiny(l2=1e-3))
    for _ in range(2):
        qa.fit(examples(11), verbose=0)
    assert qa.traced == 1
    assert qa.read == {"story", "question"}  # also where only variables are made


def test_a_calibration_is_saved_and_that_of_another_model_removed(tmp_path):
    qa = task()
    qa.calibration = Calibration(2.0, -1.0, 0.3)
    qa.save_to_preset(tmp_path)
    assert QuestionAnswerer.from_preset(tmp_path).calibration == qa.calibration
    qa.calibration = None
    qa.save_to_preset(tmp_path)
    assert QuestionAnswerer.from_preset(tmp_path).calibration is None


def test_what_is_no_preset_is_not_overwritten(tmp_path, shared_task):
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(ValueError, match="format must be a whole number"):
        shared_task.save_to_preset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    (tmp_path / "config.json").rename(tmp_path / "model.weights.h5")
    with pytest.raises(FileExistsError, match=r"model\.weights\.h5 exists and does not belong to"):
        shared_task.save_to_preset(tmp_path)
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        shared_task.save_to_preset(tmp_path / "model.weights.h5")


def test_a_folder_of_a_newer_version_is_called_that(tmp_path, shared_task):
    shared_task.save_to_preset(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    for changes in ({"config": {"model": {"unheard_of": 1}}}, {"task": "Summariser"}, {"preprocessor": {"new": 1}}):
        (tmp_path / "config.json").write_text(json.dumps({**record, **changes, "dmn_keras": "99.0.0"}))
        with pytest.raises(ValueError, match=r"was written by a version of dmn_keras that is newer: 99\.0\.0"):
            dmn_keras.Task.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("babi-joint", r"config must be a RunConfig.*Received: 'babi-joint'\. To open a model: .*from_preset"),
        ({"units": 3}, "config must be a RunConfig, the configuration of a model, or None"),
    ],
)
def test_a_configuration_is_one(config, message):
    with pytest.raises(TypeError, match=message):
        QuestionAnswerer(config)


def test_a_preprocessor_is_one():
    with pytest.raises(TypeError, match=r"preprocessor must be a Preprocessor or None. Received: 'words'"):
        QuestionAnswerer(preprocessor="words")


def test_a_task_without_targets_says_so():
    class Untaught(QuestionAnswerer):
        targets = Task.targets

    with pytest.raises(NotImplementedError, match="Untaught defines no targets"):
        Untaught(**SETTINGS).fit(examples(3))


@pytest.mark.parametrize(
    ("story", "question", "message"),
    [
        ("mary left.", None, "question must be a text. Received: None"),
        (None, "where is mary", "story must be a text, a pathlib.Path or an iterable of facts. Received: None"),
        (b"mary left.", "where is mary", "story must be a text"),
        ({"story": "mary left."}, "where is mary", "story must be a text"),
    ],
)
def test_what_is_asked_is_a_text(story, question, message, shared_task):
    with pytest.raises(TypeError, match=message):
        shared_task.ask(story, question)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_what_is_learned_or_measured_has_its_answer(method, shared_task):
    records = [as_record(example) for example in examples(3)]
    del records[1]["answer"]
    with pytest.raises(ValueError, match=f"record 2: {method} needs the right answer, the field 'answer'"):
        getattr(shared_task, method)(records)
    with pytest.raises(ValueError, match="record 2: validation_data needs the right answer"):
        shared_task.fit(examples(3), validation_data=records)
    with pytest.raises(ValueError, match=r"^validation_data: record 1: the key 'story' is missing"):
        shared_task.fit(examples(3), validation_data=[{"question": "where"}])


@pytest.mark.parametrize(
    "argument", [{"y": np.ones(3)}, {"sample_weight": [1]}, {"class_weight": {0: 1}}, {"validation_split": 0.1}]
)
def test_what_raw_examples_make_no_use_of_is_named(argument, shared_task):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} does not go with raw examples"):
        shared_task.fit(examples(3), **argument)
    with pytest.raises(ValueError, match="shuffle must be True"):
        shared_task.fit(examples(3), shuffle=False)


def test_a_fit_that_fails_leaves_no_words_behind():
    qa = QuestionAnswerer(**SETTINGS, num_placeholders=2)
    alone = [Example(("ann is here",), "where is ann", ("here",))]
    for data, message in ((alone, "no word stands in so many"), ([{"story": ["A."]}], "the key 'question' is missing")):
        with pytest.raises(ValueError, match=message):
            qa.fit(data)
        assert not qa.preprocessor.is_adapted
    for mistake in ({"validation_data": [{"story": "A."}]}, {"validation_data": []}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=next(iter(mistake))):
            qa.fit(examples(3), **mistake)
        assert not qa.preprocessor.is_adapted
        assert qa.preprocessor.num_questions == QuestionAnswerer().preprocessor.num_questions


@pytest.mark.slow
def test_an_unknown_answer_is_never_right(caplog):
    """Not even of a model that has learned to give the unknown word."""
    qa, new = task(learning_rate=0.05), [Example(("zoe is in the attic",), "where is zoe", ("attic",))]
    qa.fit(new, validation_data=new, epochs=20, verbose=0, callbacks=keras.callbacks.TerminateOnNaN())
    assert "warning: 2 words of the training data were never seen in training: zoe, attic" in caplog.messages
    [answer] = qa.predict(new)
    assert answer.answer in [*PEOPLE, *PLACES, "is", "in", "the", "where"]
    assert qa.evaluate(new, verbose=0)["answer_accuracy"] == qa.score(new, [answer])["accuracy"] == 0


def test_an_answer_of_more_words_than_the_model_gives_is_wrong():
    qa = task()
    example = examples(1)[0]
    given = qa.predict([example])[0].answer
    longer = [dataclasses.replace(example, answer=(given, given))]
    assert qa.evaluate(longer)["answer_accuracy"] == qa.score(longer, qa.predict(longer))["accuracy"] == 0


def test_examples_that_a_function_draws_are_read_between_epochs():
    drawn = []

    def draw(epoch):
        drawn.append(epoch)
        return examples(8) if epoch < 2 else []

    with pytest.raises(ValueError, match="fit needs at least one example"):
        QuestionAnswerer(**SETTINGS).fit(draw, epochs=4, verbose=0)
    assert drawn == [0, 1, 2]


def test_a_linear_start_ends_with_its_epochs(caplog):
    settings = {"family": "memn2n", "embedding_dim": 4, "num_hops": 2, "linear_start": 1}
    qa = QuestionAnswerer(**settings, supervise_gates=False)
    linear = []
    see = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: linear.append(float(qa.network.get_layer("memory_hop").linear.numpy()))
    )
    history = qa.fit(examples(), validation_data=examples(8), epochs=2, callbacks=[see], verbose=0)
    assert linear == history.history["linear"] == [1.0, 0.0]
    # As with supervised gates, though the network learns from its answers alone.
    assert {"answer_accuracy", "val_answer_accuracy"} < set(history.history)
    assert not caplog.records
    qa.fit(examples(), epochs=1, verbose=0)
    assert "No epoch has a softmax" in caplog.text
    with pytest.raises(ValueError, match=r"backbone needs model.family=dmn\. Received: model.family=memn2n"):
        qa.backbone  # noqa: B018
    with pytest.raises(ValueError, match="linear_start needs supervise_gates=False"):
        QuestionAnswerer(**settings).fit(examples(), verbose=0)
    hard = QuestionAnswerer(family="memn2n", attention="hard", supervise_gates=False)
    with pytest.raises(ValueError, match="attention='hard' learns from supporting facts"):
        hard.fit(examples(), verbose=0)


def test_batches_of_arrays_take_a_single_callback_and_raw_validation_data():
    qa, seen = task(), []
    seen_by = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    batches = EpochSequence(qa.batches(examples(5))).for_fit()
    qa.fit(batches, callbacks=seen_by, shuffle=False, verbose=0)
    assert seen == [0]
    history = qa.fit(batches, validation_data=examples(4), shuffle=False, verbose=0).history
    assert history["val_answer_accuracy"] == [qa.evaluate(examples(4), verbose=0)["answer_accuracy"]]


def test_the_backbone_gives_memory_and_gates(shared_task):
    arrays = shared_task.preprocessor(examples(4))
    outputs = shared_task.backbone.predict_on_batch(arrays)
    assert outputs["memory"].shape == (4, 6)
    np.testing.assert_allclose(outputs["gates"], shared_task.network.predict_on_batch(arrays)["gates"], atol=1e-6)


def test_progress_is_shown_where_it_is_asked_for(shared_task, capsys):
    shared_task.predict(examples(5))
    assert not capsys.readouterr().out
    shared_task.predict(examples(5), batch_size=2, verbose=2)
    assert capsys.readouterr().out.startswith("5/5 - ")


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_answers_do_not_depend_on_the_batch(several):
    qa, asked = task(several), examples(8, several)
    whole = qa.predict(asked, batch_size=100)
    for batch_size in (1, 3):
        for one, other in zip(whole, qa.predict(asked, batch_size=batch_size), strict=True):
            assert_same_answer(one, other)
    for one, question in zip(whole, asked, strict=True):
        assert_same_answer(qa.ask(question.story, question.question), one)
        assert np.shape(one.gates) == (2, len(question.story))


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    ("stop", "passes"), [([0.1, 0.9, 0.9], 2), ([0.9, 0.1, 0.1], 1), ([0.1, 0.1, 0.9], 3), ([0.1, 0.45, 0.6], (2, 3))]
)
def test_passes_after_the_stop_are_left_out(stop, passes, gate):
    qa = QuestionAnswerer(**SETTINGS, gate=gate)
    qa.adapt(examples())
    gates = np.float32([[0.5, 0.2, 0.0], [0.3, 0.4, 0.0], [0.3, 0.2, 0.0]])
    row = {
        "words": np.array([4]),
        "log_probability": np.array(-0.5),
        "top_words": np.array([[4]]),
        "top_log_probabilities": np.array([-0.5]),
        "gates": gates,
        "stop": np.float32(stop),
    }
    [answer] = qa.decode([row], qa.preprocessor.encode([Example(("mary is in the park",) * 2, "where is mary")]))
    # A stop above all facts but unlikely in itself counts with softmax alone.
    expected = passes if isinstance(passes, int) else passes[gate == "sigmoid"]
    np.testing.assert_array_equal(answer.gates, gates[:expected, :2])
    assert answer.probability == pytest.approx(np.exp(-0.5))


WORDS = [
    "mary",
    "John",
    "park",
    "the",
    "Zo\u00eb",
    "Zoe\u0308",
    "42",
    "3.5",
    "\u0928\u093e\u092e",
    "a" * 90,
    "is",
    "it's",
]
MARKS = [".", "?", "!", "...", ";", "\u2026", "", ""]


def irregular(rng):
    """A record with facts of several sentences or without a word, and words of all kinds."""

    def fact():
        if rng.random() < 0.15:
            return rng.choice(["", " ", "...", "?", "\n"])
        sentences = (" ".join(rng.choices(WORDS, k=rng.randint(1, 7))) for _ in range(rng.choice([1, 1, 1, 2])))
        return " ".join(sentence + rng.choice(MARKS) for sentence in sentences)

    story = [fact() for _ in range(rng.randint(0, 9))] + [f"{rng.choice(WORDS[:3])} park."]
    rng.shuffle(story)
    question = f"Where is {rng.choice(WORDS)}{rng.choice(MARKS)}?"
    return {"story": story, "question": question, "answer": rng.choice(PLACES)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_path_reads_irregular_records_alike(seed):
    """Arrays, answers and gates of 1,000 records in all, one after the other and together, in training and asking."""
    rng = random.Random(seed)
    records = [irregular(rng) for _ in range(250)]
    # Steps over words take the time: one seed reads facts by a GRU, with what else reads ids.
    qa = QuestionAnswerer(**(SETTINGS if seed else EVERY_PART), max_facts=6)
    qa.adapt([*records[:50], *map(as_record, examples(5))])
    randomize(qa.network)
    qa.calibration = Calibration(1.5, -0.5)
    read = qa.preprocessor.read(records)
    assert qa.preprocessor.read(json.loads(json.dumps(records))) == read
    encoded, answers = qa.preprocessor.encode(read), qa.predict(records, batch_size=50)
    batches = qa.batches(read, batch_size=64)
    for planned in batches.plan():
        inputs, targets, _ = batches.batch(planned)
        for row, member in enumerate(planned.members):
            facts = [tuple(ids[ids > 0].tolist()) for ids in inputs["story"][row] if ids.any()]
            assert tuple(facts) == encoded[member].story
            question = inputs["question"][row]
            assert tuple(question[question > 0].tolist()) == encoded[member].question
            assert targets["answer"][row] == encoded[member].answer[0]
    for record, example, answer in list(zip(records, encoded, answers, strict=True))[::10]:
        assert len(answer.facts) == len(example.story) <= 6
        assert_same_answer(qa.ask(record["story"], record["question"]), answer)


def spied(qa, monkeypatch):
    """Count the calls of the model that predicts, by the shapes of their inputs, and how many run at the same time."""
    calls, running = [], []
    made = qa.prediction_network()
    predict = made.predict_on_batch

    def predict_on_batch(inputs):
        running.append(1)
        calls.append((tuple(x.shape for x in inputs.values()), len(running)))
        outputs = predict(inputs)
        running.pop()
        return outputs

    monkeypatch.setattr(made, "predict_on_batch", predict_on_batch)
    monkeypatch.setattr(qa, "prediction_network", lambda **options: made)
    return calls


def test_first_answers_of_many_threads_wait_for_one(monkeypatch):
    qa = task()
    calls = spied(qa, monkeypatch)
    threads = [threading.Thread(target=qa.predict, args=(examples(1),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 6
    assert calls[0][1] == 1
    assert calls[1][1] == 1, "while the first is computed the others wait"


def test_questions_asked_alone_share_shapes(monkeypatch):
    qa = task()
    calls = spied(qa, monkeypatch)
    for example in examples():
        qa.ask(example.story, example.question)
    assert len({len(example.story) for example in examples()}) > 4
    assert len({shapes for shapes, _ in calls}) == 1


@pytest.mark.slow
def test_the_bundled_samples_cause_few_compilations(monkeypatch):
    qa = QuestionAnswerer.from_preset("babi-joint")
    calls = spied(qa, monkeypatch)
    from dmn_keras.serving import SAMPLES

    for sample in SAMPLES:
        assert qa.ask(sample.story, sample.question).known
    assert len(SAMPLES) == 20
    assert len({shapes for shapes, _ in calls}) <= 3


def test_a_task_keeps_its_models_and_they_end_with_it(monkeypatch):
    qa = task(several=True)
    built = []
    make = QuestionAnswerer.prediction_network
    monkeypatch.setattr(
        QuestionAnswerer, "prediction_network", lambda *own, **options: built.append(options) or make(*own, **options)
    )
    for width in (1, 3, 1, 3):
        qa.predict(examples(2, several=True), beam_width=width)
    assert built == [{"beam_width": 1}, {"beam_width": 3}]
    network = weakref.ref(qa.network)
    del qa
    gc.collect()
    assert network() is None


def test_words_that_training_never_saw_are_counted(caplog):
    qa, held_out = task(), [*examples(3), Example(("zoe is in the attic",), "where is zoe", ("attic",))]
    qa.evaluate(examples(3), verbose=0)
    qa.fit(examples(3), validation_data=held_out, verbose=0)
    qa.evaluate(held_out, verbose=0)
    assert caplog.messages == [
        f"warning: 2 words of the {part} were never seen in training: zoe, attic"
        for part in ("validation_data", "examples to evaluate")
    ]


def test_supporting_facts_supervise_the_gates_where_there_are_any(shared_task):
    assert [target.name for target in shared_task.targets()] == ["answer", "gate_logits"]
    assert [target.name for target in task(supervise_gates=False).targets()] == ["answer"]
    unsupported = QuestionAnswerer(**SETTINGS)
    unsupported.adapt([as_record(example) for example in examples()])
    assert [target.name for target in unsupported.targets()] == ["answer"]
    assert tiny_task(examples(), num_passes=None, supervise_gates=True).config.model.num_passes == 2


@pytest.mark.parametrize(
    ("count", "settings", "expected"),
    [
        (499, {}, ("position", True)),
        (500, {}, ("sentence", False)),
        (9, {"input_fusion": False, "question_match": None, "embedding_dim": 6}, ("position", False)),
        (500, {"input_fusion": True}, ("sentence", True)),
        (9, {"fact_encoder": "story"}, ("story", None)),
        (9, {"lexical_links": 1}, ("sentence", False)),
        (9, {"link_mode": "chain"}, ("sentence", False)),
        (9, {"link_mode": "mentions"}, ("sentence", False)),
    ],
)
def test_few_questions_are_read_by_position(count, settings, expected):
    qa = QuestionAnswerer(units=6, num_passes=1, **settings)
    qa.adapt(examples(count, most_facts=2))
    assert qa.network.count_params() > 0
    module = qa.config.model.input
    assert (module.fact_encoder, module.input_fusion) == expected


def test_an_adapted_preprocessor_settles_the_network_of_another_task():
    first = task()
    again = QuestionAnswerer(units=6, preprocessor=first.preprocessor)
    assert again.network.count_params() > 0
    assert again.config.model.input.fact_encoder == "position"
    assert type(first.preprocessor).from_config(first.preprocessor.get_config()).num_questions == 23


def test_a_chain_retriever_learns_from_supporting_facts_in_their_order():
    assert [target.name for target in task(**CHAIN).targets()] == ["answer", "gate_logits", "retriever_logits"]
    with pytest.raises(ValueError, match=r"gate_order='annotated'. Received: gate_order='unordered'"):
        task(**CHAIN, gate_order="unordered").targets()
    unsupported = QuestionAnswerer(**SETTINGS, **CHAIN)
    unsupported.adapt([as_record(example) for example in examples()])
    with pytest.raises(ValueError, match=r"learns from supporting facts. Received training data that names none"):
        unsupported.targets()


def test_a_story_is_read_whole_by_a_chain_retriever(tmp_path):
    qa = task(**CHAIN)
    [expected] = qa.predict(examples(1))
    answer = qa.ask(examples(1)[0].story, examples(1)[0].question)
    assert_same_answer(answer, expected)
    assert answer.num_facts == len(examples(1)[0].story)
    assert answer.facts == tuple(examples(1)[0].story[i] for i in answer.positions)
    with pytest.raises(ValueError, match=r"\(retriever='sentence'\). Received a model without one"):
        qa.ask_index(tmp_path, "where is Mary?")


def test_a_model_of_another_family_is_refused():
    with pytest.raises(
        ValueError, match=r"model.family must be 'dmn' or 'memn2n' .* Received: model.family='text_dmn'"
    ):
        QuestionAnswerer(family="text_dmn")
