import json

import pytest

from dmn_keras.datasets import columns
from dmn_keras.datasets.example import TextClassificationExample, TokenTaggingExample, VisualQuestionAnsweringExample


@pytest.fixture(name="load")
def load_text(tmp_path):
    """Write a file and read it."""

    def load(text, name="train.csv", kind="text_classification", **arguments):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return columns.load("train", kind=kind, data_dir=path, **arguments)

    return load


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    "text",
    [
        'text,label\nfine,good\n"so, ""so""\nand so",bad\n',
        '\ufefflabel,id,text\r\ngood,1,fine\r\n\r\nbad,2,"so, ""so""\r\nand so"',
        '"text" , label\n fine , good \n\n   \n"so, ""so""\nand so",bad\n\n'.replace('" ,', '",'),
        ',text,,label\n0,fine,,good\n1,"so, ""so""\nand so",x,bad\n',
    ],
    ids=["plain", "other columns, CRLF, byte order mark", "blanks", "columns without a name"],
)
def test_reads_csv(text, load):
    expected = [TextClassificationExample("fine", "good"), TextClassificationExample('so, "so"\nand so', "bad")]
    assert load(text) == expected
    assert load(text, num_examples=1) == expected[:1]


def test_reads_texts_as_json_lines(load):
    text = lines({"text": "fine", "label": 4.0}, {"label": True, "text": " so\nso ", "id": None})
    assert load(text, "train.jsonl") == [
        TextClassificationExample("fine", "4.0"),
        TextClassificationExample("so\nso", "true"),
    ]


def test_reads_tokens_and_tags(load):
    text = lines({"tokens": ["Go", 2, "x y"], "tags": ["VERB", "NUM", 7]}) + "\n"
    assert load(text, "train.jsonl", "token_tagging") == [TokenTaggingExample(("Go", "2", "x y"), ("VERB", "NUM", "7"))]


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl"])
def test_reads_visual_questions(name, load, tmp_path):
    (tmp_path / "images").mkdir()
    records = [("images/a.png", "What is it?", "2"), ("b.jpg", "Is it red?", "no"), ("images/a.png", "Is it?", "yes")]
    for image in ("images/a.png", "b.jpg"):
        (tmp_path / image).write_bytes(b"not looked at")
    keys = ("image", "question", "answer")
    if name == "train.csv":
        text = "\n".join(map(",".join, [keys, *records]))
    else:
        text = lines(*(dict(zip(keys, record, strict=True)) for record in records))
    assert load(text, name, "visual_question_answering") == [
        VisualQuestionAnsweringExample(str(tmp_path / image), question, answer, image_id=image_id)
        for (image, question, answer), image_id in zip(records, (0, 1, 0), strict=True)
    ]


def test_config_names_the_columns(load):
    expected = [TextClassificationExample("fine", "4")]
    assert load("text,review,stars\nno,fine,4\n", config="text=review, label=stars") == expected
    assert load('{"text": "fine", "stars": 4}', "train.jsonl", config="label=stars") == expected
    with pytest.raises(ValueError, match=r"config: column must be one of text, label. Received: 'lable'"):
        load("text,label\na,b\n", config="lable=stars")
    with pytest.raises(ValueError, match=r"config must be such as 'text=NAME'. Received: config='text='"):
        load("text,label\na,b\n", config="text=")
    with pytest.raises(ValueError, match=r"config must name a column for each of text, label. Received"):
        load("text,label\na,b\n", config="label=text")
    with pytest.raises(ValueError, match=r"config must name 'label' once. Received: config='label=a,label=b'"):
        load("text,label\na,b\n", config="label=a,label=b")


def test_a_folder_has_a_file_a_split(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\n")
    (tmp_path / "test.jsonl").write_text('{"text": "c", "label": "y"}')

    def read(split, data_dir=tmp_path):
        return columns.load(split, kind="text_classification", data_dir=data_dir)

    assert [[example.text for example in read(split)] for split in ("train", "valid", "test")] == [["a"], [], ["c"]]
    assert read("train", tmp_path / "train.csv") == read("train")
    assert read("test", tmp_path / "train.csv") == []
    (tmp_path / "train.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"expected one of train\.csv and train\.jsonl, found both"):
        read("train")
    (tmp_path / "train.txt").write_text("")
    with pytest.raises(ValueError, match=r"train\.txt': expected a \.csv or \.jsonl file"):
        read("train", tmp_path / "train.txt")


@pytest.mark.parametrize("text", ["", "\n\n", "text,label\n"])
def test_a_file_without_examples_is_refused(text, load):
    with pytest.raises(ValueError, match=r"train\.csv: expected at least one example, found none"):
        load(text)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("fine,good\nbad,bad\n", 1, r"expected a header with one column 'text'; .* Received: 'fine,good'"),
        ("text,stars\nfine,good\n", 1, "expected a header with one column 'label'"),
        ("text,label,text\na,b,c\n", 1, "expected a header with one column 'text'"),
        ("text,label\nfine,good\nbad\n", 3, r"expected 2 columns, as in the header, got 1. Received: 'bad'"),
        ("text,label\n\nso, so,bad\n", 3, r"expected 2 columns, as in the header, got 3. Received: 'so, so,bad'"),
        ("text,label\n,good\n", 2, r'text must be a string that is not empty. Received: ""'),
        ('text,label\n"a\nb\nc",x\nfine,  \n', 5, "label must be a string that is not empty"),
        ('text,label\na,b\n"fine,good\n', 3, "expected fields with commas between them: unexpected end of data"),
        ('text,label\n"fine" x,good\n', 2, "expected fields with commas between them"),
        (b"text,label\nfin\xe9,good\n", 2, "expected text in UTF-8"),
    ],
)
def test_errors_of_csv_name_file_and_line(text, line, message, load, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        load(text)
    assert str(error.value).startswith(f"{tmp_path / 'train.csv'}, line {line}: ")


@pytest.mark.parametrize(
    ("kind", "record", "message"),
    [
        ("text_classification", '{"text": "a"', "expected one JSON object"),
        ("text_classification", '["a", "b"]', "expected one JSON object"),
        ("text_classification", '{"text": "a"}', "the key 'label' is missing. Received the keys: text"),
        ("text_classification", '{"text": null, "label": "x"}', "text must be a string that is not empty"),
        ("text_classification", '{"text": ["a"], "label": "x"}', "text must be a string that is not empty"),
        ("text_classification", '{"text": "\\ud800", "label": "x"}', "text must not hold half a surrogate pair"),
        ("token_tagging", '{"tokens": ["a", "b"], "tags": ["X"]}', "a tag for each token, got 2 tokens and 1 tags"),
        ("token_tagging", '{"tokens": "a b", "tags": ["X"]}', "tokens must be a list of at least one string"),
        ("token_tagging", '{"tokens": [], "tags": []}', "tokens must be a list of at least one string"),
        ("token_tagging", '{"tokens": ["a", ""], "tags": ["X", "Y"]}', r"tokens\[1\] must be a string that is not"),
        ("visual_question_answering", '{"image": "no.png", "question": "a", "answer": "b"}', "the path of a file"),
        ("visual_question_answering", '{"image": ".", "question": "a", "answer": "b"}', "the path of a file"),
        ("visual_question_answering", '{"image": "", "question": "a", "answer": "b"}', "image must be a string"),
    ],
)
def test_errors_of_json_lines_name_file_and_line(kind, record, message, load, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        load(f"\n{record}\n", "train.jsonl", kind)
    assert str(error.value).startswith(f"{tmp_path / 'train.jsonl'}, line 2: ")


def test_tags_in_a_csv_file_and_an_unknown_kind_are_refused(load):
    with pytest.raises(ValueError, match="tokens must be a list of at least one string"):
        load("tokens,tags\na b,X Y\n", kind="token_tagging")
    with pytest.raises(ValueError, match=r"kind must be one of text_classification, .* Did you mean 'token_tagging'\?"):
        load("", kind="tagging")
