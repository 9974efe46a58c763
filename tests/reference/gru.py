"""The GRU in Keras' `reset_after` form, which has a second bias inside the reset gate's product."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_step(x, h, weights):
    """One step: x (D,), h (U,); `W` (D, 3U), `U` (U, 3U), `b` and `b_u` (3U,), blocks u (update), r (reset), h~."""
    units = len(h)
    u, r, new = (slice(k * units, (k + 1) * units) for k in range(3))
    wx = x @ weights["W"] + weights["b"]  # (3U,)
    uh = h @ weights["U"] + weights["b_u"]  # (3U,)
    update = sigmoid(wx[u] + uh[u])
    reset = sigmoid(wx[r] + uh[r])
    candidate = np.tanh(wx[new] + reset * uh[new])
    return update * h + (1 - update) * candidate


def facts_at_sentence_ends(words, mask, weights, scope="story"):
    """Words (F, W, D), mask (F, W) -> facts (F, U): one GRU over all real words, read at each sentence's last.

    With scope "sentence" the GRU starts anew with each sentence.
    """
    h = np.zeros(len(weights["U"]))
    facts = np.zeros((len(words), len(h)))
    for f in range(words.shape[0]):
        h = np.zeros(len(h)) if scope == "sentence" else h
        for w in range(words.shape[1]):
            if mask[f, w]:
                h = gru_step(words[f, w], h, weights)
                facts[f] = h
    return facts


def facts_at_words(words, mask, weights):
    """Words (W, D), mask (W,) -> facts (W, U): every real word's state; zeros for padding."""
    return facts_at_sentence_ends(words[:, None], mask[:, None], weights)


def question_vector(words, mask, weights):
    """Words (W, D), mask (W,) -> q (U,): the state after the last real word."""
    h = np.zeros(len(weights["U"]))
    for w in range(len(words)):
        if mask[w]:
            h = gru_step(words[w], h, weights)
    return h


def fused_facts(facts, mask, forward, backward):
    """Facts (F, D), mask (F,) -> (F, U): the sum of a GRU in each direction over the real facts."""
    fused = np.zeros((len(facts), len(forward["U"])))
    real = [t for t in range(len(facts)) if mask[t]]
    for order, weights in ((real, forward), (real[::-1], backward)):
        h = np.zeros(len(weights["U"]))
        for t in order:
            h = gru_step(facts[t], h, weights)
            fused[t] += h
    return fused
