"""The memory update and the passes of the episodic memory."""

import numpy as np

from tests.reference.attention import attention_gru, gate_logits, gates, soft_attention
from tests.reference.gru import gru_step


def memory_update(m, e, q, weights, kind):
    """m, q (U,), e (D,) -> the next memory (U,): GRU(e, m), or relu(W [m; e; q] + b)."""
    if kind == "gru":
        return gru_step(e, m, weights)
    return np.maximum(np.concatenate([m, e, q]) @ weights["W"] + weights["b"], 0)


def episodic_memory(facts, question, mask, passes, *, names, activation, episode, update, end=None, top=None):
    """All passes over one story.

    Facts (F, U), question (U,), mask (F,). `passes` has one dict of weights a pass, with the keys gate, gru, update.
    `end` (U,) is the end-of-passes representation, `None` without learned stop; `top` the number of facts that a pass
    attends to, `None` for all.
    Returns memory (U,), gates (P, F), stop (P,).
    """
    m = question  # m^0 = q
    all_gates, all_stops = [], []
    running = True
    for weights in passes:
        candidates, real = facts, list(mask)
        if end is not None:
            candidates, real = np.concatenate([facts, end[None]]), [*real, True]
        logits = gate_logits(candidates, question, m, names, weights["gate"])
        if top is not None:
            best = sorted((t for t in range(len(real)) if real[t]), key=lambda t: logits[t])[-top:]
            real = [t in best for t in range(len(real))]
        g = gates(logits, real, activation)
        stop = 0.0
        if end is not None:
            g, stop = g[:-1], g[-1]
            running = running and not _ends(stop, g, activation)
        e = soft_attention(facts, g) if episode == "soft" else attention_gru(facts, g, weights["gru"], episode)
        if running:
            m = memory_update(m, e, question, weights["update"], update)
        all_gates.append(g)
        all_stops.append(stop)
    return m, np.array(all_gates), np.array(all_stops)


def _ends(stop, g, activation):
    """The end-of-passes gate is the largest; a sigmoid one must also exceed one half."""
    return all(stop > gate for gate in g) and (activation == "softmax" or stop > 0.5)
