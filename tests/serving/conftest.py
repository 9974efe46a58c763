"""What the tests of serving share: models that are exported once."""

import functools

import pytest


@pytest.fixture(scope="session")
def exports(tmp_path_factory):
    """A function of the name of a kind of model that returns its `Answerer` and the path of its SavedModel."""
    from tests.serving.exported import exported

    return functools.cache(functools.partial(exported, tmp_path_factory.mktemp("exports")))


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """The `Answerer` of the smallest model, not calibrated, to export in many ways."""
    from tests.serving.exported import answerer

    return answerer(tmp_path_factory.mktemp("plain"), "one-word")
