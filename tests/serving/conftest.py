"""What the tests of serving share: models that are exported once."""

import functools

import pytest


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """A function of the name of a kind of model that returns its task and the path of its SavedModel."""
    from tests.serving.exported import exported

    return functools.cache(functools.partial(exported, tmp_path_factory.mktemp("exports")))


@pytest.fixture(scope="session")
def plain(exports):
    """The task of the smallest model, to export in many ways."""
    return exports("one-word")[0]
