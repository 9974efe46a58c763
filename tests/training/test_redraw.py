"""Generated training examples that are drawn anew in every epoch of a run, or not."""

import pytest

from dmn_keras.datasets import Source
from dmn_keras.datasets import source as source_module
from dmn_keras.tasks.sequence_transduction import SequenceTransducer
from dmn_keras.training.trainer import train
from tests.training.runs import in_eager_steps, without_tracing

pytestmark = [without_tracing, in_eager_steps]
SETTINGS = {"cell": "lstm", "units": 2, "batch_size": 4, "num_buckets": 1, "epochs": 3, "seed": 5}


@pytest.mark.parametrize(("redraw", "epochs"), [(True, [0, 1, 2]), (False, [0])])
def test_epochs_have_examples_of_their_own(redraw, epochs, tmp_path, monkeypatch):
    seeds, load = [], source_module.load

    def few(dataset, *, split, seed, **options):
        seeds.extend([seed] if split == "train" else [])
        return load(dataset, split=split, seed=seed, num_examples=6, **options)

    monkeypatch.setattr(source_module, "load", few)
    config = SequenceTransducer.default_config.replace(SETTINGS, redraw=redraw)
    source = Source("algorithmic", ("all",), None, "copy,length=1-2,width=2")
    metrics = train(source, config, tmp_path / "run", verbose=0)
    assert seeds == [5 + 2**32 * epoch for epoch in epochs]
    assert metrics["epochs"] == 3
    assert {"exact", "bit_error", "bits_per_sequence"} <= metrics["tasks"]["all"].keys()
