import itertools
import pathlib
import pickle
import tracemalloc

import numpy as np
import pytest

from dmn_keras import datasets
from dmn_keras.datasets import Example, babi, babi_long
from dmn_keras.datasets.babi_long import (
    BABI_NAMES,
    Books,
    Config,
    DistractorFacts,
    LongStory,
    insert_into_background,
    write_text,
)
from dmn_keras.datasets.babi_long import distractor_facts as distractor_module
from dmn_keras.tasks.question_answering.preprocessor import QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.unanswerable import common_words, without_answer
from dmn_keras.text import Vocabulary, read_sentences, split_sentences, tokenize

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "babi"
STORY = ("Mary took the milk.", "John went home.", "Mary went to the park.", "Mary dropped the milk.")
EXAMPLE = Example(STORY, "Where is the milk?", ("park",), (3, 2), task="2", story_id=7)
STORY_TOKENS = 16


def book(name, num_sentences):
    """A book of broken lines; a sentence has two words and up to eight more."""
    parts = []
    for i in range(num_sentences):
        end = "!  " if i % 4 else "\n\n" if i % 3 else ".\n"
        parts.append(f"{name} {i}" + " and\nso" * (i % 5) + end)
    return "".join(parts)


@pytest.fixture(name="folder", scope="module")
def books_in_parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books")
    for part, names in {"train": ("Älter", "Beta"), "test": ("Gamma",)}.items():
        (folder / part).mkdir()
        for number, name in enumerate(names):
            (folder / part / f"{number}.txt").write_text(book(name, 60), encoding="utf-8")
    return folder


@pytest.fixture(name="books")
def train_books(folder):
    return Books(folder / "train")


def tokens(sentences):
    return sum(len(tokenize(sentence)) for sentence in sentences)


def bare(example):
    return tuple(example.story[i] for i in example.story_positions)


# Books


def test_books_are_the_sentences_of_their_files(folder, books):
    expected = [
        sentence.text
        for path in sorted((folder / "train").iterdir())
        for sentence in read_sentences(path, wrapped=True)
        if tokenize(sentence.text)
    ]
    assert list(books) == expected
    assert len(books) == 120
    assert expected[0].startswith("Älter 0")
    assert books[-1] == expected[-1]
    assert books[58:62] == tuple(expected[58:62])
    assert books.num_tokens == tokens(expected)
    assert [split_sentences(sentence) for sentence in books] == [[sentence] for sentence in books]
    assert list(pickle.loads(pickle.dumps(books))) == expected, "in another process too"
    with pytest.raises(IndexError):
        books[120]


def test_sentences_without_a_word_are_left_out(tmp_path):
    (tmp_path / "a.txt").write_text("One. ?!\n\n? ! Two\n\n")
    assert list(Books(tmp_path)) == ["One.", "Two"]


@pytest.mark.parametrize("num_tokens", [0, 1, 5, 40, 700, 701, 5000])
@pytest.mark.parametrize(
    ("kind", "start"), [("books", 0), ("books", 119), ("distractor_facts", 0), ("distractor_facts", 255)]
)
def test_whole_sentences_that_fit(kind, start, num_tokens, books):
    background = books if kind == "books" else DistractorFacts(1)
    count, counted, repeats = background.fit(start, num_tokens)
    taken = [background.at(i) for i in range(start, start + count)]
    assert tokens(taken) == counted <= num_tokens
    assert counted + tokens([background.at(start + count)]) > num_tokens, "the next one would not"
    assert repeats == (max(taken.count(books[start]) - 1, 0) if kind == "books" else 0)


def test_folders_without_books(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere' is not a folder"):
        load(f"en,books={tmp_path / 'nowhere'}")
    with pytest.raises(FileNotFoundError, match=r"expected books as \.txt files\. It holds: nothing"):
        Books(tmp_path)
    (tmp_path / "book.md").write_text("A book.")
    with pytest.raises(FileNotFoundError, match=r"It holds: book\.md"):
        Books(tmp_path)
    (tmp_path / "book.txt").write_bytes(b"A book.\n\xff")
    with pytest.raises(ValueError, match=r"book\.txt, line 2: expected text in UTF-8"):
        Books(tmp_path)
    (tmp_path / "book.txt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"book\.txt, line 1: expected a text with at least one word"):
        Books(tmp_path)


# DistractorFacts


def test_distractor_facts_are_never_those_of_babi():
    facts = [DistractorFacts(0).at(i) for i in range(2000)]
    words = {word for fact in facts for word in tokenize(fact, lowercase=True)}
    assert not words & {name.lower() for name in BABI_NAMES}
    assert {"anna", "library", "lantern", "gave", "dropped", "took", "moved"} <= words


def test_any_distractor_fact_can_be_had_first():
    in_order = [DistractorFacts(4).at(i) for i in range(600)]
    distractor_module._facts.cache_clear()
    assert [DistractorFacts(4).at(i) for i in range(599, -1, -1)] == in_order[::-1]
    assert [DistractorFacts(5).at(i) for i in range(600)] != in_order
    assert len(set(in_order)) > 300


# Hiding


@pytest.mark.parametrize("num_tokens", [16, 17, 30, 100, 1000, 3001])
@pytest.mark.parametrize("kind", ["books", "distractor_facts"])
def test_a_story_is_hidden_in_its_order(kind, num_tokens, books):
    background = books if kind == "books" else DistractorFacts(2)
    for seed in range(30):
        hidden = insert_into_background(EXAMPLE, background, num_tokens, seed)
        story, sentences = hidden.story, list(hidden.story)
        assert bare(hidden) == STORY
        assert list(hidden.story_positions) == sorted(hidden.story_positions)
        assert [story[i] for i in hidden.supporting_facts] == [STORY[3], STORY[2]]
        unchanged = {name: getattr(EXAMPLE, name) for name in ("question", "answer", "task", "story_id")}
        assert {name: getattr(hidden, name) for name in unchanged} == unchanged
        assert len(story) == len(sentences)
        others = [sentence for i, sentence in enumerate(sentences) if i not in hidden.story_positions]
        assert others == [background.at(story.start + i) for i in range(len(others))], "as it stands in the book"
        assert tokens(sentences) == story.num_tokens <= num_tokens
        following = tokens([background.at(story.start + len(others))])
        assert story.num_tokens + following > num_tokens, "one sentence more would be too long"


def test_a_long_story_is_a_sequence(books):
    story = insert_into_background(EXAMPLE, books, 200, 3).story
    sentences = list(story)
    assert [story[i] for i in range(len(story))] == sentences
    assert [story[-i] for i in range(1, len(story) + 1)] == sentences[::-1]
    for begin, end, step in itertools.product((None, 0, 3, -4), (None, 5, -1, 99), (None, 2, -1)):
        assert story[begin:end:step] == tuple(sentences[begin:end:step])
    for index in (len(story), -len(story) - 1):
        with pytest.raises(IndexError, match=f"index {index} is outside of a story of {len(story)} sentences"):
            story[index]


def test_every_set_of_places_is_drawn(books):
    example = Example(STORY[:2], "Who?")
    seen, starts = {}, set()
    for seed in range(3000):
        hidden = insert_into_background(example, books, 26, seed)
        starts.add(hidden.story.start)
        if len(hidden.story) == 5:
            seen[hidden.story_positions] = seen.get(hidden.story_positions, 0) + 1
    assert set(seen) == set(itertools.combinations(range(5), 2))
    assert min(seen.values()) > 0.7 * max(seen.values()), "all with equal chances"
    assert starts == set(range(len(books)))


def test_equal_arguments_give_equal_stories_on_every_platform(books, tmp_path):
    first, again = (insert_into_background(EXAMPLE, books, 500, 11) for _ in range(2))
    assert list(first.story) == list(again.story)
    assert (
        first.story_positions
        == again.story_positions
        == insert_into_background(EXAMPLE, books, 500, np.random.default_rng(11)).story_positions
    )
    assert insert_into_background(EXAMPLE, books, 500, 12).story_positions != first.story_positions
    hidden = insert_into_background(EXAMPLE, books, 100, 0)
    assert (hidden.story.start, hidden.story_positions) == (76, (0, 3, 13, 15))
    assert DistractorFacts(0).at(300) == "Jonas headed to the balcony."
    for path in books.paths:  # wherever the books lie
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert repr(insert_into_background(EXAMPLE, Books(tmp_path), 100, 0)) == repr(hidden)
    others = [(books, 100, 1), (DistractorFacts(1), 100, 0), (DistractorFacts(2), 100, 0)]
    assert len({repr(hidden), *(repr(insert_into_background(EXAMPLE, *other)) for other in others)}) == 4


def test_no_tokens_are_the_story_alone_and_too_few_are_refused(books):
    hidden = insert_into_background(EXAMPLE, books, 0, 0)
    assert (hidden.story, hidden.story_positions) == (STORY, (0, 1, 2, 3))
    assert hidden.supporting_facts == EXAMPLE.supporting_facts
    for num_tokens in (-1, 1, STORY_TOKENS - 1):
        message = f"num_tokens must be 0, .* or at least the 16 tokens of the story. Received: num_tokens={num_tokens}"
        with pytest.raises(ValueError, match=message):
            insert_into_background(EXAMPLE, books, num_tokens, 0)


def test_a_hidden_story_can_be_hidden_again(books):
    twice = insert_into_background(insert_into_background(EXAMPLE, DistractorFacts(0), 100, 0), books, 300, 1)
    assert bare(twice) == STORY
    assert [twice.story[i] for i in twice.supporting_facts] == [STORY[3], STORY[2]]


def test_a_million_tokens_are_never_in_memory_together(books):
    story = insert_into_background(EXAMPLE, books, 1_000_000, 0).story
    next(iter(story))
    tracemalloc.start()
    counted = sum(1 for _ in story)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counted == len(story) > 100_000
    assert peak < 1_000_000


# Text files


@pytest.mark.parametrize("kind", ["books", "distractor_facts"])
def test_a_story_is_written_and_read(kind, books, tmp_path):
    story = insert_into_background(EXAMPLE, books if kind == "books" else DistractorFacts(0), 2000, 0).story
    path = tmp_path / "story.txt"
    path.write_text("An older one.")
    write_text(story, path)
    assert [sentence.text for sentence in read_sentences(path)] == list(story)
    assert list(tmp_path.iterdir()) == [path]
    marks = ["\ufeffAnna.", "\ufeffBen."]
    write_text(marks, path)
    assert [sentence.text for sentence in read_sentences(path)] == marks, "byte order marks are kept"


@pytest.mark.parametrize("sentence", ["Two. Sentences.", "two\nlines", " blank around", ""])
def test_what_is_no_sentence_is_not_written(sentence, tmp_path):
    with pytest.raises(ValueError, match="sentence 2 must be one sentence"):
        write_text(["Anna ran.", sentence], tmp_path / "story.txt")
    assert not list(tmp_path.iterdir())


# The dataset


def load(config, split="train", **options):
    return datasets.load("babi_long", task="1", split=split, config=config, **{"data_dir": DUMMY, **options})


@pytest.mark.filterwarnings("ignore:.* the books begin again")
def test_questions_of_babi_are_hidden(folder):
    plain = babi.load(DUMMY, config="en", task="1", split="train")
    hidden = load(f"en,tokens=100,books={folder}")
    assert [bare(example) for example in hidden] == [example.story for example in plain]
    for example, before in zip(hidden, plain, strict=True):
        assert 90 < example.story.num_tokens <= 100
        assert (example.question, example.answer, example.task) == (before.question, before.answer, "1")
        expected = [before.story[i] for i in before.supporting_facts]
        assert [example.story[i] for i in example.supporting_facts] == expected
    assert len(load(f"en,books={folder}", num_examples=2)) == 2
    assert datasets.task_names("babi_long") == babi.TASKS


def test_renaming_leaves_the_background_as_it_is(tmp_path):
    (tmp_path / "book.txt").write_text("Mary saw Daniel and John and Sandra there.\n" * 50)
    plain = datasets.load("babi", task="1", split="train", config="en,rename=new", data_dir=DUMMY)
    renamed = load(f"en,tokens=100,books={tmp_path},rename=new")
    assert [bare(example) for example in renamed] == [example.story for example in plain]
    assert "Mary" not in str(plain)
    for example in renamed:
        others = {text for i, text in enumerate(example.story) if i not in example.story_positions}
        assert others == {"Mary saw Daniel and John and Sandra there."}


@pytest.mark.filterwarnings("ignore:.* the books begin again")
def test_each_split_is_hidden_in_books_of_its_own(folder):
    first_words = {
        split: {
            sentence.split()[0] for example in load(f"en-valid,books={folder}", split) for sentence in example.story
        }
        for split in datasets.SPLITS
    }
    assert first_words["train"] & first_words["valid"] >= {"Älter", "Beta"}
    assert "Gamma" in first_words["test"]
    assert not first_words["test"] & {"Älter", "Beta"}
    assert "Gamma" not in first_words["train"] | first_words["valid"]
    assert load(f"en,books={folder}", "valid") == [], "a part that bAbI lacks"
    [example, *_] = load(f"en,tokens=400,books={folder / 'test'}")
    assert any(sentence.startswith("Gamma") for sentence in example.story), "books without parts are those of all"


def test_a_question_is_hidden_the_same_whatever_the_others(folder):
    config = f"en,tokens=50-500,books={folder}"
    every = load(config)
    few = load(config, num_examples=2)
    assert [list(example.story) for example in few] == [list(example.story) for example in every[:2]]
    assert [e.story_positions for e in load(config, seed=1)] != [e.story_positions for e in every]
    parts = (("train", 0), ("test", 0), ("train", 1))
    first = [load("en,tokens=100,distractor_facts", split, seed=seed)[0] for split, seed in parts]
    assert len({frozenset(example.story) - {*bare(example)} for example in first}) == 3
    assert len({example.story.num_tokens for example in every}) > 1


def test_lengths_are_drawn_from_the_range_and_a_longer_story_stays_alone():
    story = [Example(STORY, "Where?", task="2")] * 300
    hidden = babi_long.load(story, config=Config("en", (0, 100), None), split="train")
    lengths = [tokens(example.story) for example in hidden]
    assert min(lengths) == STORY_TOKENS
    alone = [example for example in hidden if not isinstance(example.story, LongStory)]
    assert 0.08 < len(alone) / 300 < 0.26
    assert all(example.story == STORY and example.story_positions == (0, 1, 2, 3) for example in alone)
    assert max(lengths) > 90
    assert max(lengths) <= 100


def test_what_cannot_be_as_it_is_asked_for_is_said(folder):
    short, long = Example(STORY[:1], "Where?", task="2"), Example(STORY, "Where?", task="2")
    with pytest.warns(UserWarning, match="1 of 2 stories of task 2 are longer than the tokens drawn for them"):
        babi_long.load([short, long], config=Config("en", (10, 10), None), split="train")
    with pytest.raises(ValueError, match="Received: tokens=1, and task 2 has no shorter story"):
        babi_long.load([short, long], config=Config("en", (1, 1), None), split="train")
    with pytest.warns(UserWarning, match="is shorter than 1 of the 1 texts: there the books begin again"):
        babi_long.load([long], config=Config("en", (3000, 3000), str(folder)), split="test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("distractor_facts", Config("en-10k", (1000, 1000), None)),
        ("en,tokens=0-2000,books=my books/x", Config("en", (0, 2000), "my books/x")),
        (" books = b , tokens = 7 ", Config("en-10k", (7, 7), "b")),
    ],
)
def test_configs(text, expected):
    assert Config.parse(text) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            None,
            "'babi_long' must name one background text: .* 'en-10k,tokens=1000,books=FOLDER'.* None",
        ),
        ("en,tokens=3", "must name one background text: .* Received: 'en,tokens=3'"),
        ("books=b,distractor_facts", "must name one background text"),
        ("books=", "must name one background text"),
        ("en-10,distractor_facts", "config: part must be one of en, .* Received: 'en-10'. Did you mean"),
        ("distractor_facts=3", "config: part must be one of"),
        ("distractor_facts,", "config: part must be one of .* Received: ''"),
        ("token=3,distractor_facts", "Received: 'token=3'. Did you mean 'tokens=N'"),
        ("tokens=3,tokens=4,distractor_facts", "config: tokens must be given once"),
        (
            "tokens=few,distractor_facts",
            "config: tokens must be a number or a rising range such as 0-2000. Received: 'few'",
        ),
        ("tokens=5-3,distractor_facts", "config: tokens must be a number or a rising range .* Received: '5-3'"),
    ],
)
def test_configs_refused(config, message):
    with pytest.raises(ValueError, match=message):
        load(config)


# What reads such examples


def test_words_of_the_background_are_unknown(books):
    vocabulary = Vocabulary.from_examples([insert_into_background(EXAMPLE, books, 500, 0)])
    assert vocabulary.words == Vocabulary.from_examples([EXAMPLE]).words
    assert "beta" not in vocabulary


def test_a_long_story_is_encoded_whole_and_cut(books):
    hidden = insert_into_background(EXAMPLE, books, 200, 0)
    preprocessor = QuestionAnsweringPreprocessor()
    preprocessor.adapt([hidden])
    whole, plain = preprocessor.encode([hidden, EXAMPLE])
    assert len(whole.story) == len(hidden.story)
    assert whole.story_positions == hidden.story_positions
    assert plain.story_positions is None
    preprocessor.max_facts = len(hidden.story) - hidden.story_positions[1]
    [cut] = preprocessor.encode([hidden])
    assert cut.story == whole.story[-preprocessor.max_facts :]
    assert cut.story_positions == tuple(fact - hidden.story_positions[1] for fact in hidden.story_positions[1:])


def test_a_story_without_its_answer_names_its_story_positions(books):
    hidden = insert_into_background(EXAMPLE, books, 200, 0)
    cut = without_answer(hidden, common_words([hidden]))
    assert bare(cut) == STORY[:2]
    assert common_words([hidden]) == common_words([EXAMPLE])
    assert without_answer(EXAMPLE, common_words([EXAMPLE])).story_positions is None
