"""The package's metadata, and what importing it needs."""

import ast
import importlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

import dmn_keras
from tests.training.runs import own_data

ROOT = pathlib.Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEPENDENCIES = [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]


def test_version_has_one_source():
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    module, _, name = PYPROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    assert getattr(importlib.import_module(module), name) == dmn_keras.__version__
    for file in ("pyproject.toml", "setup.py", "dmn_keras/__init__.py"):
        assert f'"{dmn_keras.__version__}"' not in (ROOT / file).read_text(encoding="utf-8")


def test_setup_py_names_packages_alone():
    call = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body[-1].value
    assert ast.unparse(call.func) == "setup"
    assert [keyword.arg for keyword in call.keywords] == ["packages", "package_dir", "package_data"]


def test_extras():
    assert {"gpu", "tuning", "jax", "torch", "test", "dev"} <= set(EXTRAS)


@pytest.mark.parametrize("line", DEPENDENCIES)
def test_dependency_has_a_lower_and_an_upper_bound(line):
    requirement = Requirement(line)
    if requirement.name == PROJECT["name"]:
        assert requirement.extras <= set(EXTRAS)  # an extra that includes another one
    else:
        assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}


def test_pythons_are_named_alike():
    named = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line}
    assert named == {"3.11", "3.12", "3.13"}
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


def test_command_is_a_function_of_the_package():
    module, _, function = PROJECT["scripts"]["dmn-keras"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_folder_with_code_is_a_package_of_the_wheel():
    folders = {path.parent for path in (ROOT / "dmn_keras").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


WITHOUT_TENSORFLOW = """
import sys

for name in ("tensorflow", "tensorflow_datasets"):
    sys.modules[name] = None  # an import of it raises ImportError

import numpy as np
import dmn_keras
from dmn_keras.training import fit, evaluation

model = dmn_keras.models.dmn(vocabulary_size=9, units=4)
story, question = np.ones((2, 3, 4), "int32"), np.ones((2, 3), "int32")
print(model.predict({"story": story, "question": question}, verbose=0)["answer"].shape)
"""


def test_jax_needs_no_tensorflow():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the jax backend is not installed")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.strip().endswith("(2, 9)")


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


def test_a_trained_run_is_evaluated_and_asked_by_commands_of_their_own(tmp_path):
    own_data(tmp_path / "data")
    (tmp_path / "story.txt").write_text("Mary went to the kitchen.")
    where = ["--dataset", "jsonl", "--data-dir", "data"]
    sizes = ["--epochs", "1", "--set", "units=4", "--set", "num_passes=1", "--verbose", "0"]
    run_module("dmn_keras", "train", *where, *sizes, "--output", "run", cwd=tmp_path)
    assert "all" in run_module("dmn_keras", "evaluate", "run", *where, cwd=tmp_path)
    question = ["--story", "story.txt", "--question", "Where is Mary?"]
    assert "pass 1" in run_module("dmn_keras", "ask", "run", *question, cwd=tmp_path)


def test_importing_registers_the_layers_whatever_program_does_it(tmp_path):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("import dmn_keras")
    asked = "import keras; print(keras.saving.get_registered_object('dmn_keras>EpisodicMemory').__name__)"
    (tmp_path / "program" / "start.py").write_text(asked)
    assert run_module("program.start", cwd=tmp_path).split()[-1] == "EpisodicMemory"
