"""The package's metadata, and what importing it needs."""

import importlib
import os
import pathlib
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.training.runs import own_data

ROOT = pathlib.Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]


@pytest.mark.parametrize("line", DEPENDENCIES)
def test_dependency_has_a_lower_and_an_upper_bound(line):
    requirement = Requirement(line)
    if requirement.name == PROJECT["name"]:
        assert requirement.extras <= set(EXTRAS)  # an extra that includes another one
    else:
        assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}


def test_command_is_a_function_of_the_package():
    module, _, function = PROJECT["scripts"]["dmn-keras"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_folder_with_code_is_a_package_of_the_wheel():
    folders = {path.parent for path in (ROOT / "dmn_keras").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def run_module(*arguments, cwd=None):
    """Run `python -m` as a user does; what a command prints is no log of TensorFlow's."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(cwd or ROOT)]),
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",  # which hides less by itself than the command does
    }
    command = [sys.executable, "-m", *arguments]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "dmn_keras" not in arguments or all(line.startswith("warning: ") for line in result.stderr.splitlines())
    return result.stdout


def test_a_command_without_tensorflow_names_another_backend(tmp_path):
    (tmp_path / "story.txt").write_text("Mary went to the kitchen.")
    code = "import sys; sys.modules['tensorflow'] = None; sys.orig_argv = sys.argv = ['dmn-keras']\n"
    code += "from dmn_keras.cli import main; sys.exit(main(['ask', '--story', 'story.txt', '--question', 'Where?']))"
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "KERAS_BACKEND=jax" in result.stderr


def test_help_does_not_wait_for_keras():
    code = "import sys, runpy; sys.argv = ['-m', '--help']; sys.orig_argv = ['python', '-m', 'dmn_keras', '--help']\n"
    code += "try: runpy.run_module('dmn_keras', run_name='__main__', alter_sys=True)\n"
    code += "except SystemExit: print(sorted({'keras', 'numpy', 'tensorflow'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "train" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_trained_run_is_asked_by_a_command_of_its_own(tmp_path):
    own_data(tmp_path / "data")
    (tmp_path / "story.txt").write_text("Mary went to the kitchen.")
    where = ["--dataset", "jsonl", "--data-dir", "data"]
    sizes = ["--epochs", "1", "--set", "units=4", "--set", "num_passes=1", "--verbose", "0"]
    run_module("dmn_keras", "train", *where, *sizes, "--output", "run", cwd=tmp_path)
    question = ["--story", "story.txt", "--question", "Where is Mary?"]
    assert "pass 1" in run_module("dmn_keras", "ask", "run", *question, cwd=tmp_path)


def test_importing_registers_the_layers_whatever_program_does_it(tmp_path):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("import dmn_keras")
    asked = "import keras; print(keras.saving.get_registered_object('dmn_keras>EpisodicMemory').__name__)"
    (tmp_path / "program" / "start.py").write_text(asked)
    assert run_module("program.start", cwd=tmp_path).split()[-1] == "EpisodicMemory"
