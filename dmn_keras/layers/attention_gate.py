"""Attention gate: z(c, m, q) -> gate logits -> gates."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.weighted_layer import WeightedLayer

DMN_FEATURES = (
    "fact",
    "memory",
    "question",
    "fact*question",
    "fact*memory",
    "|fact-question|",
    "|fact-memory|",
    "fact.W.question",
    "fact.W.memory",
)
"""The nine terms of Kumar et al. 2015, equation 8, in the paper's order."""

DMN_PLUS_FEATURES = ("fact*question", "fact*memory", "|fact-question|", "|fact-memory|")
"""The four terms that Xiong et al. 2016, equation 8, keep."""

_BILINEAR = ("fact.W.question", "fact.W.memory")
_LOWEST = -1e9  # never float16, see `AttentionGate.logits`
PADDED = -1e4
"""Gate logit of a padded fact in outputs: low enough for a gate of 0, high enough to be summed with others."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGate(WeightedLayer):
    """How much each fact matters to one pass, given the question and the memory so far.

    With fact `c`, memory `m` and question `q`:

    - `z = [c, m, q, c*q, c*m, |c-q|, |c-m|, c^T W q, c^T W m]`
    - `logit = W2 tanh(W1 z + b1) + b2`
    - `gate = sigmoid(logit)`, or a softmax over the real facts

    `features` chooses the terms. `z` is never written out: `W1 z` is the sum of one product per term, and the terms
    without `m` are the same in every pass, so `precompute` yields them once for all passes.

    Masking: a padded fact's gate is exactly 0. Softmax gates of the real facts sum to 1; a story without real facts
    has only zeros. Logits and gates come in float32 also under mixed precision (in float64 under a float64 policy).

    Args:
        units: Positive integer, width of the hidden layer (rows of `W1`).
        activation: `"sigmoid"` (2015, gates independent of each other) or `"softmax"` (2016). Defaults to `"sigmoid"`.
        features: The terms of `z`, names out of `DMN_FEATURES`. Defaults to all nine.
        **kwargs: Initializers and regularizers of `W`, `W1` and `W2` (kernel) and of `b1` and `b2` (bias), as in
            `keras.layers.Dense`, and arguments of every layer.

    Call arguments:
        facts: `(batch, facts, dim)`.
        question: `(batch, dim)`.
        memory: `(batch, dim)`.
        facts_mask: Boolean, `(batch, facts)`, `True` for a real fact. `None` means that all are real.

    Returns:
        Gates, float32 `(batch, facts)`, between 0 and 1.

    Raises:
        ValueError: If an argument is out of range, or facts, question and memory differ in their last dimension.

    Example:

    >>> facts, question = keras.random.normal((2, 5, 32)), keras.random.normal((2, 32))
    >>> gates = dmn_keras.layers.AttentionGate(32, activation="softmax")(facts, question, question)
    >>> tuple(gates.shape)
    (2, 5)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equations 8 and 9; Xiong et al. 2016, arXiv:1603.01417, equations 8 to 10.
    """

    weight_kinds = ("kernel", "bias")

    def __init__(
        self, units: int, *, activation: str = "sigmoid", features: Sequence[str] = DMN_FEATURES, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.activation = one_of("activation", activation, ("sigmoid", "softmax"))
        self.features = tuple(one_of("features", name, DMN_FEATURES) for name in features)
        if not self.features:
            raise ValueError("features must name at least one term. Received: features=()")
        self.supports_masking = True
        self.gate_dtype = "float64" if self.variable_dtype == "float64" else "float32"

    def build(self, facts_shape, question_shape, memory_shape):
        dim = facts_shape[-1]
        if question_shape[-1] != dim or memory_shape[-1] != dim:
            raise ValueError(
                "facts, question and memory must have the same last dimension. Received: "
                f"facts.shape={tuple(facts_shape)}, question.shape={tuple(question_shape)}, "
                f"memory.shape={tuple(memory_shape)}"
            )
        # W1, cut into one block of rows per term.
        sizes = [1 if name in _BILINEAR else dim for name in self.features]
        whole, starts = (sum(sizes), self.units), [sum(sizes[:i]) for i in range(len(sizes))]
        initializer = self.new_initializer("kernel")  # a copy, which gives the same numbers for each block

        def block(start, size):
            return lambda shape, dtype: initializer(whole, dtype)[start : start + size]

        self.kernels = {
            name: self.add_weight_of("kernel", f"kernel_{i}", (size, self.units), initializer=block(start, size))
            for i, (name, start, size) in enumerate(zip(self.features, starts, sizes, strict=True))
        }
        if any(name in _BILINEAR for name in self.features):
            self.bilinear = self.add_weight_of("kernel", "bilinear", (dim, dim))
        self.bias = self.add_weight_of("bias", "bias", (self.units,))
        self.output_kernel = self.add_weight_of("kernel", "output_kernel", (self.units, 1), autocast=False)
        self.output_bias = self.add_weight_of("bias", "output_bias", (1,), autocast=False)

    def call(self, facts, question, memory, facts_mask=None):
        fixed = self.precompute(facts, question)
        return self.gates(self.logits(fixed, facts, memory), facts_mask)

    def precompute(self, facts: Any, question: Any) -> dict[str, Any]:
        """Compute what does not depend on the memory, once for all passes.

        Args:
            facts: `(batch, facts, dim)`.
            question: `(batch, dim)`.

        Returns:
            A dict for `logits`: `"hidden"`, the terms without memory, `(batch, facts, units)`; `"bilinear"`, the
            facts' side of `c^T W m`, `(batch, facts, dim)`, where that term is used.
        """
        c, q = facts, question[:, None, :]
        fixed = {}
        if any(name in _BILINEAR for name in self.features):
            fixed["bilinear"] = ops.matmul(c, self.bilinear)
        terms = {
            "fact": lambda: c,
            "question": lambda: q,
            "fact*question": lambda: c * q,
            "|fact-question|": lambda: ops.abs(c - q),
            "fact.W.question": lambda: ops.sum(fixed["bilinear"] * q, axis=-1, keepdims=True),
        }
        fixed["hidden"] = self._products(terms, self.bias)
        return fixed

    def logits(self, fixed: Mapping[str, Any], facts: Any, memory: Any) -> Any:
        """Compute one pass's gate logits.

        Args:
            fixed: What `precompute` returned for these facts.
            facts: `(batch, facts, dim)`.
            memory: `(batch, dim)`.

        Returns:
            Logits, float32 `(batch, facts)`, those of padded facts included.
        """
        c, m = facts, memory[:, None, :]
        terms = {
            "memory": lambda: m,
            "fact*memory": lambda: c * m,
            "|fact-memory|": lambda: ops.abs(c - m),
            "fact.W.memory": lambda: ops.sum(fixed["bilinear"] * m, axis=-1, keepdims=True),
        }
        hidden = ops.tanh(self._products(terms, fixed["hidden"]))  # (B, F, H)
        logits = ops.matmul(ops.cast(hidden, self.gate_dtype), self.output_kernel)[..., 0]
        # `ops.zeros_like(logits)` would lack the facts axis where no chosen term has one.
        return logits + ops.zeros_like(facts[..., 0], dtype=self.gate_dtype) + self.output_bias

    def gates(self, logits: Any, facts_mask: Any = None) -> Any:
        """Turn logits into gates.

        Args:
            logits: `(batch, facts)`.
            facts_mask: Boolean, `(batch, facts)`, or `None`.

        Returns:
            Gates, float32 `(batch, facts)`, exactly 0 for padded facts.
        """
        if self.activation == "softmax":
            return softmax_over_real(logits, facts_mask)
        gates = ops.sigmoid(logits)
        return gates if facts_mask is None else ops.where(facts_mask, gates, ops.zeros_like(gates))

    def _products(self, terms, total):
        """Add `term @ kernel` of each chosen term to `total`."""
        for name, term in terms.items():
            if name in self.kernels:
                total = total + ops.matmul(term(), self.kernels[name])
        return total

    def compute_mask(self, facts, previous_mask=None):
        return None

    def get_config(self):
        own = {"units": self.units, "activation": self.activation, "features": list(self.features)}
        return {**super().get_config(), **own}


def top_k_mask(logits, count, mask=None):
    """Return which facts have the highest logits, boolean.

    Args:
        logits: `(batch, facts)`.
        count: How many a story; more where logits are equal.
        mask: Boolean `(batch, facts)`, which facts are real; `None` for all.

    Returns:
        Boolean `(batch, facts)`, only real facts among them.
    """
    real = masked_logits(logits, mask)
    # Padded, so that there are always as many as are asked for.
    least = ops.top_k(ops.pad(real, [[0, 0], [0, count]], constant_values=_LOWEST), count)[0][:, -1:]
    chosen = real >= least
    return chosen if mask is None else ops.logical_and(chosen, mask)


def masked_logits(logits, mask, lowest=_LOWEST):
    """Return logits of which those of padded facts are `lowest`, so that softmax and sigmoid of them are 0."""
    return logits if mask is None else ops.where(mask, logits, lowest)


def softmax_over_real(logits, mask):
    """Softmax over the last axis; 0 where padded, also where all is padded.

    Not `ops.softmax`, which warns of an axis of size 1: a story may have a single fact.
    """
    weights = ops.exp(ops.log_softmax(masked_logits(logits, mask)))
    return weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights))
