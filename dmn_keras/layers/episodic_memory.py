"""Episodic memory: facts, question -> memory, gates, in several passes."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.attention_gate import DMN_FEATURES, PADDED, AttentionGate, masked_logits, top_k_mask
from dmn_keras.layers.attention_gru import AttentionGRU
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.memory_update import MemoryUpdate
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class EpisodicMemory(WeightedLayer):
    """Several attention passes over the facts; each pass yields an episode, the episodes update a memory.

    With facts `c_t`, question `q` and memory `m^0 = q`, pass `i = 1..num_passes` computes

    - the gates `g^i_t = G(c_t, m^{i-1}, q)` (`AttentionGate`),
    - the episode `e^i` from facts and gates (`AttentionGRU`, or soft attention `e^i = sum_t g^i_t c_t`),
    - the memory `m^i` from `e^i`, `m^{i-1}` and `q` (`MemoryUpdate`).

    With `learned_stop`, a learned vector, the end-of-passes representation, stands among the facts. A pass whose gate
    chooses it (gives it the largest gate; with sigmoid gates also more than 0.5) ends the reasoning: that pass and all
    later ones leave the memory as it is, so `num_passes` becomes the maximum. The choice is hard, in training as in
    inference; its gradient is that of the gate (straight-through).

    With several heads, each head of a pass has gates and an episode of its own, `G_h` and `e^i_h`; the memory is
    updated from all episodes of the pass side by side, and what counts as the gates of the pass is the heads' mean.

    With `layer_norm`, the facts, the question and the memory after each pass are normalised (`LayerNormalization` of
    Keras, whose epsilon of 1e-3 leaves vectors small that are much smaller than 0.1), each with a learned gain and
    offset, so that gates compare what is of one scale. The end-of-passes representation is learned, and is not.

    Masking: `facts_mask` marks the real facts. A padded fact has gate 0 and no influence. A story without real facts
    gives finite values.

    Args:
        units: Positive integer, size of memory and episode, and the last dimension of facts and question.
        num_passes: Positive integer, the number of passes. Defaults to 3.
        gate: `"sigmoid"` (2015) or `"softmax"` (2016) over the facts. Defaults to `"sigmoid"`.
        gate_features: Terms of the gate's input, see `AttentionGate`. Defaults to the nine of 2015.
        gate_units: Positive integer, width of the gate's hidden layer. Defaults to `units`.
        episode: `"gated_gru"` (2015) or `"attention_gru"` (2016), see `AttentionGRUCell`, or `"soft_attention"`.
            Defaults to `"gated_gru"`.
        memory_update: `"gru"` (2015) or `"relu"` (2016), see `MemoryUpdate`. Defaults to `"gru"`.
        tie_weights: Whether all passes share their weights. `False` gives each pass its own gate, GRU and update.
            Defaults to `True`.
        learned_stop: Whether the passes may end early. Defaults to `False`.
        num_heads: Positive integer, the number of heads of a pass. A pass takes as many times as long. Defaults to 1.
        layer_norm: Whether facts, question and memories are normalised. Defaults to `False`.
        top_facts: Positive integer, how many facts a head attends to, those with the highest gates: the gates of all
            others are exactly 0, so that many small ones do not add up in a long story. `None` for all. Defaults to
            `None`.
        recompute: As for `AttentionGRU`. Defaults to `False`.
        **kwargs: Initializers and regularizers of gates, episodes and memory updates (kernel, recurrent, bias), as in
            `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        facts: `(batch, facts, units)`.
        question: `(batch, units)`.
        facts_mask: Boolean, `(batch, facts)`, `True` for a real fact; filled in by Keras. `None` means that all are
            real.

    Returns:
        A dict:

        - `"memory"`: the last memory, `(batch, units)`;
        - `"gates"`: the gates of each pass, float32 `(batch, passes, facts)`, between 0 and 1;
        - `"gate_logits"`: what they are the sigmoid or softmax of, before `top_facts`, float32
          `(batch, passes, facts)`, for a loss that has a gradient at every real fact; very low at a padded one;
        - `"stop"`: the gate of the end-of-passes representation in each pass, float32 `(batch, passes)`; zeros
          without `learned_stop`. Softmax gates of a pass and its `stop` sum to 1;
        - `"stop_logits"`: what `stop` is the sigmoid of, before `top_facts`, float32 `(batch, passes)`.

    Raises:
        ValueError: If an argument is out of range, or the last dimension of facts or question is not `units`.

    Example:

    >>> facts, question = keras.random.normal((2, 5, 32)), keras.random.normal((2, 32))
    >>> outputs = dmn_keras.layers.EpisodicMemory(32, num_passes=3)(facts, question)
    >>> tuple(outputs["memory"].shape), tuple(outputs["gates"].shape)
    ((2, 32), (2, 3, 5))

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, section 2.3; Xiong et al. 2016, arXiv:1603.01417, section 3.3. Layer
        normalisation: Ba et al. 2016, arXiv:1607.06450.
    """

    def __init__(
        self,
        units: int,
        num_passes: int = 3,
        *,
        gate: str = "sigmoid",
        gate_features: Sequence[str] = DMN_FEATURES,
        gate_units: int | None = None,
        episode: str = "gated_gru",
        memory_update: str = "gru",
        tie_weights: bool = True,
        learned_stop: bool = False,
        num_heads: int = 1,
        layer_norm: bool = False,
        top_facts: int | None = None,
        recompute: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.num_passes = positive_integer("num_passes", num_passes)
        self.gate = one_of("gate", gate, ("sigmoid", "softmax"))
        self.gate_features = tuple(one_of("gate_features", name, DMN_FEATURES) for name in gate_features)
        self.gate_units = self.units if gate_units is None else positive_integer("gate_units", gate_units)
        self.episode = one_of("episode", episode, ("gated_gru", "attention_gru", "soft_attention"))
        self.memory_update = one_of("memory_update", memory_update, ("gru", "relu"))
        self.tie_weights = bool(tie_weights)
        self.learned_stop = bool(learned_stop)
        self.num_heads = positive_integer("num_heads", num_heads)
        self.layer_norm = bool(layer_norm)
        self.top_facts = None if top_facts is None else positive_integer("top_facts", top_facts)
        self.recompute = bool(recompute)
        self.supports_masking = True
        copies = range(1 if tie_weights else self.num_passes)
        self.attention_gates = [  # those of a pass side by side
            AttentionGate(
                self.gate_units,
                activation=gate,
                features=gate_features,
                name=f"gate_{i}",
                **self.sublayer_options("kernel", "bias"),
            )
            for i in range(len(copies) * self.num_heads)
        ]
        self.attention_grus = [
            AttentionGRU(self.units, mode=episode, recompute=recompute, name=f"gru_{i}", **self.sublayer_options())
            for i in copies
            if episode != "soft_attention"
        ]
        self.updates = [
            MemoryUpdate(self.units, kind=memory_update, name=f"update_{i}", **self.sublayer_options()) for i in copies
        ]
        self.norms = {
            name: keras.layers.LayerNormalization(dtype=self.dtype_policy, name=f"{name}_norm")
            for name in ("facts", "question", *(f"memory_{i}" for i in copies))
            if layer_norm
        }

    def build(self, facts_shape, question_shape):
        if facts_shape[-1] != self.units or question_shape[-1] != self.units:
            raise ValueError(
                f"facts and question must have the last dimension units={self.units}. Received: "
                f"facts.shape={tuple(facts_shape)}, question.shape={tuple(question_shape)}"
            )
        vector = (question_shape[0], self.units)
        for gate in self.attention_gates:
            gate.build(tuple(facts_shape), vector, vector)
        for gru in self.attention_grus:
            gru.build(tuple(facts_shape))
        for update in self.updates:
            update.build(vector, (question_shape[0], self.num_heads * self.units), vector)
        for name, norm in self.norms.items():
            norm.build(tuple(facts_shape) if name == "facts" else vector)
        if self.learned_stop:
            self.end_of_passes = self.add_weight(
                shape=(self.units,), initializer="glorot_uniform", name="end_of_passes"
            )

    def call(self, facts, question, facts_mask=None, training=False):
        facts, question = self._normalised("facts", facts), self._normalised("question", question)
        candidates, candidates_mask = self._with_end_of_passes(facts, facts_mask)
        fixed = [gate.precompute(candidates, question) for gate in self.attention_gates]
        # Passes that share their weights share the product of the facts too.
        projected = self.attention_grus[0].project(facts) if self.attention_grus and self.tie_weights else None
        memory = question  # m^0 = q
        running = 1.0
        passes = []
        for i in range(self.num_passes):
            k = 0 if self.tie_weights else i
            heads = slice(k * self.num_heads, (k + 1) * self.num_heads)
            logits = [
                gate.logits(fixed_of_head, candidates, memory)
                for gate, fixed_of_head in zip(self.attention_gates[heads], fixed[heads], strict=True)
            ]
            of_heads = [self._gates(logits_of_head, candidates_mask) for logits_of_head in logits]  # g^i
            gates, gate_logits = _mean(of_heads), self._mean_logits(logits, candidates_mask)
            if self.learned_stop:
                of_heads = [gates_of_head[:, :-1] for gates_of_head in of_heads]
                gates, stop = gates[:, :-1], gates[:, -1]
                gate_logits, stop_logits = gate_logits[:, :-1], gate_logits[:, -1]
                if self.gate == "softmax":  # the odds of the stop against all facts
                    stop_logits = stop_logits - ops.logsumexp(gate_logits, axis=-1)
                running = running * (1 - self._chosen(stop, gates))
            else:
                stop = stop_logits = ops.zeros_like(gates[:, 0])
            episodes = [self._episode(facts, gates_of_head, projected, k, training) for gates_of_head in of_heads]
            episode = ops.concatenate(episodes, axis=-1)  # e^i
            update = self._normalised(f"memory_{k}", self.updates[k](memory, episode, question))  # m^i
            memory = self._step_unless_stopped(update, memory, running)
            passes.append({"gates": gates, "gate_logits": gate_logits, "stop": stop, "stop_logits": stop_logits})
        outputs = {name: ops.stack([of_pass[name] for of_pass in passes], axis=1) for name in passes[0]}
        return {"memory": memory, **outputs}

    def _normalised(self, name, vectors):
        return self.norms[name](vectors) if self.layer_norm else vectors

    def _gates(self, logits, mask):
        """Return the gates of one head, `(batch, candidates)`."""
        attended = mask if self.top_facts is None else top_k_mask(logits, self.top_facts, mask)
        return self.attention_gates[0].gates(logits, attended)

    def _mean_logits(self, of_heads, mask):
        """Return logits whose sigmoid or softmax is the mean of the heads' gates, `(batch, candidates)`."""
        of_heads = [masked_logits(logits, mask, PADDED) for logits in of_heads]
        if len(of_heads) == 1:
            return of_heads[0]
        if self.gate == "softmax":
            return ops.logsumexp(ops.stack([ops.log_softmax(logits) for logits in of_heads]), axis=0)
        signs = ops.stack([ops.log_sigmoid(logits) for logits in of_heads], axis=0)
        opposite = ops.stack([ops.log_sigmoid(-logits) for logits in of_heads], axis=0)
        return ops.logsumexp(signs, axis=0) - ops.logsumexp(opposite, axis=0)

    def _with_end_of_passes(self, facts, facts_mask):
        """Append the end-of-passes representation to the facts, as one fact that is always real."""
        if not self.learned_stop:
            return facts, facts_mask
        end = ops.zeros_like(facts[:, :1]) + ops.cast(self.end_of_passes, facts.dtype)
        if facts_mask is not None:
            facts_mask = ops.concatenate([facts_mask, ops.ones_like(facts_mask[:, :1])], axis=1)
        return ops.concatenate([facts, end], axis=1), facts_mask

    def _chosen(self, stop, gates):
        """Return 1 where the gate chooses to stop, else 0; its gradient is that of `stop`."""
        chosen = ops.all(stop[:, None] > gates, axis=1)
        if self.gate == "sigmoid":
            chosen = ops.logical_and(chosen, stop > 0.5)
        chosen = ops.cast(chosen, stop.dtype)
        return chosen + (stop - ops.stop_gradient(stop))

    def _episode(self, facts, gates, projected, k, training):
        if self.episode == "soft_attention":
            return ops.sum(ops.cast(gates, facts.dtype)[..., None] * facts, axis=1)
        if projected is None:
            return self.attention_grus[k](facts, gates, training=training)
        return self.attention_grus[k].run(projected, gates, training)

    def _step_unless_stopped(self, update, memory, running):
        if not self.learned_stop:
            return update
        running = ops.cast(running, update.dtype)[:, None]
        return running * update + (1 - running) * memory

    def compute_mask(self, facts, previous_mask=None):
        return dict.fromkeys(("memory", "gates", "gate_logits", "stop", "stop_logits"))

    def get_config(self):
        names = ("units", "num_passes", "gate", "gate_features", "gate_units", "episode", "memory_update")
        names += ("tie_weights", "learned_stop", "num_heads", "layer_norm", "top_facts", "recompute")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "gate_features": list(self.gate_features)}


def _mean(tensors):
    return sum(tensors[1:], tensors[0]) / len(tensors) if len(tensors) > 1 else tensors[0]
