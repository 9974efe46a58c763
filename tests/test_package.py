"""The package's metadata, and what importing it needs."""

import importlib
import inspect
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tomllib

import keras
import pytest
import setuptools
from packaging.requirements import Requirement

from dmn_keras import cli
from dmn_keras.tasks.config import NAMED_SETTINGS
from tests.training.runs import TINY, own_data

ROOT = pathlib.Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]


def dependencies(backend=None):
    """Return what `setup.py` requires, where `DMN_KERAS_BACKEND` names a backend or nothing does."""
    passed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", passed.update)
        patch.delenv("DMN_KERAS_BACKEND", raising=False)
        if backend is not None:
            patch.setenv("DMN_KERAS_BACKEND", backend)
        runpy.run_path(str(ROOT / "setup.py"))
    return passed["install_requires"]


DEPENDENCIES = [*dependencies(), *(line for lines in EXTRAS.values() for line in lines)]


def test_the_core_needs_keras_numpy_a_file_lock_and_one_backend():
    core = {"keras", "numpy", "filelock"}
    for backend in (None, "", "tensorflow", "jax", "torch"):
        names = {Requirement(line).name for line in dependencies(backend)}
        assert names == {*core, backend or "tensorflow"}
    with pytest.raises(SystemExit, match="must be tensorflow, jax or torch"):
        dependencies("theano")


@pytest.mark.parametrize("line", DEPENDENCIES)
def test_dependency_has_a_lower_and_an_upper_bound(line):
    requirement = Requirement(line)
    if requirement.name == PROJECT["name"]:
        assert requirement.extras <= set(EXTRAS)  # an extra that includes another one
    else:
        assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}


@pytest.mark.parametrize("package", ["tensorboard", "matplotlib", "pillow", "tensorflow-datasets", "keras-tuner"])
def test_what_the_core_does_not_need_is_an_extra(package):
    assert package in {Requirement(line).name for lines in EXTRAS.values() for line in lines}


def test_the_extra_all_has_every_feature():
    backends, data, development = (
        {"tensorflow", "gpu", "jax", "torch"},
        {"word-vectors", "easy-vqa"},
        {"test", "docs", "dev"},
    )
    [requirement] = map(Requirement, EXTRAS["all"])
    assert requirement.extras == set(EXTRAS) - backends - data - development - {"all"}


def test_an_option_without_its_extra_names_the_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (tmp_path / "story.txt").write_text("Mary went home.")
    arguments = ["ask", "--story", str(tmp_path / "story.txt"), "--question", "Where?", "--plot", "a.png"]
    assert cli.main(arguments) == 2
    assert "--plot needs Matplotlib: pip install 'dmn_keras[plot]'." in capsys.readouterr().err


API = (ROOT / "docs/api/index.md").read_text(encoding="utf-8")
PUBLIC = ["dmn_keras", *re.findall(r"^ {3}(dmn_keras[.\w]+)$", API, flags=re.MULTILINE)]
"""Modules whose `__all__` is public (`docs/public_api.md`)."""

FUNCTIONS = re.findall(r"^\.\. autofunction:: (dmn_keras[.\w]+)$", API, flags=re.MULTILINE)
"""Public functions of other modules."""

KERAS_PROTOCOL = {
    "build",
    "call",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "get_config",
    "get_initial_state",
    "on_epoch_end",
}
"""Methods that Keras calls on layers, losses, metrics and callbacks: its documentation says with what."""


@pytest.mark.parametrize("module", PUBLIC)
def test_arguments_and_results_of_public_names_have_type_hints(module):
    module = importlib.import_module(module)
    public = [getattr(module, name) for name in module.__all__]
    own = [value for value in public if callable(value) and getattr(value, "__module__", "").startswith("dmn_keras")]
    functions = [function for value in own for function in _functions(value)]
    assert {function.__qualname__: bare for function in functions if (bare := _without_hints(function))} == {}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_and_results_of_single_public_functions_have_type_hints(name):
    module, _, function = name.rpartition(".")
    assert _without_hints(getattr(importlib.import_module(module), function)) == set()


def _functions(value):
    """Yield a function itself; of a class those of its own and inherited public methods that the package defines."""
    if not inspect.isclass(value):
        yield value
        return
    keras_classes = (keras.Layer, keras.Loss, keras.Metric, keras.callbacks.Callback)
    excepted = KERAS_PROTOCOL if issubclass(value, keras_classes) else set()
    for base in value.__mro__:
        if base.__module__.startswith("dmn_keras"):
            for name, member in vars(base).items():
                wrapped = (getattr(member, attribute, None) for attribute in ("fget", "func", "__func__"))
                function = next(filter(None, wrapped), member)  # of a property or a class method
                is_public = name == "__init__" or not name.startswith("_")
                if inspect.isfunction(function) and is_public and name not in excepted:
                    yield function


def _without_hints(function):
    """Return which arguments of a function lack a type hint, `"return"` among them."""
    named = {*inspect.signature(function).parameters, "return"} - {"self", "cls"}
    if function.__name__ == "__init__":
        named.remove("return")
    return named - inspect.get_annotations(function).keys()


def test_the_wheel_says_that_it_is_typed():
    assert (ROOT / "dmn_keras/py.typed").exists()
    assert '"py.typed"' in (ROOT / "setup.py").read_text(encoding="utf-8")


def test_the_version_is_that_of_the_changelog_and_of_the_citation():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, date = re.search(r"^## (\S+) - (\S+)$", changes, flags=re.MULTILINE).groups()
    assert version == importlib.import_module("dmn_keras").__version__
    assert f'\nversion: {version}\ndate-released: "{date}"\n' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


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
    sizes = [f"--set={name}={value}" for name, value in {**NAMED_SETTINGS["_plain"], **TINY, "epochs": 1}.items()]
    run_module("dmn_keras", "train", *where, *sizes, "--verbose", "0", "--output", "run", cwd=tmp_path)
    question = ["--story", "story.txt", "--question", "Where is Mary?"]
    assert "pass 1" in run_module("dmn_keras", "ask", "run", *question, cwd=tmp_path)


def test_importing_registers_the_layers_whatever_program_does_it(tmp_path):
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__init__.py").write_text("import dmn_keras")
    asked = "import keras; print(keras.saving.get_registered_object('dmn_keras>EpisodicMemory').__name__)"
    (tmp_path / "program" / "start.py").write_text(asked)
    assert run_module("program.start", cwd=tmp_path).split()[-1] == "EpisodicMemory"
