"""Stack and List RNN (Joulin and Mikolov 2015), by entry: S memories, E entries, W numbers each, k entries read."""

import numpy as np

from tests.reference.gru import sigmoid


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def at(memory, i, empty):
    """Entry i of one memory (E, W), or an empty one beyond its ends."""
    return memory[i] if 0 <= i < len(memory) else np.full(memory.shape[1], empty)


def stack_update(s, a, v, empty):
    """One stack (E, W), a (2 or 3,): push, pop, no-op; v (W,)."""
    new = np.zeros_like(s)
    for i in range(len(s)):
        new[i] = a[0] * (v if i == 0 else s[i - 1]) + a[1] * at(s, i + 1, empty)
        if len(a) == 3:
            new[i] += a[2] * s[i]
    return new


def list_update(s, a, v, head, empty):
    """One list (E, W), a (3 or 4,): insert, left, right, no-op; v (W,)."""
    new = np.zeros_like(s)
    for i in range(len(s)):
        inserted = v if i == head else s[i + 1] if i < head else s[i]
        new[i] = a[0] * inserted + a[1] * at(s, i - 1, empty) + a[2] * at(s, i + 1, empty)
        if len(a) == 4:
            new[i] += a[3] * s[i]
    return new


def run(x, weights, *, kind, memories, depth, cell_size, top_k, num_actions, rounding, empty):
    """x (T, D) -> hidden states (T, U), memories (S, E, W); U, P, b, A, b_a, D, b_v and, where recurrent, R."""
    head = 0 if kind == "stack" else depth
    s = np.full((memories, depth if kind == "stack" else 2 * depth + 1, cell_size), float(empty))
    h, outputs = np.zeros(len(weights["b"])), []
    for x_t in x:
        step = 1 if kind == "stack" else -1
        top = np.concatenate([s[j, head + step * i] for j in range(memories) for i in range(top_k)])
        z = x_t @ weights["U"] + top @ weights["P"] + weights["b"]
        if "R" in weights:
            z = z + h @ weights["R"]
        h = sigmoid(z)
        logits = (h @ weights["A"] + weights["b_a"]).reshape(memories, num_actions)
        values = sigmoid(h @ weights["D"] + weights["b_v"]).reshape(memories, cell_size)
        for j in range(memories):
            a = np.eye(num_actions)[np.argmax(logits[j])] if rounding else softmax(logits[j])
            new = stack_update(s[j], a, values[j], empty) if kind == "stack" else None
            s[j] = list_update(s[j], a, values[j], head, empty) if new is None else new
        outputs.append(h)
    return np.array(outputs), s
