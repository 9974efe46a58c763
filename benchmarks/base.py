"""What the benchmarks share: arguments, the record of a measurement, timing, processes and tables."""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time

FOLDER = pathlib.Path(__file__).parent


def parser(script, description, *, measures=True, backend=False, books=False):
    """Return a parser with the arguments of several scripts.

    Args:
        script: Name of the script, e.g. `"serving"`.
        description: What `--help` prints.
        measures: Whether the script makes a measurement, which it may write.
        backend: Whether the script chooses the Keras backend.
        books: Whether the script reads a run, bAbI and books.
    """
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{script}", description=description)
    if measures:
        made.add_argument("--json", metavar="FILE", help="write the measurement")
    if backend:
        made.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    if books:
        made.add_argument("run", metavar="RUN", help="folder that `dmn-keras train-retriever` wrote, or babi-long")
        made.add_argument("--data-dir", required=True, metavar="DIR", help="archive or folder of bAbI")
        made.add_argument(
            "--books", required=True, metavar="FOLDER", help="folder with train/ and test/, texts in each"
        )
        made.add_argument("--seed", type=int, default=0)
    return made


def record(script, arguments=None):
    """Return how a measurement was made: its command, the machine and the versions.

    In the command `DIR` stands for the folder of the data; of other absolute paths only the name is kept.
    """
    from dmn_keras.inference.evaluation import versions  # imports Keras, whose backend the caller chooses

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for i, argument in enumerate(arguments):
        if i and arguments[i - 1] == "--data-dir":
            arguments[i] = "DIR"
        elif argument.startswith("/"):
            arguments[i] = pathlib.PurePosixPath(argument).name
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    affinity = getattr(os, "sched_getaffinity", lambda pid: range(os.cpu_count()))
    return {
        "command": shlex.join(["python", "-m", f"benchmarks.{script}", *arguments]),
        "machine": {
            "cpu": models[0] if models else platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "cores_used": len(affinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions(),
    }


def report(script, arguments, path, table, measured):
    """Print the table of a measurement, and write it with its `record` as JSON; without a path, write nothing."""
    result = {**record(script, arguments), **measured}
    print(table(result))
    write(path, result)


def read(path):
    """Read a JSON file."""
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def write(path, result):
    """Write a measurement as JSON, atomically, with the folder it lies in; without a path, write nothing."""
    from dmn_keras.utils.files import atomic  # imports Keras, whose backend the caller chooses

    if path:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def results(pattern):
    """Return the measurements whose files match a pattern below `benchmarks/`, in the order of their names.

    Raises:
        FileNotFoundError: If there is none.
    """
    files = sorted(FOLDER.glob(f"{pattern}.json"))
    if not files:
        raise FileNotFoundError(f"There is no file {FOLDER / pattern}.json.")
    return [read(file) for file in files]


def markdown(header, rows):
    """Return a Markdown table, its first column aligned left, the others right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def decimals(values, digits=1):
    """Return numbers as texts, halves rounded up (0.045 is 0.05, though no binary number is) and `None` as a dash."""
    return ["-" if value is None else f"{value + 1e-9:,.{digits}f}" for value in values]


def read_source(folder, data_dir=None):
    """Return the `Source` that a run was trained on, its data in `data_dir` where that is given.

    Args:
        folder: Path of a run, or the name of a pretrained model.
        data_dir: Archive or folder of the data.
    """
    from dmn_keras.training.run_folder import RunFolder

    source = RunFolder.find(folder).source()
    return source if data_dir is None else dataclasses.replace(source, data_dir=data_dir)


def copy_run(run, folder, names):
    """Copy files of a run into a folder; where its data lay on this machine is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(run / name, folder / name)
    config = read(run / "config.json")
    config["source"]["data_dir"] = None
    (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False) + "\n", encoding="utf-8")


def fill(template, *, versions, **fields):
    """Return a text file of this folder with its fields filled in, `versions` being a dict of name to version."""
    versions = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (FOLDER / template).read_text(encoding="utf-8").format(versions=versions, **fields)


def words(text):
    """Return the words and marks of a text in lower case."""
    from dmn_keras.text import tokenize

    return tokenize(text, lowercase=True)


def is_wrong(answer, example):
    """Return whether the text of an answer has other words than the answer of an `Example`."""
    return words(answer) != words(example.answer_text)


def milliseconds(function, count):
    """Return the sorted wall times of `count` calls, after some calls to warm up."""
    for _ in range(max(count // 20, 3)):
        function()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)


def in_process(script, *arguments, **environment):
    """Run a script in a process of its own and return the JSON of the last line that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{script}", *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def memory_mib(name):
    """Return the memory of this process in MiB: `"VmRSS"` is resident now, `"VmHWM"` its peak. Linux only."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, flags=re.MULTILINE)[1]) / 1024


def reset_peak_memory():
    """Let `memory_mib("VmHWM")` of this process start from the memory that it holds now. Linux only."""
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
