"""Serve the API alone: `unmask serve`."""

import logging

import uvicorn

from detector import paths
from service import auth, startup
from service.api.app import alone
from service.api.connections import TimedProtocol
from service.application import Application
from service.config import get_config

PORT = 8502
KEEP_ALIVE_SECONDS = 30
MAX_MESSAGE_BYTES = 5 << 20  # of a WebSocket; a frame may have 4 MB
CLOSE_SECONDS = 15  # s that requests get to end when the server stops


def serve(host: str, port: int) -> None:
    """Serve until somebody stops it."""
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, force=True)
    for name in ("unmask", "service", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    get_config()
    auth.accounts()
    startup.prepare()
    uvicorn.run(
        alone(lambda: Application(paths.data())),
        host=host,
        port=port,
        http=TimedProtocol,
        # Whom to believe about where a request is from is `service.auth.caller`'s to say; and an
        # analysis's address opens it, so it stands in no log.
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_config=None,
        ws_max_size=MAX_MESSAGE_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
