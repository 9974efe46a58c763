import pathlib

import pytest

from benchmarks import model_cards
from dmn_keras.datasets.registry import task_names
from dmn_keras.tasks import pretrained
from dmn_keras.tasks.preset import PresetFolder
from dmn_keras.tasks.question_answering import QuestionAnswerer

MODELS = pathlib.Path(__file__).parents[2] / "saved_models"


@pytest.fixture
def package(monkeypatch, tmp_path):
    (tmp_path / "package/tasks").mkdir(parents=True)
    monkeypatch.setattr(pretrained, "__file__", str(tmp_path / "package/tasks/pretrained.py"))
    return tmp_path


def put(folder, name):
    (folder / "saved_models" / name).mkdir(parents=True)
    (folder / "saved_models" / name / "config.json").touch()
    return folder / "saved_models" / name


@pytest.mark.parametrize("where", [".", "package"])
def test_a_model_is_found_in_the_package_and_in_a_checkout(where, package):
    folder = put(package / where, "babi-joint")
    assert pretrained.pretrained_folder().resolve() == folder.resolve()


def test_an_unknown_model_is_refused(package):
    put(package, "babi-joint")
    with pytest.raises(ValueError, match=r"name must be one of babi-joint\. Received: 'babi-jiont'\. Did you mean"):
        pretrained.pretrained_folder("babi-jiont")


def test_an_installation_without_models_says_so(package):
    with pytest.raises(FileNotFoundError, match="holds no trained model: name the folder of a run"):
        pretrained.pretrained_folder()


@pytest.mark.slow
@pytest.mark.parametrize("name", [pretrained.BABI_JOINT, pretrained.BABI_LONG, "babi-closed"])
def test_a_pretrained_folder_is_small_and_its_card_that_of_its_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a folder of that name would come first
    folder = pretrained.pretrained_folder(name)
    assert folder == PresetFolder.find(name).path == PresetFolder.find(f"{name}/").path == MODELS / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6
    assert (folder / "README.md").read_text(encoding="utf-8") == model_cards.card(folder)
    for task in task_names("babi"):
        assert f"\n| {task} | " in model_cards.card(folder)


@pytest.mark.slow
def test_an_open_vocabulary_answers_about_names_and_places_never_seen():
    """Made up, in other languages and scripts, and with the letters of known ones in another order."""
    qa = QuestionAnswerer.from_preset()
    for one, other, place in (
        ("Zork", "Qwyx", "atelier"),
        ("Ярослав", "Олена", "кухня"),
        ("अनीता", "मोहन", "पुस्तकालय"),
        ("İpek", "Oğuz", "kütüphane"),
        ("Ramy", "Honj", "nedarg"),
    ):
        story = [f"{one} got the milk.", f"{one} went to the {place}.", f"{other} went to the kitchen."]
        asked = {"Where is the milk?": place, f"Where is {other}?": "kitchen", f"Where is {one}?": place}
        answers = qa.predict({"story": [story] * len(asked), "question": list(asked)})
        assert [answer.answer for answer in answers] == list(asked.values())


def test_a_folder_comes_before_a_pretrained_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / pretrained.BABI_LONG).mkdir()
    assert PresetFolder.find(pretrained.BABI_LONG).path == pathlib.Path(pretrained.BABI_LONG)
    assert PresetFolder.find().path == MODELS / pretrained.BABI_JOINT
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/config.json").touch()
    assert PresetFolder.find("runs/mine").path == pathlib.Path("runs/mine")


def test_a_run_that_is_not_there_is_refused_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/config.json").touch()
    for name, near in (("runs/mien", "runs/mine"), ("babi-jiont", pretrained.BABI_JOINT)):
        with pytest.raises(FileNotFoundError, match=f"{name} does not exist: .* Did you mean '{near}'"):
            PresetFolder.find(name)
    with pytest.raises(NotADirectoryError, match=r"config\.json is a file: expected a folder"):
        PresetFolder.find("runs/mine/config.json")
