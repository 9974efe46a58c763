"""Pretrained word vectors -> the semantic memory's first values."""

import pathlib

import numpy as np


def read_word_vectors(path, words=None):
    """Read word vectors in GloVe's text format: a word and its numbers a line, separated by single spaces.

    Args:
        path: The file, UTF-8.
        words: Only these words are kept; `None` keeps all.

    Returns:
        Dict of word to float32 array `(dim,)`, and `dim`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed, not UTF-8 or of another length than the first (file and line are named),
            or the file is empty.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"word_vectors must name a file in GloVe's text format. Received: {path}")
    vectors, dim = {}, None
    with pathlib.Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                word, *numbers = line.decode("utf-8").rstrip("\r\n").split(" ")
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}:{number}: not UTF-8 text: {error}.") from error
            dim = len(numbers) if dim is None else dim
            if not numbers or len(numbers) != dim:
                raise ValueError(f"{path}:{number}: expected a word and {dim or 'some'} numbers, got {len(numbers)}.")
            if words is None or word in words:
                vectors[word] = _vector(numbers, f"{path}:{number}")
    if dim is None:
        raise ValueError(f"{path} is empty: expected a word and its numbers on each line.")
    return vectors, dim


def _vector(numbers, place):
    try:
        vector = np.array(numbers, dtype="float32")
    except ValueError as error:
        raise ValueError(f"{place}: {error}.") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{place}: expected finite numbers, got NaN or infinity.")
    return vector


def word_vector_matrix(path, vocabulary, *, seed=0):
    """Look the words of a vocabulary up in a file of word vectors.

    A word that the file lacks gets a random vector with the mean and the deviation of the found ones, so that it is
    of their size. Padding is zero.

    Args:
        path: The file, as for `read_word_vectors`.
        vocabulary: The `Vocabulary`.
        seed: Seed of the missing words' vectors.

    Returns:
        float32 array `(len(vocabulary), dim)`, and the tuple of the words that were missing, special ones left out.

    Raises:
        ValueError: If the file is malformed or holds none of the words.
    """
    vectors, dim = read_word_vectors(path, set(vocabulary.words))
    if not vectors:
        raise ValueError(f"{path} holds none of the {len(vocabulary)} words of the vocabulary.")
    found = np.stack(list(vectors.values()))
    matrix = np.random.default_rng(seed).normal(found.mean(), found.std(), (len(vocabulary), dim)).astype("float32")
    for index, word in enumerate(vocabulary.words):
        if word in vectors:
            matrix[index] = vectors[word]
    matrix[0] = 0.0
    missing = [word for word in vocabulary.words if word not in vectors and not word.startswith("<")]
    return matrix, tuple(missing)
