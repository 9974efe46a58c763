"""The measured tables: which runs each is made of, so that one command trains them all again."""

import dataclasses
import pathlib

from dmn_keras.tasks.config import NAMED_SETTINGS, merge, read_settings
from dmn_keras.utils.files import read_json


@dataclasses.dataclass(frozen=True)
class Runs:
    """Tasks that are trained under the same settings, once a seed.

    Attributes:
        name: Name of the settings within the table, and of the runs' folder.
        tasks: Names, numbers and ranges of tasks, as in `--tasks`.
        settings: Settings of `RunConfig`, all but the seed.
        seeds: Seeds, each different.
        word_vectors: Whether the word vectors start from a file, which `reproduce` is given.
        joint: Whether one model learns all the tasks, in place of one model a task.
    """

    name: str
    tasks: str
    settings: dict
    seeds: tuple[int, ...] = (0,)
    word_vectors: bool = False
    joint: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """What a table is about and which runs it chooses from.

    Attributes:
        about: One line on the setting.
        dataset: Name of the dataset.
        config: Its configuration, `None` for the default.
        runs: The `Runs`; a task that stands in several is chosen among them by its validation questions.
    """

    about: str
    dataset: str
    config: str | None
    runs: tuple[Runs, ...]


def _read():
    content = read_json(pathlib.Path(__file__).with_name("tables.json"))
    named = read_settings(content["settings"], NAMED_SETTINGS)

    def runs(settings, seeds=(0,), **options):
        return Runs(settings=merge(settings, named), seeds=tuple(seeds), **options)

    return {
        name: Table(**{**table, "runs": tuple(runs(**row) for row in table["runs"])})
        for name, table in content["tables"].items()
    }


TABLES = _read()
"""The tables that `dmn-keras reproduce` trains again, by name; `tables.json` holds them."""
