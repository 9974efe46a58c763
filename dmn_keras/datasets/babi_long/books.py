"""The sentences of books as background text."""

import array
import mmap
import pathlib
from collections.abc import Sequence

import numpy as np

from dmn_keras.errors import listing
from dmn_keras.text import read_sentences, tokenize


class Books(Sequence):
    """The sentences of all books of a folder, one book after the other.

    The books are read once, to find where each sentence is and how many tokens it has; after that a sentence is read
    from its file when it is asked for. 32 bytes a sentence are kept in memory. The files must stay as they are.

    Args:
        folder: Folder of `.txt` files in UTF-8, whose lines may be broken anywhere and whose paragraphs are separated
            by blank lines. They are taken in the order of their names. Sentences without a word are left out.

    Attributes:
        paths: Tuple of the files.
        num_tokens: Tokens of all sentences.
        num_starts: How many sentences a story in these books may begin with: all of them.

    Raises:
        FileNotFoundError: If there is no such folder, or no `.txt` file in it.
        ValueError: If a file cannot be read as text or holds no word (see `dmn_keras.text.read_sentences`); the message
            names the file and the line.
    """

    def __init__(self, folder):
        self.paths = _text_files(folder)
        begins, ends, files, sums = (array.array("q", values) for values in ((), (), (), (0,)))
        for number, path in enumerate(self.paths):
            for text, begin, end in read_sentences(path, wrapped=True):
                num_tokens = len(tokenize(text))
                if num_tokens:
                    begins.append(begin)
                    ends.append(end)
                    files.append(number)
                    sums.append(sums[-1] + num_tokens)
        self._begins, self._ends, self._files, self._sums = map(np.array, (begins, ends, files, sums))
        self.num_tokens = int(sums[-1])
        self.num_starts = len(files)
        self._maps = {}

    def __repr__(self):
        names = [path.name for path in self.paths]  # where they lie plays no part
        return f"Books({names}, sentences={len(self)}, num_tokens={self.num_tokens})"

    def __len__(self):
        return len(self._files)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        text = self._text(self._files[index])[self._begins[index] : self._ends[index]]
        return " ".join(text.decode("utf-8").split())

    def at(self, index):
        """Return a sentence; after the last one the books begin again."""
        return self[index % len(self)]

    def fit(self, start, num_tokens):
        """Return how far a number of tokens goes, in whole sentences.

        Args:
            start: Index of the first sentence.
            num_tokens: Most tokens.

        Returns:
            The number of sentences, their tokens, and how often the first of them came again.
        """
        rounds, rest = divmod(int(self._sums[start]) + num_tokens, self.num_tokens)
        last = int(np.searchsorted(self._sums, rest, side="right")) - 1
        count = rounds * len(self) + last - start
        tokens = rounds * self.num_tokens + int(self._sums[last] - self._sums[start])
        return count, tokens, max(count - 1, 0) // len(self)

    def __getstate__(self):
        return {**self.__dict__, "_maps": {}}  # an open file stays in its process

    def _text(self, number):
        if number not in self._maps:
            with self.paths[number].open("rb") as file:
                self._maps[number] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[number]


def _text_files(folder):
    folder = pathlib.Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"{str(folder)!r} is not a folder. Expected one with books as .txt files.")
    paths = tuple(sorted(path for path in folder.glob("*.txt") if path.is_file()))
    if not paths:
        raise FileNotFoundError(f"{str(folder)!r}: expected books as .txt files. It holds: {listing(folder)}.")
    return paths
