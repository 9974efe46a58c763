"""The time of a search: counted over all its sessions, kept across kills, and the signal to stop."""

import re
import threading
import time
import uuid

from dmn_keras.utils.files import read_json, write_json

INTERVAL = 1.0
"""Seconds between two writings of the time; a kill loses no more than this."""


class OutOfTimeError(BaseException):
    """The time of the search is up. No `Exception`: keras-tuner would take it for a failed trial."""


class Clock:
    """Wall-clock time that a search has used, written to a file every second while it runs.

    Args:
        path: The file.
        budget: Seconds that the search may take in all; `None` for no limit.
        already: Seconds that the process has run before.
    """

    def __init__(self, path, budget, *, already=0.0):
        self.path = path
        self.budget = budget
        self.session = uuid.uuid4().hex
        self._before = _used(path)
        self._start = time.monotonic() - already
        self._stop = threading.Event()
        self._thread = None
        self._beats = 0

    def used(self):
        """Return the seconds used so far, those of earlier sessions included."""
        return self._before + time.monotonic() - self._start

    def left(self):
        """Return the seconds that are left."""
        return float("inf") if self.budget is None else self.budget - self.used()

    def check(self, ahead=0.0):
        """Raise if the time is up, or will be in `ahead` seconds.

        Raises:
            OutOfTimeError: If it is.
        """
        if self.left() <= ahead:
            raise OutOfTimeError

    def refuse_second(self, wait=3 * INTERVAL):
        """Raise if another process keeps this time: watches the file of one that did not end by itself.

        Raises:
            RuntimeError: If so.
        """
        if not self.path.exists() or not read_json(self.path).get("running"):
            return
        before, end = read_json(self.path), time.monotonic() + wait
        while time.monotonic() < end:
            time.sleep(INTERVAL / 5)
            if read_json(self.path) != before:
                raise RuntimeError(
                    f"{self.path.parent} is in use: another search runs there. Wait for its end, stop it, or choose "
                    "another --output."
                )

    def start(self):
        """Begin to write the time."""
        self._write(running=True)
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def stop(self):
        """Write the time for the last time; what comes after is not counted."""
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._thread = None
        self._write(running=False)
        self._before, self._start = self.used(), time.monotonic()

    def _keep(self):
        while not self._stop.wait(INTERVAL):
            self._write(running=True)

    def _write(self, *, running):
        self._beats += 1
        left = None if self.budget is None else round(self.left(), 3)
        content = {"used": round(self.used(), 3), "left": left, "session": self.session, "beat": self._beats}
        write_json(self.path, {**content, "running": running})


def _used(path):
    """Return the seconds that a file of this module names."""
    if not path.exists():
        return 0.0
    try:
        return float(read_json(path)["used"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged: {error.__cause__ or error}. The trials are whole. Remove it: the time is then counted "
            "from 0."
        ) from error


_UNITS = {"s": 1, "m": 60, "h": 3600}


def parse_time(argument, text):
    """Read a time such as `90s`, `60m` or `1.5h`.

    Args:
        argument: Name of the argument, for the message.
        text: The text.

    Returns:
        Seconds, above 0.

    Raises:
        ValueError: If it is no such time, or not above 0.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)([smh])", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise ValueError(
            f"{argument} must be a time above 0 in seconds, minutes or hours: 90s, 60m, 2h. Received: {text!r}"
        )
    return seconds


def show_time(seconds):
    """Return seconds as text: `90 s`, `12.5 min`."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
