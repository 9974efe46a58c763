"""The task of sequence transduction: what it learns from, its answers and their scores."""

import dataclasses

import keras
import numpy as np
import pytest

from dmn_keras import datasets
from dmn_keras.datasets import SequenceTransductionExample
from dmn_keras.datasets.algorithmic import copy
from dmn_keras.datasets.curriculum import Curriculum
from dmn_keras.models.recurrent_memory_config import RecurrentMemoryConfig
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.sequence_transduction import (
    Lessons,
    SequenceAnswer,
    SequenceTransducer,
    SequenceTransductionPreprocessor,
    length_table,
    memory_over_time,
    plot_lengths,
    plot_memory,
    score_by_length,
)
from dmn_keras.tasks.sequence_transduction.answer import format_values
from dmn_keras.tasks.sequence_transduction.memory_plot import SHOWN
from dmn_keras.tasks.sequence_transduction.targets import BitsPerSequence, SequenceAccuracy, SequenceCrossentropy


def load(dataset="algorithmic", config="copy,length=1-4,width=3", count=12, **options):
    return datasets.load(dataset, task="all", split="train", config=config, num_examples=count, **options)


QUICK = {"num_buckets": 1, "jit_compile": False}


def transducer(examples, **settings):
    task = SequenceTransducer(**QUICK, **{"cell": "lstm", "units": 6, "batch_size": 4, **settings})
    keras.utils.set_random_seed(0)
    task.adapt(examples)
    task.build()
    return task


BITS = load()
CLASSES = load("formal_languages", "anbn,length=1-4")


@pytest.fixture(scope="module")
def bits_task():
    """A task for `BITS` that no test changes."""
    return transducer(BITS)


@pytest.fixture(scope="module")
def classes_task():
    """A task for `CLASSES` that no test changes."""
    return transducer(CLASSES)


def loops(targets, logits, output):
    """Crossentropy and wrong values of each step of one sequence, in plain loops."""
    costs, wrong = [], []
    for target, logit in zip(targets, logits.astype("float64"), strict=True):
        if output == "bits" and target[0] >= 0:
            p = 1 / (1 + np.exp(-logit))
            costs.append(-sum(np.log(q if bit else 1 - q) for bit, q in zip(target, p, strict=True)))
            wrong.append(sum(bool(bit) != (q > 0.5) for bit, q in zip(target, p, strict=True)))
        elif output == "classes" and target >= 0:
            costs.append(np.log(np.exp(logit).sum()) - logit[target])
            wrong.append(int(logit.argmax() != target))
    return costs, wrong


def drawn(output, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((3, 5, 4)).astype("float32") * 2
    targets = rng.integers(0, 2, (3, 5, 4)).astype("float32") if output == "bits" else rng.integers(0, 4, (3, 5))
    targets[0, :3] = targets[1, 4:] = targets[2] = -1  # the last sequence has no scored step
    right = (logits > 0).astype("float32") if output == "bits" else logits.argmax(-1)
    targets[1] = np.where(targets[1] < 0, targets[1], right[1])
    return targets, logits


@pytest.mark.parametrize("output", ["bits", "classes"])
def test_loss_and_metrics_are_those_of_loops(output):
    targets, logits = drawn(output)
    rows = [loops(*row, output) for row in zip(targets, logits, strict=True)]
    weights = np.array([1, 2, 0.5], "float32")

    loss = SequenceCrossentropy(output)(targets, logits, sample_weight=weights)
    means = [np.mean(costs) if costs else 0 for costs, _ in rows]
    np.testing.assert_allclose(float(loss), np.mean(weights * means), rtol=1e-5)
    loss = SequenceCrossentropy(output, "sum")(targets, logits, sample_weight=weights)
    np.testing.assert_allclose(float(loss), np.mean(weights * [sum(costs) for costs, _ in rows]), rtol=1e-5)

    bits = BitsPerSequence(output)
    bits.update_state(targets, logits, sample_weight=weights)
    sums = [sum(costs) / np.log(2) for costs, _ in rows]
    np.testing.assert_allclose(float(bits.result()), np.average(sums, weights=weights), rtol=1e-5)

    accuracy = SequenceAccuracy(output)
    accuracy.update_state(targets, logits, sample_weight=weights)
    exact = [sum(wrong) == 0 for _, wrong in rows]
    assert exact == [False, True, True]
    np.testing.assert_allclose(float(accuracy.result()), np.average(exact, weights=weights), rtol=1e-6)


@pytest.mark.parametrize("kind", [SequenceCrossentropy, SequenceAccuracy, BitsPerSequence])
def test_losses_and_metrics_are_saved_with_what_they_score(kind):
    assert kind.from_config(kind("classes").get_config()).output == "classes"
    with pytest.raises(ValueError, match="output must be one of bits, classes"):
        kind("bit")


def test_the_setting_chooses_whether_steps_are_summed():
    bits = BITS[:1]
    mean, total = (transducer(bits, loss_over_steps=over).evaluate(bits)["loss"] for over in ("mean", "sum"))
    np.testing.assert_allclose(total, mean * bits[0].scored.sum(), rtol=1e-5)
    loss = SequenceCrossentropy(over_steps="sum")
    assert SequenceCrossentropy.from_config(loss.get_config()).over_steps == "sum"
    with pytest.raises(ValueError, match="over_steps must be one of mean, sum"):
        SequenceCrossentropy(over_steps="max")


def test_answers_depend_neither_on_the_batch_nor_on_padding(bits_task, classes_task):
    for task, examples in ((bits_task, BITS), (classes_task, CLASSES)):
        together, alone = task.predict(examples), [task.predict([example])[0] for example in examples]
        assert len({len(example.inputs) for example in examples}) > 1
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=0, atol=1e-6)
            np.testing.assert_array_equal(a.values, b.values)


def test_answers_hold_the_scored_steps_and_their_symbols(bits_task, classes_task):
    for example, answer in zip(CLASSES, classes_task.predict(CLASSES), strict=True):
        assert answer.values.shape == (example.scored.sum(),)
        assert answer.text == "".join("ab"[i] for i in answer.values)
        np.testing.assert_allclose(answer.probabilities.sum(axis=-1), 1, atol=1e-6)
    (answer,) = bits_task.predict(BITS[:1])
    assert answer.values.shape == answer.probabilities.shape == (BITS[0].scored.sum(), 3)
    np.testing.assert_array_equal(answer.values, answer.probabilities > 0.5)
    assert answer.text.split() == ["".join(map(str, step)) for step in answer.values.tolist()]


def test_scores_count_sequences_and_bits(bits_task):
    answers = [
        SequenceAnswer(np.array([[1, 0]]), np.array([[0.5, 0.25]]), "10"),
        SequenceAnswer(np.array([[1, 1], [0, 0]]), np.array([[0.75, 0.5], [0.5, 0.5]]), "11 00"),
    ]
    targets = [np.array([[1, 0]], "float32"), np.array([[0, 1], [1, 1], [0, 0]], "float32")]
    scored = [np.array([True]), np.array([True, False, True])]
    examples = [SequenceTransductionExample(np.zeros((len(t), 1)), t, s) for t, s in zip(targets, scored, strict=True)]
    score = bits_task.score(examples, answers)
    assert score["exact"] == 50
    np.testing.assert_allclose(score["bit_error"], 100 / 6)
    costs = [1 - np.log2(0.75), 2 + 3]
    np.testing.assert_allclose(score["bits_per_sequence"], np.mean(costs), rtol=1e-6)


def test_a_wrong_answer_is_a_row_of_a_table(classes_task):
    task, example = classes_task, CLASSES[0]
    right = example.targets[example.scored]
    answer = SequenceAnswer(right, np.eye(2)[right], "")
    assert task.mistake(example, answer) is None
    other = SequenceAnswer(1 - right, np.eye(2)[1 - right], "x")
    expected = {"expected": "".join("ab"[i] for i in right), "answer": "x", "wrong": len(right)}
    assert task.mistake(example, other) == {"steps": len(example.inputs), **expected}
    assert task.explain(example, other) == f"{len(example.inputs)} steps -> x"
    assert format_values(np.array([3, 0, 1])) == "3 0 1"


def test_scores_of_predictions_are_the_metrics_of_evaluate(bits_task, classes_task, capsys):
    for task, examples in ((bits_task, BITS), (classes_task, CLASSES)):
        metrics, score = task.evaluate(examples, verbose=0), task.score(examples, task.predict(examples, verbose=2))
        assert capsys.readouterr().out.startswith(f"{len(examples)}/{len(examples)} - ")
        np.testing.assert_allclose(score["exact"], 100 * metrics["accuracy"], atol=1e-4)
        np.testing.assert_allclose(score["bits_per_sequence"], metrics["bits_per_sequence"], rtol=1e-4)


def test_what_is_not_scored_does_not_count(bits_task):
    example = BITS[0]
    other = dataclasses.replace(example, targets=np.where(example.scored[:, None], example.targets, 7))
    assert bits_task.evaluate([example], verbose=0) == bits_task.evaluate([other], verbose=0)


def test_lessons_advance_by_accuracy_or_by_epochs():
    lessons = Lessons(copy, Curriculum.growing_lengths(1, 3, review_fraction=0.0), num_examples=3, seed=1)
    assert {len(example.inputs) for example in lessons(0)} == {3}
    lessons.on_epoch_end(0, {"accuracy": 0.5})
    assert lessons.curriculum.index == 0
    lessons.on_epoch_end(1, {"accuracy": 0.95})
    assert lessons.curriculum.lesson == {"length": (1, 2)}
    by_epoch = Lessons(copy, lessons.curriculum, num_examples=3, seed=1, epochs_per_lesson=2)
    by_epoch(4)
    by_epoch.on_epoch_end(4, {"accuracy": 1.0})
    assert by_epoch.curriculum.index == 2
    for a, b in zip(by_epoch(4), by_epoch(4), strict=True):
        np.testing.assert_array_equal(a.inputs, b.inputs)
    assert not np.array_equal(by_epoch(4)[0].inputs, by_epoch(5)[0].inputs)


@pytest.mark.parametrize("argument", ["seed", "epochs_per_lesson", "num_examples"])
def test_the_numbers_of_lessons_are_checked(argument):
    with pytest.raises(ValueError, match=f"{argument} must be .*integer.* Received: {argument}=-1"):
        Lessons(copy, Curriculum.growing_lengths(1, 3), **{argument: -1})


def test_lessons_train_a_network():
    lessons = Lessons(copy, Curriculum(({"length": 1, "width": 3}, {"length": (1, 9), "width": 3})), num_examples=8)
    lessons.curriculum = dataclasses.replace(lessons.curriculum, pass_score=0.0)
    history = transducer(BITS).fit(lessons, epochs=2, validation_data=BITS, callbacks=[lessons], verbose=0).history
    assert lessons.curriculum.index == 1
    assert len(history["loss"]) == 2
    assert all(np.isfinite(history["val_loss"]))


def test_lengths_are_scored_laid_out_and_drawn(bits_task, tmp_path):
    examples = {length: load(config=f"copy,length={length},width=3", count=3) for length in (2, 20)}
    scores = score_by_length(bits_task, examples)
    assert scores[20] == {**bits_task.score(examples[20], bits_task.predict(examples[20])), "examples": 3}
    assert [line.split()[0] for line in length_table(scores).splitlines()] == ["length", "2", "20"]
    plot_lengths({"lstm": scores}, tmp_path / "lengths.svg", trained_to=4, metric="bit_error")
    assert "trained to 4" in (tmp_path / "lengths.svg").read_text()
    with pytest.raises(ValueError, match=r"metric must be one of .* Did you mean 'exact'"):
        plot_lengths({"lstm": scores}, tmp_path / "lengths.svg", trained_to=4, metric="exakt")


@pytest.mark.parametrize(
    ("cell", "examples"), [("ntm", BITS), ("dnc", BITS), ("dynamic_ntm", BITS), ("stack_rnn", CLASSES)]
)
def test_memory_over_time_is_recorded_and_drawn(cell, examples, tmp_path):
    task = transducer(
        examples, cell=cell, memory_slots=4, memory_width=3, num_stacks=2, depth=16, controller="feedforward"
    )
    records = memory_over_time(task, examples[0])
    assert {len(record) for record in records.values()} == {len(examples[0].inputs)}
    logits = task.network.get_layer("logits")(records["outputs"])
    expected = task.predict([examples[0]])[0].probabilities
    activation = keras.ops.softmax if cell == "stack_rnn" else keras.ops.sigmoid
    actual = keras.ops.convert_to_numpy(activation(logits))[examples[0].scored]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    plot_memory(task, examples[0], tmp_path / "memory.svg")
    picture = (tmp_path / "memory.svg").read_text()
    drawn = {name: rows_of(records[name]) for name, (title, rows_of) in SHOWN.items() if f"<!-- {title} -->" in picture}
    assert {len(rows) for rows in drawn.values()} == {len(examples[0].inputs)}
    actual = {name: rows.shape[1] for name, rows in drawn.items()}
    if cell == "stack_rnn":
        assert actual == {"actions": 2 * 2}
    else:
        heads = dict.fromkeys(["write_weights", "read_weights"], 4 + (cell == "dynamic_ntm"))  # the no-operation slot
        assert actual == {**heads, **({"usage": 4} if cell == "dnc" else {}), "memory": 4}
        norms = np.sqrt(np.sum(np.square(records["memory"]), axis=-1))
        np.testing.assert_allclose(drawn["memory"], norms, rtol=1e-5)


def test_a_network_without_memory_has_nothing_to_record(bits_task):
    with pytest.raises(ValueError, match=r"model\.cell must be one with a memory. Received: cell=lstm"):
        memory_over_time(bits_task, BITS[0])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("rmsprop", "RMSprop"), ("sgd", "SGD")])
def test_optimizer_is_that_of_the_settings(name, kind):
    task = transducer(BITS, optimizer=name, learning_rate=0.25, clip_norm=2.0)
    task.compile()
    assert type(task.optimizer).__name__ == kind
    assert float(task.optimizer.learning_rate) == 0.25
    assert task.optimizer.clipnorm == 2.0
    if name == "rmsprop":  # Graves 2013, equations 38 to 45
        assert (task.optimizer.rho, task.optimizer.momentum, task.optimizer.centered) == (0.95, 0.9, True)


def test_task_is_saved_and_loaded(tmp_path):
    task = transducer(CLASSES, learning_rate=0.01)
    task.save_to_preset(tmp_path / "preset")
    loaded = SequenceTransducer.from_preset(tmp_path / "preset")
    assert loaded.config == task.config
    assert loaded.preprocessor.symbols == "ab"
    for a, b in zip(task.predict(CLASSES), loaded.predict(CLASSES), strict=True):
        np.testing.assert_array_equal(a.probabilities, b.probabilities)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is written by TensorFlow")
def test_an_exported_task_answers_as_predict_does(tmp_path):
    import tensorflow as tf

    task = transducer(CLASSES, cell="stack_rnn", num_stacks=2, depth=20)
    served = tf.saved_model.load(str(task.export(tmp_path / "served", questions=CLASSES[:3]))).signatures
    (longer,) = load("formal_languages", "anbn,length=7", 1)
    outputs = served["serving_default"](inputs=tf.constant(longer.inputs[None]))
    actual = outputs["probabilities"].numpy()[0][longer.scored]
    np.testing.assert_allclose(actual, task.predict([longer])[0].probabilities, atol=1e-6)


@pytest.mark.slow
def test_a_small_stack_learns_to_count():
    task = SequenceTransducer(cell="stack_rnn", units=8, num_stacks=2, depth=16, learning_rate=0.03, **QUICK)
    keras.utils.set_random_seed(0)
    task.fit(lambda epoch: load("formal_languages", "anbn,length=1-4", 128, seed=epoch), epochs=20, verbose=0)
    examples = load("formal_languages", "anbn,length=1-4", 20, seed=99)
    assert task.score(examples, task.predict(examples))["exact"] == 100


def text(**fields):
    return {"inputs": "aabb", "task": "anbn", **fields}


def test_a_text_in_the_alphabet_of_a_language_is_a_sequence(classes_task):
    answer, of_numbers = classes_task.predict([text(), text(inputs=np.eye(2)[[0, 0, 1, 1]])])
    assert len(answer.text) == 4
    np.testing.assert_allclose(answer.probabilities, of_numbers.probabilities)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (text(inputs=""), "record 1: text must have at least one symbol"),
        (text(inputs="aaxb"), "record 1: text must consist of the symbols 'ab'. Received: 'x' at position 2"),
        (text(task="anbb"), "record 1: inputs that are a text need a task.*Did you mean 'anbn'"),
        (text(inputs=np.zeros((0, 2))), r"record 1: inputs must be \(steps, input_size\) with at least one step"),
        (text(inputs=[0.0, 1.0]), r"record 1: inputs must be \(steps, input_size\)"),
        (text(inputs=[[0.0, 1.0], [1.0]]), "record 1: inputs must be numbers, as many in each step"),
        (text(inputs=[[0, 1], [0, float("nan")]]), r"inputs must be finite numbers. Received: \[0.0, nan\] at step 1"),
        (text(inputs=[[0, 1, 0]]), r"inputs must be \(steps, 2\), as in the training data. Received: shape \(1, 3\)"),
        (text(inputs=[[0, 10**400]]), "record 1: inputs must be numbers, as many in each step"),
        (text(inputs={}), "record 1: inputs must be numbers, as many in each step"),
        (text(inputs=np.full((2, 2), 1e39)), r"inputs must be finite numbers. Received: \[inf, inf\] at step 0"),
        (text(task=["anbn"]), r"record 1: task must be a text. Received: \['anbn'\]"),
        (text(scored=[True]), r"scored must be \(4,\), one for each step. Received: shape \(1,\)"),
        (text(scored=[1, 0, 0.5, 1]), r"scored must be true or false for each step. Received: \[1.0, 0.0, 0.5, 1.0\]"),
        (text(targets=5), "record 1: targets must be numbers, as many in each step"),
        (text(targets=[0, 1]), r"targets must be \(4,\) or \(4, bits\), one for each step. Received: shape \(2,\)"),
        (text(targets=[0, 1, 2, 0]), r"targets must be \(steps,\) classes below 2.*greatest 2"),
        (text(targets=[0, 1, -1, 0]), "targets must be classes, whole numbers from 0 at scored steps. Received: -1"),
        (text(targets=[[0], [1], [2], [0]]), "targets must be 0 or 1 at scored steps. Received: 2"),
        (text(targets=[[0], [1], [1], [0]]), r"targets must be \(steps,\) classes below 2"),
        ({"input": "ab"}, "record 1: unknown key 'input'. Did you mean 'inputs'"),
        ({"task": "anbn"}, "record 1: the key 'inputs' is missing"),
    ],
)
def test_bad_input_is_named(record, message):
    preprocessor = SequenceTransductionPreprocessor()
    preprocessor.adapt(CLASSES)
    with pytest.raises(ValueError, match=message):
        preprocessor([record])


def test_training_needs_targets(classes_task):
    preprocessor = SequenceTransductionPreprocessor()
    with pytest.raises(ValueError, match="record 1: targets are missing"):
        preprocessor.adapt([text()])
    with pytest.raises(ValueError, match="adapt needs at least one example"):
        preprocessor.adapt([])
    for first, second, kind in ((CLASSES, BITS, "classes"), (BITS, CLASSES, "bits")):
        with pytest.raises(ValueError, match=f"record 2: targets must be {kind}, as those of record 1"):
            preprocessor.adapt([first[0], second[0]])
    with pytest.raises(ValueError, match="record 1: evaluate needs the right answer"):
        classes_task.evaluate([text()])
    asked = classes_task.preprocessor.read([text()])
    for examples in (asked, []):
        with pytest.raises(ValueError, match="examples must be at least one, each with targets"):
            classes_task.score(examples, classes_task.predict(examples))


def test_a_shallow_stack_is_warned_of_with_both_numbers():
    task = transducer(CLASSES, cell="stack_rnn", depth=3, num_stacks=1)
    with pytest.warns(UserWarning, match="depth=3 is less than the length 4"):
        task.predict([text()])


def test_a_language_with_other_symbols_is_refused():
    preprocessor = SequenceTransductionPreprocessor()
    preprocessor.adapt(load("formal_languages", "anbncn", 3))
    other = load("formal_languages", "reverse_string", 2)
    with pytest.raises(ValueError, match="record 1: task reverse_string has the symbols 'ab', those of the training"):
        preprocessor.encode(other)


def test_settings_of_another_task_are_refused():
    message = "config.task must be a SequenceTransductionConfig for a SequenceTransducer. Received: a QuestionAnswering"
    with pytest.raises(TypeError, match=message):
        SequenceTransducer(RunConfig(model=RecurrentMemoryConfig()))
