"""What the tests of searches share: a search that takes seconds, in this process or in one of its own."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.training.runs import TINY, write_stories

ROOT = pathlib.Path(__file__).parents[2]
FIXED = {name: value for name, value in TINY.items() if name not in ("units", "epochs", "dropout", "episode")}
FIXED |= {"question_match": None, "input_fusion": False}

quiet = [
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
]
"""keras-tuner's own calls that Python has deprecated."""


def write_data(folder):
    return write_stories(folder, train=24, valid=8, test=6)


def arguments(data, output, *more, **options):
    """Arguments of a tiny search; an option that is `None` is left out."""
    given = {
        "dataset": "jsonl",
        "data-dir": data,
        "space": "small",
        "tuner": "random",
        "epochs": 2,
        "max-trials": 2,
        "output": output,
        **{name.replace("_", "-"): value for name, value in options.items()},
    }
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    words += [word for name, value in FIXED.items() for word in ("--set", f"{name}={value}")]
    words += [
        "--preset",
        "fused",
        "--choices",
        "units=4,5,6",
        "--choices",
        "dropout=0.0,0.2",
        "--choices",
        "episode=soft",
    ]
    return [*words, *more]


def start(words, *, spoil=None, **environment):
    """Start the search in a process of its own, without tracing; `spoil` is code to run before it."""
    code = (
        "import sys\n"
        "from tests.training.runs import eagerly\n"
        "from tuning import search\n"
        f"{spoil or ''}\n"
        "with eagerly():\n"
        "    sys.exit(search.main(sys.argv[1:]))\n"
    )
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def trials(output):
    """Statuses of keras-tuner's trials by id."""
    paths = sorted((pathlib.Path(output) / "tuner").glob("trial_*/trial.json"))
    contents = [json.loads(path.read_text()) for path in paths]
    return {content["trial_id"]: content["status"] for content in contents}


def history(output, trial, seed=0):
    """Losses of each epoch of one execution."""
    path = pathlib.Path(output) / "runs" / trial / f"seed{seed}" / "history.json"
    return [epoch["val_loss"] for epoch in json.loads(path.read_text())]
