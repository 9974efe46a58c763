"""Questions as sharded record files, written and read through TensorFlow Datasets.

    python -m dmn_keras.datasets.records --dataset jsonl --data-dir FOLDER --output RECORDS
    dmn-keras train --dataset records --data-dir RECORDS

ArrayRecord files can be read at any place, TFRecord files from one end to the other. Both hold one `tf.train.Example` a
question.
"""

import argparse
import functools
import itertools
import pathlib
from collections.abc import Sequence

from dmn_keras.datasets.example import Example
from dmn_keras.errors import unknown_name

FORMATS = ("array_record", "tfrecord")
NAME, VERSION = "story_questions", "1.0.0"

_ALL = [-1]  # how own facts of None are written: a list of none is another thing


def write(parts, folder, *, file_format="array_record", shards=None):
    """Write questions.

    Args:
        parts: Dict of split (`"train"`, `"valid"`, `"test"`) to a sequence of `Example`, or to a function without
            arguments that yields them, for more than the memory holds. Splits without a question are left out.
        folder: Folder to write to; it must not hold records yet.
        file_format: `"array_record"`, for which the package `array_record` must be installed, or `"tfrecord"`.
        shards: Number of files of each split, `None` for TFDS' choice by size.

    Returns:
        The path of the folder that holds the files.

    Raises:
        FileExistsError: If there are records in `folder`.
        ValueError: If the format is unknown, there is no question, or fewer in a split than `shards`.
    """
    if file_format not in FORMATS:
        raise ValueError(unknown_name("--format", file_format, FORMATS))
    if shards is not None and shards < 1:
        raise ValueError(f"--shards must be at least 1. Received: {shards}")
    target = pathlib.Path(folder) / NAME / VERSION
    if target.exists():
        raise FileExistsError(f"{folder} holds records already. Choose another --output.")
    parts = {split: part if callable(part) else functools.partial(iter, part) for split, part in parts.items()}
    least = {split: sum(1 for _ in itertools.islice(part(), shards or 1)) for split, part in parts.items()}
    parts = {split: part for split, part in parts.items() if least[split]}
    if not parts:
        raise ValueError("There is no question to write.")
    for split in parts:
        if least[split] < (shards or 1):
            raise ValueError(f"--shards must be at most the questions of a split, {least[split]} of {split}: {shards}")
    import tensorflow_datasets as tfds

    with tfds.core.registered.skip_registration():
        builder = _builder(tfds, parts)(data_dir=str(folder), file_format=file_format)
    config = tfds.download.DownloadConfig(num_shards=shards) if shards else None
    builder.download_and_prepare(download_config=config)
    return target


def _builder(tfds, parts):
    """Return a TFDS builder class whose splits are `parts`."""
    import numpy as np

    class StoryQuestions(tfds.core.GeneratorBasedBuilder):
        """Questions about stories."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "story": tfds.features.Sequence(tfds.features.Text()),
                "question": tfds.features.Text(),
                "answer": tfds.features.Sequence(tfds.features.Text()),
                "supporting_facts": tfds.features.Sequence(np.int32),
                "task": tfds.features.Text(),
                "story_id": np.int64,
                "own_facts": tfds.features.Sequence(np.int32),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(part) for split, part in parts.items()}

        def _generate_examples(self, part):
            for key, example in enumerate(part()):
                fields = {name: _plain(getattr(example, name)) for name in Example.__dataclass_fields__}
                yield key, {**fields, "own_facts": _ALL if example.own_facts is None else list(example.own_facts)}

    return StoryQuestions


def _plain(value):
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def read(folder, split, *, start=0, stop=None):
    """Yield the questions of a split, in the order they were written in.

    Args:
        folder: Folder that `write` wrote to.
        split: Name of the split.
        start: Number of the first question.
        stop: Number after the last one; `None` for all.

    Yields:
        `Example`s; none if the records have no such split.

    Raises:
        FileNotFoundError: If the folder holds no records.
    """
    builder = _written(folder)
    if split not in builder.info.splits:
        return
    part = f"{split}[{start}:{'' if stop is None else stop}]"
    if builder.info.file_format.file_suffix == "array_record":
        source = builder.as_data_source(part)
        records = (source[i] for i in range(len(source)))
    else:
        import tensorflow_datasets as tfds

        records = tfds.as_numpy(builder.as_dataset(part))
    for record in records:
        yield Example(
            story=tuple(_text(sentence) for sentence in record["story"]),
            question=_text(record["question"]),
            answer=tuple(_text(word) for word in record["answer"]),
            supporting_facts=tuple(int(fact) for fact in record["supporting_facts"]),
            task=_text(record["task"]),
            story_id=int(record["story_id"]),
            own_facts=_own_facts(record),
        )


def _own_facts(record):
    own = [int(fact) for fact in record.get("own_facts", _ALL)]  # older records have none
    return None if own == _ALL else tuple(own)


def _text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def task_names(folder):
    """Return the tasks that the records name, in order of appearance."""
    splits = _written(folder).info.splits
    return tuple(dict.fromkeys(example.task for split in splits for example in read(folder, split)))


def _written(folder):
    if folder is None:
        raise ValueError(f"data_dir (--data-dir) is required for records: the --output of python -m {__name__}.")
    target = pathlib.Path(folder).expanduser() / NAME / VERSION
    if not (target / "dataset_info.json").is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} holds no records ({NAME}/{VERSION}). Expected a folder that python -m {__name__} wrote."
        )
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(str(target))


def main(arguments=None):
    """Write a dataset as records."""
    from dmn_keras.datasets import registry

    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description=main.__doc__)
    parser.add_argument("--dataset", default="stories", help="babi, babi_long, stories or jsonl")
    parser.add_argument("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    parser.add_argument("--config", help="configuration of the dataset")
    parser.add_argument("--tasks", default="all", help="names, numbers and ranges")
    parser.add_argument("--seed", type=int, default=0, help="seed of generated stories")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder to write to")
    parser.add_argument("--format", default=FORMATS[0], help="array_record or tfrecord")
    parser.add_argument("--shards", type=int, metavar="N", help="files of each split")
    options = parser.parse_args(arguments)
    try:
        names = registry.task_names(options.dataset, options.data_dir)
        chosen = registry.parse_tasks(options.tasks, names)
        place = {"data_dir": options.data_dir, "config": options.config, "seed": options.seed}
        parts = {split: functools.partial(_every, options.dataset, chosen, split, place) for split in registry.SPLITS}
        target = write(parts, options.output, file_format=options.format, shards=options.shards)
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    print(f"The records are in {target}.")


def _every(dataset, tasks, split, place):
    from dmn_keras.datasets import registry

    for task in tasks:
        yield from registry.load(dataset, task=task, split=split, **place)


if __name__ == "__main__":
    main()
