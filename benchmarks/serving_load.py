"""Ten thousand requests from 32 clients at once, over gRPC and REST: each must have its own answer.

Without `--server`, the stand-in of the tests serves the model that comes with the package, from a process of its own.
Exit status 1 if a request was lost or got another one's answer.
"""

import concurrent.futures
import contextlib
import itertools
import pathlib
import queue
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks import base

CLIENTS = 32
SERVER = """
import sys
from tests.serving.server import serving

with serving(sys.argv[1]) as (_, addresses):
    print(*addresses, flush=True)
    sys.stdin.read()
"""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 1 if a request was lost or got another one's answer, else 0.
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.serving import SAMPLES

    parser = base.parser("serving_load", __doc__)
    parser.add_argument("--server", nargs="+", metavar="URL", help="addresses of a server; the stand-in by default")
    parser.add_argument("--model", default="babi-joint", help="name of the model on the server")
    parser.add_argument("--requests", type=int, default=10_000, help="requests to each address")
    options = parser.parse_args(arguments)
    answerer = Answerer()
    asked = [("\n".join(example.story), example.question) for example in SAMPLES]
    # Each story ends with the number of its request, which is no known word, whatever it is.
    expected = [answerer.ask(f"{story}\nRequest number 0.", question, beam_width=3).answer for story, question in asked]
    with contextlib.ExitStack() as stack:
        process, addresses = None, options.server
        if addresses is None:
            process, addresses = stack.enter_context(_stand_in(answerer, options.model))
        rows = [ask(address, options.model, options.requests, asked, expected, process) for address in addresses]
    server = "the tests' stand-in" if process else "its own"
    result = {**base.record("serving_load", arguments), "server": server, "rows": rows}
    print(table(result))
    base.write(options.json, result)
    return int(any(row["lost"] or row["wrong"] for row in rows))


@contextlib.contextmanager
def _stand_in(answerer, model):
    """Serve a model from a process of its own; yields the process and its addresses."""
    from dmn_keras.serving import export

    with tempfile.TemporaryDirectory() as folder:
        export(answerer, pathlib.Path(folder, model))
        command = [sys.executable, "-c", SERVER, folder]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process, process.stdout.readline().split()
            finally:
                process.stdin.close()


def ask(address, model, requests, asked, expected, process=None):
    """Ask one address; the questions come from all tasks, in turn.

    Returns:
        Dict of `"protocol"`, `"requests"`, `"lost"`, `"wrong"`, `"requests_a_second"`, `"median_ms"`, `"p99_ms"`, and
        `"memory_mib"`: what the process held after a tenth, half and all of the requests.
    """
    from dmn_keras.serving import Client, ServerError

    marks = {requests // 10, requests // 2, requests}
    times, memory, counter = [], [], itertools.count()
    with contextlib.ExitStack() as stack:
        clients = queue.SimpleQueue()
        for _ in range(CLIENTS):
            clients.put(stack.enter_context(Client(address, model, timeout=60)))
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(CLIENTS))

        def is_right(number):
            story, question = asked[number % len(asked)]
            # A story of its own for each request, which the answer's facts repeat.
            last = f"Request number {number}."
            client, start = clients.get(), time.perf_counter()
            try:
                answer = client.ask(f"{story}\n{last}", question)
            except ServerError:
                return None
            finally:
                times.append(1000 * (time.perf_counter() - start))
                clients.put(client)
                if process and next(counter) in marks:
                    memory.append(round(base.memory_mib("VmRSS", process.pid), 1))
            return answer.facts[-1] == last and answer.answer == expected[number % len(asked)]

        is_right(0)  # the stand-in knows no warm-up requests
        times.clear()
        start = time.perf_counter()
        found = list(pool.map(is_right, range(requests)))
        seconds = time.perf_counter() - start
    return {
        "protocol": "gRPC" if address.startswith("grpc") else "REST",
        "requests": requests,
        "lost": found.count(None),
        "wrong": found.count(False),
        "requests_a_second": round(requests / seconds, 1),
        "median_ms": round(statistics.median(times), 1),
        "p99_ms": round(sorted(times)[int(0.99 * len(times))], 1),
        "memory_mib": memory,
    }


def table(result):
    """Return the table of a measurement, with a row for each protocol."""
    names = ["protocol", "requests", "lost", "wrong", "requests a second"]
    rows = [
        [
            *(row[name.replace(" ", "_")] for name in names),
            row["median_ms"],
            row["p99_ms"],
            ", ".join(base.decimals(row["memory_mib"], 0)),
        ]
        for row in result["rows"]
    ]
    memory = "server's memory, MiB, after 10, 50 and 100 %"
    return base.markdown([*names, "median ms", "99th percentile ms", memory], rows)


if __name__ == "__main__":
    sys.exit(main())
