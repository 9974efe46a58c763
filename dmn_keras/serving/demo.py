"""A web page on this machine: type a story and a question, see the answer and what each pass attended to."""

import asyncio
import contextlib
import html
import ipaddress
import json
import logging
import re
import socket
import threading

from dmn_keras.datasets.babi import TITLES
from dmn_keras.serving.samples import SAMPLES
from dmn_keras.tasks.question_answering import answer_text
from dmn_keras.text import split_sentences, tokenize

NUM_ANSWERS = 3
"""How many of the likeliest answers a local run is asked for; an exported model gives as many by default."""

MOST_CHARACTERS = 20_000
"""Characters of a story that are taken, about four times the longest of bAbI."""

_INPUTS = {0: 2, 1: 1}  # the page's events, as Gradio numbers them: how many texts each has

_INTRODUCTION = (
    "# Dynamic Memory Network\n"
    "Tell a story and ask about it, in short English sentences. The network goes over the story several times; the "
    "table shows how far each pass attended to each fact."
)
_FONTS = ("system-ui", "sans-serif")  # the reader's own, none is fetched
_CSS = """
#answer { line-height: 1.4; overflow-wrap: anywhere; }
#answer p { margin: 0.3em 0; }
#answer .asked, #answer caption, #answer dt { opacity: 0.8; }
#answer .answer { font-size: 1.6em; font-weight: 600; }
#answer .error { border-left: 4px solid #c92a2a; padding: 0.6em 1em; font-size: 1.1em; }
#answer .wide { overflow-x: auto; margin: 1em 0; }
#answer table { border: 0; border-collapse: separate; border-spacing: 2px; width: auto; margin: 0; padding: 0; }
#answer caption { text-align: left; padding-bottom: 0.4em; }
#answer tr { background: none; }
#answer th, #answer td { border: 0; padding: 0.35em 0.7em; font-weight: 400; }
#answer th { text-align: left; min-width: 9em; }
#answer thead th + th, #answer td { text-align: center; white-space: nowrap; min-width: 5em; }
#answer td { font-variant-numeric: tabular-nums; }
#answer td.deciding { font-weight: 700; }
#answer dl { display: grid; grid-template-columns: max-content auto; gap: 0.25em 1em; margin: 0; }
#answer dd { margin: 0; }
"""


def shown(ask, story, question):
    """Ask, and write what the page shows: the answer and its attention, or why there is none.

    Args:
        ask: Function of a story and a question that returns an `Answer`: `QuestionAnswerer.ask`, `Client.ask`.
        story: Text.
        question: Text.

    Returns:
        HTML, in which the texts of the story, the question and the answer are quoted.
    """
    for name, text in (("story", story), ("question", question)):
        if not any(map(str.isalnum, text)):
            return _error(f"The {name} is empty: type at least one word.")
        if len(text) > MOST_CHARACTERS:
            return _error(f"The {name} is too long: {len(text):,} characters. At most {MOST_CHARACTERS:,} are taken.")
    try:
        answer = ask(story, question)
    except Exception as error:  # whatever it is, it is said, and the next question is answered
        return _error(f"No answer came. {str(error) or type(error).__name__}")
    parts = [
        f'<p class="asked">{html.escape(question.strip())}</p>',
        f'<p class="answer">{html.escape(answer_text(answer))}</p>',
        *(f"<p>{html.escape(line)}</p>" for line in _remarks(answer, story)),
        _attention(answer),
        _evidence(answer) if answer.known else "",
    ]
    return f'<div role="status">{"".join(parts)}</div>'


def _error(message):
    return f'<div role="alert"><p class="error">{html.escape(message)}</p></div>'


def _remarks(answer, story):
    """Yield the lines below an answer: how likely the next ones are, and what was not read as it stands."""
    others = [f"{text} {probability:.3f}" for text, probability in answer.others if text]
    if others:
        yield f"Next likeliest, by probability: {', '.join(others)}"
    if answer.unknown_words:
        yield f"The model does not know: {', '.join(answer.unknown_words)}"
    if answer.positions is not None:
        yield f"Kept {len(answer.facts):,} of {answer.num_facts:,} sentences."
        return
    num_sentences = sum(1 for sentence in split_sentences(story) if tokenize(sentence))
    if len(answer.facts) < num_sentences:
        yield f"Only the last {len(answer.facts)} of {num_sentences} sentences were read."


def _attention(answer):
    """Return the heat map as a table: a row a fact, a column a pass; what decided a pass is in bold."""
    passes = "".join(f'<th scope="col">pass {i + 1}</th>' for i in range(len(answer.gates)))
    rows = []
    for i, fact in enumerate(answer.facts):
        cells = "".join(
            _cell(gates[i], i in deciding) for gates, deciding in zip(answer.gates, answer.evidence, strict=True)
        )
        rows.append(f'<tr><th scope="row">{html.escape(fact)}</th>{cells}</tr>')
    return (
        '<div class="wide"><table><caption>Attention: the gate of each fact in each pass, from 0 to 1</caption>'
        f'<thead><tr><th scope="col">fact</th>{passes}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(gate, decides):
    """Return a cell of the heat map, from pale blue at 0 to dark blue at 1."""
    color = ", ".join(f"{pale + (dark - pale) * gate:.0f}" for pale, dark in ((239, 8), (244, 69), (252, 148)))
    style = f"background: rgb({color}); color: {'white' if gate > 0.7 else 'black'}"
    return f'<td style="{style}"{" class=deciding" if decides else ""}>{gate:.2f}</td>'


def _evidence(answer):
    rows = []
    for i, facts in enumerate(answer.evidence):
        named = "<br>".join(html.escape(answer.facts[fact]) for fact in facts) if facts else "nothing"
        rows.append(f"<dt>pass {i + 1} read</dt><dd>{named}</dd>")
    return f"<dl>{''.join(rows)}</dl>"


def page(ask):
    """Build the page.

    Args:
        ask: As in `shown`.

    Returns:
        The `gradio.Blocks`; what it looks like is given to `serving`.

    Raises:
        ImportError: If Gradio, the extra `demo`, is missing.
    """
    gradio = _gradio()
    examples = {example.task: ("\n".join(example.story), example.question) for example in SAMPLES}
    first = SAMPLES[0].task
    with gradio.Blocks(analytics_enabled=False, title="Dynamic Memory Network") as blocks:
        gradio.Markdown(_INTRODUCTION)
        with gradio.Row():
            with gradio.Column(scale=2, min_width=320):
                example = gradio.Dropdown(
                    [(f"{task}. {TITLES[task]}", task) for task in examples],
                    value=first,
                    label="Example, by bAbI task",
                    elem_id="example",
                )
                story = gradio.Textbox(
                    examples[first][0], label="Story", lines=9, max_lines=16, elem_id="story", autoscroll=False
                )
                question = gradio.Textbox(examples[first][1], label="Question", lines=1, elem_id="question")
                button = gradio.Button("Ask", variant="primary", elem_id="ask")
            with gradio.Column(scale=3, min_width=320):
                answer = gradio.HTML(elem_id="answer", min_height=120)
        gradio.on(
            [button.click, question.submit],
            lambda *asked: shown(ask, *asked),
            inputs=[story, question],
            outputs=answer,
            concurrency_limit=1,
            trigger_mode="multiple",  # a click just after an answer counts
            api_visibility="private",
        )
        example.input(
            lambda task: (*examples[task], ""),
            inputs=example,
            outputs=[story, question, answer],
            api_visibility="private",
        )
    return blocks.queue(max_size=64)


class Guard:
    """ASGI application that passes on to Gradio what its page needs, and refuses all else.

    Gradio answers more than a page needs: it reads files and URLs, takes uploads, proxies, documents itself, and opens
    a file where an input is an object in place of a text. What passes is therefore listed:

    - the routes of `ROUTES`; the others, and websockets, do not reach Gradio;
    - requests to a host name of this server, no other name can be pointed at it (DNS rebinding);
    - requests of its own page, by `Origin` and `Sec-Fetch-Site`; no other site is allowed to read answers (CORS);
    - bodies of at most `MAX_BODY` bytes, rebuilt from the texts and the event's numbers in their JSON.

    Args:
        app: ASGI application.
        host: Host to listen at. An unspecified address (`0.0.0.0`) is reached by any address of the machine, by its
            name, and as `localhost`; no other name is answered to.
        port: Port that is listened at.
    """

    ROUTES = re.compile(
        r"GET /(?:theme\.css|favicon\.ico|manifest\.json|(?:assets|static)(?:/[\w-][\w.-]*)+)?"
        r"|GET /gradio_api/queue/data"
        r"|POST /gradio_api/queue/join",
        re.ASCII,
    )
    MAX_BODY = 1 << 20
    MAX_SECONDS = 20
    """Time that a body may take to arrive."""

    _HEADERS = (b"host", b"accept", b"accept-encoding", b"if-none-match", b"if-modified-since")
    _POLICY = (
        (
            b"content-security-policy",
            b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none';"
            b" base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
        ),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
    )

    def __init__(self, app, host, port):
        self.app, self._port = app, port
        self._any_address = host in ("", "0.0.0.0", "::")
        self._names = {host.lower(), "localhost", "127.0.0.1", "::1"}
        if self._any_address:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message):
            if message["type"] == "http.response.start":
                headers = [h for h in message["headers"] if not h[0].lower().startswith(b"access-control-")]
                message = {**message, "headers": [*headers, *self._POLICY]}
            await send(message)

        try:
            scope, receive = await self._check(scope, receive)
        except _RefusedError as error:
            status, reason = error.args
            headers = [(b"content-type", b"application/json")]
            await send_guarded({"type": "http.response.start", "status": status, "headers": headers})
            await send_guarded({"type": "http.response.body", "body": json.dumps({"detail": reason}).encode()})
            return
        await self.app(scope, receive, send_guarded)

    async def _check(self, scope, receive):
        """Return the scope and the receiver to pass on, or raise."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if [name for name, _ in scope["headers"]].count(b"host") != 1 or not self._is_own(host):
            raise _RefusedError(403, "This server has no such host name.")
        own = f"http://{host}".encode()
        from_own_page = headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin") or scope["path"] == "/"
        if headers.get(b"origin", own).lower() != own or not from_own_page:
            raise _RefusedError(403, "Only the page of this server may ask it.")
        if not self.ROUTES.fullmatch(f"{scope['method']} {scope['path']}"):
            raise _RefusedError(404, "There is no such page.")
        scope = {
            **scope,
            "headers": [(name, headers[name]) for name in self._HEADERS if name in headers],
            "query_string": scope["query_string"] if scope["path"].endswith("/queue/data") else b"",
        }
        if scope["method"] == "GET":
            return scope, receive
        body = _texts_alone(await self._read(headers, receive))
        scope["headers"] += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_checked():
            return messages.pop() if messages else await receive()

        return scope, receive_checked

    def _is_own(self, host):
        """Return whether the value of a Host header names this server."""
        match = re.fullmatch(r"(?:\[([\da-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?", host, re.ASCII)
        if match is None or int(match[3] or 80) != self._port:
            return False
        name = match[1] or match[2]
        return name in self._names or (self._any_address and _is_address(name))

    async def _read(self, headers, receive):
        """Return the body; what is longer than allowed is not read to its end."""
        body, more = b"", True
        too_long = _RefusedError(413, f"At most {self.MAX_BODY:,} bytes are taken.")
        declared = headers.get(b"content-length", b"0")
        if len(declared) > 20 or (declared.isdigit() and int(declared) > self.MAX_BODY):
            raise too_long
        try:
            async with asyncio.timeout(self.MAX_SECONDS):
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.MAX_BODY:
                        raise too_long
        except TimeoutError as error:
            raise _RefusedError(408, f"A request may take {self.MAX_SECONDS} seconds.") from error
        return body


class _RefusedError(Exception):
    """A request is refused: status and reason."""


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _texts_alone(body):
    """Return the JSON of an event with its texts and numbers alone; all else of it is left out, or refused."""
    try:
        event = json.loads(body)
        texts, session = event["data"], event["session_hash"]
        numbers = {"fn_index": event["fn_index"], "trigger_id": event.get("trigger_id")}
        if not (
            isinstance(texts, list)
            and all(isinstance(text, str) for text in texts)
            and isinstance(session, str)
            and re.fullmatch(r"\w{1,64}", session, re.ASCII)
            and type(numbers["fn_index"]) is int
            and _INPUTS.get(numbers["fn_index"]) == len(texts)
            and type(numbers["trigger_id"]) in (int, type(None))
        ):
            raise ValueError("not an event of the page")
        return json.dumps({"data": texts, "session_hash": session, **numbers}, ensure_ascii=False).encode()
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _RefusedError(400, "Expected texts, in the JSON that the page sends.") from error


def application(ask, host, port):
    """Return the page behind its `Guard`, an ASGI application; the arguments are those of `serving`."""
    gradio = _gradio()
    import fastapi

    app = gradio.mount_gradio_app(
        fastapi.FastAPI(openapi_url=None),
        page(ask),
        path="/",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        theme=gradio.themes.Default(primary_hue="blue", font=_FONTS, font_mono=("ui-monospace", "monospace")),
        css=_CSS,
    )
    return Guard(app, host, port)


@contextlib.contextmanager
def serving(ask, host="127.0.0.1", port=7860):
    """Serve the page from a thread of its own, as long as the context lasts.

    Args:
        ask: As in `shown`.
        host: Address to listen at; the default is reached from this machine alone. At `0.0.0.0` other machines may ask,
            by an address of this one or its name.
        port: Port to listen at, 0 for any that is free.

    Yields:
        The thread and the page's URL.

    Raises:
        ImportError: If Gradio, the extra `demo`, is missing.
        OSError: If the host is unknown, or the port in use or forbidden.
        ValueError: If the port is out of range.
    """
    _gradio()
    import uvicorn

    if not 0 <= port <= 65535:
        raise ValueError(f"--port must be between 0 and 65535. Received: {port}")
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise OSError(f"--host {host} --port {port} cannot be listened at: {error}. Choose others.") from error
    with listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            application(ask, host, port),
            log_level="warning",
            timeout_graceful_shutdown=1,
            limit_concurrency=200,
            proxy_headers=False,
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield thread, f"http://{host}:{port}"
        finally:
            # A browser that still shows the page is cut off, which is no error to report.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            server.should_exit = True
            thread.join(timeout=10)


def serve(ask, host="127.0.0.1", port=7860):
    """Serve the page until Ctrl-C; arguments and errors are those of `serving`."""
    with serving(ask, host, port) as (thread, url), contextlib.suppress(KeyboardInterrupt):
        print(f"The page is at {url} until Ctrl-C.", flush=True)
        thread.join()


def _gradio():
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The web page needs Gradio: pip install 'dmn_keras[demo]'.") from error
    return gradio
