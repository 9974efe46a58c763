"""A Neural Turing Machine in PyTorch as it is usually written: a Python loop over the steps, autograd through it.

A yardstick that runs beside ours on the same machine, with the equations of `dmn_keras.layers.NTMCell`: an LSTM, one
read head and one write head, reading after writing. No PyTorch package has one; for the DNC there is `dnc`.
"""

import torch
from torch import nn
from torch.nn import functional


class PeerNTM(nn.Module):
    """Sequences `(batch, time, features)` to logits `(batch, time, outputs)`.

    Args:
        features: Entries of an input.
        outputs: Entries of an output.
        units: Size of the LSTM.
        slots: Slots of the memory.
        width: Size of a slot.
    """

    def __init__(self, features, outputs, units, slots, width):
        super().__init__()
        self.slots, self.width = slots, width
        self.controller = nn.LSTMCell(features + width, units)
        self.heads = nn.Linear(units, 2 * (width + 6) + 2 * width)
        self.first_weights = nn.Parameter(5 * torch.eye(slots)[:1].repeat(2, 1))
        self.output = nn.Linear(units + width, outputs)

    def forward(self, sequences):
        batch = len(sequences)
        memory = torch.full((batch, self.slots, self.width), 1e-6)
        weights = torch.softmax(self.first_weights, dim=-1).expand(batch, -1, -1)
        read, state, results = weights[:, 0, None] @ memory, None, []
        for t in range(sequences.shape[1]):
            state = self.controller(torch.cat([sequences[:, t], read[:, 0]], dim=-1), state)
            emitted = self.heads(state[0]).clamp(-20, 20)
            head, vectors = emitted.split([2 * (self.width + 6), 2 * self.width], dim=-1)
            weights = self._address(memory, weights, head.view(batch, 2, self.width + 6))
            erase, add = vectors.view(batch, 2, self.width).unbind(1)
            written = weights[:, 1, :, None]
            memory = memory * (1 - written * torch.sigmoid(erase)[:, None]) + written * torch.tanh(add)[:, None]
            read = weights[:, :1] @ memory
            results.append(torch.cat([state[0], read[:, 0]], dim=-1))
        return self.output(torch.stack(results, dim=1))

    def _address(self, memory, previous, head):
        key, strength, gate, shift, exponent = head.split([self.width, 1, 1, 3, 1], dim=-1)
        key, slots = (functional.normalize(x, dim=-1, eps=1e-6) for x in (torch.tanh(key), memory))
        similarity = key @ slots.transpose(1, 2)
        content = torch.softmax(functional.softplus(strength) * similarity, dim=-1)
        gate, shift = torch.sigmoid(gate), torch.softmax(shift, dim=-1)
        weights = gate * content + (1 - gate) * previous
        weights = sum(shift[..., i : i + 1] * torch.roll(weights, i - 1, dims=-1) for i in range(3))
        weights = (weights + 1e-12) ** (1 + functional.softplus(exponent))
        return weights / weights.sum(dim=-1, keepdim=True)
