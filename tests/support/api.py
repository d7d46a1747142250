"""The REST API on a port of its own: a real server in a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.api.app import create_app
from service.application import Application
from tests.support.waiting import until


@contextmanager
def served(application: Application) -> Iterator[str]:
    """Serve an application's API; its address, without a slash at the end."""
    config = uvicorn.Config(
        create_app(lambda: application),
        port=0,
        proxy_headers=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="api", daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        (listener,) = server.servers[0].sockets
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
