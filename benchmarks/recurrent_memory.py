"""CPU time of a training step of the NTM and of the DNC, beside PyTorch implementations in the same run.

Copying is the task: `steps` vectors of 9 bits, of which 8 come out. One thread. Steps of `model.fit` and those of the
peers take turns, so that a change in the machine's speed meets all; the medians are reported, and their ratios. The
peers are `benchmarks.peer_ntm` and the DNC of the package `dnc` (`pip install dnc`).
"""

import importlib.metadata

from benchmarks import base
from benchmarks.training_step import WARM_UP, time_steps, use_one_thread

BITS = 8
CELLS = {"ntm": "NTMCell", "dnc": "DNCCell"}


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    parser = base.parser("recurrent_memory", __doc__, backend=True)
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS, help="which cells (default: both)")
    parser.add_argument("--peers", nargs="*", default=[], choices=PEERS, help="which PyTorch models take turns")
    parser.add_argument("--jit", action="store_true", help="let XLA compile the step (JAX always does)")
    parser.add_argument("--repeats", type=int, default=20, help="steps that count")
    parser.add_argument("--batch-size", type=int, default=16, help="sequences a batch")
    parser.add_argument("--steps", type=int, default=41, help="vectors a sequence")
    parser.add_argument("--units", type=int, default=100, help="size of the LSTM")
    parser.add_argument("--slots", type=int, default=128, help="slots of the memory")
    parser.add_argument("--width", type=int, default=20, help="size of a slot")
    options = parser.parse_args(arguments)
    use_one_thread(options.backend)
    from dmn_keras.training.memory import keep_freed_memory

    keep_freed_memory()
    names = ("batch_size", "steps", "units", "slots", "width")
    settings = {name: getattr(options, name) for name in names}
    rows = [measure(cell, options.peers, options.repeats, options.jit, settings) for cell in options.cells]
    used = ["torch"] * bool(options.peers) + ["dnc"] * ("dnc" in options.peers)
    packages = {name: importlib.metadata.version(name) for name in used}
    about = {"xla": options.jit or options.backend == "jax", "settings": settings, "peers": packages, "rows": rows}
    base.report("recurrent_memory", arguments, options.json, table, about)


def measure(cell, peers, repeats, jit, settings):
    """Time the steps of one cell and of peers.

    Args:
        cell: Name in `CELLS`.
        peers: Names in `PEERS`.
        repeats: Steps that count.
        jit: Whether XLA compiles the step on TensorFlow.
        settings: Dict of `"batch_size"`, `"steps"`, `"units"`, `"slots"` and `"width"`.

    Returns:
        Dict of `"cell"`; `"step"` with median milliseconds of CPU and wall time, and so for each peer; and
        `"of_PEER"`, the CPU median of the step in parts of that of the peer.
    """
    import keras
    import numpy as np

    from dmn_keras import layers

    others = {name: peer_step(PEERS[name](settings), settings) for name in peers}
    keras.utils.set_random_seed(0)
    made = getattr(layers, CELLS[cell])(settings["units"], settings["slots"], settings["width"])
    rnn = layers.MemoryRNN(made, return_sequences=True)
    model = keras.Sequential([keras.Input((settings["steps"], BITS + 1)), rnn, keras.layers.Dense(BITS)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=keras.backend.backend() == "jax" or jit)
    count = (WARM_UP + repeats) * settings["batch_size"]
    bits = np.random.default_rng(0).integers(0, 2, (count, settings["steps"], BITS + 1)).astype("float32")
    return {"cell": cell, **time_steps(model, bits, bits[..., :BITS], settings["batch_size"], others)}


def _peer_ntm(settings):
    from benchmarks.peer_ntm import PeerNTM

    return PeerNTM(BITS + 1, BITS, settings["units"], settings["slots"], settings["width"])


def _peer_dnc(settings):
    """Return the DNC of `dnc`, whose outputs are of the size of the inputs; the last is left out."""
    from dnc import DNC

    model = DNC(
        input_size=BITS + 1,
        hidden_size=settings["units"],
        num_hidden_layers=1,
        nr_cells=settings["slots"],
        cell_size=settings["width"],
        read_heads=1,
    )
    return _Unpacked(model)


PEERS = {"ntm": _peer_ntm, "dnc": _peer_dnc}


def peer_step(model, settings, bits=BITS, learning_rate=1e-3):
    """Return a function that makes one training step of a PyTorch model on random bits, with Adam, on one thread.

    Args:
        model: Takes `(batch, steps, bits + 1)` and returns logits `(batch, steps, bits)`.
        settings: Dict of `"batch_size"` and `"steps"`.
        bits: Entries of an output. Defaults to 8.
        learning_rate: Positive float. Defaults to 1e-3.
    """
    import torch

    from benchmarks.peer import adam_step

    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = torch.randint(0, 2, (settings["batch_size"], settings["steps"], bits + 1)).float()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return adam_step(model, lambda: loss(model(inputs), inputs[..., :bits]), learning_rate)


class _Unpacked:
    """The outputs of the package's DNC, which returns states too, with a memory emptied for each batch."""

    def __init__(self, model):
        self.model = model
        self.parameters = model.parameters

    def __call__(self, sequences):
        outputs, _ = self.model(sequences, (None, None, None), reset_experience=True)
        return outputs[..., :BITS]


def table(*results):
    """Return the table of several measurements, with a row for each cell."""
    header = ["cell", "backend", "step, CPU ms", "of an NTM in PyTorch", "of `dnc`"]
    rows = [
        [
            row["cell"].upper(),
            result["versions"]["backend"] + (", XLA" if result["xla"] else ""),
            *base.decimals([row["step"]["cpu_ms"]], 1),
            *base.decimals([row.get("of_ntm") if row["cell"] == "ntm" else None, row.get("of_dnc")], 2),
        ]
        for result in results
        for row in result["rows"]
    ]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
