"""What is searched: the choices of each setting, when each is to be made, and the `Config` of a point of the space."""

import dataclasses
import json
import random

from dmn_keras.errors import unknown_name
from dmn_keras.training.config import Config
from dmn_keras.training.presets import PRESETS
from dmn_keras.training.presets import preset as preset_settings

PRESET = "preset"
"""The one choice that is no setting of `Config`, but a name of several."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The values of a setting, and when it is chosen at all.

    Attributes:
        name: A setting of `Config`, or `"preset"`.
        values: What it may be.
        when: Dict of another setting's name to the values under which this one is chosen; all must hold. A setting
            may stand in a space several times, for conditions of which at most one holds.
        otherwise: What it is where it is not chosen.
    """

    name: str
    values: tuple
    when: dict = dataclasses.field(default_factory=dict)
    otherwise: object = None

    def describe(self):
        """Return the choice as a dict that JSON can hold."""
        return {"values": list(self.values), "when": {name: list(values) for name, values in self.when.items()}}


_READ_BY_GRU = {"fact_encoder": ("story", "sentence")}
_FUSED = {"fact_encoder": ("position",), "input_fusion": (True,)}
_SUPERVISED = {"supervise_gates": (True,)}
_MATCH = (None, 16, 32, 64)
_WORD_SIZES = (None, 32, 64, 128)
_GATE_WEIGHT = Choice("gate_weight", (0.1, 0.3, 1.0, 3.0), _SUPERVISED, otherwise=1.0)

SPACES = {
    "small": (
        Choice(PRESET, ("fused", "matched", "linked", "normed")),
        Choice("units", (32, 64, 80)),
        Choice("num_passes", (2, 3)),
        Choice("episode", ("soft", "update", "mix")),
        Choice("dropout", (0.0, 0.1, 0.2)),
        Choice("learning_rate", (1e-3, 2e-3, 3e-3)),
        Choice("schedule", ("plateau", "cosine")),
        Choice("batch_size", (32, 64)),
        _GATE_WEIGHT,
    ),
    "full": (
        Choice("units", (32, 48, 64, 80, 128)),
        Choice("fact_encoder", ("story", "sentence", "position")),
        Choice("input_fusion", (True, False), {"fact_encoder": ("position",)}, otherwise=False),
        Choice("embedding_dim", _WORD_SIZES, _READ_BY_GRU),
        Choice("embedding_dim", _WORD_SIZES, _FUSED),
        Choice("question_match", _MATCH, _READ_BY_GRU),
        Choice("question_match", _MATCH, _FUSED),
        Choice("fact_links", (0, 1, 2), {"fact_encoder": ("sentence",)}, otherwise=0),
        Choice("embedding_scale", (0.1, 0.3, 1.0, 1.7)),
        Choice("num_passes", (1, 2, 3, 4)),
        Choice("gate", ("softmax", "sigmoid")),
        Choice("gate_features", ("dmn", "dmn_plus")),
        Choice("episode", ("soft", "update", "mix")),
        Choice("memory_update", ("gru", "relu")),
        Choice("tie_weights", (True, False)),
        Choice("num_heads", (1, 2)),
        Choice("layer_norm", (False, True)),
        Choice("dropout", (0.0, 0.1, 0.2, 0.3)),
        Choice("l2", (0.0, 1e-5, 1e-4, 1e-3)),
        Choice("learning_rate", (5e-4, 1e-3, 2e-3, 3e-3, 5e-3)),
        Choice("schedule", ("plateau", "cosine")),
        Choice("batch_size", (32, 64, 128)),
        Choice("curriculum", (0, 2, 4)),
        Choice("supervise_gates", (False, True)),
        _GATE_WEIGHT,
        Choice("gate_order", ("file", "any"), _SUPERVISED, otherwise="file"),
    ),
}
"""The spaces by name. `small`: the presets of this package and what matters most around them. `full`: every part of the
model and of training, each on its own."""


class Space:
    """Choices, and the settings that are the same in every trial.

    Every value is known to keras-tuner as a text (`label`): its messages between machines round numbers, and its
    choices know neither `None` nor values of several types.

    Args:
        choices: Sequence of `Choice`, a condition's setting before those that depend on it.
        settings: Dict of settings that are not searched.
        base: Dict of settings that hold where neither a choice nor `settings` says otherwise.
    """

    def __init__(self, choices, settings, base):
        self.choices = tuple(choices)
        self.settings = dict(settings)
        self.base = dict(base)

    def names(self):
        """Return the names of what is searched, each once, in order."""
        return list(dict.fromkeys(choice.name for choice in self.choices))

    def declare(self, hp):
        """Declare all choices on keras-tuner's `HyperParameters`, in the conditional scopes that they stand in.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            Dict of name to value, of the choices that are active.
        """
        values = {}
        for choice in self.choices:
            label = self._declare(hp, choice, list(choice.when.items()))
            if label is not None:
                values[choice.name] = from_label(choice, label)
        return values

    def _declare(self, hp, choice, conditions):
        if not conditions:
            return hp.Choice(choice.name, [to_label(value) for value in choice.values])
        (name, values), *rest = conditions
        with hp.conditional_scope(name, [to_label(value) for value in values]):
            return self._declare(hp, choice, rest)

    def values_of(self, labels):
        """Return the values of the active choices, from keras-tuner's labels by name."""
        values = {}
        for choice in self.choices:
            if choice.name in labels and _holds(choice, values):
                values[choice.name] = from_label(choice, labels[choice.name])
        return values

    def config_of(self, values, *, seed=0):
        """Return the `Config` of a point.

        Args:
            values: Dict of name to value, of the active choices.
            seed: Its seed.

        Returns:
            The `Config`: what is chosen, `otherwise` for what is not chosen here, then `settings` and `base`.

        Raises:
            ValueError: If a value is out of range.
        """
        unchosen = {choice.name: choice.otherwise for choice in self.choices if choice.when}
        chosen = {name: value for name, value in {**unchosen, **values}.items() if name != PRESET}
        of_preset = PRESETS[values[PRESET]] if PRESET in values else {}
        return Config.from_dict({**of_preset, **self.base, **chosen, **self.settings, "seed": seed})

    def sample(self, rng):
        """Draw a point: dict of name to value, of the active choices; `rng` is a `random.Random`."""
        values = {}
        for choice in self.choices:
            if _holds(choice, values):
                values[choice.name] = rng.choice(choice.values)
        return values

    def check(self, count=1000):
        """Draw points and raise if one of them is no model.

        Raises:
            ValueError: If so: the space is contradictory; the message has the point and what is wrong with it.
        """
        from dmn_keras.models.dmn import check_input_module

        rng = random.Random(0)
        for _ in range(count):
            values = self.sample(rng)
            try:
                c = self.config_of(values)
                size = c.embedding_dim or c.units
                check_input_module(
                    c.fact_level,
                    c.fact_encoder,
                    c.question_match,
                    c.fact_links,
                    c.link_chains,
                    c.input_fusion,
                    c.units,
                    size,
                )
            except ValueError as error:
                shown = ", ".join(f"{name}={to_label(value)}" for name, value in values.items())
                raise ValueError(
                    f"The space is contradictory: with {shown}, {error} "
                    "Leave such values out with --choices, or fix the setting with --set."
                ) from error

    def describe(self):
        """Return what the space is, as JSON can hold it: two searches of equal descriptions search the same."""
        choices = [{"name": choice.name, **choice.describe()} for choice in self.choices]
        return {"choices": choices, "settings": self.settings, "base": self.base}


def make_space(name, *, preset=None, settings=None, choices=None, base=None, facts_named=True):
    """Make a space of this module, narrowed to what is asked for.

    Args:
        name: A key of `SPACES`.
        preset: Name of a preset to hold where nothing else says otherwise, in place of a choice of presets.
        settings: Dict of settings to fix; they are not searched.
        choices: Dict of name to values, in place of the space's own, or for settings that it does not search.
        base: Dict of settings that hold where nothing else says otherwise; they go before those of a preset.
        facts_named: Whether the questions name supporting facts: without, gates cannot be supervised.

    Returns:
        The `Space`.

    Raises:
        ValueError: If there is no such space, a value is out of range, a setting is both fixed and searched, a choice
            can never be made, nothing is left to search, or a point of the space is no model.
    """
    if name not in SPACES:
        raise ValueError(unknown_name("--space", name, SPACES))
    settings, asked = dict(settings or {}), dict(choices or {})
    base = {**({} if preset is None else preset_settings(preset)), **(base or {})}
    for other in asked:
        if other in settings or (other == PRESET and preset is not None):
            flag = "--preset" if other == PRESET else f"--set {other}"
            raise ValueError(f"--choices {other} and {flag} exclude each other: leave one of them out.")
    _check_values(settings, asked)
    for other in [other for other, values in asked.items() if len(values) == 1]:  # no choice
        if other == PRESET:
            preset = asked.pop(other)[0]
            base = {**preset_settings(preset), **base}
        else:
            settings[other] = asked.pop(other)[0]
    if not facts_named and "supervise_gates" not in settings:
        settings["supervise_gates"] = False
    kept = [
        dataclasses.replace(choice, values=tuple(asked.get(choice.name, choice.values)))
        for choice in SPACES[name]
        if choice.name not in settings and not (choice.name == PRESET and preset is not None)
    ]
    known = {choice.name for choice in kept}
    kept += [Choice(other, tuple(values)) for other, values in asked.items() if other not in known]
    fixed = {**Config().to_dict(), **base, **settings}
    possible = _possible(kept, fixed)
    chosen = {choice.name for choice in possible}
    left_out = {choice.name: choice.otherwise for choice in kept if choice.name not in chosen}
    space = Space(possible, {**left_out, **settings}, base)
    never = [other for other in asked if other not in space.names()]
    if never:
        raise ValueError(
            f"The space is contradictory: --choices {never[0]} can never be chosen; it needs "
            f"{' or '.join(_conditions(choice) for choice in kept if choice.name == never[0])}."
        )
    if all(len(choice.values) < 2 for choice in space.choices):
        raise ValueError(
            "The space is empty: nothing is left to choose. Fix fewer settings with --set, give more values with "
            "--choices, or train the one configuration with `dmn-keras train`."
        )
    space.check()
    return space


def _check_values(settings, asked):
    """Raise if a setting is unknown, or a value of it out of range."""
    Config.from_dict(settings)
    allowed = [PRESET, *Config().to_dict()]
    for name, values in asked.items():
        if name not in allowed or name == "seed":
            raise ValueError(unknown_name("--choices", name, [other for other in allowed if other != "seed"]))
        if not values or len(set(map(to_label, values))) < len(values):
            raise ValueError(f"--choices {name} must have values, each once. Received: {name}={list(values)}")
        for value in values:
            try:
                if name == PRESET:
                    Config.preset(value)
                else:
                    Config.from_dict({name: value})
            except ValueError as error:
                raise ValueError(f"--choices: {error}") from error


def _possible(choices, fixed):
    """Return the choices that can be made, without the conditions that always hold."""
    possible, reachable = [], {}
    for choice in choices:
        when = {}
        for name, values in choice.when.items():
            reached = reachable.get(name, {to_label(fixed.get(name))})
            wanted = tuple(value for value in values if to_label(value) in reached)
            if not wanted:
                break
            if name in reachable:
                when[name] = wanted
        else:
            possible.append(dataclasses.replace(choice, when=when))
            reachable.setdefault(choice.name, set()).update(map(to_label, choice.values))
    return possible


def _conditions(choice):
    return " and ".join(f"{name}={'|'.join(map(to_label, values))}" for name, values in choice.when.items())


def _holds(choice, values):
    return all(name in values and values[name] in wanted for name, wanted in choice.when.items())


def to_label(value):
    """Return the text by which keras-tuner knows a value."""
    return value if isinstance(value, str) else json.dumps(value)


def from_label(choice, label):
    """Return the value of a `Choice` that has this label."""
    return next(value for value in choice.values if to_label(value) == label)


def parse_choices(assignments):
    """Read `--choices` arguments.

    Args:
        assignments: Strings `name=value,value`; each value is read as JSON, else as text.

    Returns:
        Dict of names and lists of values.

    Raises:
        ValueError: If one has no `=` or no values.
    """
    from dmn_keras.training.config import parse_settings

    choices = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not text.strip():
            raise ValueError(f"--choices must be given as name=value,value. Received: {assignment!r}")
        read = [parse_settings([f"{name}={part.strip()}"]) for part in text.split(",")]
        choices[next(iter(read[0]))] = [next(iter(one.values())) for one in read]
    return choices
