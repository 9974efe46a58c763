"""What a measurement is written down with: machine, versions, command; and how it is read back as tables."""

import json
import os
import pathlib
import platform
import shlex
import sys
import time


def machine():
    """Describe the machine: CPU model, its cores, and those this process may use."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model():
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def command(module, arguments=None):
    """Return the command line of this measurement, as typed in the checkout.

    `DIR` stands for where data lies; of other paths that begin at the root, the last part alone is told.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for i, word in enumerate(words):
        if i and words[i - 1] == "--data-dir":
            words[i] = "DIR"
        elif word.startswith("/"):
            words[i] = pathlib.PurePosixPath(word).name
    return shlex.join(["python", "-m", f"benchmarks.{module}", *words])


def about(module, arguments=None):
    """Return what every measurement begins with: its command, the machine and the versions."""
    from dmn_keras.training.evaluation import versions  # imports Keras, whose backend the caller chooses

    return {"command": command(module, arguments), "machine": machine(), "versions": versions()}


def write(path, content):
    """Write a measurement as JSON, making its folder where needed."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def cpu_seconds(pid):
    """Return the CPU seconds that a running process has used, `None` where the system does not tell."""
    stat = pathlib.Path("/proc", str(pid), "stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def milliseconds(call, count):
    """Return the sorted times of `count` calls, after some to warm up."""
    for _ in range(max(count // 20, 3)):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)


def markdown(header, rows):
    """Lay rows of cells out as a Markdown table, the first column left, the others right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
