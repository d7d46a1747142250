"""A hub on loopback: serves repositories in the layout that Hugging Face's client asks for, and can
be told to misbehave. No test needs the internet for it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"
"""The commit that every repository is at."""

_INFO = re.compile(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Repo:
    """Files by name, and what the hub says of them."""

    def __init__(self, files: dict[str, bytes], license: str | None = "mit") -> None:
        self.files = files
        self.license = license
        self.gated = False
        self.private = False
        self.stated: dict[str, str] = {}  # sha256 that the hub states instead of the true one

    def sha256(self, name: str) -> str:
        return self.stated.get(name) or hashlib.sha256(self.files[name]).hexdigest()

    def info(self, name: str) -> dict[str, Any]:
        siblings = []
        for file, body in self.files.items():
            entry: dict[str, Any] = {"rfilename": file, "size": len(body), "blobId": "0" * 40}
            if is_large(file):
                entry["lfs"] = {
                    "sha256": self.sha256(file),
                    "size": len(body),
                    "pointerSize": 134,
                }
            siblings.append(entry)
        card = {"license": self.license} if self.license else {}
        return {
            "_id": "1",
            "id": name,
            "modelId": name,
            "sha": SHA,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "cardData": card,
            "siblings": siblings,
        }


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


class Hub:
    """`repos` by "owner/name"; `breaks`: after so many bytes the next answers break off."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.tokens: set[str | None] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self, body=True)

            def do_HEAD(self) -> None:
                outer.answer(self, body=False)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def ranges(self, name: str) -> list[str | None]:
        """The Range of every request for a file's bytes."""
        return [asked for way, path, asked in self.asked if way == "GET" and path.endswith(name)]

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = urlsplit(request.path).path
        self.asked.append((request.command, path, request.headers.get("Range")))
        token = request.headers.get("Authorization")
        self.tokens.add(token)
        if found := _INFO.fullmatch(path):
            repo = self.repos.get(found[1])
            if repo is None or (repo.private and not token):
                return self._refuse(request, 401, "RepoNotFound" if repo is None else "")
            if found[2] not in {None, SHA, "main"}:
                return self._refuse(request, 404, "RevisionNotFound")
            return self._send(request, 200, json.dumps(repo.info(found[1])).encode(), {}, body)
        if found := _FILE.fullmatch(path):
            repo = self.repos.get(found[1])
            if repo is None:
                return self._refuse(request, 404, "RepoNotFound")
            if repo.gated and not token:
                return self._refuse(request, 401, "GatedRepo")
            if found[3] not in repo.files:
                return self._refuse(request, 404, "EntryNotFound")
            return self._file(request, repo, found[3], body)
        return self._refuse(request, 404, "")

    def _file(self, request: BaseHTTPRequestHandler, repo: Repo, name: str, body: bool) -> None:
        content, status = repo.files[name], 200
        headers = {"ETag": f'"{repo.sha256(name)}"', "X-Repo-Commit": SHA, "Accept-Ranges": "bytes"}
        if is_large(name):
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": headers["ETag"]}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
        if asked and body:
            start = int(asked[1])
            total = len(content)
            content, status = content[start:], 206
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self._send(request, status, content, headers, body)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        content: bytes,
        headers: dict[str, str],
        body: bool,
    ) -> None:
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if not body:
            return
        if len(content) > 10_000 and self.breaks:
            content = content[: self.breaks.pop(0)]
            request.close_connection = True
        try:
            request.wfile.write(content)
        except OSError:  # whoever asked has gone
            request.close_connection = True

    def _refuse(self, request: BaseHTTPRequestHandler, status: int, code: str) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": "refused"} if code else {}
        self._send(request, status, b"{}", headers, request.command == "GET")
