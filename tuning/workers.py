"""Several workers: keras-tuner's chief hands out the trials, its workers train them.

The chief is the process that was given `--workers N`, or, on several machines, the one whose `KERASTUNER_TUNER_ID`
holds "chief". Chief and workers share the search's folder.
"""

import _thread
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

from dmn_keras.utils.files import read_json, write_json

LOST_AFTER = 10.0
"""Seconds without the chief after which a worker stops."""

GRACE = 60.0
"""Seconds after the end of the time, or after the last trial, that workers have to end by themselves."""

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


class ChiefLostError(RuntimeError):
    """A worker has lost the chief."""


def role():
    """Return what this process is by keras-tuner's environment variables: `None`, `"chief"` or `"worker"`.

    Raises:
        ValueError: If some of the variables are set and others are not.
    """
    given = [name for name in VARIABLES if os.environ.get(name)]
    if not given:
        return None
    if len(given) < len(VARIABLES):
        missing = ", ".join(name for name in VARIABLES if name not in given)
        raise ValueError(f"{', '.join(given)} set without {missing}: a search on several machines needs all of them.")
    return "chief" if "chief" in os.environ[VARIABLES[0]] else "worker"


def address():
    """Return the chief's address and port."""
    return os.environ[VARIABLES[1]], int(os.environ[VARIABLES[2]])


def answers(wait=2.0):
    """Return whether something listens at the chief's address."""
    try:
        socket.create_connection(address(), timeout=wait).close()
    except OSError:
        return False
    return True


def become_chief(port=None):
    """Set keras-tuner's variables so that this process is the chief of workers on this machine."""
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    os.environ.update(zip(VARIABLES, ("chief", "127.0.0.1", str(port)), strict=True))


def start_workers(count, arguments, folder):
    """Start worker processes of the same command on this machine.

    Args:
        count: How many.
        arguments: The command's arguments, without `--workers`.
        folder: The `SearchFolder`; what they print goes to `workers/workerN.log`.

    Returns:
        Dict of tuner id to `subprocess.Popen`.
    """
    folder.workers.mkdir(parents=True, exist_ok=True)
    started = {}
    for number in range(count):
        tuner_id = f"worker{number}"
        environment = {**os.environ, VARIABLES[0]: tuner_id}
        root = str(pathlib.Path(__file__).parents[1])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
        with open(folder.workers / f"{tuner_id}.log", "ab") as log:
            command = [sys.executable, "-u", "-m", "tuning.search", *arguments]
            started[tuner_id] = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    return started


class Chief:
    """Serves the trials to the workers until they have ended.

    Args:
        tuner: The `SearchTuner`, made under keras-tuner's variables for a chief.
        folder: The `SearchFolder`.
        clock: The `Clock`, started.
        processes: What `start_workers` returned; empty where workers are started elsewhere.
        say: Function that takes a line to tell the user.
    """

    def __init__(self, tuner, folder, clock, processes, say=print):
        self.tuner = tuner
        self.folder = folder
        self.clock = clock
        self.processes = dict(processes)
        self._local = bool(processes)
        self.say = say
        self.failed = []
        self._seen = {}
        self._error = None

    def serve(self):
        """Serve until the workers have ended, or the time is up and those that have not are late.

        Raises:
            RuntimeError: If the address is taken.
        """
        if answers(0.5):
            raise RuntimeError(f"{':'.join(map(str, address()))} is taken: set {VARIABLES[2]} to a free port.")
        server = threading.Thread(target=self._search, daemon=True)
        server.start()
        late = None
        try:
            while self._error is None:
                time.sleep(0.3)
                self._release_dead()
                if not self._expected():
                    return
                if self.clock.left() <= 0:
                    late = late or time.monotonic()
                if late and time.monotonic() - late > GRACE:
                    return
            raise RuntimeError(f"The chief could not serve: {self._error}")
        finally:
            self._end_processes()

    def _search(self):
        try:
            self.tuner.search(verbose=0)  # keras-tuner's chief: blocks, and serves in threads of its own
        except Exception as error:
            self._error = error

    def _release_dead(self):
        """Give back the trials of workers that died."""
        for tuner_id, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            del self.processes[tuner_id]
            (self.folder.workers / f"{tuner_id}.json").unlink(missing_ok=True)
            if process.returncode != 0 and not self.tuner.oracle.exhausted:
                self.failed.append(tuner_id)
                log = self.folder.workers / f"{tuner_id}.log"
                self.say(f"{tuner_id} ended with status {process.returncode}, see {log}")
            self._release(tuner_id)
        for tuner_id in gone(self.folder, self._seen):
            self.say(f"{tuner_id} has not been heard of for {LOST_AFTER:.0f} s")
            self._release(tuner_id)

    def _release(self, tuner_id):
        trial = self.tuner.oracle.release(tuner_id)
        if trial is not None:
            self.say(f"Trial {trial} goes back to be taken up again")

    def _expected(self):
        """Return whether a worker may still report: on several machines they come and go while there is time."""
        if self.processes or present(self.folder):
            return True
        return not self._local and self.clock.left() > 0 and not self.tuner.oracle.exhausted

    def _end_processes(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Worker:
    """What a worker tells the others, and how it notices that the chief is gone.

    A thread writes that the worker lives, every second, and looks for the chief. Without it for `LOST_AFTER` seconds,
    or with another one in its place, the worker's main thread is interrupted, wherever it waits.

    Args:
        folder: The `SearchFolder`.
        say: Function that takes a line to tell the user.
    """

    def __init__(self, folder, say=print):
        self.folder = folder
        self.say = say
        self.tuner_id = os.environ[VARIABLES[0]]
        self.lost = None
        self._path = folder.workers / f"{self.tuner_id}.json"
        self._stop = threading.Event()
        self._clock = None

    def wait_for_chief(self, wait):
        """Wait until the chief answers and its clock runs.

        Args:
            wait: Most seconds to wait.

        Returns:
            Seconds that are left of the search's time; infinity without a limit.

        Raises:
            ChiefLostError: If it does not.
        """
        end = time.monotonic() + wait
        first = None
        while time.monotonic() < end:
            clock = _read(self.folder.clock)
            if clock and clock.get("running") and answers():
                first = first or clock
                if clock["session"] == first["session"] and clock["beat"] != first["beat"]:
                    self._clock = clock
                    return float("inf") if clock["left"] is None else clock["left"]
                if clock["session"] != first["session"]:
                    first = clock
            time.sleep(0.3)
        raise ChiefLostError(
            f"There is no chief at {':'.join(map(str, address()))} for the search in {self.folder.path}. "
            "Start it first, with the same arguments, address and folder."
        )

    def start(self):
        """Begin to tell, and to look for the chief."""
        threading.Thread(target=self._watch, daemon=True).start()

    def stop(self):
        """End it."""
        self._stop.set()
        self._path.unlink(missing_ok=True)

    def _watch(self):
        last = time.monotonic()
        beat = 0
        while not self._stop.is_set():
            beat += 1
            write_json(self._path, {"session": self._clock["session"], "pid": os.getpid(), "beat": beat})
            session = (_read(self.folder.clock) or self._clock)["session"]
            if session != self._clock["session"]:
                self._interrupt(self.without_chief("another chief has taken the place of its own"))
                return
            if answers():
                last = time.monotonic()
            elif time.monotonic() - last > LOST_AFTER:
                self._interrupt(self.without_chief())
                return
            self._stop.wait(1.0)

    def without_chief(self, what=None):
        """Return the message of a worker that cannot go on, by default because the chief has gone."""
        what = what or f"the chief at {':'.join(map(str, address()))} has gone"
        return (
            f"{self.tuner_id}: {what}. Trials that were done stay, the running one goes on from its last epoch: "
            "give the chief's command again, then the workers'."
        )

    def _interrupt(self, message):
        if self._stop.is_set():
            return
        self.lost = message
        _thread.interrupt_main()
        if not self._stop.wait(GRACE):  # somewhere that cannot be interrupted
            print(self.lost, file=sys.stderr, flush=True)
            os._exit(1)


def present(folder):
    """Return the ids of the workers that say they live."""
    return [path.stem for path in folder.workers.glob("*.json")]


def gone(folder, seen):
    """Return the workers that have not written for a while, and forget them.

    Args:
        folder: The `SearchFolder`.
        seen: Dict that this function keeps: what each wrote last, and when that was noticed.
    """
    dead = []
    for tuner_id in present(folder):
        path = folder.workers / f"{tuner_id}.json"
        content = _read(path)
        if tuner_id not in seen or seen[tuner_id][0] != content:
            seen[tuner_id] = content, time.monotonic()
        elif time.monotonic() - seen[tuner_id][1] > LOST_AFTER:
            path.unlink(missing_ok=True)
            del seen[tuner_id]
            dead.append(tuner_id)
    return dead


def wait_for_old_workers(folder, say=print):
    """Wait until the workers of an earlier session have ended: two must not train in one run folder.

    Args:
        folder: The `SearchFolder`.
        say: Function that takes a line to tell the user.
    """
    seen = {}
    if present(folder):
        say("Waiting for the workers of the last session to end")
    while present(folder):
        gone(folder, seen)
        time.sleep(0.3)


def _read(path):
    """Read a JSON file that another machine may be replacing; `None` if it cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError, json.JSONDecodeError):
        return None
