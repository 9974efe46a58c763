"""What a run is made of: one frozen record of every setting."""

import dataclasses
import json
import re
import typing

from dmn_keras.errors import unknown_name
from dmn_keras.training.presets import preset


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a run; each can be set with `--set name=value`.

    Attributes:
        units: Size of facts, question, episode and memory.
        embedding_dim: Size of a word vector; `None` for `units`, or the size of the vectors in `word_vectors`.
        embedding_scale: Word vectors start uniform between minus and plus this.
        num_passes: Number of passes, the maximum with `learned_stop`; `None` for as many as the training split's
            questions have supporting facts (at least 2, at most 3), or 3 where it names none.
        fact_level: `"sentence"`, or `"word"` for a fact per word of the story.
        fact_encoder: `"story"` (2015) for one word GRU over the whole story, `"sentence"` for one that starts anew
            with each sentence, `"position"` (2016) for position-weighted sums of word vectors.
        question_match: Size of what each word of the story learns of the question, `None` for nothing.
        fact_links: How often facts are read again, with what the facts that share a word with them said.
        link_chains: Whether that is what all facts before and after say that share the word, not the nearest alone.
        input_fusion: Whether a bidirectional GRU over the facts follows (2016).
        gate: `"sigmoid"` or `"softmax"`.
        gate_features: `"dmn"` for the nine terms of 2015, `"dmn_plus"` for the four of 2016.
        episode: `"mix"` (2015), `"update"` (2016) or `"soft"`.
        memory_update: `"gru"` (2015) or `"relu"` (2016).
        tie_weights: Whether the passes share their weights.
        learned_stop: Whether the passes may end before `num_passes`.
        num_heads: Heads of a pass, each with gates and an episode of its own; the gates shown are their mean.
        layer_norm: Whether facts, question and memories are normalised.
        top_facts: How many facts a head attends to, those with the highest gates; `None` for all.
        dropout: Share of entries dropped of word vectors, facts and memory, in training.
        l2: Weight of the L2 penalty on kernels.
        word_vectors: Path of pretrained word vectors in GloVe's text format, or `None`.
        train_word_vectors: Whether word vectors are trained; `False` freezes those that were found.
        supervise_gates: Whether the supporting facts teach the gates.
        gate_weight: Weight of the gates' loss.
        gate_order: `"file"`: pass i attends to the i-th supporting fact, the last pass to all that remain;
            `"any"`: every pass to all of them.
        unanswerable: Share of the training questions that are asked once more of a story without the sentences they
            name, where the right answer is the unknown word. The model then knows what it does not know: the unknown
            word is never said, and what it weighs lowers the probability of the best guess.
        narrow_to: The most facts that a first pass keeps for the others, `None` for passes over all facts. Its gates
            learn which sentences belong to a story that is hidden among others (dataset `babi_long`).
        max_facts: Keep only the last sentences of a longer story; `None` keeps all.
        learning_rate: Step size of Adam, at the start; greater than 0.
        schedule: `"plateau"` to halve the learning rate after half of `patience` epochs without a better validation
            result, or `"cosine"` to lower it from epoch to epoch along half a cosine, to nearly 0 in the last of
            `epochs`.
        curriculum: Number of first epochs in which training grows from the shortest stories to all of them: epoch i of
            these, from 1, takes its batches from the shortest `i / (curriculum + 1)` of the stories, again and again
            until it has as many batches as any other epoch. 0 for all stories from the start.
        clip_norm: Largest norm of a gradient, greater than 0; `None` leaves gradients as they are.
        batch_size: Questions a batch, over all devices.
        epochs: Most epochs.
        patience: Epochs without a better validation result (a lower error or, at the same error, a lower loss) before
            training stops.
        solved_epochs: Training stops once every validation question was answered in this many epochs in a row.
        num_buckets: Most shapes the training stories are padded to.
        validation_fraction: Share of the training stories held out, where the data has no validation part.
        recompute: Whether training computes part of its loops' intermediate results again rather than keep them: less
            memory, for stories of thousands of facts.
        jit_compile: Whether XLA compiles the training step: `True`, `False`, or `"auto"` for Keras' choice.
        dtype: What is computed in: `"float32"`, or `"mixed_bfloat16"` or `"mixed_float16"` for Keras' policies of mixed
            precision, whose weights, gates, logits and losses stay in float32. In float16 the loss is scaled, and a
            step whose gradients overflow is left out.
        steps_per_execution: Steps of training that TensorFlow runs before it looks at callbacks again; the same
            steps, with less between them. A loss that turns NaN is then named with the batches it may stem from. JAX
            takes them one by one; PyTorch has no such thing.
        seed: Seed of weights, order, dropout and the validation cut.

    Raises:
        ValueError: If a value has the wrong type or is out of range.
    """

    units: int = 80
    embedding_dim: int | None = None
    embedding_scale: float = 1.0
    num_passes: int | None = None
    fact_level: str = "sentence"
    fact_encoder: str = "story"
    question_match: int | None = None
    fact_links: int = 0
    link_chains: bool = False
    input_fusion: bool = False
    gate: str = "softmax"
    gate_features: str = "dmn"
    episode: str = "mix"
    memory_update: str = "gru"
    tie_weights: bool = True
    learned_stop: bool = False
    num_heads: int = 1
    layer_norm: bool = False
    top_facts: int | None = None
    dropout: float = 0.1
    l2: float = 1e-5
    word_vectors: str | None = None
    train_word_vectors: bool = True
    supervise_gates: bool = False
    gate_weight: float = 1.0
    gate_order: str = "file"
    unanswerable: float = 0.0
    narrow_to: int | None = None
    max_facts: int | None = None
    learning_rate: float = 2e-3
    schedule: str = "plateau"
    curriculum: int = 0
    clip_norm: float | None = 5.0
    batch_size: int = 50
    epochs: int = 200
    patience: int = 30
    solved_epochs: int = 10
    num_buckets: int = 4
    validation_fraction: float = 0.1
    recompute: bool = False
    jit_compile: bool | str = "auto"
    dtype: str = "float32"
    steps_per_execution: int = 1
    seed: int = 0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name), field.type))
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(unknown_name(name, value, allowed))
        for name, value in vars(self).items():
            low, high = _RANGES.get(name, (0.0 if isinstance(value, float) else 1, _LARGE))
            if isinstance(value, int | float) and not isinstance(value, bool) and not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}. Received: {name}={value}")
        for name in _POSITIVE:
            value = getattr(self, name)
            if value == 0:
                raise ValueError(f"{name} must be greater than 0. Received: {name}={value}")

    @classmethod
    def from_dict(cls, values):
        """Build a configuration from a dict; a name that is not a setting fails with the nearest one."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise ValueError(unknown_name("--set", name, names))
        return cls(**values)

    @classmethod
    def describe(cls) -> str:
        """Return a line for each setting: its name, its default, and the first sentence of its description above."""
        described = cls.__doc__.partition("Attributes:")[2].partition("Raises:")[0]
        lines = []
        for described_setting in re.split(r"\n {8}(?=\w+: )", described)[1:]:
            name, _, text = " ".join(described_setting.split()).partition(": ")
            default = str(getattr(cls, name)).lower()
            lines.append(f"{f'{name}={default}':30} {text.partition('. ')[0].rstrip('.')}.")
        return "\n".join(lines)

    @classmethod
    def preset(cls, name, **changes):
        """Build the configuration of a preset (`dmn_keras.training.presets.PRESETS`), with `changes`."""
        return cls.from_dict({**preset(name), **changes})

    def replace(self, **changes):
        """Return a copy with `changes`, checked as a new one is."""
        return self.from_dict({**self.to_dict(), **changes})

    def to_dict(self):
        """Return the settings as a dict that JSON can hold."""
        return dataclasses.asdict(self)


_CHOICES = {
    "fact_level": ("sentence", "word"),
    "fact_encoder": ("story", "sentence", "position"),
    "gate": ("sigmoid", "softmax"),
    "gate_features": ("dmn", "dmn_plus"),
    "episode": ("mix", "update", "soft"),
    "memory_update": ("gru", "relu"),
    "gate_order": ("file", "any"),
    "schedule": ("plateau", "cosine"),
    "jit_compile": (True, False, "auto"),
    "dtype": ("float32", "mixed_bfloat16", "mixed_float16"),
}
_LARGE = 10**9
_RANGES = {
    "fact_links": (0, 1000),
    "num_passes": (1, 1000),
    "dropout": (0.0, 0.99),
    "unanswerable": (0.0, 1.0),
    "num_heads": (1, 1000),
    "curriculum": (0, _LARGE),
    "num_buckets": (1, 1000),
    "validation_fraction": (0.0, 0.9),
    "seed": (0, 2**32 - 1),
}
"""Least and greatest values, other than 1 of an integer, 0.0 of a real number, and `_LARGE`."""
_POSITIVE = ("learning_rate", "clip_norm")


def _checked(name, value, expected):
    """Return `value` if it has the `expected` type; a whole number is also a real one, a boolean is no number."""
    if hasattr(value, "item") and value.shape == ():  # a NumPy scalar; `--help` does not wait for NumPy
        value = value.item()
    kinds = typing.get_args(expected) or (expected,)
    if isinstance(value, bool):
        fits = bool in kinds
    elif isinstance(value, int) and float in kinds:
        return float(value)
    else:
        fits = isinstance(value, kinds)
    if not fits or value != value:
        shown = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"{name} must be of type {shown}. Received: {name}={value!r}")
    return value


def parse_settings(assignments):
    """Read `--set` arguments.

    Args:
        assignments: Strings `name=value`; a value is read as JSON (`3`, `0.1`, `true`, `null`), else as text.

    Returns:
        Dict of names and values, for `Config.from_dict`.

    Raises:
        ValueError: If one has no `=`.
    """
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set must be given as name=value. Received: {assignment!r}")
        words = {"none": None, "true": True, "false": False}
        try:
            value = words[text.lower()] if text.lower() in words else json.loads(text)
        except json.JSONDecodeError:
            value = text
        settings[name.strip().replace("-", "_")] = value
    return settings
