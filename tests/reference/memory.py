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

    Facts (F, U), question (U,), mask (F,). `passes` has one dict of weights a pass, with the keys gates, one of each
    head, gru, update, and norms where vectors are normalised: gain and offset of facts, question and memory.
    `end` (U,) is the end-of-passes representation, `None` without learned stop; `top` the number of facts that a pass
    attends to, `None` for all.
    Returns memory (U,), gates (P, F), stop (P,).
    """
    norms = passes[0].get("norms")
    if norms:
        facts, question = layer_norm(facts, *norms["facts"]), layer_norm(question, *norms["question"])
    m = question  # m^0 = q
    all_gates, all_stops = [], []
    running = True
    for weights in passes:
        candidates, real = facts, list(mask)
        if end is not None:
            candidates, real = np.concatenate([facts, end[None]]), [*real, True]
        heads = []
        for gate in weights["gates"]:
            logits = gate_logits(candidates, question, m, names, gate)
            attended = real
            if top is not None:
                best = sorted((t for t in range(len(real)) if real[t]), key=lambda t: logits[t])[-top:]
                attended = [t in best for t in range(len(real))]
            heads.append(gates(logits, attended, activation))
        g, stop = np.mean(heads, axis=0), 0.0
        if end is not None:
            g, stop = g[:-1], g[-1]
            running = running and not _ends(stop, g, activation)
        e = []
        for head in heads:
            head = head[: len(facts)]
            e += list(
                soft_attention(facts, head)
                if episode == "soft_attention"
                else attention_gru(facts, head, weights["gru"], episode)
            )
        if running:
            m = memory_update(m, np.array(e), question, weights["update"], update)
            m = layer_norm(m, *weights["norms"]["memory"]) if norms else m
        all_gates.append(g)
        all_stops.append(stop)
    return m, np.array(all_gates), np.array(all_stops)


def layer_norm(x, gain, offset):
    """Mean 0 and variance 1 over the last axis, then gain and offset."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return gain * centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-3) + offset


def _ends(stop, g, activation):
    """The end-of-passes gate is the largest; a sigmoid one must also exceed one half."""
    return all(stop > gate for gate in g) and (activation == "softmax" or stop > 0.5)
