"""Settings of recurrent networks with a memory that is written as well as read."""

import dataclasses
from typing import ClassVar

from dmn_keras.models.model_config import ModelConfig
from dmn_keras.utils.settings import Settings, setting

CELLS = ("ntm", "dnc", "dynamic_ntm", "stack_rnn", "list_rnn", "lstm", "gru", "simple_rnn")


@dataclasses.dataclass(frozen=True)
class ExternalMemoryConfig(Settings):
    """The slots of `ntm`, `dnc` and `dynamic_ntm`, and the heads that read and write them.

    Attributes:
        memory_slots: Number of slots.
        memory_width: Size of a slot.
        controller: `"lstm"`, `"gru"` or `"feedforward"`; of `dynamic_ntm` one of the last two.
        read_heads: Number of read heads of `ntm` and `dnc`.
        write_heads: Number of write heads of `ntm` and `dnc`.
        shift_range: Slots by which a head of `ntm` moves at most.
        memory_init: First content of `ntm`: `"constant"`, `"random"` or `"learned"`.
        weights_init: First weights of the heads of `ntm`: `"focused"` or `"uniform"`.
        read_first: Whether `ntm` reads before it writes.
        link: Whether `dnc` keeps the order of writing.
        masked_lookup: Whether `dnc` chooses the entries that it compares (Csordas and Schmidhuber 2019).
        deallocate: Whether `dnc` erases slots that it frees (the same).
        sharpen_links: Whether `dnc` sharpens the weights that links give (the same).
        address_width: Size of the learned address of a slot of `dynamic_ntm`.
        num_steps: How often `dynamic_ntm` reads and writes in a step.
        lru: Whether `dynamic_ntm` avoids slots of recent use.
        addressing: `"soft"` or `"discrete"` weights of `dynamic_ntm`.
    """

    memory_slots: int = 128
    memory_width: int = 20
    controller: str = setting("lstm", choices=("lstm", "gru", "feedforward"))
    read_heads: int = 1
    write_heads: int = 1
    shift_range: int = 1
    memory_init: str = setting("constant", choices=("constant", "random", "learned"))
    weights_init: str = setting("focused", choices=("focused", "uniform"))
    read_first: bool = False
    link: bool = True
    masked_lookup: bool = False
    deallocate: bool = False
    sharpen_links: bool = False
    address_width: int = 20
    num_steps: int = 1
    lru: bool = True
    addressing: str = setting("soft", choices=("soft", "discrete"))


@dataclasses.dataclass(frozen=True)
class StackMemoryConfig(Settings):
    """The stacks of `stack_rnn` and the lists of `list_rnn`.

    Attributes:
        num_stacks: Number of stacks, or of lists.
        depth: Entries of a stack, or on each side of a list's head. No weight depends on it: a trained network may be
            given deeper stacks for longer sequences.
        cell_size: Size of an entry.
        top_k: Entries that are read.
        no_op: Whether a stack can also be left as it is.
        recurrent: Whether the hidden state also depends on the previous one.
        rounding: Whether the most probable action is taken alone, except in training.
        activation: Activation of the hidden state.
        value_activation: Activation of what is pushed.
        empty_value: Number that an empty stack reads as.
    """

    num_stacks: int = 10
    depth: int = 64
    cell_size: int = 1
    top_k: int = 2
    no_op: bool = False
    recurrent: bool = False
    rounding: bool = True
    activation: str = setting("sigmoid", choices=("sigmoid", "tanh", "relu"))
    value_activation: str = setting("sigmoid", choices=("sigmoid", "tanh", "linear"))
    empty_value: float = setting(-1.0, low=-1.0)


@dataclasses.dataclass(frozen=True)
class RecurrentMemoryConfig(ModelConfig):
    """Recurrent network with a memory (NTM, DNC, D-NTM, Stack RNN, List RNN), or a plain one to compare with.

    Attributes:
        cell: `"ntm"` (Graves et al. 2014, arXiv:1410.5401), `"dnc"` (Graves et al. 2016, doi:10.1038/nature20101),
            `"dynamic_ntm"` (Gulcehre et al. 2016, arXiv:1607.00036), `"stack_rnn"` or `"list_rnn"` (Joulin and Mikolov
            2015, arXiv:1503.01007), `"lstm"`, `"gru"` or `"simple_rnn"`.
        units: Size of the controller or of the hidden state.
        num_layers: Number of such layers, one on top of the other.
        memory: Settings of `ntm`, `dnc` and `dynamic_ntm`.
        stack: Settings of `stack_rnn` and `list_rnn`.
    """

    family: ClassVar[str] = "recurrent_memory"

    cell: str = setting("ntm", choices=CELLS)
    units: int = 100
    num_layers: int = setting(1, high=100)
    memory: ExternalMemoryConfig = setting(ExternalMemoryConfig())
    stack: StackMemoryConfig = setting(StackMemoryConfig())
