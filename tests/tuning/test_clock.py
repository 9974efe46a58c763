import json
import threading
import time

import pytest

from tuning import clock as clock_module
from tuning.clock import Clock, OutOfTimeError, parse_time, show_time


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(clock_module, "INTERVAL", 0.05)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("60m", 3600), ("1.5h", 5400), (".5s", 0.5)])
def test_times(text, seconds):
    assert parse_time("--budget", text) == seconds


@pytest.mark.parametrize("text", ["0m", "0s", "60", "-5m", "1d", "soon", "m", "", "1.2.3s"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="--budget must be a time above 0 in seconds, minutes or hours: 90s, 60m, 2h"):
        parse_time("--budget", text)


def test_show_time():
    assert [show_time(seconds) for seconds in (5, 119, 600, 5400)] == ["5 s", "119 s", "10.0 min", "90.0 min"]


def test_time_goes_on_after_a_kill(tmp_path):
    path = tmp_path / "clock.json"
    first = Clock(path, 100, already=7)
    first.start()
    time.sleep(0.3)
    written = json.loads(path.read_text())
    assert 7 <= written["used"] <= 7.3
    assert written["running"]
    first._stop.set()  # as a kill does: nothing more is written
    second = Clock(path, 100)
    assert 7.1 < second.used() < 8
    assert second.left() == pytest.approx(100 - second.used(), abs=0.1)
    assert Clock(path, 1000).left() > 990, "a larger budget goes on"


def test_after_stop_nothing_is_counted(tmp_path):
    clock = Clock(tmp_path / "clock.json", 1)
    clock.start()
    clock.stop()
    clock.stop()
    content = json.loads((tmp_path / "clock.json").read_text())
    assert not content["running"]
    assert content["used"] == pytest.approx(clock.used(), abs=0.05)


def test_check_raises_what_no_one_takes_for_a_failed_trial(tmp_path):
    Clock(tmp_path / "clock.json", None).check()
    Clock(tmp_path / "clock.json", 5).check()
    with pytest.raises(OutOfTimeError):
        Clock(tmp_path / "clock.json", 5, already=6).check()
    assert not issubclass(OutOfTimeError, Exception)


def test_a_search_that_runs_is_noticed_and_a_killed_one_is_not(tmp_path):
    path = tmp_path / "clock.json"
    running = Clock(path, 100)
    running.start()
    with pytest.raises(RuntimeError, match="is in use: another search runs there"):
        Clock(path, 100).refuse_second(wait=2)
    running._stop.set()
    running._thread.join()
    Clock(path, 100).refuse_second(wait=0.3)
    assert threading.active_count() < 50


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "clock.json").write_text('{"used": 1')
    with pytest.raises(ValueError, match=r"clock\.json is damaged: .*Remove it: the time is then counted from 0"):
        Clock(tmp_path / "clock.json", 5)
