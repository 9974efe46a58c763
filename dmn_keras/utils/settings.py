"""Frozen records of settings: nested, checked, and settable by name from a command line."""

import dataclasses
import json
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Self

from dmn_keras.errors import unknown_name

_LARGE = 10**9


def setting(default: Any, *, low: float | None = None, high: float = _LARGE, choices: tuple = (), positive=False):
    """Return the field of a `Settings`, with the values it may have.

    Args:
        default: Its default; a `Settings` for a nested one.
        low: Least value of a number. Defaults to 1 for an integer and 0 for a real number.
        high: Greatest value of a number.
        choices: The values to choose from; empty for any.
        positive: Whether 0 is refused.
    """
    metadata = {"low": low, "high": high, "choices": choices, "positive": positive}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base class of frozen settings. A field that is itself a `Settings` is a group.

    A name without its groups (`units` for `model.units`) is enough where it is unique.

    Raises:
        ValueError: If a value has the wrong type or is out of range.
    """

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, Settings):
                object.__setattr__(self, field.name, _checked(field, value))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a nested dict that JSON can hold."""
        return dataclasses.asdict(self)

    def flat(self) -> dict[str, Any]:
        """Return the settings as a dict without nesting, with names such as `"model.units"`."""
        flat = {}
        for name, value in vars(self).items():
            if isinstance(value, Settings):
                flat |= {f"{name}.{path}": leaf for path, leaf in value.flat().items()}
            else:
                flat[name] = value
        return flat

    def replace(self, changes: Mapping[str, Any] | None = None, /, **named: Any) -> Self:
        """Return a copy with changes, checked as a new one is.

        Args:
            changes: Values by name; nested, or names such as `"model.units"` or `"units"`.
            **named: More of them.

        Raises:
            ValueError: If a name is unknown or not unique, or a value is out of range.
        """
        result = self
        for name, value in {**(changes or {}), **named}.items():
            result = result._with(name, value)
        return result

    def _with(self, name, value):
        group = vars(self).get(name)
        if isinstance(group, Settings):
            if not isinstance(value, Settings):
                if not isinstance(value, Mapping):
                    raise ValueError(f"{name} must be an object of settings. Received: {name}={value!r}")
                value = group.replace(value)
            return dataclasses.replace(self, **{name: value})
        paths = self.flat()
        found = [name] if name in paths else [path for path in paths if path.endswith(f".{name}")]
        if not found:
            raise ValueError(unknown_name("setting", name, [path.rpartition(".")[2] for path in paths]))
        if len(found) > 1:
            raise ValueError(f"setting {name!r} must say which is meant: {', '.join(found)}")
        first, _, rest = found[0].partition(".")
        new = getattr(self, first)._with(rest, value) if rest else value
        return dataclasses.replace(self, **{first: new})

    def describe(self) -> str:
        """Return a line for each setting: its name, its value, and the first sentence of its description."""
        lines = []
        for name, value in vars(self).items():
            if isinstance(value, Settings):
                title = (value.__doc__ or "").partition("\n")[0].rstrip(".")
                lines += [f"{name}: {title}.", value.describe()]
            else:
                text = _descriptions(type(self))[name].partition(". ")[0].rstrip(".")
                lines.append(f"  {f'{name}={json.dumps(value)}':36} {text}.")
        return "\n".join(lines)


def _descriptions(cls):
    """Return the descriptions of the attributes in a class's docstring, a dict."""
    described = (cls.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    parts = re.split(r"\n {8}(?=\w+: )", described)[1:]
    return {name: text for name, _, text in (" ".join(part.split()).partition(": ") for part in parts)}


def _checked(field, value):
    """Return the value of a field if it has the right type and range; a whole number is also a real one."""
    name, rules = field.name, field.metadata
    if hasattr(value, "item") and value.shape == ():  # a NumPy scalar; `--help` does not wait for NumPy
        value = value.item()
    kinds = typing.get_args(field.type) or (field.type,)
    if isinstance(value, bool):
        fits = bool in kinds
    elif isinstance(value, int) and float in kinds:
        value, fits = float(value), True
    else:
        fits = isinstance(value, kinds)
    if not fits or value != value:
        shown = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ValueError(f"{name} must be of type {shown}. Received: {name}={value!r}")
    if rules.get("choices") and value is not None and value not in rules["choices"]:
        raise ValueError(unknown_name(name, value, rules["choices"]))
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = rules.get("low")
        low = (0.0 if isinstance(value, float) else 1) if low is None else low
        if not low <= value <= rules.get("high", _LARGE):
            raise ValueError(f"{name} must be between {low} and {rules.get('high', _LARGE)}. Received: {name}={value}")
        if rules.get("positive") and value == 0:
            raise ValueError(f"{name} must be greater than 0. Received: {name}={value}")
    return value


def parse_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """Read settings that are given as text.

    Args:
        assignments: Texts `name=value`; a value is read as JSON (`3`, `0.1`, `true`, `null`), else as text.

    Returns:
        Dict of names and values, for `Settings.replace`.

    Raises:
        ValueError: If one has no `=`.
    """
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"a setting must be given as name=value. Received: {assignment!r}")
        words = {"none": None, "true": True, "false": False}
        try:
            value = words[text.lower()] if text.lower() in words else json.loads(text)
        except json.JSONDecodeError:
            value = text
        settings[name.strip().replace("-", "_")] = value
    return settings
