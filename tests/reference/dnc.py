"""The Differentiable Neural Computer (Graves et al. 2016) over one sequence."""

import numpy as np

from tests.reference import addressing
from tests.reference.addressing import softmax
from tests.reference.gru import sigmoid
from tests.reference.ntm import Interface, controller, first_controller_states, softplus


def dnc(xs, weights, *, kind, slots, width, reads, writes, link, masked, deallocate, sharpened, clip):
    """Sequence (T, D) -> outputs (T, U + R W), and the last states."""
    memory, u = np.zeros((slots, width)), np.zeros(slots)
    w_r, w_w, r = np.zeros((reads, slots)), np.zeros((writes, slots)), np.zeros((reads, width))
    links, p = np.zeros((writes, slots, slots)), np.zeros((writes, slots))
    states, outputs = first_controller_states(kind, weights), []
    for x in xs:
        h, states = controller(kind, np.concatenate([x, r.ravel()]), states, weights)
        interface = Interface(h @ weights["W_i"] + weights["b_i"], clip)
        k_r, beta_r = interface.take(reads, width), 1 + softplus(interface.take(reads, 1))
        k_w, beta_w = interface.take(writes, width), 1 + softplus(interface.take(writes, 1))
        erase, v = sigmoid(interface.take(writes, width)), interface.take(writes, width)
        f, g_a, g_w = (sigmoid(interface.take(n, 1))[:, 0] for n in (reads, writes, writes))
        pi = interface.take(reads, 1 + 2 * writes) if link else None
        masks_r, masks_w = [None] * reads, [None] * writes
        if masked:
            masks_r, masks_w = (0.1 + 0.9 * sigmoid(interface.take(n, width)) for n in (reads, writes))
        exponents = 1 + softplus(interface.take(reads, 2)) if sharpened else None

        psi = addressing.retention(w_r, f)
        u = addressing.usage(u, w_w, psi)
        w_w, reserved = np.zeros((writes, slots)), u
        for n in range(writes):
            a = addressing.allocation(reserved, 1e-4)
            reserved = reserved + (1 - reserved) * g_a[n] * g_w[n] * a
            c = addressing.content(memory, k_w[n], beta_w[n, 0], masks_w[n])
            w_w[n] = g_w[n] * (g_a[n] * a + (1 - g_a[n]) * c)
        if deallocate:
            memory = memory * psi[:, None]
        memory = addressing.write(memory, w_w, erase, v)
        if link:
            links = np.array([addressing.link(*parts) for parts in zip(links, p, w_w, strict=True)])
            p = np.array([addressing.precedence(*parts) for parts in zip(p, w_w, strict=True)])
        previous, w_r = w_r, np.zeros((reads, slots))
        for m in range(reads):
            c = addressing.content(memory, k_r[m], beta_r[m, 0], masks_r[m])
            if not link:
                w_r[m] = c
                continue
            modes = softmax(pi[m])
            w_r[m] = modes[writes] * c
            for n in range(writes):
                backward, forward = links[n].T @ previous[m], links[n] @ previous[m]
                if sharpened:
                    forward = addressing.sharpen(forward + 1e-6, exponents[m, 0])
                    backward = addressing.sharpen(backward + 1e-6, exponents[m, 1])
                w_r[m] += modes[n] * backward + modes[writes + 1 + n] * forward
        r = w_r @ memory
        outputs.append(np.concatenate([h, r.ravel()]))
    return np.array(outputs), [memory, u, w_r, w_w, r, *([links, p] if link else []), *states]
