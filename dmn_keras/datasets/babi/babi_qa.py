"""The TFDS builder `babi_qa`: importing this module registers it."""

import pathlib

import numpy as np
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

from dmn_keras.datasets.babi import reader

URL = f"https://www.thespermwhale.com/jaseweston/babi/{reader.ARCHIVE_NAME}"

_DESCRIPTION = """
The 20 bAbI question answering tasks, version 1.2: short stories of simulated people, places and objects.
Each task tests one kind of reasoning (supporting facts, counting, lists, deduction, induction, path finding).
Questions come with their answer and the facts the answer follows from.
"""

_CITATION = """
@article{weston2015towards,
  title = {Towards {AI}-Complete Question Answering: A Set of Prerequisite Toy Tasks},
  author = {Weston, Jason and Bordes, Antoine and Chopra, Sumit and Rush, Alexander M. and
            van Merri{\\"e}nboer, Bart and Joulin, Armand and Mikolov, Tomas},
  journal = {arXiv preprint arXiv:1502.05698},
  year = {2015}
}
"""


class BabiQa(tfds.core.GeneratorBasedBuilder):
    """TFDS builder of the bAbI tasks, one config for each folder of the archive, one split for each part.

    An example has the features `story` (sequence of text), `question` (text), `answer` (sequence of text, one
    element for each part), `supporting_facts` (sequence of int32, indexes into `story` from 0 in the file's
    order) and `task` (int32, 1 to 20). Examples keep the order of the tasks' numbers and of the files.

    The archive is downloaded and checked against its registered size and SHA-256. To use a local copy, packed
    or unpacked, whatever its checksum, give the folder that holds it as manual directory; a folder with the
    files of some tasks only gives a dataset of these tasks:

        from dmn_keras.datasets.babi import babi_qa
        tfds.load(
            "babi_qa/en",
            download_and_prepare_kwargs={"download_config": tfds.download.DownloadConfig(manual_dir=folder)},
        )

    TFDS prepares a config once in its data directory: give another `data_dir` for another copy of the data.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "bAbI tasks 1-20, version 1.2."}  # noqa: RUF012 -- the form TFDS asks for
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=f"Folder {name} of the archive.") for name in reader.CONFIGS
    ]
    DEFAULT_BUILDER_CONFIG_NAME = reader.DEFAULT_CONFIG
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Optional: a folder that holds {reader.ARCHIVE_NAME} or the unpacked {reader.FOLDER_NAME}; "
        "without it the archive is downloaded."
    )
    # In the code and not in a checksums.tsv beside it: a package built without that file would not check.
    url_infos = {  # noqa: RUF012
        URL: UrlInfo(
            size=15_719_851,
            checksum="0364ebde659f14d11bc21744516c5ec49d3d06cb692733f66680771244998898",
            filename=reader.ARCHIVE_NAME,
        )
    }

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "story": tfds.features.Sequence(tfds.features.Text()),
                    "question": tfds.features.Text(),
                    "answer": tfds.features.Sequence(tfds.features.Text()),
                    "supporting_facts": tfds.features.Sequence(np.int32),
                    "task": np.int32,
                }
            ),
            homepage="https://research.facebook.com/downloads/babi/",
            citation=_CITATION,
            license="Creative Commons Attribution 3.0",
            disable_shuffling=True,  # keeps the files' order
        )

    def _split_generators(self, dl_manager):
        data_dir = _manual_dir(dl_manager) or _fetch(dl_manager)
        config = self.builder_config.name
        return {split: self._generate_examples(data_dir, split) for split in reader.splits(config)}

    def _generate_examples(self, data_dir, split):
        config = self.builder_config.name
        tasks = reader.available_tasks(data_dir, config=config, split=split)
        if not tasks:
            raise FileNotFoundError(f"{str(data_dir)!r}, config {config!r} has no file of split {split!r}.")
        for task in tasks:
            for number, example in enumerate(reader.load(data_dir, config=config, task=task, split=split)):
                yield (
                    f"{task}-{example.story_id}-{number}",
                    {
                        "story": list(example.story),
                        "question": example.question,
                        "answer": list(example.answer),
                        "supporting_facts": list(example.supporting_facts),
                        "task": int(task),
                    },
                )


def download(data_dir=None):
    """Download the official archive, or find it where an earlier call left it.

    Args:
        data_dir: TFDS data directory; its own default (`~/tensorflow_datasets`) if None. The archive goes
            into its folder `downloads`.

    Returns:
        Path of the archive, whose size and SHA-256 are those registered.

    Raises:
        ConnectionError: If the archive cannot be downloaded.
        tensorflow_datasets.core.download.download_manager.NonMatchingChecksumError: If what came is another
            file.
    """
    builder = BabiQa(data_dir=data_dir)
    manager = tfds.download.DownloadManager(
        download_dir=pathlib.Path(builder.data_dir_root) / "downloads",
        url_infos=BabiQa.url_infos,
        dataset_name=builder.name,
    )
    return _fetch(manager)


def _fetch(dl_manager):
    """Download the archive; raises at once where there is no network, in place of after minutes of TFDS's retries."""
    try:
        # TFDS notes in an INFO file what it has downloaded before.
        notes = pathlib.Path(dl_manager.download_dir).rglob("*.INFO")
        if not any(URL in note.read_text(encoding="utf-8") for note in notes):
            requests.head(URL, timeout=10, allow_redirects=True)
        return pathlib.Path(dl_manager.download(URL))
    except (OSError, tfds.download.DownloadError) as error:
        raise ConnectionError(
            f"The bAbI archive cannot be downloaded from {URL}: {error}. To use a local copy, give the folder that "
            f"holds {reader.ARCHIVE_NAME} or the unpacked {reader.FOLDER_NAME}: data_dir, or, to "
            "tfds.load, download_and_prepare_kwargs={'download_config': "
            "tfds.download.DownloadConfig(manual_dir=FOLDER)}."
        ) from error


def _manual_dir(dl_manager):
    """Return the manual directory if it is to be read, else None."""
    try:
        manual_dir = pathlib.Path(dl_manager.manual_dir)
    except AssertionError:  # not given, or nothing in it
        return None
    is_default = manual_dir == pathlib.Path(dl_manager.download_dir) / "manual"  # shared with other datasets
    names = (reader.ARCHIVE_NAME, reader.FOLDER_NAME)
    if is_default and not any((manual_dir / name).exists() for name in names):
        return None
    return manual_dir
