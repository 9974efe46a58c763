"""Configs, seeds and arrays of the generated data sets of sequences."""

import numpy as np
import pytest

from dmn_keras.datasets import algorithmic, formal_languages, graphs

EVERY = [(package, task) for package in (algorithmic, formal_languages, graphs) for task in package.TASKS]
every_task = pytest.mark.parametrize(("package", "task"), EVERY, ids=[task for _, task in EVERY])


def equal(first, second):
    arrays = ((a, b) for x, y in zip(first, second, strict=True) for a, b in zip(fields(x), fields(y), strict=True))
    return all(np.array_equal(a, b) for a, b in arrays)


def fields(example):
    return example.inputs, example.targets, example.scored


@every_task
def test_arrays_of_all_examples_have_the_same_sizes(package, task):
    examples, outputs = package.load("train", config=task, num_examples=20), package.TASKS[task].outputs
    for example in examples:
        steps = len(example.inputs)
        assert example.task == task
        assert example.inputs.shape == (steps, examples[0].inputs.shape[1])
        assert example.inputs.dtype == np.float32
        assert example.scored.shape == (steps,)
        assert example.scored.dtype == bool
        assert example.scored.any()
        if not outputs:
            assert example.targets.shape == (steps, examples[0].targets.shape[1])
            assert example.targets.dtype == np.float32
            assert set(np.unique(example.targets)) <= {0, 1}
        else:
            assert example.targets.shape == (steps,)
            assert example.targets.dtype == np.int32
            assert example.targets.min() >= 0
            assert example.targets.max() < len(outputs)


@every_task
def test_seed_and_split_choose_the_examples(package, task):
    examples = package.load("train", config=task, seed=3, num_examples=6)
    assert equal(examples[:4], package.load("train", config=task, seed=3, num_examples=4))
    assert not equal(examples, package.load("train", config=task, seed=4, num_examples=6))
    assert not equal(examples, package.load("test", config=task, seed=3, num_examples=6))


@every_task
def test_size_of_zero_and_unknown_setting_are_errors(package, task):
    size = "items" if task == "associative_recall" else "length"
    for value in ("0", "0-4", "5-4", "many", "-3"):
        with pytest.raises(ValueError, match=f"{size} must be"):
            package.load("train", config=f"{task},{size}={value}", num_examples=1)
    with pytest.raises(ValueError, match=f"Did you mean '{size}'"):
        package.load("train", config=f"{task},{size}s=3", num_examples=1)


@pytest.mark.parametrize("package", [algorithmic, formal_languages, graphs])
def test_default_config_is_the_first_task(package):
    first = next(iter(package.TASKS))
    assert equal(package.load("valid", num_examples=2), package.load("valid", config=first, num_examples=2))


def test_number_of_examples():
    assert [len(algorithmic.load(split)) for split in ("train", "valid", "test")] == [5000, 500, 1000]


def test_range_has_both_ends():
    lengths = {
        int(example.scored.sum()) for example in algorithmic.load("train", config="copy,length=3-5", num_examples=50)
    }
    assert lengths == {3, 4, 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "copi"}, "config must be one of copy, .*'copi'. Did you mean 'copy'"),
        ({"config": "copy,length"}, "length must have one value"),
        ({"config": "copy,length="}, "length must have one value"),
        ({"config": "copy,length=3,length=4"}, "length must have one value"),
        ({"config": "copy,width=2-3"}, r"width must be an integer of at least 1. Received: width=\(2, 3\)"),
        ({"split": "training"}, "split must be one of train, valid, test"),
        ({"seed": -1}, "seed must be an integer of at least 0"),
        ({"num_examples": 0}, "num_examples must be an integer of at least 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        algorithmic.load(**{"split": "train", **arguments})
