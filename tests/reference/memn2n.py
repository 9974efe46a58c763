"""MemN2N (Sukhbaatar et al. 2015), and the argmax hop of MemNN (Weston et al. 2014)."""

import numpy as np

from tests.reference.attention import gates as softmax_gates
from tests.reference.position import position_encoding


def memory_hop(m, c, u, mask, *, attention="softmax", H=None, linear=False):
    """Keys m and values c (F, D), state u (D,), mask (F,) -> next state (D,), attention (F,); eq. 1, 2 and 4."""
    scores = np.array([u @ m_i for m_i in m])
    p = softmax_gates(scores, mask, "softmax")
    if linear:
        p = np.where(mask, scores, 0)
    o = np.zeros(c.shape[1])
    if attention == "hard" and any(mask):
        o = c[max((i for i in range(len(m)) if mask[i]), key=lambda i: scores[i])]
    elif attention == "softmax":
        for i in range(len(m)):
            o = o + p[i] * c[i]
    return o + (u if H is None else H.T @ u), p


def temporal_positions(mask):
    """Mask (F,) -> positions (F,): 1 for the last real fact, 0 for padding."""
    return [sum(mask[i:]) if mask[i] else 0 for i in range(len(mask))]


def memories(story, table, times, weighted):
    """Story (F, W) of ids, table (V, D), times (T, D) or None -> memories (F, D): sum_j l_j * A x_ij + T(i)."""
    mask = story > 0
    words = table[story]
    vectors = 2 * position_encoding(words, mask) if weighted else (words * mask[..., None]).sum(axis=1)
    if times is not None:
        vectors = vectors + np.array([times[min(i, len(times) - 1)] for i in temporal_positions(mask.any(axis=1))])
    return vectors


def memn2n(story, question, weights, *, hops, attention="softmax", weighted=True):
    """One story (F, W) and question (W,) of ids -> logits (V,), attention (hops, F).

    `weights`: A, C, T_A and T_C (lists of one matrix a hop; T_A and T_C may be lists of None), B, W, and H or None.
    """
    mask = (story > 0).any(axis=1)
    u = memories(question[None], weights["B"], None, weighted)[0]
    attended = []
    for k in range(hops):
        m = memories(story, weights["A"][k], weights["T_A"][k], weighted)
        c = memories(story, weights["C"][k], weights["T_C"][k], weighted)
        u, p = memory_hop(m, c, u, mask, attention=attention, H=weights["H"])
        attended.append(p)
    return weights["W"].T @ u, np.array(attended)
