"""The measured tables: which runs each is made of, so that one command trains them all again."""

import dataclasses

from dmn_keras.training.presets import PRESETS


@dataclasses.dataclass(frozen=True)
class Runs:
    """Tasks that are trained under the same settings, once a seed.

    Attributes:
        name: Name of the settings within the table, and of the runs' folder.
        tasks: Names, numbers and ranges of tasks, as in `--tasks`.
        settings: Settings of `Config`, all but the seed.
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


_SUPERVISED = {"supervise_gates": True}
_LARGE = {"num_buckets": 3, "patience": 12, "solved_epochs": 2, "epochs": 60}
_LARGE_NORMED = {**PRESETS["normed"], **_LARGE, "learning_rate": 1e-3, "dropout": 0.0, "batch_size": 32}
_LONG = {
    **PRESETS["fused"],
    "episode": "soft",
    "max_facts": 130,
    "batch_size": 32,
    "patience": 8,
    "solved_epochs": 2,
    "epochs": 40,
}
_POSITION = {
    "units": 64,
    "fact_encoder": "position",
    "input_fusion": True,
    "memory_update": "relu",
    "dropout": 0.0,
    "batch_size": 64,
    "num_buckets": 3,
    "patience": 30,
    "solved_epochs": 2,
    "epochs": 100,
}
_SMALL = {"batch_size": 32, "num_buckets": 3, "epochs": 200}
_SMALL_GLOVE = {
    **PRESETS["fused"],
    **_SMALL,
    **_SUPERVISED,
    "memory_update": "gru",
    "embedding_scale": 1.0,
    "l2": 1e-3,
    "dropout": 0.2,
    "patience": 60,
    "solved_epochs": 15,
}
_FEW = {"batch_size": 32, "learning_rate": 1e-3, "dropout": 0.2, "l2": 1e-4}
_SMALL_NORMED = {
    **PRESETS["normed"],
    **_SMALL,
    **_SUPERVISED,
    **_FEW,
    "patience": 60,
    "solved_epochs": 15,
}
_SMALL_MATCHED = {**PRESETS["matched"], **_SMALL, "l2": 3e-4, "patience": 40}
_JOINT = {
    **PRESETS["linked"],
    "max_facts": 130,
    "num_buckets": 12,
    "patience": 12,
    "solved_epochs": 3,
    "epochs": 100,
}
_JOINT_FEW = {**_JOINT, **_FEW, "patience": 30, "epochs": 200}
_SEEDS = (0, 1, 2)
_ABLATION = {"num_buckets": 3, "patience": 5, "solved_epochs": 2, "epochs": 20}

TABLES = {
    "babi-10k": Table(
        "bAbI en-10k, one model a task, answers only",
        "babi",
        "en-10k",
        (
            Runs("fused", "1,2,4-15,20", {**PRESETS["fused"], **_LARGE}),
            Runs("long", "2", _LONG, (1, 2)),
            Runs("long", "3", _LONG, _SEEDS),
            Runs("matched", "17,18", {**PRESETS["matched"], **_LARGE}, _SEEDS),
            Runs("linked", "16", {**PRESETS["linked"], **_LARGE}, _SEEDS),
            Runs("position", "19", _POSITION, _SEEDS),
            Runs("normed", "19", _LARGE_NORMED, _SEEDS),
        ),
    ),
    "babi-10k-supervised": Table(
        "bAbI en-10k, one model a task, gates supervised",
        "babi",
        "en-10k",
        (
            Runs("fused", "1,2,4-16,20", {**PRESETS["fused"], **_LARGE, **_SUPERVISED}),
            Runs("long", "3", {**_LONG, **_SUPERVISED}, _SEEDS),
            Runs("fused", "19", {**PRESETS["fused"], **_LARGE, **_SUPERVISED}, _SEEDS),
            Runs("position", "19", {**_POSITION, **_SUPERVISED}, _SEEDS),
            Runs("matched", "17,18", {**PRESETS["matched"], **_LARGE, **_SUPERVISED}, _SEEDS),
        ),
    ),
    "babi-10k-joint": Table(
        "bAbI en-10k, one model for all tasks, answers only",
        "babi",
        "en-10k",
        (
            Runs(
                "linked",
                "1-20",
                {
                    **_JOINT,
                    "batch_size": 32,
                    "dropout": 0.0,
                    "unanswerable": 0.1,
                    "schedule": "cosine",
                    "patience": 24,
                    "epochs": 24,
                },
                _SEEDS,
                joint=True,
            ),
        ),
    ),
    "babi-1k-joint": Table(
        "bAbI en, 1,000 training questions a task, one model for all tasks, answers only",
        "babi",
        "en",
        (
            Runs("linked", "1-20", _JOINT_FEW, _SEEDS, joint=True),
            Runs("normed", "1-20", {**_JOINT_FEW, "layer_norm": True}, _SEEDS, joint=True),
        ),
    ),
    **{
        f"ablation-{name}": Table(
            f"bAbI en-10k, preset {name}, one model a task, answers only, at most 20 epochs",
            "babi",
            "en-10k",
            (Runs(name, "6,9,14,17,18", {**PRESETS[name], **_ABLATION}),),
        )
        for name in ("dmn_2015", "dmn_2", "dmn_3", "dmn_plus")
    },
    "babi-1k-supervised": Table(
        "bAbI en, 1,000 training questions a task, one model a task, gates supervised",
        "babi",
        "en",
        (
            Runs("glove", "1-16,19,20", _SMALL_GLOVE, word_vectors=True),
            Runs("glove", "2,3,16,19", _SMALL_GLOVE, (1, 2), word_vectors=True),
            Runs("matched", "17,18", {**_SMALL_MATCHED, **_SUPERVISED}, _SEEDS),
            Runs("normed", "7,8", _SMALL_NORMED),
            Runs("normed", "19", _SMALL_NORMED, _SEEDS),
        ),
    ),
}
"""The tables that `dmn-keras reproduce` trains again, by name."""
