import pathlib

import pytest

from dmn_keras.datasets import conllu

SHARED = pathlib.Path(__file__).parents[2] / "../shared/data/ud_english_ewt"


def row(word_id, form, upos="X", xpos="_", feats="_", deprel="dep"):
    return "\t".join([str(word_id), form, form.lower(), upos, xpos, feats, "0", deprel, "_", "_"])


SENTENCES = "\n".join(
    [
        "# text = Don't go.",
        row("1-2", "Don't", "_", deprel="_"),
        row(1, "Do", "AUX", "VB", "Mood=Imp", "aux"),
        row(2, "n't", "PART", "RB", deprel="advmod"),
        row(3, "go", "VERB", "VB", "Mood=Imp", "root"),
        row("3.1", "now", "ADV"),
        row(4, ".", "PUNCT", ".", deprel="punct"),
        "",
        "",
        "# a paragraph without words",
        "",
        "# sent_id = 2",
        row(1, "10 000", "NUM", "CD", deprel="root"),
        "# a comment between words",
        row(2, "_", "SYM"),
    ]
)


@pytest.fixture(name="write")
def write_file(tmp_path):
    def write(text, name="xx_tiny-ud-train.conllu"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n"], ids=["none", "newline", "blank line", "blank lines"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_words_are_read_without_multiword_tokens_and_empty_nodes(end, newline, write, tmp_path):
    write((SENTENCES + end).replace("\n", newline))
    first, second = conllu.load("train", data_dir=tmp_path)
    assert first.tokens == ("Do", "n't", "go", ".")
    assert first.tags == ("AUX", "PART", "VERB", "PUNCT")
    assert second.tokens == ("10 000", "_")
    assert second.tags == ("NUM", "SYM")


@pytest.mark.parametrize(
    ("config", "tags"),
    [
        (None, ("AUX", "PART", "VERB", "PUNCT")),
        ("xpos", ("VB", "RB", "VB", ".")),
        ("feats", ("Mood=Imp", "_", "Mood=Imp", "_")),
        ("deprel", ("aux", "advmod", "root", "punct")),
        ("lemma", ("do", "n't", "go", ".")),
    ],
)
def test_config_chooses_the_column(config, tags, write, tmp_path):
    write(SENTENCES)
    assert conllu.load("train", config=config, data_dir=tmp_path, num_examples=1)[0].tags == tags


def test_splits_are_found_by_name_and_large_ones_in_several_files(write, tmp_path):
    for part, word in {"train-b": "two", "train-a": "one", "test": "three"}.items():
        write(row(1, word), f"xx_tiny-ud-{part}.conllu")
    write("", "xx_tiny-ud-train.txt")
    words = {split: [e.tokens for e in conllu.load(split, data_dir=tmp_path)] for split in ("train", "valid", "test")}
    assert words == {"train": [("one",), ("two",)], "valid": [], "test": [("three",)]}


def test_two_treebanks_in_a_folder_are_refused(write, tmp_path):
    write(SENTENCES)
    write(SENTENCES, "xx_big-ud-dev.conllu")
    with pytest.raises(ValueError, match=r"expected the files of one treebank. Received: xx_big, xx_tiny"):
        conllu.load("train", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (row(1, "a") + "\n2\tb\tb\tNOUN\n", 2, r"expected 10 columns with a tab between them, got 4"),
        (row(1, "a").replace("\t", " "), 1, r"expected 10 columns with a tab between them, got 1"),
        (row(1, "a") + "\t_", 1, r"expected 10 columns with a tab between them, got 11"),
        (row(1, "a") + "\n" + row(3, "c"), 2, r"expected the word id 2, .* Received: '3'"),
        (row(1, "a") + "\n" + row(1, "b"), 2, r"or a blank line before the next sentence. Received: '1'"),
        (row(0, "a"), 1, r"expected the word id 1"),
        (row("x", "a"), 1, r"expected the word id 1"),
        ("\n" + row(1, "a", ""), 2, r"the column upos must not be empty"),
        (row(1, " "), 1, r"the column form must not be empty"),
        (b"1\t\xe9\t_\tX\t_\t_\t_\t_\t_\t_", 1, r"expected text in UTF-8"),
    ],
)
def test_errors_name_file_and_line(text, line, message, write, tmp_path):
    path = write(text)
    with pytest.raises(ValueError, match=message) as error:
        conllu.load("train", data_dir=tmp_path)
    assert str(error.value).startswith(f"{path}, line {line}: ")


def test_a_file_without_words_or_without_tags_is_refused(write, tmp_path):
    write("# nothing\n\n")
    with pytest.raises(ValueError, match="expected at least one sentence, found none"):
        conllu.load("train", data_dir=tmp_path)
    write(row(1, "a"))
    with pytest.raises(ValueError, match="config 'xpos' names a column that is '_' for every word"):
        conllu.load("train", config="xpos", data_dir=tmp_path)
    assert conllu.load("train", config="feats", data_dir=tmp_path)[0].tags == ("_",)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the treebank is not in ../shared/data/ud_english_ewt")
@pytest.mark.parametrize(
    ("split", "sentences", "words"), [("train", 12_544, 204_577), ("valid", 2001, 25_147), ("test", 2077, 25_094)]
)
def test_the_released_treebank_has_the_published_numbers_of_words(split, sentences, words):
    examples = conllu.load(split, data_dir=SHARED)
    assert len(examples) == sentences
    assert sum(len(example.tokens) for example in examples) == words
    assert len({tag for example in examples for tag in example.tags}) == 17
