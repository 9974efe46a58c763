"""The matrix products of one training step of `dmn`, counted from the shapes and timed on their own.

A recurrence cannot be quicker than its own matrix products. The floor of a training step is therefore the time of the
products it makes, forward and backward, where each is free of the recurrence: all time steps of a product stand in one
large matrix.

`products` lists the forward products (rows x inner x columns), with the symbols of the papers: fact c, question q,
memory m, weights W, W1 and W2. Each forward product `Y = X K` has two backward ones of as many operations:
`dX = dY K^T` and `dK = X^T dY`.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Product:
    """A matrix product `(rows, inner) x (inner, columns)` that a step makes `times` times.

    Attributes:
        name: What it computes.
        rows: Rows of the left matrix.
        inner: Columns of the left matrix, rows of the right one.
        columns: Columns of the right matrix.
        times: How often a step makes it, forward.
    """

    name: str
    rows: int
    inner: int
    columns: int
    times: int = 1

    @property
    def flops(self):
        """Operations of forward and both backward products: two each (multiply, add) per scalar product."""
        return 3 * 2 * self.rows * self.inner * self.columns * self.times


def products(*, form="dmn_2015", batch, facts, words, question_words, units, passes, vocabulary):
    """List the forward products of one training step of `dmn`, a list of `Product`.

    Args:
        form: `"dmn_2015"` or `"dmn_plus"`.
        batch: Stories a batch, B.
        facts: Facts a story, F.
        words: Words a fact, W.
        question_words: Words a question, Q.
        units: Size of word vectors, facts, question, episode and memory, U.
        passes: Passes over the facts, P.
        vocabulary: Words that can be answered, V.
    """
    all_facts = batch * facts
    if form == "dmn_plus":
        return [
            Product("word GRU, input", batch * question_words, units, 3 * units),
            Product("word GRU, recurrent", batch * question_words, units, 3 * units),
            Product("input fusion, input and recurrent", all_facts, units, 3 * units, 4),
            Product("gate: W1", all_facts, units, units, 4 * passes),
            Product("gate: W2", all_facts, units, 1, passes),
            Product("attention GRU, input and recurrent", all_facts, units, 2 * units, 2 * passes),
            Product("memory update", batch, 3 * units, units, passes),
            Product("answer", batch, 2 * units, vocabulary),
        ]
    all_words = batch * (facts * words + question_words)
    return [
        Product("word GRU, input", all_words, units, 3 * units),
        Product("word GRU, recurrent", all_words, units, 3 * units),
        Product("gate: c W and the blocks for c, c*q, |c-q|", all_facts, units, units, 4),
        Product("gate: c*m, |c-m|", all_facts, units, units, 2 * passes),
        Product("gate: q, and m in each pass", batch, units, units, 1 + passes),
        Product("gate: c W q, and c W m in each pass", all_facts, 1, units, 1 + passes),
        Product("gate: W2", all_facts, units, 1, passes),
        Product("attention GRU, input", all_facts, units, 3 * units),
        Product("attention GRU, recurrent", all_facts, units, 3 * units, passes),
        Product("memory update", batch, units, 3 * units, 2 * passes),
        Product("answer", batch, 2 * units, vocabulary),
    ]


class Floor:
    """The products of one training step, ready to be computed again and again.

    Libraries differ in how quick their products are, so the floor can be computed by several.

    Args:
        products: List of `Product`.
        library: `"numpy"`, `"tensorflow"` or `"jax"`.
    """

    def __init__(self, products, library="numpy"):
        rng = np.random.default_rng(0)
        self.products = products
        self.flops = sum(product.flops for product in products)
        self._multiply = []
        for product in products:
            rows, inner, columns = product.rows, product.inner, product.columns
            shapes = ((rows, inner), (inner, columns), (rows, columns))  # X, K and dY
            matrices = (rng.standard_normal(shape).astype("float32") for shape in shapes)
            self._multiply.append(_LIBRARIES[library](*matrices))

    def __call__(self):
        """Compute all products, forward and backward, in as many threads as the library has.

        Returns:
            List of `(Y, dX, dK)`, one for each `Product`.
        """
        results = []
        for product, multiply in zip(self.products, self._multiply, strict=True):
            for _ in range(product.times):
                result = multiply()
            results.append(result)
        return results


def _numpy(x, k, dy):
    # Results are written to the same memory each time: getting new memory is no part of a product.
    y, dx, dk = np.empty_like(dy), np.empty_like(x), np.empty_like(k)
    return lambda: (np.matmul(x, k, out=y), np.matmul(dy, k.T, out=dx), np.matmul(x.T, dy, out=dk))


def _tensorflow(x, k, dy):
    import tensorflow as tf

    x, k, dy = (tf.constant(matrix) for matrix in (x, k, dy))
    return lambda: (tf.matmul(x, k), tf.matmul(dy, k, transpose_b=True), tf.matmul(x, dy, transpose_a=True))


def _jax(x, k, dy):
    import jax

    matrices = [jax.numpy.asarray(matrix) for matrix in (x, k, dy)]
    compiled = jax.jit(lambda x, k, dy: (x @ k, dy @ k.T, x.T @ dy))
    return lambda: jax.block_until_ready(compiled(*matrices))


_LIBRARIES = {"numpy": _numpy, "tensorflow": _tensorflow, "jax": _jax}
