"""The web page: what it shows, without a browser, and in Chromium from end to end."""

import asyncio
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse

import pytest

from dmn_keras import cli
from dmn_keras.datasets.babi import TASKS, TITLES
from dmn_keras.serving import SAMPLES, ServerError, demo
from dmn_keras.serving.demo_guard import Guard
from dmn_keras.serving.demo_tabs import story_tab
from dmn_keras.tasks.question_answering import Answer
from dmn_keras.tasks.task import Task
from tests.serving.browser import PROGRAMS, browser, field, find, type_in, wait_for

ROOT = pathlib.Path(__file__).parents[2]
ANSWER = Answer(
    "the park", 0.75, ("Mary park.", "John home."), ((0.9, 0.1), (0.25, 0.75)), (), others=(("home", 0.2), ("", 0.05))
)
STORY = "Mary park. John home."

needs_browser = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason="needs the programs chromium and chromedriver"
)
needs_gradio = pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs the extra demo")


def shown(answer=ANSWER, story=STORY, question="Where is Mary?"):
    return story_tab(lambda *asked: answer).show(story, question)


def texts(html):
    """The texts between the tags."""
    return [text for text in re.split(r"<[^>]*>", html) if text]


# What is shown


def test_an_answer_is_shown_with_its_attention_pass_by_pass():
    html = shown()
    assert texts(html) == [
        *("Where is Mary?", "the park (probability 0.750)", "Next likeliest, by probability: home 0.200"),
        *("Attention: the gate of each fact in each pass, from 0 to 1", "fact", "pass 1", "pass 2"),
        *("Mary park.", "0.90", "0.25", "John home.", "0.10", "0.75"),
        *("pass 1 attended to", "Mary park.", "pass 2 attended to", "John home."),
    ]
    assert re.findall(r"class=deciding>([\d.]+)", html) == ["0.90", "0.75"]
    assert 'role="status"' in html
    dark, light = (re.search(rf'style="([^"]*)"[^>]*>{gate}', html)[1] for gate in ("0.90", "0.10"))
    assert dark.endswith("color: white")
    assert light.endswith("color: black")
    assert dark.split(";")[0] != light.split(";")[0]


@pytest.mark.parametrize(
    ("changes", "story", "lines"),
    [
        ({"confidence": 0.9}, STORY, ["the park (confidence 0.900)"]),
        (
            {"confidence": 0.2, "known": False},
            STORY,
            ["I do not know (best guess: the park, confidence 0.200)"],
        ),
        (
            {"unknown_words": ("zoe", "home")},
            f"Zoe left. ! {STORY}",
            ["The model does not know: zoe, home", "Only the last 2 of 3 sentences were read."],
        ),
        ({"gates": ((0.0, 0.0),)}, STORY, ["pass 1 attended to", "nothing"]),
    ],
)
def test_what_is_special_of_an_answer_is_written(changes, story, lines):
    found = texts(shown(dataclasses.replace(ANSWER, **changes), story))
    assert [text for text in found if text in lines] == lines
    assert ("pass 1 attended to" in found) == changes.get("known", True), "what was attended to is no evidence"


def test_texts_are_quoted():
    evil = "<script>alert(1)</script>"
    html = shown(dataclasses.replace(ANSWER, answer=evil, facts=(evil, evil), unknown_words=(evil,)), evil, evil)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") > 4
    assert "<script" not in story_tab(raising(ValueError(evil))).show(STORY, "Who?")


def raising(error):
    def ask(story, question):
        raise error

    return ask


@pytest.mark.parametrize(
    ("story", "question", "error", "message"),
    [
        ("", "Who?", None, "The story is empty: type at least one word."),
        (" .\n,;! ", "Who?", None, "The story is empty: type at least one word."),
        (STORY, "?!", None, "The question is empty: type at least one word."),
        ("a" * 20_001, "Who?", None, "The story is too long: 20,001 characters. At most 20,000 are taken."),
        (STORY, "a" * 20_001, None, "The question is too long: 20,001 characters. At most 20,000 are taken."),
        (STORY, "Who?", ValueError("story must hold a word"), "No answer came. story must hold a word"),
        (STORY, "Who?", ServerError("UNREACHABLE", "nobody there"), "No answer came. nobody there"),
        (STORY, "Who?", MemoryError(), "No answer came. MemoryError"),
    ],
)
def test_what_cannot_be_answered_is_a_message(story, question, error, message):
    html = story_tab(raising(error or AssertionError("asked"))).show(story, question)
    assert texts(html) == [message]
    assert 'role="alert"' in html


def test_there_is_an_example_of_each_task():
    assert [example.task for example in SAMPLES] == list(TASKS) == list(TITLES)


# The command


def run(*arguments, capsys):
    status = cli.main(["demo", *map(str, arguments)])
    return status, capsys.readouterr().err


@pytest.mark.parametrize("arguments", [(), ("--server", "http://localhost:1")])
def test_without_gradio_the_extra_is_named_before_a_model_is_loaded(arguments, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(Task, "from_preset", lambda folder: pytest.fail("a model was loaded"))
    status, err = run(*arguments, capsys=capsys)
    assert status == 2
    assert err == "dmn-keras demo: error: The web page needs Gradio: pip install 'dmn_keras[demo]'.\n"


SERVER = ("--server", "http://localhost:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist: expected a folder that `dmn-keras train` or save_to_preset wrote"),
        (["run", *SERVER], "--server and a run exclude each other"),
        (["--server", "localhost:1"], "url must start with http://"),
        ([*SERVER, "--timeout", "0"], "timeout must be a positive number of seconds"),
        ([*SERVER, "--port", 65536], "port must be between 0 and 65535. Received: 65536"),
        ([*SERVER, "--port", -1], "port must be between 0 and 65535. Received: -1"),
        ([*SERVER, "--host", "nowhere.invalid"], "host nowhere.invalid, port 7860 cannot be listened at: "),
        ([*SERVER, "--port", "USED"], "in use"),
    ],
)
def test_mistakes_in_the_arguments(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(demo, "import_gradio", lambda: None)  # addresses are looked at before the page is built
    pytest.importorskip("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as other:
        used = other.getsockname()[1]
        status, err = run(*(used if argument == "USED" else argument for argument in arguments), capsys=capsys)
    assert status == 2
    assert message in err


def test_the_page_of_a_server_that_is_down_names_it(monkeypatch):
    pytest.importorskip("requests")
    pages = []
    monkeypatch.setattr(demo, "import_gradio", lambda: None)
    monkeypatch.setattr(demo, "serve", lambda tabs, host, port: pages.append(tabs[0].show(STORY, "Who?")))
    assert cli.main(["demo", *SERVER, "--timeout", "1"]) == 0
    assert "No answer came. http://localhost:1/v1/models/babi-joint:predict cannot be reached" in pages[0]


# What the server answers


class Behind:
    """ASGI application behind a `Guard` that remembers what it was sent."""

    def __init__(self):
        self.asked = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = (await receive()).get("body", b"") if scope["method"] == "POST" else b""
        self.asked.append((scope["method"], scope["path"], body, dict(scope["headers"]), scope["query_string"]))
        headers = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"passed"})


JOIN = "/gradio_api/queue/join"
EVENT = {"data": ["Mary went.", "Where?"], "fn_index": 0, "session_hash": "a1"}


def request(method="GET", path="/", *, host="127.0.0.1", headers=None, base="http://127.0.0.1:7860", **options):
    """Send a request through a guard; returns the answer and what was behind it."""
    testclient = pytest.importorskip("starlette.testclient")
    behind = Behind()
    client = testclient.TestClient(Guard(behind, (2, 1), host, 7860), base_url=base)
    return client.request(method, path, headers=headers, **options), behind.asked


def routes(app, prefix="", seen=()):
    """Yield method and path of all routes of a web application, of those mounted or included in it too."""
    for route in app.routes:
        path = prefix + getattr(route, "path", "")
        for method in getattr(route, "methods", None) or ():
            yield method, path
        for inner in vars(route).values():
            if hasattr(inner, "routes") and inner not in seen:
                yield from routes(inner, path, (*seen, app, inner))


@needs_gradio
def test_of_all_routes_only_those_of_the_page_answer():
    async def application():
        return demo.application([story_tab(raising(AssertionError))], "127.0.0.1", 7860)

    found = set(routes(asyncio.run(application()).app))
    assert len(found) > 60
    assert {("POST", "/gradio_api/upload"), ("GET", "/gradio_api/file={path_or_url:path}")} < found
    passed = set()
    for method, path in found:
        response, asked = request(method, re.sub(r"{[^}]*}", "x", path), json=EVENT if method == "POST" else None)
        assert (response.status_code == 200) == bool(asked)
        assert asked or (response.status_code, response.text) in [
            (404, ""),
            (404, '{"detail": "There is no such page."}'),
        ]
        passed |= {(method, path)} if asked else set()
    assert passed == {
        *(("GET", f"/{path}") for path in ("", "theme.css", "favicon.ico", "manifest.json")),
        ("GET", "/static/{path:path}"),
        ("GET", "/assets/{path:path}"),
        ("GET", "/gradio_api/queue/data"),
        ("POST", JOIN),
    }


def test_websockets_are_refused():
    from starlette.websockets import WebSocketDisconnect

    testclient = pytest.importorskip("starlette.testclient")
    client = testclient.TestClient(Guard(Behind(), (2, 1), "127.0.0.1", 7860), base_url="http://127.0.0.1:7860")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/gradio_api/queue/data"):
        pass


@pytest.mark.parametrize(
    ("listening", "own", "foreign"),
    [
        (
            "127.0.0.1",
            ["127.0.0.1:7860", "localhost:7860", "LOCALHOST:7860", "[::1]:7860"],
            ["evil.example:7860", "evil.example", "localhost", "127.0.0.1:80", "10.0.0.1:7860", "localhost.:7860"],
        ),
        ("demo.lan", ["demo.lan:7860", "localhost:7860"], ["evil.lan:7860", "10.0.0.1:7860", "demo.lan.evil:7860"]),
        (
            "0.0.0.0",
            ["10.0.0.1:7860", "[fe80::1]:7860", "localhost:7860", f"{socket.gethostname()}:7860"],
            ["evil.example:7860", "10.0.0.1.evil.example:7860", "10.0.0.1:7861", "", "a@localhost:7860"],
        ),
    ],
)
def test_hosts(listening, own, foreign):
    for host in own:
        assert request(host=listening, headers={"Host": host})[0].status_code == 200, host
    for host in foreign:
        response, asked = request(host=listening, headers={"Host": host})
        assert (response.status_code, asked) == (403, []), host
        assert response.json() == {"detail": "This server has no such host name."}


def test_the_page_itself_may_ask_and_a_link_may_lead_to_it():
    own = {"Origin": "http://127.0.0.1:7860", "Sec-Fetch-Site": "same-origin", "X-Forwarded-Host": "evil.example"}
    response, [(method, path, body, headers, _)] = request("POST", JOIN, headers=own, json={**EVENT, "event_data": {}})
    assert (response.status_code, method, path) == (200, "POST", JOIN)
    assert json.loads(body) == {**EVENT, "trigger_id": None}
    assert int(headers[b"content-length"]) == len(body)
    assert b"x-forwarded-host" not in headers
    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert "default-src 'self'" in response.headers["content-security-policy"]
    response, [(*_, query)] = request(path="/?deep_link=x", headers={"Sec-Fetch-Site": "cross-site"})
    assert (response.status_code, query) == (200, b"")


EXPECTED = "Expected texts, in the JSON that the page sends."
REFUSED = {
    (404, "There is no such page."): [
        ("GET", path, {})
        for path in ("/docs", "/redoc", "/assets/../x", "/assets/.env", "/assets/%2e%2e/x", "/static//etc/passwd")
    ]
    + [("GET", "/assets/a%00", {})],
    (403, "Only the page of this server may ask it."): [
        ("POST", JOIN, {"headers": headers, "json": EVENT})
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "https://127.0.0.1:7860"},
            {"Origin": "http://localhost:7860"},  # a page of another name, if of the same server
            {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
        )
    ],
    (400, EXPECTED): [
        ("POST", JOIN, {"content": json.dumps({**EVENT, **changes})})
        for changes in (
            {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "Where?"]},
            *(
                {"data": data}
                for data in (["Mary.", ["x"]], ["Mary.", None], {"path": "x"}, ["Mary."], ["\ud800", "?"])
            ),
            *({"fn_index": number} for number in ("0", True, 99)),
            *({"session_hash": name} for name in ({"path": "x"}, "../x")),
            {"trigger_id": [1]},
        )
    ]
    + [
        ("POST", JOIN, {"content": body})
        for body in (b'{"data": []}', b"null", b"", b"{", b"\xff", b"[" * 100_000, b'{"data": [' + b"9" * 5000)
    ],
}
"""Status and reason: requests by method, path and what else they hold."""


@pytest.mark.parametrize(("refusal", "requests"), REFUSED.items(), ids=["paths", "other sites", "bodies"])
def test_what_is_refused_does_not_pass(refusal, requests):
    for method, path, options in requests:
        response, asked = request(method, path, **options)
        assert (response.status_code, response.json(), asked) == (refusal[0], {"detail": refusal[1]}, []), options
        assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("declared", [True, False])
def test_a_long_body_is_not_read_to_its_end(declared):
    sent = []

    def chunks():
        for _ in range(400):
            sent.append(b" " * 10_000)
            yield sent[-1]

    content = b" " * 4_000_000 if declared else chunks()
    response, asked = request("POST", JOIN, content=content)
    assert (response.status_code, asked) == (413, [])
    assert response.json() == {"detail": "At most 1,048,576 bytes are taken."}


def test_a_body_that_does_not_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(Guard, "MAX_SECONDS", 0.01)

    async def call():
        answers = []
        scope = {"type": "http", "method": "POST", "path": JOIN, "headers": [(b"host", b"127.0.0.1:7860")]}

        async def send(message):
            answers.append(message)

        await Guard(Behind(), (2, 1), "127.0.0.1", 7860)({**scope, "query_string": b""}, asyncio.Event().wait, send)
        return answers

    assert asyncio.run(call())[0]["status"] == 408


# The command, in a process of its own, and in a browser


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    """Where Gradio would put files."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def page(uploads):
    """Run the command in a process of its own; yields the page's URL, and checks that Ctrl-C ends it quietly."""
    command = [sys.executable, "-m", "dmn_keras", "demo", "--port", "0"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "GRADIO_TEMP_DIR": str(uploads)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("The page is at http://127.0.0.1:"), process.stderr.read()
            yield line.split()[4]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            assert (process.returncode, out) == (0, "")
            assert "Traceback" not in err
            assert "ERROR" not in err
        finally:
            process.kill()


@needs_gradio
def test_a_server_answers_its_page_alone(page, uploads, tmp_path):
    requests = pytest.importorskip("requests")
    (tmp_path / "secret").write_text("PRIVATE")
    assert "gradio" in requests.get(page).text
    asked = {**EVENT, "data": ["Mary went to park.", "Where is Mary?"]}
    assert requests.post(page + JOIN, json=asked).status_code == 200
    with requests.get(f"{page}/gradio_api/queue/data?session_hash=a1", stream=True, timeout=20) as stream:
        messages = [json.loads(line[5:]) for line in stream.iter_lines() if line.startswith(b"data:")]
    [done] = [message for message in messages if message["msg"] == "process_completed"]
    assert "park" in done["output"]["data"][0]
    upload = requests.post(f"{page}/gradio_api/upload", files={"files": ("a", b"x" * 5_000_000)})
    assert upload.status_code == 404
    assert requests.get(f"{page}/gradio_api/file={tmp_path / 'secret'}").status_code == 404
    assert requests.get(page, headers={"Host": "evil.example"}).status_code == 403
    assert not [path for path in uploads.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def driver():
    pytest.importorskip("selenium")
    with browser() as made:
        yield made


def ask(driver, story=None, question=None):
    for name, text in (("stories-story", story), ("stories-question", question)):
        if text is not None:
            type_in(driver, name, text)
    find(driver, "#stories-ask").click()


def hosts(driver):
    """The hosts that the browser has asked for something since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return {urllib.parse.urlsplit(url).netloc for url in urls if not url.startswith(("data:", "blob:", "chrome"))}


@needs_gradio
@needs_browser
def test_a_story_is_typed_and_asked_about(driver, page):
    hosts(driver)
    driver.get(page)
    names = [field(driver, name).accessible_name for name in ("stories-example", "stories-story", "stories-question")]
    assert names == ["Example, by bAbI task", "Story", "Question"]

    ask(
        driver,
        "Mary got the milk.\nMary went to the kitchen.\nJohn took the ${1+1} {{apple}}.",
        "Where is the milk?",
    )
    assert find(driver, "#stories-answer .answer").text.startswith("kitchen (confidence 0.")
    assert "Next likeliest, by probability: " in find(driver, "#stories-answer").text
    rows = [row.text for row in driver.find_elements("css selector", "#stories-answer tbody th")]
    assert rows == ["Mary got the milk.", "Mary went to the kitchen.", "John took the ${1+1} {{apple}}."]
    cells = driver.find_elements("css selector", "#stories-answer td")
    assert len(cells) == 9
    assert all(re.fullmatch(r"[01]\.\d\d", cell.text) for cell in cells)
    assert len({cell.value_of_css_property("background-color") for cell in cells}) > 1
    assert [e.text for e in driver.find_elements("css selector", "#stories-answer dt")] == [
        f"pass {i} attended to" for i in (1, 2, 3)
    ]
    assert "does not know" not in find(driver, "#stories-answer").text  # it tells the words apart that it never saw

    ask(driver, "")
    assert find(driver, "#stories-answer [role=alert]").text == "The story is empty: type at least one word."
    ask(driver, "Mary went to the garden.", "?")
    find(driver, "#stories-answer [role=alert]", "The question is empty: type at least one word.")

    field(driver, "stories-example").click()
    find(driver, "[role=option]", "15. Basic deduction").click()
    sample = SAMPLES[14]
    wait_for(driver, "stories-story", "\n".join(sample.story))
    wait_for(driver, "stories-question", sample.question)
    field(driver, "stories-question").send_keys("\n")
    assert find(driver, "#stories-answer .answer", "(").text.startswith(f"{sample.answer[0]} (confidence")
    assert find(driver, "#stories-answer .asked").text == sample.question

    assert hosts(driver) == {urllib.parse.urlsplit(page).netloc}
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert driver.execute_script(wide) <= 0
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
