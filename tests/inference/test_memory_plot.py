import numpy as np
import pytest

from dmn_keras.inference.memory_plot import plot_memory

RECORD = {
    "inputs": np.zeros((2, 5, 3)),
    "read_weights": np.full((2, 5, 2, 4), 0.25),
    "usage": np.zeros((2, 5, 4)),
    "entries": np.zeros((2, 5, 1, 6, 2)),
    "outputs": np.zeros((2, 5, 3)),
}


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved."""
    from matplotlib.figure import Figure

    saved, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (saved.append(figure), save(figure, *a, **k)))
    return saved


def panels(figure):
    """Title -> values (n, time)."""
    return {axes.get_title(loc="left"): axes.images[0].get_array() for axes in figure.axes if axes.images}


def test_every_head_has_a_panel_over_time(figures, tmp_path):
    plot_memory(RECORD, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").stat().st_size > 0
    assert {title: values.shape for title, values in panels(figures[0]).items()} == {
        "inputs": (3, 5),
        "read weights 1": (4, 5),
        "read weights 2": (4, 5),
        "usage": (4, 5),
        "entries": (6, 5),
        "outputs": (3, 5),
    }


def test_names_and_row_choose_what_is_drawn(figures, tmp_path):
    usage = np.arange(40.0).reshape(2, 5, 4)
    plot_memory({**RECORD, "usage": usage}, tmp_path / "memory.svg", row=1, names=["usage"])
    ((title, values),) = panels(figures[0]).items()
    assert title == "usage"
    np.testing.assert_array_equal(values, usage[1].T)


def test_what_the_record_has_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^names must be one of inputs, read_weights, .* Received: 'usages'"):
        plot_memory(RECORD, tmp_path / "memory.png", names=["usages"])
    with pytest.raises(ValueError, match=r"^row must be at least 0 and below 2\. Received: row=2$"):
        plot_memory(RECORD, tmp_path / "memory.png", row=2)
    assert not list(tmp_path.iterdir())
