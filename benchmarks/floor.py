"""The matrix products of one training step of `dmn`, counted from the shapes and timed on their own.

A recurrence cannot be quicker than its own matrix products. The floor of a training step is therefore the time of the
products it makes, forward and backward, where each is free of the recurrence: all time steps of a product stand in one
large matrix.

With batch `B`, facts `F` of `W` words, question of `Q` words, embedding `E`, units `U`, passes `P` and vocabulary `V`,
the forward products (rows x inner x columns) of the 2015 form (nine gate terms, episode "mix", GRU update, tied passes,
one-word answer) are:

    word GRU, input          B(FW + Q) x E x 3U
    word GRU, recurrent      B(FW + Q) x U x 3U
    gate, once a story       4 times BF x U x U (c W; the blocks of W1 for c, c*q and |c-q|), B x U x U (q),
                             BF x 1 x U (c W q)
    gate, each pass          2 times BF x U x U (c*m and |c-m|), B x U x U (m), BF x 1 x U (c W m), BF x U x 1 (W2)
    attention GRU, input     BF x U x 3U, once for all passes
    attention GRU, recurrent BF x U x 3U, each pass
    memory update            2 times B x U x 3U, each pass
    answer                   B x 2U x V

Those of DMN+ (2016; position encoding, input fusion, four gate terms, episode "update", ReLU update, untied passes):

    word GRU                 as above, for the question's words alone
    input fusion             2 times BF x U x 3U, input, and the same, recurrent
    gate, each pass          4 times BF x U x U, BF x U x 1 (W2)
    attention GRU, each pass BF x U x 2U, input, and the same, recurrent
    memory update, each pass B x 3U x U
    answer                   B x 2U x V

Each forward product `Y = X K` has two backward ones of as many operations: `dX = dY K^T` and `dK = X^T dY`.
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


def products(*, form="dmn_2015", batch, facts, words, question_words, units, passes, vocabulary, embedding=None):
    """List the forward products of one training step of `dmn`.

    Args:
        form: `"dmn_2015"` or `"dmn_plus"`; the latter's word vectors have the size `units`.
        batch: Stories a batch.
        facts: Facts a story.
        words: Words a fact.
        question_words: Words a question.
        units: Size of facts, question, episode and memory.
        passes: Passes over the facts.
        vocabulary: Words that can be answered.
        embedding: Size of a word vector; `units` by default.

    Returns:
        List of `Product`.
    """
    if form == "dmn_plus":
        return _products_of_dmn_plus(batch, batch * facts, batch * question_words, units, passes, vocabulary)
    all_words, all_facts = batch * (facts * words + question_words), batch * facts
    return [
        Product("word GRU, input", all_words, embedding or units, 3 * units),
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


def _products_of_dmn_plus(batch, all_facts, question_words, units, passes, vocabulary):
    return [
        Product("word GRU, input", question_words, units, 3 * units),
        Product("word GRU, recurrent", question_words, units, 3 * units),
        Product("input fusion, input and recurrent", all_facts, units, 3 * units, 4),
        Product("gate: W1", all_facts, units, units, 4 * passes),
        Product("gate: W2", all_facts, units, 1, passes),
        Product("attention GRU, input and recurrent", all_facts, units, 2 * units, 2 * passes),
        Product("memory update", batch, 3 * units, units, passes),
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
        make = _LIBRARIES[library]
        self._multiply = [
            make(*(rng.standard_normal(shape).astype("float32") for shape in _shapes(product))) for product in products
        ]

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


def _shapes(product):
    """Return the shapes of `X`, `K` and `dY`."""
    rows, inner, columns = product.rows, product.inner, product.columns
    return [(rows, inner), (inner, columns), (rows, columns)]


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
