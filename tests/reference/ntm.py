"""The Neural Turing Machine (Graves et al. 2014) over one sequence, and the controllers it shares with the DNC."""

import numpy as np

from tests.reference import addressing
from tests.reference.addressing import softmax
from tests.reference.gru import gru_step, sigmoid


def softplus(x):
    return np.log1p(np.exp(x))


def controller(kind, x, states, weights):
    """x (D,) -> output (U,) and states: a tanh layer, the GRU, or the LSTM with blocks i, f, c~, o."""
    if kind == "feedforward":
        return np.tanh(x @ weights["W"] + weights["b"]), []
    if kind == "gru":
        h = gru_step(x, states[0], weights)
        return h, [h]
    h, c = states
    i, f, new, o = np.split(x @ weights["W"] + h @ weights["U"] + weights["b"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


class Interface:
    """Cuts a vector into parts, from its start."""

    def __init__(self, vector, clip):
        self.rest = np.clip(vector, -clip, clip)

    def take(self, heads, size):
        part, self.rest = np.split(self.rest, [heads * size])
        return part.reshape(heads, size)


def first_controller_states(kind, weights):
    units = weights["W_i"].shape[0]
    return [np.zeros(units)] * {"feedforward": 0, "gru": 1, "lstm": 2}[kind]


def ntm(xs, weights, *, kind, reads, writes, shift_range, read_first, clip):
    """Sequence (T, D) -> outputs (T, U + R W), and the last memory, weights and read vectors."""
    memory = weights["M_0"]
    head_weights = [softmax(logits) for logits in weights["w_0"]]
    r = np.array([w @ memory for w in head_weights[:reads]])
    states, outputs = first_controller_states(kind, weights), []
    width = memory.shape[1]
    for x in xs:
        h, states = controller(kind, np.concatenate([x, r.ravel()]), states, weights)
        interface = Interface(h @ weights["W_i"] + weights["b_i"], clip)
        k, beta, g, s, gamma = (interface.take(reads + writes, n) for n in (width, 1, 1, 2 * shift_range + 1, 1))
        erase, add = interface.take(writes, width), interface.take(writes, width)
        for head in range(reads + writes):
            w = addressing.content(memory, np.tanh(k[head]), softplus(beta[head, 0]))
            gate = sigmoid(g[head, 0])
            w = gate * w + (1 - gate) * head_weights[head]
            w = addressing.shift(w, softmax(s[head]))
            head_weights[head] = addressing.sharpen(w, 1 + softplus(gamma[head, 0]))
        written = addressing.write(memory, head_weights[reads:], sigmoid(erase), np.tanh(add))
        r = np.array([w @ (memory if read_first else written) for w in head_weights[:reads]])
        memory = written
        outputs.append(np.concatenate([h, r.ravel()]))
    return np.array(outputs), [memory, np.array(head_weights), r, *states]
