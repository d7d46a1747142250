"""A small Internet on this computer: 127.0.0.2 stands for it, 127.0.0.1 stays private. And servers
in it that answer as a test says."""

from __future__ import annotations

import ssl
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from skimage import data

from detector.network import addresses

PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
PNG = Path(data.__file__).with_name("astronaut.png")


def resolver(names):
    """Stands in for a resolver that knows these names; an address is its own."""

    def resolve(host, port):
        if host in names:
            return names[host]
        if host.replace(".", "").isdigit():
            return [host]
        raise OSError("no such name")

    return resolve


class Handler(BaseHTTPRequestHandler):
    """Answers by the path of a request, whose body is in `body`."""

    server: Server
    protocol_version = "HTTP/1.1"
    body = b""

    def do_GET(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.came.append((self.path, dict(self.headers)))
        self.close_connection = True
        try:
            self.server.answers[self.path.partition("?")[0]](self)
        except OSError:  # whoever asked has left
            self.server.left.set()

    do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def begin(self, status=200, **headers):
        """Send a status and headers; `Content_Length` for Content-Length."""
        self.send_response(status)
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *args): ...


class Server(ThreadingHTTPServer):
    """One that listens at one address; what came to it is in `came`."""

    daemon_threads = True

    def __init__(self, address, answers):
        super().__init__((address, 0), Handler)
        self.answers = answers
        self.came: list[tuple[str, dict[str, str]]] = []
        self.left = threading.Event()

    def url(self, host, path):
        return f"http://{host}:{self.server_port}{path}"


@contextmanager
def served(server):
    """Run a server in a thread."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def serving(address, answers):
    """Serve answers at an address."""
    return served(Server(address, answers))


def secure(server, pem):
    """Have a server speak TLS with a certificate and its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)


def small_internet(patch):
    """Let `PUBLIC` pass for an address of the Internet."""
    real = addresses.is_public
    patch.setattr(addresses, "is_public", lambda address: address == PUBLIC or real(address))


def whole(body, status=200, **headers):
    """Answer with a body and its length."""

    def answer(handler):
        handler.begin(status, **{"Content_Length": str(len(body))} | headers)
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def everywhere(answer):
    """The same answer at every path."""
    return defaultdict(lambda: answer)


def redirect(to, **headers):
    """Answer that it is elsewhere."""
    return lambda handler: handler.begin(302, Location=to, Content_Length="0", **headers)


def endless(piece, pause, before=b""):
    """Answer without an end: a piece, a pause, a piece."""

    def answer(handler):
        handler.begin()
        handler.wfile.write(before)
        while True:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)

    return answer
