"""The package uses public names of other packages alone, but for a few of Keras'."""

import ast
import importlib
import inspect
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("dmn_keras", "tuning") for path in (ROOT / folder).rglob("*.py") if path.name != "__main__.py"
)
OWN = ("dmn_keras", "tuning")

# Names that begin with an underscore and are public by the documentation of their package.
PUBLIC = {"_asdict", "_replace", "_exit"}  # of collections.namedtuple and os

# Private modules and names that are used, each with its reason. Seen in Keras 3.15.1 and TensorFlow 2.21.0.
MODULES = {
    # `keras.saving` sets a flag there while it writes HDF5, from which this model could not be loaded.
    "keras.src.backend.common.global_state",
    # The gradients of `tf.custom_gradient` stay in its registry, and with them each trained model (tensorflow#97697).
    "tensorflow.python.framework.ops",
}
ATTRIBUTES = {
    "_gradient_function",  # where TensorFlow looks for a gradient before it looks into the registry
    "_expected_batch_size",  # that of a stateful `keras.layers.RNN`, which no public name holds
}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def defined_names(tree):
    """Yield the names that a module gives to functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def imported_modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.fixture(scope="module")
def trees():
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def test_private_modules_and_names_of_other_packages_are_imported_for_a_reason(trees):
    found = {
        name
        for tree in trees.values()
        for name in imported_modules(tree)
        if name.partition(".")[0] not in OWN
        and (any(map(is_private, name.split("."))) or name.startswith(("keras.src.", "tensorflow.python.")))
    }
    assert found == MODULES


def test_every_private_attribute_is_defined_here(trees):
    own = {name for tree in trees.values() for name in defined_names(tree)}
    found = {
        node.attr: f"{path}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own | PUBLIC
    }
    assert found.keys() == ATTRIBUTES, found


def test_no_class_overrides_a_private_name_of_another_package():
    found = set()
    for path in SOURCES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for _, value in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if value.__module__ == name:
                found |= {f"{name}.{value.__qualname__}.{member}" for member in private_overrides(value)}
    assert not found


def private_overrides(own_class):
    """Yield the private names of a class that its bases from elsewhere have too, but for their abstract methods."""
    for base in own_class.__mro__[1:]:
        if base.__module__.partition(".")[0] in (*OWN, "builtins"):
            continue
        for name in vars(own_class).keys() & vars(base).keys():
            if is_private(name) and name != "_abc_impl" and name not in getattr(base, "__abstractmethods__", ()):
                yield name
