"""What stands in front of the web page: requests that the page does not need are refused."""

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import Sequence


class Guard:
    """ASGI application that passes on to Gradio what its page needs, and refuses all else.

    Gradio answers more than a page needs: it reads files and URLs, takes uploads, proxies, documents itself, and opens
    a file where an input is an object in place of a text. What passes is therefore listed:

    - the routes of `ROUTES`; the others, and websockets, do not reach Gradio;
    - requests to a host name of this server; other names that point at it are refused (DNS rebinding);
    - requests of its own page, by `Origin` and `Sec-Fetch-Site`; no other site is allowed to read answers (CORS);
    - bodies of at most `MAX_BODY` bytes, rebuilt from the texts and the event's numbers in their JSON.

    Args:
        app: ASGI application.
        num_texts: How many texts each of the page's events has, in the order in which Gradio numbers them.
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

    def __init__(self, app, num_texts: Sequence[int], host: str, port: int):
        self.app, self._num_texts, self._port = app, tuple(num_texts), port
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
        body = _texts_alone(await self._read(headers, receive), self._num_texts)
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


def _texts_alone(body, num_texts):
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
            and 0 <= numbers["fn_index"] < len(num_texts)
            and num_texts[numbers["fn_index"]] == len(texts)
            and type(numbers["trigger_id"]) in (int, type(None))
        ):
            raise ValueError("not an event of the page")
        return json.dumps({"data": texts, "session_hash": session, **numbers}, ensure_ascii=False).encode()
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _RefusedError(400, "Expected texts, in the JSON that the page sends.") from error
