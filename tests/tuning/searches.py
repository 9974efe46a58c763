"""What the tests of searches share: tiny searches, with real or with pretended training."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import zlib

import pytest

from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import write_json
from tests.training.runs import TINY, write_stories
from tuning import report
from tuning.hypermodel import DMNHyperModel, training_result

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
    choices = ("units=4,5,6", "dropout=0.0,0.2", "episode=soft_attention")
    return [*words, "--preset", "fused", *(word for choice in choices for word in ("--choices", choice)), *more]


@contextlib.contextmanager
def pretended_training(before_epoch=lambda config, epoch: None):
    """Train nothing: a run's error depends on its settings alone and falls with each epoch.

    Args:
        before_epoch: Function that is called before each epoch, with the `RunConfig` and its number, and may raise.
    """

    def fit(self, hp, model, *, folder, seed=None, epochs=None, callbacks=(), verbose=0):
        config, run = self.config(hp, seed), RunFolder(folder)
        run.create(model, self.source)
        history = run.read_history()
        for epoch in range(len(history), epochs):
            for callback in callbacks:
                callback.on_train_begin()
                callback.on_train_batch_end(0)
            before_epoch(config, epoch)
            error = (zlib.crc32(str(config).encode()) % 1000 / 1000 + 1.0) / (epoch + 2)
            history.append({"val_error": error, "val_loss": error, "seconds": 1.0, "cpu_seconds": 2.0})
            write_json(run.history, history)
        return self.score(training_result(folder, epochs))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DMNHyperModel, "build", lambda self, hp, seed=None: self.task(self.config(hp, seed)))
        patch.setattr(DMNHyperModel, "fit", fit)
        patch.setattr(report, "_model", lambda *_: {"mean_error": 25.0, "parameters": 1})
        yield


def start(words, *, pretended, before="", **environment):
    """Start the search in a process of its own; `before` is code to run first."""
    code = (
        f"import sys, time\n{before}\n"
        "from tests.training.runs import eagerly\n"
        "from tests.tuning.searches import pretended_training\n"
        "from tuning import search\n"
        f"with {pretended or 'eagerly()'}:\n"
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
    contents = [json.loads(path.read_text()) for path in pathlib.Path(output).glob("tuner/trial_*/trial.json")]
    return {content["trial_id"]: content["status"] for content in sorted(contents, key=lambda c: int(c["trial_id"]))}


def history(output, trial, seed=0):
    """Losses of each epoch of one training."""
    path = pathlib.Path(output, "runs", trial, f"seed{seed}", "history.json")
    return [epoch["val_loss"] for epoch in json.loads(path.read_text())]
