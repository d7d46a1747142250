"""The REST API on a port of its own: a real server in a thread of this process, or the command."""

import os
import sys
import threading
from contextlib import contextmanager

import uvicorn

from service.api.app import create_app
from tests.support.ports import free_port
from tests.support.processes import ROOT, running
from tests.support.waiting import until


@contextmanager
def served(application):
    """Serve an application's API; its address, without a slash at the end."""
    settings = {"proxy_headers": False, "access_log": False, "timeout_graceful_shutdown": 1}
    with on_a_port(create_app(lambda: application), **settings) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def unmask_serve(data, *, variables=None, **options):
    """Run `unmask serve` on a data folder, with its log there; its address."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", "cli", "serve", "--port", port]
    own = {"UNMASK_DATA": str(data), "PYTHONPATH": str(ROOT), **(variables or {})}
    log = data / "log"
    with running(words, f"{url}/healthz", log, cwd=ROOT, env=os.environ | own, **options):
        yield url


@contextmanager
def on_a_port(app, **settings):
    """Serve an ASGI application in a thread, on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, **settings))
    thread = threading.Thread(target=server.run, name="api", daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        (listener,) = server.servers[0].sockets
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
