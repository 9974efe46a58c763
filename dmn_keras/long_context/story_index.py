"""A story on disk as a retriever reads it: computed once, asked any number of questions."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import sqlite3
from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.tasks.pretrained import PRETRAINED
from dmn_keras.tasks.question_answering.retrieval import BestFacts, Retrieved, StoryRetriever, parts
from dmn_keras.text import MAX_WORDS, read_sentences
from dmn_keras.utils.files import check_regular_file
from dmn_keras.utils.folder import Folder

DTYPES = ("float32", "float16")
_BLOCK = 1 << 20  # bytes read at a time
_DISK_ERRORS = tuple(f"SQLITE_{name}" for name in ("BUSY", "CANTOPEN", "FULL", "IOERR", "LOCKED", "PERM", "READONLY"))
_AT_A_TIME = 16384  # facts whose gates are computed at a time


@dataclasses.dataclass(frozen=True)
class Contents:
    """What an index was made with, and how much of its story it holds.

    Attributes:
        run: The run whose retriever read the story: its absolute path, or the name of a model of the package; `None`
            if it was not named.
        weights: Fingerprint of the retriever.
        vocabulary: Fingerprint of the words that it knows, and of how many of a sentence it reads.
        units: Size of a vector.
        dtype: Type of the vectors on the disk.
        wrapped: Whether the lines of the story's paragraphs are broken, as in `read_sentences`.
        source: The story's file, an absolute path.
        facts: Number of facts.
        words: Number of their words.
        resume_facts: Number of facts before the place to resume at: the last fact, whose sentence may not have ended.
        resume_words: Number of their words.
        resume_byte: Byte of the file that this place is.
        checksum: SHA-256 of the file up to there.
        complete: Whether the story was read to its end.
    """

    run: str | None
    weights: str
    vocabulary: str
    units: int
    dtype: str
    wrapped: bool
    source: str
    facts: int = 0
    words: int = 0
    resume_facts: int = 0
    resume_words: int = 0
    resume_byte: int = 0
    checksum: str = hashlib.sha256().hexdigest()
    complete: bool = False


class StoryIndex(Folder):
    """An index that `write_index` wrote, to be asked.

    `story.sqlite` holds the `Contents` and the texts of the facts, `vectors.bin` their vectors, `(facts, units)`. What
    the contents do not count is not there yet.

    Args:
        path: The folder.
    """

    kind = "an index"
    writer = "dmn-keras index"
    record_name = "story_index.json"
    entries = (record_name, "story.sqlite*", "vectors.bin")  # SQLite has a journal of its own beside
    remedy = "Make it again with `dmn-keras index --overwrite`."

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self.database, self.vectors = self.path / "story.sqlite", self.path / "vectors.bin"

    @functools.cached_property
    def contents(self) -> Contents:
        """The `Contents`; raises an error unless they are whole and the story was read to its end."""
        self.read_record()
        with self._connected() as database:
            contents = self._read_contents(database)
        if contents is None or not contents.complete:
            raise ValueError(
                f"{self.path} holds a part of its story alone: the same `dmn-keras index` command resumes."
            )
        return contents

    def retrieve(self, retriever: StoryRetriever, questions: Sequence[str]) -> list[Retrieved]:
        """Retrieve the facts for each question, as `StoryRetriever.retrieve` does, without reading them again.

        Raises:
            FileNotFoundError: If the folder holds no index.
            ValueError: If it is damaged, of another format, not complete, or made with another model or vocabulary.
        """
        contents = self.contents
        self._check_model(contents, retriever)
        best = [BestFacts(retriever, question) for question in questions]
        vectors = np.memmap(self.vectors, contents.dtype, "r", shape=(contents.facts, contents.units))
        with self._connected() as database:
            for start in range(0, contents.facts, _AT_A_TIME):
                part = vectors[start : start + _AT_A_TIME]
                if not np.isfinite(part).all():
                    raise self.damaged("it holds numbers that are not finite", self.vectors)
                for of_question in best:
                    of_question.add(part, lambda i, start=start: self._text(database, start + int(i)))
        return [of_question.retrieved() for of_question in best]

    def refuse_foreign(self) -> None:
        """Raise as `Folder` does, and where a file is none, or has another name elsewhere (a hard link)."""
        super().refuse_foreign()
        for path in self._own_entries():
            check_regular_file(path)
            if path.stat().st_nlink > 1:
                raise FileExistsError(f"{path} has a second name, and to write it would change that file. Remove it.")

    @contextlib.contextmanager
    def _connected(self):
        """Context: a connection to the database, whose errors name it."""
        self.refuse_foreign()  # to read may write: SQLite takes back what a killed process left
        try:
            with contextlib.closing(sqlite3.connect(self.database)) as database:
                database.execute("CREATE TABLE IF NOT EXISTS contents (id INTEGER PRIMARY KEY, json TEXT)")
                database.execute("CREATE TABLE IF NOT EXISTS facts (position INTEGER PRIMARY KEY, text TEXT)")
                yield database
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "").startswith(_DISK_ERRORS):
                raise OSError(f"{self.database}: {error}") from error
            raise self.damaged(error, self.database) from error

    def _text(self, database, position):
        """Return the text of a fact."""
        [text] = database.execute("SELECT text FROM facts WHERE position = ?", (position,)).fetchone() or [None]
        if not isinstance(text, str):
            raise self.damaged(f"it lacks fact {position:,}", self.database)
        return text

    def _read_contents(self, database):
        """Return the `Contents`, `None` before there are any; raises unless all that they count is there."""
        [text] = database.execute("SELECT json FROM contents").fetchone() or [None]
        if text is None:
            return None
        try:
            contents = Contents(**json.loads(text))
            for field in dataclasses.fields(Contents):
                value = getattr(contents, field.name)
                if not isinstance(value, field.type) or (field.type is int and value < 0):
                    raise ValueError(f"{field.name} is {json.dumps(value)}")
            one_of("dtype", contents.dtype, DTYPES)
            positive_integer("units", contents.units)
        except (TypeError, ValueError, RecursionError) as error:
            raise self.damaged(error, self.database) from error
        expected = contents.facts * contents.units * np.dtype(contents.dtype).itemsize
        [last] = database.execute("SELECT MAX(position) FROM facts").fetchone()
        if contents.facts != (0 if last is None else last + 1) or contents.facts - contents.resume_facts not in (0, 1):
            raise self.damaged(f"it counts {contents.facts:,} facts, and the last one is {last}", self.database)
        size = self.vectors.stat().st_size if self.vectors.exists() else 0
        if size < expected:
            raise self.damaged(f"expected at least {expected:,} bytes, received {size:,}", self.vectors)
        return contents

    def _check_model(self, contents, retriever):
        """Raise if the index was made with another model."""
        weights, vocabulary = _fingerprints(retriever)
        if (contents.weights, contents.vocabulary) != (weights, vocabulary):
            different = "vocabulary" if contents.vocabulary != vocabulary else "retriever"
            raise ValueError(
                f"{self.path} was made with {contents.run or 'another run'}, as it was then, whose {different} is not "
                f"this run's. Name the run that it was made with. {self.remedy}"
            )


def write_index(
    retriever: StoryRetriever,
    source: str | os.PathLike,
    path: str | os.PathLike,
    *,
    run: str | os.PathLike | None = None,
    wrapped: bool = False,
    dtype: str = "float32",
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> Contents:
    """Read a story into an index, or resume.

    The facts are written in transactions: after a kill, or a full disk, the next call resumes after the last one. It
    does so too with a story that has grown since.

    Args:
        retriever: The `StoryRetriever`.
        source: Path of the story, a text file on a disk: it is read again to see that it is the same.
        path: The index' folder.
        run: The run that `retriever` is of, to be remembered: its folder, or the name of a model of the package.
            Defaults to `None`, which leaves it unnamed.
        wrapped: As in `read_sentences`.
        dtype: Type of the vectors on the disk: `"float32"`, or `"float16"`, which takes half the space and rounds the
            gates to about three digits. Defaults to `"float32"`.
        overwrite: Whether an index that is there is replaced.
        report: Function that takes a line about what is resumed. Defaults to `print`.

    Returns:
        The `Contents`, complete.

    Raises:
        BlockingIOError: If another process is writing the index.
        FileExistsError: If the folder holds files of the same names that are no index, or links in their place.
        FileNotFoundError: If there is no such story.
        NotADirectoryError: If the folder is a file.
        OSError: If the index cannot be written; the facts of finished transactions stay.
        ValueError: If the story is no file on a disk (a pipe, a folder), or no text, or the index there is damaged, of
            another story, another model or other settings.
    """
    one_of("dtype", dtype, DTYPES)
    index = StoryIndex(path)
    index.refuse_foreign()
    if str(source) == "-":
        raise ValueError("story must be a text file on a disk.")
    check_regular_file(source)
    next(iter(read_sentences(source, wrapped=wrapped)))  # a file that is no text leaves no folder
    weights, vocabulary = _fingerprints(retriever)
    settings = {"units": retriever.layer.units, "dtype": dtype, "wrapped": wrapped, "source": os.path.abspath(source)}
    contents = Contents(_absolute_run(run), weights, vocabulary, **settings)
    with index.lock(), open(source, "rb") as story:
        try:
            if overwrite:
                index.remove()
            if index.exists():
                index.read_record()
            else:
                index.write_record()
            with index._connected() as database:
                checksum = _Checksum(story)
                if (before := index._read_contents(database)) is not None:
                    contents = _resumed(index, before, contents, retriever, checksum)
                    report(f"Resuming after the first {contents.facts:,} facts, which were read before.")
                return _write(index, database, contents, retriever, checksum)
        except OSError as error:
            raise OSError(
                f"{path} cannot be written: {error}. What was written stays; the same command resumes. Where the disk "
                'is full, free space, or use dtype="float16" with overwrite.'
            ) from error


def _resumed(index, before, wanted, retriever, checksum):
    """Return the `Contents` without the last fact, if they are of the same story, model and settings."""
    index._check_model(before, retriever)
    start_over = "Start over with overwrite."
    for name in ("dtype", "wrapped"):
        of_index, of_call = getattr(before, name), getattr(wanted, name)
        if of_index != of_call:
            raise ValueError(f"{index.path} was begun with {name}={of_index}. Received: {name}={of_call}. {start_over}")
    if checksum.up_to(before.resume_byte) != before.checksum:
        raise ValueError(
            f"The first {before.resume_byte:,} bytes of {wanted.source} are not those that {index.path} was made of: "
            f"it is another story. {start_over}"
        )
    resumed = {"facts": before.resume_facts, "words": before.resume_words, "complete": False}
    return dataclasses.replace(before, run=wanted.run, source=wanted.source, **resumed)


def _write(index, database, contents, retriever, checksum):
    """Read the story from `contents.resume_byte` to its end; returns the `Contents` then."""

    def commit(rows=(), **changes):
        nonlocal contents
        contents = dataclasses.replace(contents, **changes)
        with database:
            database.executemany("INSERT INTO facts VALUES (?, ?)", rows)
            content = json.dumps(dataclasses.asdict(contents))
            database.execute("INSERT OR REPLACE INTO contents VALUES (0, ?)", (content,))

    database.execute("DELETE FROM facts WHERE position >= ?", (contents.facts,))
    commit()  # what is written again is not counted meanwhile
    sentences = read_sentences(contents.source, wrapped=contents.wrapped, start=contents.resume_byte)
    for part in parts(sentences, retriever.chunk):
        read = retriever.read([sentence.text for sentence in part])
        if not read.facts:
            continue
        _write_vectors(index.vectors, contents.facts, read.vectors.astype(contents.dtype))
        rows = [(contents.facts + i, part[fact].text) for i, fact in enumerate(read.facts)]
        facts, words = contents.facts + len(rows), contents.words + sum(read.num_words)
        byte = part[read.facts[-1]].begin
        before_last = {"resume_facts": facts - 1, "resume_words": words - read.num_words[-1], "resume_byte": byte}
        commit(rows, facts=facts, words=words, **before_last, checksum=checksum.up_to(byte))
    commit(complete=True)
    return contents


def _write_vectors(path, count, vectors):
    """Write vectors behind the first `count`, and wait until they are on the disk."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, 0o666), "r+b") as file:
        file.seek(count * vectors[0].nbytes)
        file.write(vectors.tobytes())
        file.truncate()  # what was written and not counted
        file.flush()
        os.fsync(file.fileno())


class _Checksum:
    """SHA-256 of the beginning of a file, which grows."""

    def __init__(self, file):
        self._file, self._hash = file, hashlib.sha256()

    def up_to(self, byte):
        """Return the checksum of the first `byte` bytes, no fewer than before."""
        while block := self._file.read(min(_BLOCK, byte - self._file.tell())):
            self._hash.update(block)
        return self._hash.hexdigest()


def _absolute_run(run):
    """Return the name of a run that does not depend on the working directory."""
    if run is None:
        return None
    run = pathlib.Path(run)
    return str(run) if str(run) in PRETRAINED and not run.exists() else os.path.abspath(run)


def _fingerprints(retriever):
    """Return the fingerprints of a retriever and of the words it knows."""
    weights = hashlib.sha256()
    for weight in retriever.layer.weights:
        values = ops.convert_to_numpy(weight)
        weights.update(f"{values.dtype} {values.shape}".encode() + values.tobytes())
    vocabulary = hashlib.sha256("\n".join([str(MAX_WORDS), *retriever.vocabulary.words]).encode())
    return weights.hexdigest(), vocabulary.hexdigest()
