"""A web page on this machine: a tab for each task, where an example is typed and the answer shown."""

import contextlib
import logging
import socket
import threading
import types
from collections.abc import Sequence

from dmn_keras.serving.demo_guard import Guard
from dmn_keras.serving.demo_tabs import Tab

_FONTS = ("system-ui", "sans-serif")  # the reader's own, none is fetched
_CSS = """
.shown { line-height: 1.4; overflow-wrap: anywhere; }
.shown p { margin: 0.3em 0; }
.shown .asked, .shown caption, .shown dt { opacity: 0.8; }
.shown .answer { font-size: 1.6em; font-weight: 600; }
.shown .error { border-left: 4px solid #c92a2a; padding: 0.6em 1em; font-size: 1.1em; }
.shown .wide { overflow-x: auto; margin: 1em 0; }
.shown table { border: 0; border-collapse: separate; border-spacing: 2px; width: auto; margin: 0; padding: 0; }
.shown caption { text-align: left; padding-bottom: 0.4em; }
.shown tr { background: none; }
.shown th, .shown td { border: 0; padding: 0.35em 0.7em; font-weight: 400; }
.shown th { text-align: left; min-width: 9em; }
.shown thead th + th, .shown td { text-align: center; white-space: nowrap; min-width: 5em; }
.shown td { font-variant-numeric: tabular-nums; }
.shown td.deciding { font-weight: 700; }
.shown dl { display: grid; grid-template-columns: max-content auto; gap: 0.25em 1em; margin: 0; }
.shown dd { margin: 0; }
"""


def page(tabs: Sequence[Tab]):
    """Build the page.

    Args:
        tabs: The tabs, at least one.

    Returns:
        The `gradio.Blocks`; what it looks like is given in `application`.

    Raises:
        ImportError: If Gradio, the extra `demo`, is missing.
    """
    gradio = import_gradio()
    with gradio.Blocks(analytics_enabled=False, title="Memory networks") as blocks:
        gradio.Markdown("# Memory networks")
        if len(tabs) == 1:
            _add(gradio, tabs[0])
        else:
            with gradio.Tabs():
                for tab in tabs:
                    with gradio.Tab(tab.title):
                        _add(gradio, tab)
    return blocks.queue(max_size=64)


def _add(gradio, tab):
    """Add the elements of a tab, and its two events: asked, and an example chosen."""
    gradio.Markdown(tab.introduction)
    first = next(iter(tab.examples))
    with gradio.Row():
        with gradio.Column(scale=2, min_width=320):
            example = gradio.Dropdown(
                list(tab.examples), value=first, label=tab.examples_label, elem_id=f"{tab.name}-example"
            )
            fields = [
                gradio.Textbox(
                    text,
                    label=label,
                    lines=lines,
                    max_lines=16 if lines > 1 else 1,
                    elem_id=f"{tab.name}-{name}",
                    autoscroll=False,
                )
                for (name, (label, lines)), text in zip(tab.fields.items(), tab.examples[first], strict=True)
            ]
            button = gradio.Button(tab.button, variant="primary", elem_id=f"{tab.name}-ask")
        with gradio.Column(scale=3, min_width=320):
            answer = gradio.HTML(elem_id=f"{tab.name}-answer", elem_classes=["shown"], min_height=120)
    gradio.on(
        [button.click, fields[-1].submit],
        tab.show,
        inputs=fields,
        outputs=answer,
        concurrency_limit=1,
        trigger_mode="multiple",  # a click just after an answer counts
        api_visibility="private",
    )
    example.input(
        lambda chosen: (*tab.examples[chosen], ""),
        inputs=example,
        outputs=[*fields, answer],
        api_visibility="private",
    )


def application(tabs, host, port):
    """Return the page behind its `Guard`, an ASGI application; the arguments are those of `serve`."""
    gradio = import_gradio()
    import fastapi

    app = gradio.mount_gradio_app(
        fastapi.FastAPI(openapi_url=None),
        page(tabs),
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
    return Guard(app, [count for tab in tabs for count in (len(tab.fields), 1)], host, port)


def serve(tabs, host, port):
    """Serve the page from a thread of its own, until Ctrl-C.

    Args:
        tabs: As in `page`.
        host: Address to listen at; `127.0.0.1` is reached from this machine alone. At `0.0.0.0` other machines may ask,
            by an address of this one or its name.
        port: Port to listen at, 0 for any that is free.

    Raises:
        ImportError: If Gradio, the extra `demo`, is missing.
        OSError: If the host is unknown, or the port in use or forbidden.
        ValueError: If the port is out of range.
    """
    import_gradio()
    import uvicorn

    if not 0 <= port <= 65535:
        raise ValueError(f"port must be between 0 and 65535. Received: {port}")
    try:
        listening = socket.create_server((host, port))
    except OSError as error:
        raise OSError(f"host {host}, port {port} cannot be listened at: {error}. Choose others.") from error
    with listening:
        port = listening.getsockname()[1]
        config = uvicorn.Config(
            application(tabs, host, port),
            log_level="warning",
            timeout_graceful_shutdown=1,
            limit_concurrency=200,
            proxy_headers=False,
            server_header=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        with contextlib.suppress(KeyboardInterrupt):
            try:
                print(f"The page is at http://{host}:{port} until Ctrl-C.", flush=True)
                thread.join()
            finally:
                # A browser that still shows the page is cut off, which is no error to report.
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
                server.should_exit = True
                thread.join(timeout=10)


def import_gradio() -> types.ModuleType:
    """Return Gradio; raise `ImportError` if the extra `demo` is missing."""
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The web page needs Gradio: pip install 'dmn_keras[demo]'.") from error
    return gradio
