"""Ten thousand requests from 32 clients at once, over gRPC and REST: each must have its own answer.

python -m benchmarks.serving_load [--server URL ...] [--model NAME] [--json FILE]
python -m benchmarks.serving_load --table FILE

Without a server, the stand-in of the tests serves the shipped model from a process of its own.
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import queue
import subprocess
import sys
import tempfile
import time

from benchmarks import report

REQUESTS = 10_000
CLIENTS = 32

_SERVER = """
import sys
from tests.serving.server import serving

with serving(sys.argv[1]) as (_, addresses):
    print(*addresses, flush=True)
    sys.stdin.read()
"""


def main(arguments=None):
    """Measure and print, or print the table of what was measured.

    Returns:
        Exit status: 1 if a request was lost or got another one's answer, else 0.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", nargs="+", metavar="URL", help="addresses of a server; the stand-in by default")
    parser.add_argument("--model", default="babi-joint", help="name of the model on the server")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="requests to each address")
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    options = parser.parse_args(arguments)
    if options.table:
        content = json.loads(options.table.read_text(encoding="utf-8"))
    else:
        content = {
            "command": report.command("serving_load", arguments),
            **measure(options.server, options.model, options.requests),
        }
    print(table(content))
    if options.json:
        report.write(options.json, content)
    return int(any(row["lost"] or row["wrong"] for row in content["rows"]))


def measure(addresses, model, requests):
    """Ask every address; the questions come from all tasks, in turn.

    Returns:
        Dict of `"machine"`, `"server"` and `"rows"`, one an address: `"protocol"`, `"requests"`, `"lost"`,
        `"wrong"`, `"requests_a_second"`, `"median_ms"`, `"p99_ms"`, and, of the stand-in, `"memory_mib"`: what its
        process held after a tenth, half and all of the requests.
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.serving import SAMPLES

    answerer = Answerer()
    asked = [("\n".join(example.story), example.question) for example in SAMPLES]
    # Each story ends with the number of its request, which is no known word, whatever it is.
    expected = [answerer.ask(f"{story}\nRequest number 0.", question, beam_width=3).answer for story, question in asked]
    with contextlib.ExitStack() as stack:
        process = None
        if addresses is None:
            process, addresses = stack.enter_context(_stand_in(answerer, model))
        rows = [_ask(address, model, requests, asked, expected, process) for address in addresses]
    return {
        "machine": report.machine(),
        "server": "the tests' stand-in" if process else "its own",
        "rows": rows,
    }


@contextlib.contextmanager
def _stand_in(answerer, model):
    """Serve the shipped model from a process of its own; yields the process and its addresses."""
    from dmn_keras.serving import export

    with tempfile.TemporaryDirectory() as folder:
        export(answerer, pathlib.Path(folder, model))
        command = [sys.executable, "-c", _SERVER, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process, process.stdout.readline().split()
            finally:
                process.stdin.close()


def _ask(address, model, requests, asked, expected, process):
    from dmn_keras.serving import Client, ServerError

    marks = {requests // 10, requests // 2, requests}
    lost = wrong = 0
    times, memory, counter = [], [], itertools.count()

    with contextlib.ExitStack() as stack:
        clients = queue.SimpleQueue()
        for _ in range(CLIENTS):
            clients.put(stack.enter_context(Client(address, model, timeout=60)))
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(CLIENTS))

        def ask(number):
            story, question = asked[number % len(asked)]
            # A story of its own for each request, which the answer's facts repeat.
            story, own = f"{story}\nRequest number {number}.", f"Request number {number}."
            client = clients.get()
            start = time.perf_counter()
            try:
                answer = client.ask(story, question)
            except ServerError:
                return None
            finally:
                times.append(1000 * (time.perf_counter() - start))
                clients.put(client)
                if process and next(counter) in marks:
                    memory.append(_resident(process.pid))
            return answer.facts[-1] == own and answer.answer == expected[number % len(asked)]

        ask(0)  # the stand-in knows no warm-up requests
        times.clear()
        start = time.perf_counter()
        for right in pool.map(ask, range(requests)):
            lost += right is None
            wrong += right is False
        seconds = time.perf_counter() - start
    times.sort()
    return {
        "protocol": "gRPC" if address.startswith("grpc") else "REST",
        "requests": requests,
        "lost": lost,
        "wrong": wrong,
        "requests_a_second": round(requests / seconds, 1),
        "median_ms": round(times[len(times) // 2], 1),
        "p99_ms": round(times[int(0.99 * len(times))], 1),
        "memory_mib": memory,
    }


def _resident(pid):
    """Return the MiB that a process holds."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return round(int(line.split()[1]) / 1024, 1)


def table(content):
    """Lay out what `measure` returned, in Markdown."""
    names = ["protocol", "requests", "lost", "wrong", "requests a second", "median ms", "99th percentile ms"]
    rows = [
        [
            *(row[name.replace(" ", "_")] for name in names[:5]),
            row["median_ms"],
            row["p99_ms"],
            ", ".join(f"{mib:,.0f}" for mib in row["memory_mib"]),
        ]
        for row in content["rows"]
    ]
    return report.markdown([*names, "server's memory, MiB, after 10, 50 and 100 %"], rows)


if __name__ == "__main__":
    sys.exit(main())
