"""Addressing of external memories: memory (N, W), weights over slots (N,), keys (W,)."""

import numpy as np


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum()


def content(memory, key, strength, mask=None):
    mask = np.ones(len(key)) if mask is None else mask
    similarities = []
    for slot in memory:
        k, m = key * mask, slot * mask
        similarities.append(k @ m / np.sqrt((k @ k + 1e-6) * (m @ m + 1e-6)))
    return softmax(strength * np.array(similarities))


def shift(w, s):
    """w~(i) = sum_j w(j) s(i - j), with s (2 * range + 1,) for -range to range."""
    n, reach = len(w), len(s) // 2
    shifted = np.zeros(n)
    for j in range(n):
        for d in range(-reach, reach + 1):
            shifted[(j + d) % n] += w[j] * s[d + reach]
    return shifted


def sharpen(w, gamma):
    powers = np.maximum(w, 1e-12) ** gamma
    return powers / powers.sum()


def write(memory, weights, erase, add):
    """Weights (H, N), erase and add (H, W): all erasures, then all additions."""
    memory = memory.copy()
    for w, e in zip(weights, erase, strict=True):
        memory = memory * (1 - np.outer(w, e))
    for w, a in zip(weights, add, strict=True):
        memory = memory + np.outer(w, a)
    return memory


def retention(read_weights, free_gates):
    psi = np.ones(read_weights.shape[1])
    for w, f in zip(read_weights, free_gates, strict=True):
        psi = psi * (1 - f * w)
    return psi


def usage(u, write_weights, psi):
    for w in write_weights:
        u = u + w - u * w
    return u * psi


def allocation(u, tie_break=0.0):
    """The sorted form of the paper, ties by index."""
    order = np.argsort(u + tie_break * np.arange(len(u)), kind="stable")
    safe = 1e-6 + (1 - 1e-6) * u
    a, before = np.zeros(len(u)), 1.0
    for i in order:
        a[i] = (1 - safe[i]) * before
        before *= safe[i]
    return a


def link(previous, p, w):
    """Previous (N, N), p and w (N,)."""
    n = len(w)
    links = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                links[i, j] = (1 - w[i] - w[j]) * previous[i, j] + w[i] * p[j]
    return links


def precedence(p, w):
    return (1 - w.sum()) * p + w
