"""Targets of the formal languages: what the next symbol can be, found by listing the language."""

import numpy as np
import pytest

from dmn_keras.datasets import formal_languages

COUNTING = {
    "anbn": lambda n, m: "a" * n + "b" * n,
    "anbncn": lambda n, m: "a" * n + "b" * n + "c" * n,
    "anbncndn": lambda n, m: "a" * n + "b" * n + "c" * n + "d" * n,
    "anb2n": lambda n, m: "a" * n + "b" * 2 * n,
    "anbmcnm": lambda n, m: "a" * n + "b" * m + "c" * (n + m),
}


def texts(example):
    """Inputs and targets of an example as text; a target that is not scored is a space."""
    task = formal_languages.TASKS[example.task]
    assert (example.inputs.sum(1) == 1).all()
    inputs = "".join(task.alphabet[i] for i in example.inputs.argmax(1))
    targets = [task.outputs[c] if s else " " for c, s in zip(example.targets, example.scored, strict=True)]
    return inputs, "".join(targets)


def loaded(config, num_examples=40):
    return [texts(example) for example in formal_languages.load("test", config=config, num_examples=num_examples)]


def determined_targets(symbols, words, first):
    """Next symbol after each prefix of a stream of words where there is one choice, else a space."""
    targets, begin = "", 0
    for position in range(1, len(symbols) + 1):
        prefix = symbols[begin:position]
        longer = {word[len(prefix)] for word in words if word.startswith(prefix) and len(word) > len(prefix)}
        if prefix in words:  # none of these languages has a word that begins another one
            assert not longer
            longer, begin = {first}, position
        targets += longer.pop() if len(longer) == 1 else " "
    return targets


@pytest.mark.parametrize("sequences", ["1", "3"])
@pytest.mark.parametrize("task", COUNTING)
def test_determined_symbols_of_counting_languages(task, sequences):
    words = {COUNTING[task](n, m) for n in range(1, 12) for m in range(1, 12)}
    for inputs, targets in loaded(f"{task},length=2-5,sequences={sequences}"):
        assert targets == determined_targets(inputs, words, "a")


@pytest.mark.parametrize("task", COUNTING)
def test_length_is_n_and_sequences_are_as_many(task):
    for inputs, _ in loaded(f"{task},length=60,sequences=2", 5):
        if task == "anbmcnm":
            assert inputs.count("c") == 120
            assert inputs.count("a") + inputs.count("b") == 120
        else:
            assert inputs == 2 * COUNTING[task](60, 60)


def test_determined_symbols_of_memorisation():
    for inputs, targets in loaded("memorisation,length=1-6,sequences=2"):
        first, rest = inputs.split("a")[0], inputs[2 * len(inputs.split("a")[0]) + 1 :]
        second = rest.split("a")[0]
        expected = " " * len(first) + first[::-1] + " " * (len(second) + 1) + second[::-1]
        assert targets == expected
        assert inputs + targets[-1] == first + "a" + first[::-1] + second + "a" + second[::-1]


def test_binary_addition_adds():
    for inputs, targets in loaded("binary_addition,sequences=2"):
        sums = (inputs + ".").split(".")[:2]
        expected = ""
        for text in sums:
            terms, total = text.split("=")
            left, right = terms.split("+")
            assert int(left, 2) + int(right, 2) == sum(2**i * int(digit) for i, digit in enumerate(total))
            assert 2 <= len(left) + len(right) <= 19
            expected += " " * (len(terms) + 1) + total + "."
        assert targets == expected[1:]


def answers(config, num_examples=300):
    for inputs, targets in loaded(config, num_examples):
        text = inputs.rstrip("_")
        assert targets.startswith(" " * len(text))
        yield text, targets[len(text) :]


def test_reverse_and_duplicate_string():
    assert all(answer == "".join(reversed(text)) for text, answer in answers("reverse_string,length=1-60"))
    assert all(answer == text + text for text, answer in answers("duplicate_string,length=1-60"))


def test_stack_manipulation_replaces_pushes_and_pops():
    seen_empty = False
    for text, answer in answers("stack_manipulation,length=1-12"):
        while (pop := text.find("-")) >= 0:  # a pop takes away the symbol before it
            text = text[: max(pop - 1, 0)] + text[pop + 1 :]
        assert answer.rstrip() == text.lower()[::-1] + "."
        seen_empty |= not text
    assert seen_empty


def test_modular_arithmetic_evaluates():
    lengths = set()
    for text, answer in answers("modular_arithmetic,length=1-30"):
        lengths.add(len(text))
        assert int(answer) == eval(text) % 5
    assert {1, 2, 3, 4} <= lengths
    assert {text.count("(") for text, _ in answers("modular_arithmetic,length=5")} == {1}


def test_modular_arithmetic_of_any_length():
    assert all(len(text) == 5000 for text, _ in answers("modular_arithmetic,length=5000", 2))


def test_snapshots():
    snapshots = {
        "anbn": ("aaaaabbbbb", "     bbbba"),
        "anbmcnm": ("aaaabccccc", "     cccca"),
        "memorisation": ("ccbcbabcbc", "     bcbcc"),
        "binary_addition": ("0+1101=1011", "      1011."),
        "reverse_string": ("abbab_____", "     babba"),
        "stack_manipulation": ("a-A-A______", "     a.    "),
        "duplicate_string": ("aabab__________", "     aababaabab"),
    }
    for task, expected in snapshots.items():
        (example,) = formal_languages.load("train", config=f"{task},length=5", num_examples=1)
        assert texts(example) == expected
    (example,) = formal_languages.load("train", config="modular_arithmetic,length=11", num_examples=1)
    assert texts(example) == ("((0+1)+(3))_", " " * 11 + "4")


@pytest.mark.parametrize("task", formal_languages.TASKS)
def test_encode_is_the_inputs_of_the_examples(task):
    (example,) = formal_languages.load("train", config=task, num_examples=1)
    np.testing.assert_array_equal(formal_languages.encode(task, texts(example)[0]), example.inputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("anbn", "aabc"), "text must consist of the symbols 'ab'. Received: 'c' at position 3"),
        (("anbn", ""), "text must have at least one symbol"),
        (("reverse_strin", "ab"), "task must be one of .*Did you mean 'reverse_string'"),
    ],
)
def test_bad_text(arguments, message):
    with pytest.raises(ValueError, match=message):
        formal_languages.encode(*arguments)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("anbmcnm,length=1", "length must be an integer of at least 2"),
        ("binary_addition,length=1", "length must be an integer of at least 2"),
        ("anbn,sequences=0", "sequences must be an integer of at least 1"),
    ],
)
def test_bounds(config, message):
    with pytest.raises(ValueError, match=message):
        formal_languages.load("train", config=config, num_examples=1)


def test_every_short_string_is_drawn():
    texts_drawn = {text for text, _ in answers("reverse_string,length=2")}
    assert texts_drawn == {"aa", "ab", "ba", "bb"}
