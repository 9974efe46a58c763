"""The examples in docstrings run, and print what they show."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest

import dmn_keras
from dmn_keras.datasets import registry

NAMES = {"dmn_keras": dmn_keras, "keras": keras, "np": np}
"""What an example may use without an import, besides the names of the package that its module has."""

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def docstrings():
    """Return the docstrings with examples, of all modules."""
    names = [module.name for module in pkgutil.walk_packages(dmn_keras.__path__, "dmn_keras.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith(".__main__")]
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for module in modules for test in finder.find(module, globs=own_names(module) | NAMES)]
    return [test for test in found if test.examples]


def own_names(module):
    """Return the classes and functions of the package by their names in a module."""
    return {n: v for n, v in vars(module).items() if str(getattr(v, "__module__", "")).startswith("dmn_keras.")}


@pytest.mark.slow
@pytest.mark.parametrize("test", docstrings(), ids=lambda test: test.name)
def test_examples_run(test, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "DATASETS", dict(registry.DATASETS))  # an example registers one
    keras.utils.set_random_seed(0)
    report = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert not report, "".join(report)
