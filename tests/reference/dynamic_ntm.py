"""The D-NTM (Gulcehre et al. 2016). T steps, D entries of an input, U units, N slots, A address, W content."""

import numpy as np

from tests.reference.gru import sigmoid
from tests.reference.stacks import softmax


def softplus(x):
    return np.log1p(np.exp(x))


def cosine(k, m):
    return k @ m / np.sqrt((k @ k + 1e-6) * (m @ m + 1e-6))


def address(h, A, C, v, head, weights, *, lru, discrete):
    """h (U,), A (N or N + 1, A), C (N, W), v (N or N + 1,) -> weights of a head, its next v."""
    p = h @ weights[f"{head}_kernel"] + weights[f"{head}_bias"]
    size = A.shape[1] + C.shape[1]
    rows = [*C, *np.zeros((len(A) - len(C), C.shape[1]))]
    z = np.array(
        [(softplus(p[size]) + 1) * cosine(p[:size], np.concatenate([a, c])) for a, c in zip(A, rows, strict=True)]
    )
    w = softmax(z - sigmoid(p[size + 1]) * v) if lru else softmax(z)
    return np.eye(len(w))[np.argmax(w)] if discrete else w, 0.1 * v + 0.9 * z


def control(x, phi, h, weights):
    p = np.concatenate([x, phi]) @ weights["kernel"] + weights["bias"]
    if "recurrent_kernel" not in weights:
        return np.tanh(p)
    z, r, n = np.split(p, 3)
    of_z, of_r, of_n = np.split(h @ weights["recurrent_kernel"], 3)
    z, r = sigmoid(z + of_z), sigmoid(r + of_r)
    return z * h + (1 - z) * np.tanh(n + r * of_n)


def run(x, weights, *, slots, width, num_steps=1, lru=True, discrete=False):
    """x (T, D) -> h (T, U), contents (N, W), v of both heads (2, N or N + 1)."""
    A, C = weights["addresses"], np.zeros((slots, width))
    h, v, outputs = np.zeros(len(weights["read_kernel"])), np.zeros((2, len(A))), []
    options = {"lru": lru, "discrete": discrete}
    for x_t in x:
        for _ in range(num_steps):
            w, v[0] = address(h, A, C, v[0], "read", weights, **options)
            phi = sum(w[i] * np.concatenate([A[i], C[i]]) for i in range(slots))
            h = control(x_t, phi, h, weights)
            u, v[1] = address(h, A, C, v[1], "write", weights, **options)
            e, m, alpha = np.split(h @ weights["update_kernel"] + weights["update_bias"], [width, 2 * width])
            alpha = sigmoid(alpha + x_t @ weights["gate_kernel"])
            m = np.maximum(m + alpha * (x_t @ weights["candidate_kernel"]), 0)
            C = np.array([(1 - sigmoid(e) * u[j]) * C[j] + u[j] * m for j in range(slots)])
        outputs.append(h)
    return np.array(outputs), C, v
