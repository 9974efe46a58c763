"""A story on disk as a first pass reads it: computed once, asked any number of questions."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import shutil
import typing
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

import numpy as np
from keras import ops

from dmn_keras._version import __version__
from dmn_keras.layers.checks import one_of
from dmn_keras.narrowing import BestFacts, parts
from dmn_keras.shipped import BABI_JOINT, BABI_LONG
from dmn_keras.text import MAX_WORDS, read_sentences
from dmn_keras.utils.files import TEMPORARY_PREFIX, read_json, write_json

FORMAT = 1
"""Number of the folder's layout; an index with another one is refused."""

DTYPES = ("float32", "float16")
_SIZE_OF_END = 8
_ENDS = "ends.bin"
_START_OVER = "Start over with --overwrite."
_AGAIN = "Make it again with `dmn-keras index --overwrite`."
_BLOCK = 1 << 20  # bytes read at a time
_AT_A_TIME = 16384  # facts whose gates are computed at a time


class Place(NamedTuple):
    """How far a story was read.

    Attributes:
        facts: How many facts lie before this place.
        words: How many words they have.
        byte: Byte of the story's file.
        checksum: SHA-256 of the file up to there.
    """

    facts: int
    words: int
    byte: int
    checksum: str


_BEGINNING = Place(0, 0, 0, hashlib.sha256().hexdigest())


@dataclasses.dataclass(frozen=True)
class Contents:
    """What an index holds: its `index.json`.

    Attributes:
        run: The run whose first pass read the story: its absolute path, or the name of a model of the package; `None`
            if it was not named.
        weights: Fingerprint of the first pass.
        vocabulary: Fingerprint of the words that it knows, and of how many of a sentence it reads.
        units: Size of a vector.
        dtype: What vectors are kept as.
        source: The story's file, an absolute path.
        source_size: Its bytes, when it was last read.
        wrapped: Whether the lines of its paragraphs are broken, as in `read_sentences`.
        facts: How many facts are in the files.
        words: How many words they have.
        goes_on: The `Place` where reading goes on: that of the last fact, whose sentence the file may go on with.
        complete: Whether the story was read to its end.
    """

    run: str | None
    weights: str
    vocabulary: str
    units: int
    dtype: str
    source: str
    source_size: int
    wrapped: bool
    facts: int = 0
    words: int = 0
    goes_on: Place = _BEGINNING
    complete: bool = False


class StoryIndex:
    """An index that `write_index` wrote, to be asked.

    The folder has `index.json`, and three files that only grow: `vectors.bin`, the vector of each fact,
    `(facts, units)`; `sentences.bin`, their texts in UTF-8, one behind the other; `ends.bin`, where in it each text
    ends, int64. What `index.json` does not count is not there yet. `index.lock` is there while they are written.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If it holds no index.
        ValueError: If it is damaged, of another format, or its story was not read to the end.
    """

    def __init__(self, path):
        self._folder = _Folder(path)
        self.contents = self._folder.read()
        if not self.contents.complete:
            raise ValueError(
                f"{path} holds the first {self.contents.facts:,} facts of {self.contents.source} alone: its story was "
                "not read to the end. The same `dmn-keras index` goes on with it."
            )

    def narrow(self, narrowing, questions):
        """Choose the facts that are kept for each question, as `Narrowing.narrow` does, without reading them again.

        Args:
            narrowing: The `Narrowing` of the model that the index was made with.
            questions: Sequence of texts.

        Returns:
            List of `Narrowed`, one a question.

        Raises:
            ValueError: If the index was made with another model or vocabulary, or is damaged.
        """
        contents, folder = self.contents, self._folder
        folder.check_model(contents, narrowing)
        best = [BestFacts(narrowing, question) for question in questions]
        shape = contents.facts, contents.units
        vectors = np.memmap(folder.vectors, contents.dtype, "r", shape=shape)
        ends = np.memmap(folder.ends, "<i8", "r", shape=(contents.facts,))
        with folder.sentences.open("rb") as texts:
            for start in range(0, contents.facts, _AT_A_TIME):
                part = vectors[start : start + _AT_A_TIME]
                if not np.isfinite(part).all():
                    raise ValueError(f"{folder.vectors} is damaged: it holds numbers that are not finite. {_AGAIN}")
                for of_question in best:
                    of_question.add(part, lambda i, start=start: _text(texts, ends, start + i))
        return [of_question.narrowed() for of_question in best]


def write_index(narrowing, source, path, *, run=None, wrapped=False, dtype="float32", overwrite=False, say=print):
    """Read a story into an index, or go on with one.

    Chunk by chunk, each on the disk before it is counted: after a kill, or a full disk, the next call goes on behind
    what was counted. It does so too with a story that has grown since; its last sentence is then read once more, as
    it may not have ended.

    Args:
        narrowing: The `Narrowing`.
        source: Path of the story, a text file on a disk: it is read again to see that it is the same.
        path: The index' folder.
        run: The run that `narrowing` is of, to be remembered: its folder, or the name of a model of the package.
            Defaults to `None`, which leaves it unnamed.
        wrapped: As in `read_sentences`.
        dtype: What vectors are kept as: `"float32"`, or `"float16"`, which takes half the space and rounds the gates
            to about three digits. Defaults to `"float32"`.
        overwrite: Whether an index that is there is replaced. The old one is gone once the new story's first chunk
            was read.
        say: Function that takes a line about what is gone on with. Defaults to `print`.

    Returns:
        The `Contents`.

    Raises:
        BlockingIOError: If another process is writing the index.
        FileExistsError: If the folder holds other files.
        FileNotFoundError: If there is no such story.
        NotADirectoryError: If the folder is a file.
        OSError: If the index cannot be written; what was counted stays.
        ValueError: If the story is no file on a disk (a pipe, a folder), or no text, or the index there is damaged, of
            another story, another model or other settings.
    """
    one_of("dtype", dtype, DTYPES)
    folder = _Folder(path)
    folder.refuse_others()
    source = _file_on_a_disk(source)
    weights, vocabulary = _fingerprints(narrowing)
    wanted = Contents(
        run=_run_from_anywhere(run),
        weights=weights,
        vocabulary=vocabulary,
        units=narrowing.layer.units,
        dtype=dtype,
        source=os.path.abspath(source),
        source_size=source.stat().st_size,
        wrapped=wrapped,
    )
    checksum = _Checksum(source)
    with folder.locked():
        if folder.file.exists() and not overwrite:
            before = folder.read()
            folder.check_model(before, narrowing)
            _check_settings(before, wanted, path)
            _check_source(before, wanted, checksum, path)
            place = before.goes_on
            wanted = dataclasses.replace(wanted, facts=place.facts, words=place.words, goes_on=place)
            say(_said(before, wanted))
        return _write(narrowing, source, _Files(folder, wanted), checksum)


def _write(narrowing, source, files, checksum):
    """Read the story from where it is gone on with to its end; returns the `Contents` then."""
    counted = files.counted
    sentences = read_sentences(source, wrapped=counted.wrapped, start=counted.goes_on.byte)
    for part in parts(sentences, narrowing.chunk):
        read = narrowing.read([sentence.text for sentence in part])
        if not read.facts:
            continue
        counted = files.counted
        facts, words = counted.facts + len(read.facts), counted.words + sum(read.num_words)
        last = part[read.facts[-1]].begin
        goes_on = Place(facts - 1, words - read.num_words[-1], last, checksum.up_to(last))
        contents = dataclasses.replace(counted, facts=facts, words=words, goes_on=goes_on)
        files.add(contents, read.vectors, [part[i].text for i in read.facts])
    files.count(dataclasses.replace(files.counted, complete=True))
    return files.counted


class _Folder:
    """The paths of an index, and what can be said of them without reading the story."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.file = self.path / "index.json"
        self.vectors = self.path / "vectors.bin"
        self.sentences = self.path / "sentences.bin"
        self.ends = self.path / _ENDS
        self.lock = self.path / "index.lock"

    @contextlib.contextmanager
    def locked(self):
        """Context: no other process writes here. The system releases the lock of a process that was killed."""
        if fcntl is None:
            yield
            return
        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = self.lock.open("ab")
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error}.") from error
        with file:
            self._take(file)
            try:
                yield
            finally:
                self.lock.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # of folders that hold something
                    for path in made:
                        path.rmdir()

    def _take(self, file):
        """Lock the lock file, which is open."""
        taken = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken = False
        except OSError:  # a file system without locks
            return
        # A process that ended in between has removed the file that was opened.
        if not taken or not self.lock.exists() or not os.path.samestat(os.fstat(file.fileno()), self.lock.stat()):
            raise BlockingIOError(f"--output {self.path} is being written by another process.")

    def holds_index(self):
        """Return whether there is an index, be it damaged: an `index.json` of one, or any beside its three files."""
        if not self.file.is_file():
            return False
        try:
            content = read_json(self.file)
        except (ValueError, RecursionError):
            content = None
        known = isinstance(content, dict) and {"format", "dmn_keras", "goes_on"}.issubset(content)
        return known or all(path.is_file() for path in (self.vectors, self.sentences, self.ends))

    def refuse_others(self):
        """Raise if the folder is a file, or holds something else than an index."""
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"--output {self.path} is a file; expected a folder.")
        own = {path.name for path in (self.vectors, self.sentences, self.ends, self.lock)}
        found = {path.name for path in self.path.glob("*") if not path.name.startswith(TEMPORARY_PREFIX)} - own
        if self.holds_index():
            if others := sorted(found - {self.file.name}):
                raise FileExistsError(
                    f"--output {self.path} holds other files beside the index ({', '.join(others[:3])}): move them, or "
                    "choose another one."
                )
        elif found:
            raise FileExistsError(f"--output {self.path} holds other files and no index: choose another one.")

    def read(self):
        """Return the `Contents`, after a look at whether they can all be there."""
        if not self.holds_index():
            what = "holds no index" if self.path.is_dir() else "does not exist"
            raise FileNotFoundError(
                f"{self.path} {what}: expected a folder that `dmn-keras index` wrote ({self.file.name})."
            )
        contents = self._contents()
        row = contents.units * np.dtype(contents.dtype).itemsize
        _check_size(self.vectors, contents.facts * row)
        _check_size(self.ends, contents.facts * _SIZE_OF_END)
        self._check_ends(contents)
        return contents

    def _contents(self):
        """Return the `Contents` that `index.json` tells."""
        try:
            content = read_json(self.file)
        except (ValueError, RecursionError) as error:
            raise self._damaged("it holds no JSON") from error
        if not isinstance(content, dict):
            raise self._damaged("it holds no object")
        for name in ("format", "dmn_keras"):
            if name not in content:
                raise self._damaged(f"it lacks {name}")
        written, version = content.pop("format"), content.pop("dmn_keras")
        if written != FORMAT:
            raise ValueError(
                f"{self.path} was written in format {written} by dmn_keras {version}; this is dmn_keras "
                f"{__version__}, which reads format {FORMAT}. {_AGAIN}"
            )
        self._check_types(Contents, content)
        self._check_types(Place, content["goes_on"])
        contents = Contents(**{**content, "goes_on": Place(**content["goes_on"])})
        if contents.dtype not in DTYPES or not contents.units:
            raise self._damaged(f"its vectors are {contents.units} times {contents.dtype}")
        if contents.facts - contents.goes_on.facts not in (0, 1):
            raise self._damaged(f"it counts {contents.facts} facts and goes on behind {contents.goes_on.facts}")
        return contents

    def _check_types(self, of, content):
        """Raise unless `content` has the fields of a class, each of its type."""
        types = typing.get_type_hints(of)
        if not isinstance(content, dict) or content.keys() != types.keys():
            raise self._damaged(f"it lacks fields, or has others than {', '.join(types)}")
        for name, expected in types.items():
            value, expected = content[name], dict if expected is Place else expected
            is_number = type(value) is int and value >= 0
            if not (is_number if expected is int else isinstance(value, expected)):
                raise self._damaged(f"{name} is {json.dumps(value)}")

    def _damaged(self, why):
        return ValueError(f"{self.file} is damaged: {why}. {_AGAIN}")

    def _check_ends(self, contents):
        """Raise unless the texts end one behind the other, the last one of a whole story where their file does."""
        begin = 0
        for start in range(0, contents.facts, _AT_A_TIME):
            count = min(_AT_A_TIME, contents.facts - start)
            ends = np.fromfile(self.ends, "<i8", count, offset=start * _SIZE_OF_END)
            if (np.append(begin, ends[:-1]) > ends).any():
                raise ValueError(f"{self.ends} is damaged: a text ends before it begins. {_AGAIN}")
            begin = int(ends[-1])
        _check_size(self.sentences, begin, exactly=contents.complete)

    def text_size(self, facts):
        """Return the bytes that the texts of the first `facts` facts take."""
        if not facts:
            return 0
        with self.ends.open("rb") as file:
            file.seek((facts - 1) * _SIZE_OF_END)
            return int.from_bytes(file.read(_SIZE_OF_END), "little")

    def check_model(self, contents, narrowing):
        """Raise if the index was made with another model."""
        weights, vocabulary = _fingerprints(narrowing)
        for name, of_index, of_model in (
            ("vocabulary", contents.vocabulary, vocabulary),
            ("first pass", contents.weights, weights),
        ):
            if of_index != of_model:
                made_with = "another run" if contents.run is None else contents.run
                raise ValueError(
                    f"{self.path} was made with {made_with}, as it was then, whose {name} is not this run's. Name the "
                    f"run that it was made with. {_AGAIN}"
                )


class _Files:
    """The files of an index, to be written behind what is counted.

    Args:
        folder: The `_Folder`.
        contents: The `Contents` to begin with; they are counted when the first facts are written.
    """

    def __init__(self, folder, contents):
        self.counted = contents
        self._folder = folder
        self._begun = False
        self._text_size = folder.text_size(contents.facts)

    def add(self, contents, vectors, texts):
        """Write facts, wait until they are on the disk, and count them.

        Args:
            contents: The `Contents` with these facts.
            vectors: Their vectors.
            texts: Their texts.
        """
        if not self._begun:
            self._begin()
        texts = [text.encode() for text in texts]
        ends = self._text_size + np.cumsum([len(text) for text in texts])
        row = contents.units * np.dtype(contents.dtype).itemsize
        with self._explained():
            _write_at(self._folder.vectors, self.counted.facts * row, vectors.astype(contents.dtype).tobytes())
            _write_at(self._folder.ends, self.counted.facts * _SIZE_OF_END, ends.astype("<i8").tobytes())
            _write_at(self._folder.sentences, self._text_size, b"".join(texts))
        self.count(contents)
        self._text_size = int(ends[-1])

    def count(self, contents):
        """Write `index.json`."""
        content = {**dataclasses.asdict(contents), "goes_on": contents.goes_on._asdict()}
        with self._explained():
            write_json(self._folder.file, {"format": FORMAT, "dmn_keras": __version__, **content})
        self.counted = contents

    def _begin(self):
        """Take back what will be written anew: a kill on the way must not leave it counted."""
        for path in self._folder.path.glob(f"{TEMPORARY_PREFIX}*"):  # of a run that was killed
            shutil.rmtree(path, ignore_errors=True)
        self.count(self.counted)
        self._begun = True

    @contextlib.contextmanager
    def _explained(self):
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise OSError(
                f"{self._folder.path} cannot be written: {error}. The {self.counted.facts:,} facts that are counted "
                "stay; the same command goes on behind them."
                + (" Free space, or use dtype float16 (with overwrite)." if full else "")
            ) from error


def _write_at(path, place, data):
    """Write the end of a file, from byte `place` on, and wait until it is on the disk."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(place)
        file.write(data)
        file.truncate()  # what was written and not counted
        file.flush()
        os.fsync(file.fileno())


class _Checksum:
    """SHA-256 of the beginning of a file, which grows."""

    def __init__(self, path):
        self._path = path
        self._hash = hashlib.sha256()
        self._read = 0

    def up_to(self, byte):
        """Return the checksum of the first `byte` bytes, no fewer than before."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            while self._read < byte and (block := file.read(min(_BLOCK, byte - self._read))):
                self._hash.update(block)
                self._read += len(block)
        return self._hash.hexdigest()


def _run_from_anywhere(run):
    """Return the name of a run that does not depend on the folder that one is in."""
    if run is None:
        return None
    shipped = str(run) in (BABI_JOINT, BABI_LONG) and not os.path.exists(run)
    return str(run) if shipped else os.path.abspath(run)


def _file_on_a_disk(source):
    """Return the path of the story, which is read more than once."""
    path = pathlib.Path(source)
    if path.is_file():
        return path
    if path.exists() or str(source) == "-":
        raise ValueError(f"--story {source}: an index needs a text file on a disk.")
    raise FileNotFoundError(f"--story {source} does not exist: an index needs a text file on a disk.")


def _fingerprints(narrowing):
    """Return the fingerprints of a first pass and of the words it knows."""
    weights = hashlib.sha256()
    for weight in narrowing.layer.weights:
        values = ops.convert_to_numpy(weight)
        weights.update(f"{values.dtype} {values.shape}".encode() + values.tobytes())
    vocabulary = hashlib.sha256("\n".join([str(MAX_WORDS), *narrowing.vocabulary.words]).encode())
    return weights.hexdigest(), vocabulary.hexdigest()


def _check_settings(before, wanted, path):
    for name in ("dtype", "wrapped"):
        if getattr(before, name) != getattr(wanted, name):
            raise ValueError(
                f"{path} was begun with {name}={getattr(before, name)}. Received: {name}={getattr(wanted, name)}. "
                f"{_START_OVER}"
            )


def _check_source(before, wanted, checksum, path):
    if wanted.source_size < before.source_size:
        raise ValueError(
            f"{wanted.source} has {wanted.source_size:,} bytes, and had {before.source_size:,} when {path} was made of "
            f"{before.source}: it is another story. {_START_OVER}"
        )
    if checksum.up_to(before.goes_on.byte) != before.goes_on.checksum:
        raise ValueError(
            f"The first {before.goes_on.byte:,} bytes of {wanted.source} are not those that {path} was made of: it is "
            f"another story. {_START_OVER}"
        )


def _said(before, wanted):
    """Say what an index is gone on with."""
    if not before.complete:
        return f"Going on behind the first {wanted.facts:,} facts, which were read before."
    if before.source_size == wanted.source_size:
        return f"{before.facts:,} facts were read before, and the story has not grown."
    grown = wanted.source_size - before.source_size
    return f"{wanted.facts:,} facts were read before; the story has grown by {grown:,} bytes."


def _text(texts, ends, i):
    """Return the text of fact `i` from the open file of all texts."""
    begin = int(ends[i - 1]) if i else 0
    try:
        texts.seek(begin)
        return texts.read(max(int(ends[i]) - begin, 0)).decode()
    except ValueError as error:  # bytes that are no text, or a place that is none
        raise ValueError(f"{texts.name} is damaged, or {_ENDS} beside it: {error}. {_AGAIN}") from error


def _check_size(path, expected, *, exactly=False):
    size = path.stat().st_size if path.exists() else 0
    if size < expected or (exactly and size > expected):
        least = "" if exactly else "at least "
        raise ValueError(f"{path} is damaged: expected {least}{expected:,} bytes. Received {size:,}. {_AGAIN}")
