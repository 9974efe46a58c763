"""The Differentiable Neural Computer: a memory with allocation of free slots and links in the order of writing."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers import addressing
from dmn_keras.layers.controller_cell import ControllerCell

MASK_FLOOR = 0.1
TIE_BREAK = 1e-4


@keras.saving.register_keras_serializable(package="dmn_keras")
class DNCCell(ControllerCell):
    """One step of a Differentiable Neural Computer.

    The controller sees the input and the last read vectors and emits, for each head, what the equations name; gates are
    sigmoids, strengths `1 + softplus`, read modes a softmax. With memory `M`, usage `u`, read weights `w_r`, write
    weights `w_w`, links `L` and precedence `p`:

    - retention `psi = prod_r (1 - f_r w_r)`, usage `u' = (u + w_w - u * w_w) * psi`, and from it the allocation `a`,
      which weighs the least used slots;
    - `w_w' = g_w * (g_a * a + (1 - g_a) * content(M, k_w))`, `M' = M * (1 - w_w' e^T) + w_w' v^T`;
    - `L'[i, j] = (1 - w_w'[i] - w_w'[j]) * L[i, j] + w_w'[i] * p[j]`, `p' = (1 - sum w_w') * p + w_w'`;
    - `w_r' = pi_1 * L'^T w_r + pi_2 * content(M', k_r) + pi_3 * L' w_r`, and the read vectors `r = w_r' M'`.

    Each write head has links of its own; a slot that one head is about to allocate counts as used for the next. All
    states start at zero.

    For `MemoryRNN`, whose masks leave the memory as it is. Addressing is computed in float32 also under mixed
    precision.

    Args:
        units: Positive integer, size of the controller's output.
        memory_slots: Positive integer, number of slots. Defaults to 16.
        memory_width: Positive integer, size of a slot. Defaults to 16.
        read_heads: Positive integer. Defaults to 1.
        write_heads: Positive integer. Defaults to 1.
        controller: `"feedforward"` (a `tanh` layer), `"gru"` or `"lstm"`. Defaults to `"lstm"`.
        link: Whether the order of writing is kept. Without it slots are read by content alone, and no state is of the
            size `memory_slots` squared. Defaults to `True`.
        masked_lookup: Whether a head also emits which entries of key and slots to compare (Csordas and Schmidhuber
            2019, section 3.1). Defaults to `False`.
        deallocate: Whether the content of freed slots is erased (section 3.2). Defaults to `False`.
        sharpen_links: Whether forward and backward weights are sharpened (section 3.3). Needs `link`. Defaults to
            `False`.
        clip: Positive number, the largest absolute value of what the controller emits for the heads, before the
            activations. Defaults to 20.
        **kwargs: Initializers and regularizers, as in `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        inputs: `(batch, dim)`.
        states: List: memory `(batch, slots, width)`; usage `(batch, slots)`; read weights
            `(batch, read_heads, slots)`; write weights `(batch, write_heads, slots)`; read vectors
            `(batch, read_heads, width)`; with `link`, links `(batch, write_heads, slots, slots)` and precedence
            `(batch, write_heads, slots)`; the states of the controller, `(batch, units)`: none, one or two.

    Returns:
        The controller's output and the read vectors, `(batch, units + read_heads * memory_width)`; the new states.

    Raises:
        ValueError: If an argument is out of range, or a state has another shape.

    Example:

    >>> cell = dmn_keras.layers.DNCCell(64, memory_slots=16, memory_width=16, read_heads=4)
    >>> tuple(dmn_keras.layers.MemoryRNN(cell, return_sequences=True)(keras.random.normal((2, 5, 8))).shape)
    (2, 5, 128)

    Reference:
        Graves et al. 2016, Nature 538, 471-476, methods; Csordas and Schmidhuber 2019, arXiv:1904.10278. Deviation:
        slots whose usage is nearly equal are allocated in the order of their index.
    """

    def __init__(
        self,
        units: int,
        memory_slots: int = 16,
        memory_width: int = 16,
        *,
        read_heads: int = 1,
        write_heads: int = 1,
        controller: str = "lstm",
        link: bool = True,
        masked_lookup: bool = False,
        deallocate: bool = False,
        sharpen_links: bool = False,
        clip: float = 20.0,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            memory_slots,
            memory_width,
            read_heads=read_heads,
            write_heads=write_heads,
            controller=controller,
            clip=clip,
            **kwargs,
        )
        self.link = bool(link)
        self.masked_lookup = bool(masked_lookup)
        self.deallocate = bool(deallocate)
        self.sharpen_links = bool(sharpen_links)
        if self.sharpen_links and not self.link:
            raise ValueError("sharpen_links must be False without link. Received: sharpen_links=True, link=False")
        slots, width, reads, writes = self.memory_slots, self.memory_width, self.read_heads, self.write_heads
        links = ((writes, slots, slots), (writes, slots)) if self.link else ()
        self.memory_state_size = ((slots, width), slots, (reads, slots), (writes, slots), (reads, width), *links)
        self.interface_shapes = self._interface_shapes()
        self.interface_size = sum(heads * size for heads, size in self.interface_shapes.values())

    def _interface_shapes(self):
        """Return what the controller emits: name -> (heads, size)."""
        width, reads, writes = self.memory_width, self.read_heads, self.write_heads
        shapes = {
            "read_keys": (reads, width),
            "read_strengths": (reads, 1),
            "write_keys": (writes, width),
            "write_strengths": (writes, 1),
            "erase": (writes, width),
            "write_vectors": (writes, width),
            "free_gates": (reads, 1),
            "allocation_gates": (writes, 1),
            "write_gates": (writes, 1),
        }
        if self.link:
            shapes["read_modes"] = (reads, 1 + 2 * writes)
        if self.masked_lookup:
            shapes |= {"read_masks": (reads, width), "write_masks": (writes, width)}
        if self.sharpen_links:
            shapes["link_exponents"] = (reads, 2)
        return shapes

    def call(self, inputs, states):
        states = self.check_states(inputs, states)
        num_memory_states = len(self.memory_state_size)
        memory_states, controller_states = states[:num_memory_states], states[num_memory_states:]
        output, interface, controller_states = self.run_controller(inputs, memory_states[4], controller_states)
        emitted = dict(zip(self.interface_shapes, self.split(interface, *self.interface_shapes.values()), strict=True))
        memory, usage, read_weights, write_weights, _, *links = (
            ops.cast(state, self.accumulation_dtype()) for state in memory_states
        )

        retained = addressing.retention(read_weights, ops.sigmoid(emitted["free_gates"]))  # psi
        usage = addressing.usage(usage, write_weights, retained)  # u
        write_weights = self._write_weights(memory, usage, emitted)  # w_w
        if self.deallocate:
            memory = memory * retained[..., None]
        memory = addressing.erase_and_add(
            memory, write_weights, ops.sigmoid(emitted["erase"]), emitted["write_vectors"]
        )
        if self.link:
            link, precedence = links
            link = addressing.temporal_link(link, precedence, write_weights)  # L, with the p before this step
            links = [link, addressing.update_precedence(precedence, write_weights)]
        read_weights = self._read_weights(memory, read_weights, links, emitted)  # w_r
        reads = ops.matmul(read_weights, memory)
        memory_states = (memory, usage, read_weights, write_weights, reads, *links)
        return self.results(output, reads, memory_states, controller_states)

    def _content(self, memory, kind, emitted):
        mask = None
        if self.masked_lookup:
            mask = MASK_FLOOR + (1 - MASK_FLOOR) * ops.sigmoid(emitted[f"{kind}_masks"])
        strengths = 1 + ops.softplus(emitted[f"{kind}_strengths"])
        return addressing.content_weights(memory, emitted[f"{kind}_keys"], strengths, mask)

    def _write_weights(self, memory, usage, emitted):
        content = self._content(memory, "write", emitted)
        allocation_gates, write_gates = (ops.sigmoid(emitted[f"{kind}_gates"]) for kind in ("allocation", "write"))
        allocation = []
        for head in range(self.write_heads):
            allocation.append(addressing.allocation_weights(usage, TIE_BREAK))
            usage = usage + (1 - usage) * allocation_gates[:, head] * write_gates[:, head] * allocation[-1]
        return write_gates * addressing.interpolate(ops.stack(allocation, axis=1), content, allocation_gates)

    def _read_weights(self, memory, previous, links, emitted):
        content = self._content(memory, "read", emitted)
        if not self.link:
            return content
        forward, backward = addressing.directional_weights(links[0], previous)
        if self.sharpen_links:
            exponents = 1 + ops.softplus(emitted["link_exponents"])[:, :, None]  # (B, R, 1, 2)
            # The epsilon leaves weights uniform where there are no links, in place of sharpening rounding errors.
            forward = addressing.sharpen(forward + addressing.EPSILON, exponents[..., :1])
            backward = addressing.sharpen(backward + addressing.EPSILON, exponents[..., 1:])
        modes = ops.softmax(emitted["read_modes"], axis=-1)  # pi: backward, content, forward
        weights = modes[:, :, self.write_heads : self.write_heads + 1] * content
        for head in range(self.write_heads):
            weights = weights + modes[:, :, head : head + 1] * backward[:, :, head]
            after = self.write_heads + 1 + head
            weights = weights + modes[:, :, after : after + 1] * forward[:, :, head]
        return weights

    def memory_record(self, states: Sequence) -> dict[str, Any]:
        """Name what `record_memory` records of the states: all but those of the controller."""
        names = ("memory", "usage", "read_weights", "write_weights", "reads", "links", "precedence")
        return dict(zip(names, states[: len(self.memory_state_size)], strict=False))

    def get_config(self):
        names = ("link", "masked_lookup", "deallocate", "sharpen_links")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
