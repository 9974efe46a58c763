"""The attention gate, and the episode under its gates."""

import numpy as np

from tests.reference.gru import sigmoid


def gate_features(c, m, q, names, W):
    """z(c, m, q) (Kumar et al. 2015, eq. 8), the terms in `names`; c, m, q (D,), W (D, D)."""
    terms = {
        "fact": c,
        "memory": m,
        "question": q,
        "fact*question": c * q,
        "fact*memory": c * m,
        "|fact-question|": np.abs(c - q),
        "|fact-memory|": np.abs(c - m),
        "fact.W.question": np.array([c @ W @ q]) if W is not None else None,
        "fact.W.memory": np.array([c @ W @ m]) if W is not None else None,
    }
    return np.concatenate([terms[name] for name in names])


def gate_logits(facts, question, memory, names, weights):
    """Facts (F, D), question and memory (D,) -> logits (F,): W2 tanh(W1 z + b1) + b2 (eq. 9)."""
    logits = np.zeros(len(facts))
    for t, c in enumerate(facts):
        z = gate_features(c, memory, question, names, weights.get("W"))
        logits[t] = np.tanh(z @ weights["W1"] + weights["b1"]) @ weights["W2"] + weights["b2"]
    return logits


def gates(logits, mask, activation):
    """Logits (F,), mask (F,) -> gates (F,): zero for padding; a softmax runs over the real facts alone."""
    g = np.zeros(len(logits))
    real = [t for t in range(len(logits)) if mask[t]]
    if activation == "sigmoid":
        for t in real:
            g[t] = sigmoid(logits[t])
    elif real:
        largest = max(logits[t] for t in real)
        total = sum(np.exp(logits[t] - largest) for t in real)
        for t in real:
            g[t] = np.exp(logits[t] - largest) / total
    return g


def attention_gru_step(c, g, h, weights, mode):
    """One step: c (D,), g a number, h (U,); `W` (D, 2U or 3U), `U`, `b`: blocks r, h~ and, for "gated_gru", u."""
    units = len(h)
    wc = c @ weights["W"] + weights["b"]
    uh = h @ weights["U"]
    r = sigmoid(wc[:units] + uh[:units])
    new = np.tanh(wc[units : 2 * units] + r * uh[units : 2 * units])
    if mode == "gated_gru":
        u = sigmoid(wc[2 * units :] + uh[2 * units :])
        new = u * h + (1 - u) * new
    return g * new + (1 - g) * h


def attention_gru(facts, g, weights, mode, h=None):
    """Facts (F, D), gates (F,) -> episode (U,)."""
    h = np.zeros(len(weights["U"])) if h is None else h
    for t, c in enumerate(facts):
        h = attention_gru_step(c, g[t], h, weights, mode)
    return h


def soft_attention(facts, g):
    """Facts (F, D), gates (F,) -> episode (D,): the weighted sum."""
    episode = np.zeros(facts.shape[1])
    for t, c in enumerate(facts):
        episode = episode + g[t] * c
    return episode
