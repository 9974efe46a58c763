"""Runs in mixed precision: float32 where it matters, and as good as any other run afterwards."""

import keras
import numpy as np
import pytest

from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.training.callbacks import ResumableBackup
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import train
from tests.training.runs import eagerly, history, own_data, tensorflow_only, tiny, tiny_task, without_tracing

POLICIES = ("mixed_bfloat16", "mixed_float16")
STORY, QUESTION = "Mary park. John home. Bill office.", "Where is John?"
pytestmark = [tensorflow_only, without_tracing]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder of runs of two epochs, one a policy; without dropout, whose masks differ with the precision."""
    folder = tmp_path_factory.mktemp("mixed")
    source = own_data(folder / "data")
    with eagerly():
        for policy in ("float32", *POLICIES):
            settings = {"dtype": policy, "epochs": 2, "supervise_gates": True, "episode": "gated_gru", "dropout": 0.0}
            train(source, tiny(**settings), folder / policy, verbose=0)
    return folder


@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_is_close_to_that_of_float32(runs, policy):
    one, other = (QuestionAnswerer.from_preset(runs / name).ask(STORY, QUESTION) for name in ("float32", policy))
    assert other.probability == pytest.approx(one.probability, rel=0.05)
    # A step of float16 may have been left out: of four steps that is a good part.
    tolerance = {"mixed_bfloat16": 0.02, "mixed_float16": 0.05}[policy]
    for a, b in zip(history(runs / "float32"), history(runs / policy), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=tolerance)
        assert b["val_loss"] == pytest.approx(a["val_loss"], rel=tolerance)


@pytest.mark.parametrize("policy", POLICIES)
def test_weights_gates_and_logits_stay_in_float32(runs, policy):
    task = RunFolder(runs / policy).load()
    model = task.network
    assert task.config.trainer.dtype == policy
    assert keras.config.dtype_policy().name == "float32"
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert model.get_layer("episodic_memory").compute_dtype == policy.removeprefix("mixed_")
    story = np.array([[[4, 5], [6, 7], [0, 0]], [[4, 0], [0, 0], [0, 0]]])
    outputs = model({"story": story, "question": np.array([[4, 5], [6, 0]])})
    assert {keras.backend.standardize_dtype(x.dtype) for x in outputs.values()} == {"float32"}
    gates = keras.ops.convert_to_numpy(outputs["gates"])
    np.testing.assert_allclose(gates.sum(axis=-1), 1.0, atol=1e-6)
    assert (gates[0, :, 2:] == 0).all()
    assert (gates[1, :, 1:] == 0).all()


@pytest.fixture
def model(tmp_path):
    source = own_data(tmp_path / "data")
    model = tiny_task(source.load("train")["all"], dtype="mixed_float16")
    model.optimizer.build(model.trainable_variables)
    return model


def test_the_loss_is_scaled_in_float16_alone(model, tmp_path):
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.optimizer.inner_optimizer.clipnorm == 5.0
    model.optimizer.learning_rate = 0.25
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.25
    source = own_data(tmp_path / "other")
    for dtype in ("float32", "mixed_bfloat16"):
        other = tiny_task(source.load("train")["all"], dtype=dtype)
        assert isinstance(other.optimizer, keras.optimizers.Adam)


@pytest.mark.parametrize("killed", [False, True], ids=["after the backup", "between weights and epoch"])
def test_steps_that_overflowed_do_not_mislead_a_resumed_run(model, tmp_path, killed):
    run = RunFolder(tmp_path / "run")
    backup = ResumableBackup(run, steps_per_epoch=10)
    backup.set_model(model)
    model.optimizer.iterations.assign(7)  # three of ten overflowed
    backup.on_epoch_end(0)
    metadata = run.backup / "training_metadata.json"
    written = metadata.read_text()
    model.optimizer.iterations.assign(16)
    backup.on_epoch_end(1)
    if killed:
        metadata.write_text(written)
    assert ResumableBackup(run, steps_per_epoch=10).restore(model) == 2
    assert int(model.optimizer.iterations) == 16


def test_a_backup_of_before_steps_were_written_is_read(model, tmp_path):
    run = RunFolder(tmp_path / "run")
    backup = ResumableBackup(run, steps_per_epoch=10)
    backup.set_model(model)
    model.optimizer.iterations.assign(20)
    backup.on_epoch_end(1)
    for text in ('{"epoch": 1, "batch": 0}', '{"epo'):
        (run.backup / "training_metadata.json").write_text(text)
        assert ResumableBackup(run, steps_per_epoch=10).restore(model) == 2
