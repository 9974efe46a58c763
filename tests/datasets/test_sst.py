import itertools
import pathlib

import numpy as np
import pytest

from dmn_keras.datasets import sst
from dmn_keras.datasets.example import TextClassificationExample

SHARED = pathlib.Path(__file__).parents[2] / "../shared/data/sst"
TREES = """\
(4 (3 A) (4 (2 film) (3 (2 by) (2 Ida))))
(1 (2 Ida) (0 (1 (1 not) (2 bad)) (0 !)))

(2 film)
"""


@pytest.fixture(name="folder")
def trees_folder(tmp_path):
    (tmp_path / "train.txt").write_text(TREES)
    (tmp_path / "dev.txt").write_text("(2 (2 so) (2 so))\n(3 (4 fine) (2 .))")
    return tmp_path


def read(folder, split="train", **arguments):
    return [(e.text, e.label, e.is_phrase) for e in sst.load(split, data_dir=folder, **arguments)]


def test_training_has_each_sentence_and_each_phrase_once(folder):
    assert read(folder) == [
        ("A film by Ida", "very positive", False),
        ("A", "positive", True),
        ("film by Ida", "very positive", True),
        ("by Ida", "positive", True),
        ("by", "neutral", True),
        ("Ida", "neutral", True),
        ("Ida not bad !", "negative", False),
        ("not bad !", "very negative", True),
        ("not bad", "negative", True),
        ("not", "negative", True),
        ("bad", "neutral", True),
        ("!", "very negative", True),
        ("film", "neutral", False),
    ]


def test_a_phrase_has_the_number_of_its_sentence(folder):
    assert [example.sentence_id for example in sst.load("train", data_dir=folder)] == [0] * 6 + [1] * 6 + [2]


def test_binary_leaves_out_what_is_neutral(folder):
    assert read(folder, config="binary", num_examples=5) == [
        ("A film by Ida", "positive", False),
        ("A", "positive", True),
        ("film by Ida", "positive", True),
        ("by Ida", "positive", True),
        ("Ida not bad !", "negative", False),
    ]
    assert read(folder, "valid", config="binary") == [("fine .", "positive", False)]


def test_validation_has_sentences_alone_and_a_missing_test_file_is_empty(folder):
    assert read(folder, "valid") == [("so so", "neutral", False), ("fine .", "positive", False)]
    assert read(folder, "test") == []


def test_the_folder_may_be_named_trees_and_given_by_its_parent(folder, tmp_path):
    inner = tmp_path / "trees"
    inner.mkdir()
    (folder / "train.txt").rename(inner / "train.txt")
    (folder / "dev.txt").unlink()
    assert len(read(tmp_path)) == 13


def test_escapes_of_the_treebank_are_undone():
    tree = r"(2 (2 -LRB-) (2 (2 ``) (2 (2 a\/b) (2 (2 f\*\*k) (2 (2 '') (2 -RRB-))))))"
    assert next(sst.parse_tree(tree, "x"))[1] == '( " a/b f**k " )'


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("(2 (2 a) (2 b)", r"expected 1 more '\)' at the end"),
        ("(2 (2 a) (2 (2 b)", r"expected 2 more '\)' at the end"),
        ("(2 (2 a) (2 b)))", r"expected one tree, got more at column 16: '\)'"),
        ("(2 a) (2 b)", r"expected one tree, got more at column 7"),
        ("(5 a)", r"a label from 0 to 4, at column 1. Received: '\(5 a\)'"),
        ("(2 (a) (2 b))", r"at column 4"),
        ("(2 (2 a b) (2 c))", r"at column 4"),
        ("(2 a (2 c))", r"at column 1"),
        ("(2 )", r"at column 1"),
        ("(2 (2 a) b)", r"at column 10. Received: 'b\)'"),
        (")", r"at column 1"),
        ("a lovely film", r"at column 1"),
    ],
)
def test_a_malformed_tree_names_file_and_line(tree, message, folder):
    path = folder / "train.txt"
    path.write_text(f"(2 a)\n\n{tree}\n")
    with pytest.raises(ValueError, match=message) as error:
        sst.load("train", data_dir=folder)
    assert str(error.value).startswith(f"{path}, line 3: ")


def test_an_empty_file_and_another_encoding_are_named(folder):
    (folder / "dev.txt").write_bytes(b"\n")
    with pytest.raises(ValueError, match=r"dev\.txt is empty"):
        sst.load("valid", data_dir=folder)
    (folder / "dev.txt").write_bytes(b"(2 \xe9)")
    with pytest.raises(ValueError, match=r"dev\.txt, line 1: expected text in UTF-8"):
        sst.load("valid", data_dir=folder)


def test_a_deep_tree_is_read():
    depth = 2000
    nodes = list(sst.parse_tree("(2 " * depth + "(2 a)" + ")" * depth, "x"))
    assert nodes == [(2, "a")] * (depth + 1)


@pytest.mark.parametrize(("fraction", "drawn"), [(0.0, 0), (0.5, 50), (0.29, 29), (1.0, 100)])
def test_an_epoch_has_all_sentences_and_a_fraction_of_the_phrases(fraction, drawn):
    examples = [TextClassificationExample("a", "b", is_phrase=i % 11 > 0) for i in range(110)]
    rng = np.random.default_rng(0)
    epochs = [sst.draw_phrases(examples, rng, fraction) for _ in range(3)]
    for indexes in epochs:
        assert set(range(0, 110, 11)) <= set(indexes.tolist())
        assert len(set(indexes.tolist())) == len(indexes) == 10 + drawn
        assert (np.diff(indexes) > 0).all()
    if 0 < fraction < 1:
        assert all((a != b).any() for a, b in itertools.combinations(epochs, 2))


def test_a_fraction_is_at_most_one():
    with pytest.raises(ValueError, match=r"fraction must be a number from 0 to 1. Received: fraction=1.5"):
        sst.draw_phrases([], np.random.default_rng(0), 1.5)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the treebank is not in ../shared/data/sst")
@pytest.mark.parametrize(("config", "counts"), [("fine", (8544, 1101, 2210)), ("binary", (6920, 872, 1821))])
def test_the_released_treebank_has_the_published_numbers_of_sentences(config, counts):
    splits = [sst.load(split, config=config, data_dir=SHARED) for split in ("train", "valid", "test")]
    assert tuple(sum(not example.is_phrase for example in examples) for examples in splits) == counts
    assert {example.label for example in splits[0]} == set(sst.LABELS[config]) - {None}
    assert not any(example.is_phrase for examples in splits[1:] for example in examples)
    phrases = [example.text for example in splits[0] if example.is_phrase]
    assert len(phrases) == len(set(phrases)) > 70_000
