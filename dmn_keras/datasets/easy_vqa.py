"""easy-VQA: questions about images of one coloured shape.

Reference: Zhou, "Easy Visual Question Answering", 2019, github.com/vzhou842/easy-VQA.
"""

import importlib.util
import json
import os
import pathlib
import re

import numpy as np

from dmn_keras.datasets.checks import check_data_dir, check_split, missing_files
from dmn_keras.datasets.example import VisualQuestionAnsweringExample
from dmn_keras.utils.archives import tar_files
from dmn_keras.utils.lines import shorten

PACKAGE = "easy-vqa"
VALID_FRACTION = 0.1
"""Fraction of the training images that are held out as the validation split."""

_EXPECTED = (
    "the folder of easy-VQA, with train/questions.json and train/images, and the same for test; a folder that holds it "
    "as data, or packed as a .tar.gz; or that archive"
)


def load(
    split: str,
    *,
    config: None = None,
    data_dir: str | os.PathLike | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[VisualQuestionAnsweringExample]:
    """Read one split of easy-VQA.

    Args:
        split: `"train"`, `"valid"` or `"test"`. The data have no validation part: it is `VALID_FRACTION` of the
            training images, with all their questions, and the training split has the others.
        config: None: there is only one.
        data_dir: The data's folder, a folder that holds it as `data` or as an archive, or the archive, which is read
            without unpacking it. None for the data of the Python package `easy-vqa`, if it is installed.
        seed: Non-negative integer that chooses the validation images.
        num_examples: Number of questions, at most, from the beginning; None for all.

    Returns:
        A list of `VisualQuestionAnsweringExample`, `image` the bytes of a PNG file. `"test"` is empty where its folder
        is missing.

    Raises:
        FileNotFoundError: If `data_dir` or the training part is missing.
        ImportError: If `data_dir` is None and the package is not installed.
        ValueError: If an argument is unknown, or a file is damaged, a question malformed or its image missing.
    """
    check_split(split, num_examples, seed)
    if config is not None:
        raise ValueError(f"config must be None for easy_vqa. Received: config={config!r}.")
    part = "test" if split == "test" else "train"
    data_dir = _package_data() if data_dir is None else check_data_dir(data_dir, _EXPECTED)
    files = _read_part(data_dir, part)
    if "questions.json" not in files:
        if part == "test":
            return []
        raise FileNotFoundError(f"data_dir {str(data_dir)!r}: train/questions.json is missing. Expected {_EXPECTED}.")
    examples = _examples(files, f"{data_dir}, {part}/questions.json")
    if split != "test":
        held_out = _validation_images(examples, seed)
        examples = [example for example in examples if (example.image_id in held_out) == (split == "valid")]
    return examples[:num_examples]


def _validation_images(examples, seed):
    image_ids = sorted({example.image_id for example in examples})
    drawn = np.random.default_rng(seed).permutation(image_ids)
    return set(drawn[: round(VALID_FRACTION * len(image_ids))].tolist())


def _package_data() -> pathlib.Path:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(
            f"The package {PACKAGE} is not installed. Install it with pip install 'dmn_keras[easy-vqa]', or pass "
            f"data_dir: {_EXPECTED}."
        )
    return pathlib.Path(spec.submodule_search_locations[0], "data")


def _read_part(data_dir: pathlib.Path, part: str) -> dict[str, bytes]:
    """Return the files of `train` or `test`: `{"questions.json": bytes, "images/0.png": bytes, ...}`."""
    for folder in (data_dir, data_dir / "data"):
        if any((folder / name / "questions.json").is_file() for name in ("train", "test")):
            paths = [folder / part / "questions.json", *folder.glob(f"{part}/images/*.png")]
            return {path.relative_to(folder / part).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    archives = [data_dir] if data_dir.is_file() else [*data_dir.glob("*.tar.gz"), *data_dir.glob("*.tgz")]
    if len(archives) != 1:
        raise missing_files(data_dir, _EXPECTED)
    match = re.compile(rf"(?:.*/)?{part}/(questions\.json|images/[0-9]+\.png)").fullmatch
    files = tar_files(archives[0], lambda place: match(str(place)) is not None)
    return {found[1]: content for place, content in files if (found := match(str(place)))}


def _examples(files, source):
    """Return the examples in the order of the questions."""
    try:
        questions = json.loads(files["questions.json"])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} is damaged: {error}.") from error
    if not isinstance(questions, list) or not questions:
        raise ValueError(f"{source}: expected a list of questions. Received: {shorten(questions)}.")
    return [_example(question, files, f"{source}, question {i}") for i, question in enumerate(questions, 1)]


def _example(fields, files, place):
    if not isinstance(fields, list) or [type(field) for field in fields] != [str, str, int]:
        raise ValueError(f"{place}: expected [question, answer, number of the image]. Received: {shorten(fields)}.")
    question, answer, image_id = fields
    if not question.strip() or not answer.strip():
        raise ValueError(f"{place}: question and answer must not be empty. Received: {shorten(fields)}.")
    image = files.get(f"images/{image_id}.png")
    if image is None:
        raise ValueError(f"{place}: the image images/{image_id}.png is missing.")
    return VisualQuestionAnsweringExample(image, question, answer, image_id=image_id)
