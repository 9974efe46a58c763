"""The files of the model repository are what TF Serving and Compose read."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from dmn_keras import cli

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models"
COMPOSE = (FOLDER / "compose.yaml").read_text(encoding="utf-8")


def model_config(text):
    config = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    text_format = pytest.importorskip("google.protobuf.text_format")
    [model] = text_format.Parse(text, config.ModelServerConfig()).model_config_list.config
    return model


def test_models_are_configured_as_the_server_reads_it():
    model = model_config((FOLDER / "models.config").read_text(encoding="utf-8"))
    assert (FOLDER / model.name / "config.json").exists()
    assert model.base_path == f"/models/{model.name}"
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 2
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}


def test_the_readme_s_commands_roll_out_and_back(tmp_path):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    folder = tmp_path / "saved_models"
    (folder / "babi-joint" / "2").mkdir(parents=True)
    shutil.copy(FOLDER / "models.config", folder)
    labels = []
    for line in re.findall(r"^(sed .*|mv .*)$", readme, flags=re.MULTILINE):
        subprocess.run(["bash", "-ec", line], cwd=tmp_path, check=True)
        labels.append(dict(model_config((folder / "models.config").read_text(encoding="utf-8")).version_labels))
    tried, rolled_out, *_, back = labels
    assert tried == {"stable": 1, "canary": 2}
    assert rolled_out == {"stable": 2, "canary": 2}
    assert back == {"stable": 1, "canary": 1}
    assert [path.name for path in (folder / "babi-joint").iterdir() if path.name.isdigit()] == []


def test_the_readme_s_commands_are_understood():
    commands = re.findall(r"^dmn-keras (.*)$", (FOLDER / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert callable(cli.build_parser().parse_args(shlex.split(command)).run)


def test_the_compose_file_is_one_by_the_published_schema():
    if shutil.which("check-jsonschema") is None:
        pytest.skip("check-jsonschema is not installed")
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run([*command, FOLDER / "compose.yaml"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    broken = subprocess.run([*command, FOLDER / "prometheus.yaml"], capture_output=True, text=True, check=False)
    assert broken.returncode != 0  # the check can fail


def test_containers_have_no_privileges():
    yaml = pytest.importorskip("ruamel.yaml")
    services = yaml.YAML(typ="safe").load(COMPOSE)["services"]
    for service in services.values():
        assert service["user"] == "65534:65534"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(volume["read_only"] for volume in service["volumes"] if volume["type"] == "bind")
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert re.search(r":[v\d.]+(@sha256:[0-9a-f]{64})?}$", service["image"])


def test_the_compose_file_names_files_that_are_there():
    named = re.findall(r"=/models/(\S+)", COMPOSE) + re.findall(r"source: \./(\S+)", COMPOSE)
    assert named
    for name in named:
        assert (FOLDER / name).is_file()
    metrics = re.search(r'path: "(.*)"', (FOLDER / "monitoring.config").read_text(encoding="utf-8"))[1]
    assert f"metrics_path: {metrics}" in (FOLDER / "prometheus.yaml").read_text(encoding="utf-8")


def test_batching_has_the_parameters_that_the_server_knows():
    text = (FOLDER / "batching.config").read_text(encoding="utf-8")
    known = {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"}
    assert dict(re.findall(r"^(\w+) \{ value: (\d+) \}$", text, flags=re.MULTILINE)).keys() == known
