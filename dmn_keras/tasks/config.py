"""What a run is made of: the settings of task, model, data and trainer."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, Self

from dmn_keras.errors import unknown_name
from dmn_keras.models.dmn_config import DMNConfig
from dmn_keras.models.families import MODEL_FAMILIES
from dmn_keras.utils.files import read_json
from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class QuestionAnsweringConfig(Settings):
    """Question answering.

    Attributes:
        supervise_gates: Whether the supporting facts that the data names teach the gates; data without any is learned
            from its answers alone.
        gate_weight: Weight of the gates' loss.
        gate_order: `"annotated"`: pass i attends to the i-th supporting fact, the last pass to all that remain;
            `"unordered"`: every pass to all of them.
        unanswerable_fraction: Fraction of the training questions that are asked once more of a story without the
            sentences that share an uncommon word with the question, where the right answer is the unknown word. The
            model thus learns which questions have no answer: the unknown word is never given, and its probability
            lowers that of the best guess.
        num_placeholders: How many unknown words of a story the model distinguishes, any of which may be the answer; 0
            for none: all unknown words are one.
        placeholder_fraction: With placeholders, greatest fraction of the known words of a training story that are
            replaced by placeholders, other ones in each epoch; of each story a fraction is drawn between 0 and this.
        known_fraction: With placeholders, fraction of the replaced words that become other known words instead, so that
            a name may be the answer in kinds of stories whose training part never had it.
        min_stories: With placeholders, words of fewer training stories are unknown, as names and numbers that each
            story has anew. Words of answers that their stories do not hold are known all the same.
    """

    supervise_gates: bool = True
    gate_weight: float = 1.0
    gate_order: str = setting("annotated", choices=("annotated", "unordered"))
    unanswerable_fraction: float = setting(0.0, high=1.0)
    num_placeholders: int = setting(0, low=0, high=1000)
    placeholder_fraction: float = setting(0.5, high=1.0)
    known_fraction: float = setting(0.0, low=0.0, high=1.0)
    min_stories: int = 5


@dataclasses.dataclass(frozen=True)
class DataConfig(Settings):
    """How examples are read.

    Attributes:
        max_facts: Keep only the last facts of a longer story; `None` keeps all, as does a model with a retriever.
        word_vectors: Source of pretrained word vectors, as for `dmn_keras.text.word_vectors.read_word_vectors`;
            `None` for none.
        validation_fraction: Fraction of the training stories held out, where the data has no validation part.
        redraw: Whether a training part that is generated is drawn anew in every epoch.
    """

    max_facts: int | None = 130
    word_vectors: str | None = None
    validation_fraction: float = setting(0.1, high=0.9)
    redraw: bool = False


@dataclasses.dataclass(frozen=True)
class TrainerConfig(Settings):
    """Training.

    Attributes:
        optimizer: `"adam"`; `"rmsprop"` in the form of Graves 2013 (arXiv:1308.0850, equations 38 to 45: centered, with
            momentum); or `"sgd"`.
        learning_rate: Step size of the optimizer, at the start; greater than 0.
        schedule: `"plateau"` to halve the learning rate after half of `patience` epochs without a better validation
            result, or `"cosine"` to lower it from epoch to epoch along half a cosine, to nearly 0 in the last of
            `epochs`.
        constant_epochs: With a cosine, number of first epochs at the whole learning rate, for what is learned only
            once all else is.
        curriculum: Number of first epochs in which training grows from the shortest examples to all of them: epoch i of
            these, from 1, takes its batches from the shortest `i / (curriculum + 1)`, again and again until it has as
            many batches as any other epoch. 0 for all examples from the start.
        clip_norm: Largest norm of the gradient of a weight, greater than 0; `None` leaves gradients as they are.
        batch_size: Examples of a batch, over all devices.
        epochs: Most epochs.
        patience: Epochs without a better validation result (a better metric or, at the same metric, a lower loss)
            before training stops.
        stop_after_perfect_epochs: Training stops after this many epochs in a row without a validation error.
        num_buckets: Most shapes that the training examples are padded to.
        jit_compile: Whether XLA compiles the training step: `True`, `False`, or `"auto"` for Keras' choice.
        dtype: `"float32"`, or `"mixed_bfloat16"` or `"mixed_float16"` for Keras' policies of mixed precision, whose
            weights, gates, logits and losses stay in float32. In float16 the loss is scaled, and a step whose gradients
            overflow is left out.
        steps_per_execution: Steps of training that TensorFlow runs before it looks at callbacks again; the same
            steps, with less between them. JAX takes them one by one; PyTorch has no such thing.
        seed: Seed of weights, order, dropout and the validation cut.
    """

    optimizer: str = setting("adam", choices=("adam", "rmsprop", "sgd"))
    learning_rate: float = setting(1e-3, positive=True)
    schedule: str = setting("plateau", choices=("plateau", "cosine"))
    constant_epochs: int = setting(0, low=0)
    curriculum: int = setting(0, low=0)
    clip_norm: float | None = setting(5.0, positive=True)
    batch_size: int = 32
    epochs: int = 200
    patience: int = 20
    stop_after_perfect_epochs: int = 2
    num_buckets: int = setting(4, high=1000)
    jit_compile: bool | str = setting("auto", choices=(True, False, "auto"))
    dtype: str = setting("float32", choices=("float32", "mixed_bfloat16", "mixed_float16"))
    steps_per_execution: int = 1
    seed: int = setting(0, low=0, high=2**32 - 1)


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """All settings of a run; each can be set by name.

    Attributes:
        task: Settings of the task.
        model: Settings of the model; their class is that of a family, `family` chooses it.
        data: Settings of the data.
        trainer: Settings of the training.
    """

    task: Any = setting(QuestionAnsweringConfig())  # of the task's own class, as is `data`
    model: Any = setting(DMNConfig())
    data: Any = setting(DataConfig())
    trainer: TrainerConfig = setting(TrainerConfig())

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Return the settings of a preset of question answering (`PRESETS`), with changes.

        Raises:
            ValueError: If there is no such preset, where the message names the nearest, or it is of another task.
        """
        settings = preset(name)
        if settings.get("model.family") == "recurrent_memory":
            raise ValueError(f"{name!r} is a preset of sequence transduction: SequenceTransducer(**preset({name!r})).")
        return cls().replace(settings).replace(changes)

    def replace(self, changes: Mapping[str, Any] | None = None, /, **named: Any) -> Self:
        changes = {**(changes or {}), **named}
        model = changes.get("model")
        if isinstance(model, Mapping) and "family" in model:
            changes["model"] = {name: value for name, value in model.items() if name != "family"}
            changes = {"model.family": model["family"], **changes}
        result = self
        for name in ("model.family", "family"):
            if name in changes:
                family = changes.pop(name)
                if family not in MODEL_FAMILIES:
                    raise ValueError(unknown_name(name, family, MODEL_FAMILIES))
                if not isinstance(result.model, MODEL_FAMILIES[family]):
                    result = dataclasses.replace(result, model=MODEL_FAMILIES[family]())
        return super(RunConfig, result).replace(changes)

    def to_dict(self) -> dict[str, Any]:
        content = super().to_dict()
        content["model"] = {"family": self.model.family, **content["model"]}
        return content


def merge(parts, named: Mapping[str, Mapping]) -> dict[str, Any]:
    """Merge settings: those of a later part replace those of the ones before it.

    Args:
        parts: Dicts of settings, and names of such dicts.
        named: The dicts by name.
    """
    settings = {}
    for part in parts:
        settings |= named[part] if isinstance(part, str) else part
    return settings


def read_settings(content: Mapping[str, Any], named: Mapping[str, Mapping]) -> dict[str, dict]:
    """Return `named` settings and those that `content` makes of them, a dict of names to `parts` of `merge`."""
    merged = {name: dict(settings) for name, settings in named.items()}
    for name, parts in content.items():
        merged[name] = merge(parts, merged)
    return merged


NAMED_SETTINGS = read_settings(read_json(pathlib.Path(__file__).with_name("presets.json")), {})
"""Sets of settings by name; those whose name begins with `_` are parts of others."""
PRESETS = {name: settings for name, settings in NAMED_SETTINGS.items() if not name.startswith("_")}
"""Settings of `RunConfig` by preset; `presets.json` holds them. For question answering:

- `dmn_2015` (Kumar et al. 2015; "ODMN" in Xiong et al. 2016): one word GRU over the story, sigmoid gates, GRU update.
- `dmn_2`, `dmn_3`, `dmn_plus` (Xiong et al. 2016, table 1): position encoding and input fusion with soft attention;
  then the attention GRU; then untied ReLU memory updates. Sizes and rates are those of the paper, which does not give
  its L2 weight.
- `fused`, `matched`, `linked`, `chained`, `normed`, `mentions` (ours): all but the last with question match. `fused`
  reads sentences by position encoding and input fusion, for long stories whose order matters; `matched` reads each
  sentence by a word GRU, for relations between things that the question names; `linked` reads them again, twice, with
  the facts before and after that share a word, for chains of facts and for their order: it learns all tasks at once;
  `chained` with what all facts before and after that share a word wrote, for stories longer than those it learned from;
  `normed` is `linked` with facts, question and memories normalised: it learns in fewer epochs. It is the default from
  500 training questions on; with fewer, the default reads facts as `fused` does. `mentions` passes the states of words
  from fact to fact, for chains of many relations whose order does not matter, as in StepGame. `quick` is a small
  `fused`, for a first training of a minute.
- `memn2n_2015` (Sukhbaatar et al. 2015, for 10,000 questions a task): SGD with linear start; the loss is a mean over
  the batch of 32, and rate and largest norm are 32 times and 1/32 of the paper's, whose loss is a sum. Along half a
  cosine, where the paper halves the rate every 25 epochs.
- `tuned_fused`, `tuned_matched`, `tuned_linked`: the same forms as searches left them on bAbI's `en-10k`
  (`tuning/best/`), tasks 3, 17 and 18, and 16, learned from answers alone.

For sequence transduction, sizes and rates of the papers:

- `ntm_2014`, `ntm_2014_feedforward` (Graves et al. 2014, tables 1 and 2): copy, repeat copy, and with the LSTM
  associative recall. Gradients are clipped by norm, where the paper clips each number.
- `stack_rnn_2015`, `list_rnn_2015` (Joulin and Mikolov 2015): the counting languages. A sequence is a batch, where the
  paper cuts a stream into parts of 50 steps.
- `stack_rnn_2022` (Delétang et al. 2022): the tasks of the Chomsky hierarchy.
- `dnc_2016` (Graves et al. 2016): traversal of graphs; the controller's 256 units are ours.
"""


def preset(name: str) -> dict[str, Any]:
    """Return the settings of a preset, a new dict.

    Raises:
        ValueError: If there is no such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise ValueError(unknown_name("preset", name, PRESETS))
    return dict(PRESETS[name])
