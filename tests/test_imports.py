"""Dependencies point one way, and TensorFlow is needed only where it is the point."""

import ast
import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "dmn_keras"
PACKAGES = ("utils", "text", "layers", "models", "tasks", "inference", "training", "long_context", "serving", "cli")
"""The packages within `dmn_keras`, each of which may import those before it, and what all may import."""
FREE = {"_version", "errors", "gpu", "losses", "metrics"}
MAY_IMPORT = {package: FREE | set(PACKAGES[:number]) for number, package in enumerate(PACKAGES)}
MAY_IMPORT |= {"datasets": {"errors", "utils", "text", "_version"}, "losses": {"errors", "layers"}}
MAY_IMPORT |= {"metrics": {"errors", "losses"}, "errors": set(), "gpu": {"errors"}, "_version": set()}
for package in PACKAGES[PACKAGES.index("tasks") :]:
    MAY_IMPORT[package] |= {"datasets"}
"""Package -> the others that it may import; `tuning` may import all."""

TENSORFLOW_IS_THE_POINT = {
    "dmn_keras/datasets/babi/babi_qa.py",
    "dmn_keras/serving/image_ops.py",
    "dmn_keras/serving/image_question_inputs.py",
    "dmn_keras/serving/raw_inputs.py",
    "dmn_keras/serving/served.py",
    "dmn_keras/serving/text_ops.py",
    "dmn_keras/serving/word_inputs.py",
    "dmn_keras/serving/word_ops.py",
}
"""Files that may import TensorFlow, or TFDS, at module level."""

INSIDE_METHODS = {"dmn_keras/tasks/task.py": {"serving"}}
"""Files with a method that imports a package which builds on theirs: `Task.export`."""

CIRCLES = {
    ("dmn_keras.serving.export", "dmn_keras.tasks.task"),  # `Task.export`, as above
}
"""Pairs of modules each of which imports the other, one of them inside a method."""

SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "tuning").rglob("*.py"))


def imported(node):
    """Return the modules an import statement names, as dotted paths."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def parts_imported(path):
    """The parts of the package, and `tuning`, that a file imports, anywhere in it."""
    modules = [m for node in ast.walk(ast.parse(path.read_text())) for m in imported(node)]
    return {m.split(".")[1] for m in modules if m.startswith("dmn_keras.")} | {
        "tuning" for m in modules if m.split(".")[0] == "tuning"
    }


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_two_modules_import_each_other():
    paths = {module_name(path): path for path in SOURCES}

    def module_of(name):  # the module itself, or the one that defines a name
        return name if name in paths else name.rpartition(".")[0]

    imports = {
        name: {module_of(m) for node in ast.walk(ast.parse(path.read_text())) for m in imported(node)}
        for name, path in paths.items()
    }
    pairs = {(one, other) for one in paths for other in imports[one] & paths.keys() if one in imports[other]}
    assert {tuple(sorted(pair)) for pair in pairs} == CIRCLES


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_part_has_its_place():
    parts = {part_of(path) for path in PACKAGE.rglob("*.py")}
    assert parts - {"__init__", "__main__"} == set(MAY_IMPORT)
    assert {"layers", "models", "datasets", "text"} <= parts


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_dependencies_point_one_way(part):
    for path in PACKAGE.rglob("*.py"):
        if part_of(path) == part:
            name = path.relative_to(ROOT).as_posix()
            assert parts_imported(path) - {part} - MAY_IMPORT[part] == INSIDE_METHODS.get(name, set()), name


@pytest.mark.parametrize("name", INSIDE_METHODS)
def test_a_method_alone_imports_what_builds_on_it(name):
    parts = {module.split(".")[1] for module in at_import_time(ROOT / name) if module.startswith("dmn_keras.")}
    assert not parts & INSIDE_METHODS[name]


def at_import_time(path):
    """The modules a file imports when it is imported: all statements outside of functions."""
    found, waiting = set(), list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            found |= set(imported(node))
            waiting += ast.iter_child_nodes(node)
    return found


def test_tensorflow_is_imported_inside_functions():
    offending = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if {m.split(".")[0] for m in at_import_time(path)} & {"tensorflow", "tensorflow_datasets", "jax", "torch"}
    }
    assert offending <= TENSORFLOW_IS_THE_POINT


def run(code, backend):
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


WITHOUT_TENSORFLOW = """
import importlib.machinery, sys
class Refuse:
    # Libraries may ask whether TensorFlow is there (PyTorch does); only to import it fails.
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_datasets", "tensorboard", "matplotlib", "PIL"):
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        raise ImportError(f"{module.__name__} is made to fail")
sys.meta_path.insert(0, Refuse())
import dmn_keras
model = dmn_keras.models.dmn(9, 4, 1)
print(model.count_params())
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_works_without_tensorflow(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the {backend} backend is not installed")
    result = run(WITHOUT_TENSORFLOW, backend)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0


IMPORT_COST = """
import sys, time
import keras
before, start = set(sys.modules), time.process_time()
import dmn_keras
print(time.process_time() - start, *set(sys.modules) - before)
"""


def test_import_costs_less_than_a_second_beyond_keras():
    result = run(IMPORT_COST, keras.backend.backend())
    assert result.returncode == 0, result.stderr
    seconds, *modules = result.stdout.split()
    assert float(seconds) < 1
    assert not {"tensorflow_datasets", "matplotlib", "keras_tuner", "gradio"} & set(modules)
