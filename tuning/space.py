"""What a search of a task's settings chooses from: the values of each setting, and the `RunConfig` of a choice."""

import contextlib
import dataclasses
import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from dmn_keras.errors import unknown_name
from dmn_keras.models.dmn_config import DMNConfig
from dmn_keras.models.dynamic_memory_network import check_settings
from dmn_keras.models.recurrent_memory_config import CELLS
from dmn_keras.tasks.config import NAMED_SETTINGS, PRESETS, RunConfig
from dmn_keras.tasks.config import preset as preset_settings
from dmn_keras.tasks.registry import task_class
from dmn_keras.utils.settings import parse_settings

PRESET = "preset"
"""The one choice that is no setting of `RunConfig`, but a name of several."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The values of a setting, and the condition under which it is chosen; else it has the default of `RunConfig`.

    Attributes:
        name: A setting of `RunConfig`, or `"preset"`.
        values: Its values.
        when: Dict of another setting to the values under which this one is chosen; all must hold.
        key: Its name in keras-tuner, `name` by default. Of two choices with one name under different conditions
            keras-tuner 1.4.8 would sample only the second.
    """

    name: str
    values: tuple
    when: Mapping[str, tuple] = dataclasses.field(default_factory=dict)
    key: str | None = None


_WORD_GRU = {"fact_encoder": ("story", "sentence")}
_POSITION = {"fact_encoder": ("position",)}
_FUSED = {**_POSITION, "input_fusion": (True,)}
_SUPERVISED = {"supervise_gates": (True,)}
_MATCH = (None, 16, 32, 64)
_WORD_SIZES = (None, 32, 64, 128)
_GATE_WEIGHT = Choice("gate_weight", (0.1, 0.3, 1.0, 3.0), _SUPERVISED)

_MEMORY = (
    Choice("gate", ("softmax", "sigmoid")),
    Choice("gate_features", ("dmn", "dmn_plus")),
    Choice("episode", ("soft_attention", "attention_gru", "gated_gru")),
    Choice("memory_update", ("gru", "relu")),
    Choice("tie_weights", (True, False)),
    Choice("num_heads", (1, 2)),
    Choice("layer_norm", (False, True)),
)
_TRAINING = (
    Choice("learning_rate", (5e-4, 1e-3, 2e-3, 3e-3, 5e-3)),
    Choice("schedule", ("plateau", "cosine")),
    Choice("batch_size", (32, 64, 128)),
)
_TEXT = {
    "small": (
        Choice("units", (64, 128, 200)),
        Choice("num_passes", (1, 2, 3)),
        Choice("dropout", (0.2, 0.3, 0.5)),
        Choice("word_dropout", (0.0, 0.1, 0.2)),
        Choice("learning_rate", (1e-3, 2e-3, 3e-3)),
    ),
    "full": (
        Choice("units", (64, 128, 200)),
        Choice("embedding_dim", (25, 50, 100)),
        Choice("num_layers", (1, 2)),
        Choice("character_units", (None, 32, 64)),
        Choice("num_passes", (1, 2, 3)),
        *_MEMORY,
        Choice("dropout", (0.1, 0.2, 0.3, 0.5)),
        Choice("word_dropout", (0.0, 0.1, 0.2, 0.3)),
        Choice("l2", (0.0, 1e-5, 1e-4)),
        *_TRAINING,
    ),
}
_SEQUENCES = (
    Choice("units", (50, 100, 200)),
    Choice("optimizer", ("adam", "rmsprop")),
    Choice("learning_rate", (1e-4, 3e-4, 1e-3, 3e-3)),
    Choice("clip_norm", (1.0, 5.0, 10.0)),
    Choice("batch_size", (8, 16, 32)),
)

SPACES = {
    "QuestionAnswerer": {
        "small": (
            Choice(PRESET, ("fused", "matched", "linked", "normed")),
            Choice("units", (32, 64, 80)),
            Choice("num_passes", (2, 3)),
            Choice("episode", ("soft_attention", "attention_gru", "gated_gru")),
            Choice("dropout", (0.0, 0.1, 0.2)),
            Choice("learning_rate", (1e-3, 2e-3, 3e-3)),
            Choice("schedule", ("plateau", "cosine")),
            Choice("batch_size", (32, 64)),
            _GATE_WEIGHT,
        ),
        "full": (
            Choice("units", (32, 48, 64, 80, 128)),
            Choice("fact_encoder", ("story", "sentence", "position")),
            Choice("input_fusion", (True, False), _POSITION),
            Choice("embedding_dim", _WORD_SIZES, _WORD_GRU),
            Choice("embedding_dim", _WORD_SIZES, _FUSED, key="embedding_dim_fused"),
            Choice("question_match", _MATCH, _WORD_GRU),
            Choice("question_match", _MATCH, _FUSED, key="question_match_fused"),
            Choice("lexical_links", (0, 1, 2), {"fact_encoder": ("sentence",)}),
            Choice("embedding_scale", (0.1, 0.3, 1.0, 1.7)),
            Choice("num_passes", (1, 2, 3, 4)),
            *_MEMORY,
            Choice("dropout", (0.0, 0.1, 0.2, 0.3)),
            Choice("l2", (0.0, 1e-5, 1e-4, 1e-3)),
            *_TRAINING,
            Choice("curriculum", (0, 2, 4)),
            Choice("supervise_gates", (False, True)),
            _GATE_WEIGHT,
            Choice("gate_order", ("annotated", "unordered"), _SUPERVISED),
        ),
    },
    "TextClassifier": _TEXT,
    "TokenTagger": _TEXT,
    "VisualQuestionAnswerer": {
        "small": (
            Choice("units", (32, 64, 96)),
            Choice("convolutions", (3, 4)),
            Choice("num_passes", (1, 2, 3)),
            Choice("dropout", (0.0, 0.1, 0.2)),
            Choice("learning_rate", (5e-4, 1e-3, 2e-3)),
        ),
        "full": (
            Choice("units", (32, 48, 64, 96)),
            Choice("embedding_dim", (16, 32, 64)),
            Choice("convolutions", (3, 4)),
            Choice("filters", (24, 32, 48)),
            Choice("num_passes", (1, 2, 3)),
            *_MEMORY,
            Choice("dropout", (0.0, 0.1, 0.2)),
            Choice("l2", (0.0, 1e-5, 1e-4)),
            Choice("learning_rate", (5e-4, 1e-3, 2e-3)),
            Choice("schedule", ("plateau", "cosine")),
            Choice("batch_size", (8, 16, 32)),
        ),
    },
    "SequenceTransducer": {"small": _SEQUENCES, "full": (Choice("cell", CELLS), *_SEQUENCES)},
}
"""The spaces of each task class by name. `small`: what matters most, around the default or this package's presets.
`full`: every part of the model and of training on its own."""


class Space:
    """Choices, and the settings that all trials share.

    keras-tuner knows every value as a text, its label: its choices hold neither `None` nor values of several types.

    Args:
        choices: The `Choice`s, a condition's setting before those that depend on it.
        settings: Settings that are not searched.
        base: Settings that hold where neither a choice nor `settings` has a value.
        default: The `RunConfig` of all other settings; that of `QuestionAnswerer` by default.
    """

    def __init__(self, choices: Sequence[Choice], settings: Mapping, base: Mapping, default: RunConfig | None = None):
        self.choices = tuple(choices)
        self.settings = dict(settings)
        self.base = dict(base)
        self.default = RunConfig() if default is None else default
        plain = _plain(self.default)
        self._inactive = {choice.name: plain[choice.name] for choice in self.choices if choice.when}

    def names(self) -> list[str]:
        """Return the names of the searched settings, each once, in order."""
        return list(dict.fromkeys(choice.name for choice in self.choices))

    def declare(self, hp) -> dict[str, Any]:
        """Declare all choices on a `keras_tuner.HyperParameters`, in their conditional scopes.

        Returns:
            Dict of setting to value, of the choices that are active in `hp`.
        """
        values = {}
        for choice in self.choices:
            labels = {to_label(value): value for value in choice.values}
            with contextlib.ExitStack() as stack:
                for name, wanted in choice.when.items():
                    stack.enter_context(hp.conditional_scope(name, list(map(to_label, wanted))))
                label = hp.Choice(choice.key or choice.name, list(labels))
            if label is not None:
                values[choice.name] = labels[label]
        return values

    def labels(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return setting to label, from keras-tuner's values."""
        keys = {choice.key or choice.name: choice.name for choice in self.choices}
        return {name: values[key] for key, name in keys.items() if key in values}

    def config(self, values: Mapping[str, Any], *, seed: int = 0) -> RunConfig:
        """Return the `RunConfig` of the values of the active choices.

        Raises:
            ValueError: If a value is out of range.
        """
        chosen = {name: value for name, value in {**self._inactive, **values}.items() if name != PRESET}
        of_preset = PRESETS[values[PRESET]] if PRESET in values else {}
        return self.default.replace({**of_preset, **self.base, **chosen, **self.settings, "seed": seed})

    def sample(self, rng: random.Random) -> dict[str, Any]:
        """Draw a choice: dict of setting to value, of the active choices."""
        values = {}
        for choice in self.choices:
            if all(name in values and values[name] in wanted for name, wanted in choice.when.items()):
                values[choice.name] = rng.choice(choice.values)
        return values

    def describe(self) -> dict[str, Any]:
        """Return the space as JSON holds it; two spaces are the same if their descriptions are equal."""
        choices = [dataclasses.asdict(choice) for choice in self.choices]
        return json.loads(json.dumps({"choices": choices, "settings": self.settings, "base": self.base}))


def _plain(default: RunConfig) -> dict[str, Any]:
    """Return the settings by their short names, without any of the parts that a space may choose."""
    if isinstance(default.model, DMNConfig):
        default = default.replace(NAMED_SETTINGS["_plain"])
    return {path.rpartition(".")[2]: value for path, value in default.flat().items()}


def make_space(
    name: str,
    *,
    task: str = "QuestionAnswerer",
    preset: str | None = None,
    settings: Mapping | None = None,
    choices: Mapping[str, Sequence] | None = None,
    base: Mapping | None = None,
    facts_named: bool = True,
) -> Space:
    """Make a space from one of `SPACES`.

    Args:
        name: `"small"` or `"full"`.
        task: Name of the task class, a key of `SPACES`.
        preset: Name of a preset to begin with, in place of a choice of presets.
        settings: Settings to fix.
        choices: Dict of setting to values, in place of the space's own or for a setting that it does not search.
        base: Settings that hold where nothing else has a value; they precede those of `preset`.
        facts_named: Whether the questions name supporting facts; without, gates cannot be supervised.

    Raises:
        ValueError: If there is no such space, a value is out of range, a setting is both fixed and searched, a choice
            is never active, nothing is left to search, or some choice is not a model.
    """
    if name not in SPACES[task]:
        raise ValueError(unknown_name("--space", name, SPACES[task]))
    offered, default = SPACES[task][name], task_class(task).default_config
    settings, asked = dict(settings or {}), {key: tuple(values) for key, values in (choices or {}).items()}
    _check_values(default, settings, asked, preset)
    for other in [other for other, values in asked.items() if len(values) == 1]:
        (settings[other],) = asked.pop(other)
    preset = settings.pop(PRESET, preset)
    if preset is not None:
        start = preset_settings(preset)
    else:  # with a choice of presets, each trial begins with its own
        searched = PRESET in asked or any(choice.name == PRESET for choice in offered)
        start = {} if searched or not isinstance(default.model, DMNConfig) else NAMED_SETTINGS["_plain"]
    base = {**start, **(base or {})}
    if "supervise_gates" in _plain(default):
        base.setdefault("supervise_gates", False)
        if not facts_named:
            settings.setdefault("supervise_gates", False)
    every = [
        dataclasses.replace(choice, values=asked.get(choice.name, choice.values))
        for choice in offered
        if choice.name not in settings and not (choice.name == PRESET and preset)
    ]
    every += [Choice(other, asked[other]) for other in asked if other not in {choice.name for choice in every}]
    space = _possible(every, settings, base, default)
    for choice in every:
        if choice.name in asked and choice.name not in space.names():
            needed = " and ".join(f"{name}={'|'.join(map(to_label, values))}" for name, values in choice.when.items())
            raise ValueError(
                f"The space is contradictory: --choices {choice.name} can never be chosen; it needs {needed}."
            )
    if not space.choices:
        raise ValueError(
            "The space is empty: nothing is left to choose. Fix fewer settings with --set, give more values with "
            "--choices, or train the one configuration with `dmn-keras train`."
        )
    _check_models(space)
    return space


def _possible(choices, settings, base, default):
    """Return the space of the choices whose conditions can hold; conditions on fixed settings are settled here."""
    plain = _plain(default)
    offered = {name: {value} for name, value in {**plain, **base, **settings}.items()}
    possible, searched = [], set()
    for choice in choices:
        if all(offered[name] & set(values) for name, values in choice.when.items()):
            when = {name: values for name, values in choice.when.items() if name in searched}
            possible.append(dataclasses.replace(choice, when=when))
            offered[choice.name] = set(choice.values)
            searched.add(choice.name)
        elif choice.name not in searched:
            offered[choice.name] = {plain[choice.name]}
    inactive = {c.name: plain[c.name] for c in choices if c.name not in searched}
    return Space(possible, {**inactive, **settings}, base, default)


def _check_values(default, settings, asked, preset):
    """Raise if a setting is unknown, given twice, or a value of it out of range."""
    default.replace(settings)
    allowed = [PRESET, *(name for name in _plain(default) if name != "seed")]
    for name, values in asked.items():
        if name not in allowed:
            raise ValueError(unknown_name("--choices", name, allowed))
        if name in settings or (name == PRESET and preset is not None):
            flag = "--preset" if name == PRESET else f"--set {name}"
            raise ValueError(f"--choices {name} and {flag} exclude each other: leave one of them out.")
        if not values or len(set(map(to_label, values))) < len(values):
            raise ValueError(f"--choices {name} must have values, each once. Received: {name}={list(values)}")
        for value in values:
            try:
                default.replace(preset_settings(value) if name == PRESET else {name: value})
            except ValueError as error:
                raise ValueError(f"--choices: {error}") from error


def _check_models(space):
    """Draw choices and raise if one of them is no model."""
    rng = random.Random(0)
    for _ in range(1000):
        values = space.sample(rng)
        try:
            model = space.config(values).model
            if isinstance(model, DMNConfig):
                check_settings(model)
        except ValueError as error:
            shown = ", ".join(f"{name}={to_label(value)}" for name, value in values.items())
            raise ValueError(
                f"The space is contradictory: with {shown}, {error} "
                "Leave such values out with --choices, or fix the setting with --set."
            ) from error


def to_label(value: Any) -> str:
    """Return the text by which keras-tuner knows a value."""
    return value if isinstance(value, str) else json.dumps(value)


def parse_choices(assignments: Sequence[str]) -> dict[str, list]:
    """Return settings and their values from texts `name=value,value`; each value is read as JSON, else as text.

    Raises:
        ValueError: If one has no `=` or no values.
    """
    choices = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if not text.strip():
            raise ValueError(f"--choices must be given as name=value,value. Received: {assignment!r}")
        for part in text.split(","):
            ((name, value),) = parse_settings([f"{name}={part.strip()}"]).items()
            choices.setdefault(name, []).append(value)
    return choices
