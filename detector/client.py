"""Client of the REST API (docs/api.md), for programs on other machines.

    with UnmaskClient("https://unmask.example.org", key="um_…") as client:
        analysis = client.analyze("clip.mp4", frames=16)
        frames = client.request("GET", "/v1/analyses").json()

Requests that a busy server refuses (429, 503) are retried after its Retry-After. Uploads carry an
idempotency key: a file that is sent twice is analyzed once. `/openapi.json` describes every route.
"""

import hmac
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import httpx

from detector.errors import UnmaskError
from detector.schema.analysis import Analysis
from detector.schema.comparison import Comparison

URL = "http://127.0.0.1:8502"  # Where `unmask serve` listens
RETRIES = 8
MAX_WAIT = 60.0  # s before a request is sent again, at most
TIMEOUT = 90.0  # s
ENDED = frozenset({"done", "failed", "canceled", "interrupted"})


class ApiError(UnmaskError):
    """Error response of the server: HTTP `status`, and the `request_id` in its log."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        message = error.get("message") or f"The server answered {status}."
        super().__init__(message, code=error.get("code"), hint=error.get("hint", ""))
        self.status, self.request_id = status, str(error.get("request_id", ""))


class UnmaskClient(ExitStack):
    """Connection to a server at `url`, with an API `key` (`unmask keys add`) unless it is local.

    All methods raise ApiError where the server refuses or an analysis ends without a result.
    """

    def __init__(
        self,
        url: str = URL,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = self.enter_context(
            httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, transport=transport)
        )

    def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Send a request with httpx's `params`, `data`, `files` or `headers`."""
        for left in range(RETRIES, -1, -1):
            for _field, (_name, file) in sent.get("files", ()):
                file.seek(0)
            answer = self._http.request(method, path, **sent)
            pause = answer.headers.get("Retry-After", "")
            if not left or answer.status_code not in (409, 429, 503) or not pause.isdigit():
                break
            time.sleep(min(MAX_WAIT, float(pause)))
        if answer.is_error:
            raise _error(answer)
        return answer

    def analyze(self, path: str | Path, **settings: Any) -> Analysis:
        """Upload a file and wait for its result; `settings` as in `submit`."""
        return self.wait(self.submit([path], **settings)["id"])

    def submit(self, paths: Sequence[str | Path], *, batch: bool = False, **settings: Any) -> Any:
        """Upload one file, or several as a batch, and return the server's JSON of it.

        `settings` are fields of `detector.schema.analysis.Settings` and `webhook`, a public URL.
        """
        if isinstance(settings.get("models"), list | tuple):
            settings["models"] = ",".join(settings["models"])
        data = {name: str(value) for name, value in settings.items() if value is not None}
        path, field = ("/v1/batches", "files") if batch else ("/v1/analyses", "file")
        return self._upload(path, [(field, Path(one)) for one in paths], data)

    def wait(self, id: str) -> Analysis:
        """Return the result of an analysis once it ends."""
        return Analysis.model_validate(self._result(f"/v1/analyses/{id}"))

    def compare(
        self,
        first: str | Path,
        second: str | Path,
        *,
        original: Literal["first", "second"] | None = None,
    ) -> Comparison:
        """Compare two files, each a `Path` to upload or the id of an analysis. `original`: which of
        the two is the original, if that is claimed."""
        sides = {"first": first, "second": second}
        data = {name: one for name, one in sides.items() if isinstance(one, str)}
        if original is not None:
            data["original"] = original
        files = [(name, one) for name, one in sides.items() if isinstance(one, Path)]
        sent = self._upload("/v1/comparisons", files, data)
        return Comparison.model_validate(self._result(f"/v1/comparisons/{sent['id']}"))

    def events(self, task: str) -> Iterator[dict[str, Any]]:
        """Yield the JSON of a task at each change until it ends."""
        with self._http.stream("GET", f"/v1/tasks/{task}/events") as stream:
            if stream.is_error:
                stream.read()
                raise _error(stream)
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def _result(self, path: str) -> Any:
        found = self.request("GET", path).json()
        while found["state"] not in ENDED:
            for _event in self.events((found["task"] or found)["id"]):
                pass
            found = self.request("GET", path).json()
        if found["result"] is None:
            unknown = {"code": found["state"], "message": f"The task is {found['state']}."}
            raise ApiError(200, found["error"] or unknown)
        return found["result"]

    def _upload(self, path: str, files: list[tuple[str, Path]], data: dict[str, str]) -> Any:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with ExitStack() as stack:
            opened = [(field, (f.name, stack.enter_context(f.open("rb")))) for field, f in files]
            return self.request("POST", path, files=opened, data=data, headers=headers).json()


def _error(answer: httpx.Response) -> ApiError:
    try:
        return ApiError(answer.status_code, dict(answer.json()["error"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, {"code": "no_api"})


def verify_signature(body: bytes, header: str, secret: str, *, within: float = 300.0) -> bool:
    """Return whether a webhook's `Unmask-Signature` is valid and at most `within` s old.

    `body` is the raw request body, `secret` that of `GET /v1/webhooks/secret`.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    if not (when := parts.get("t", "")).isdigit() or abs(time.time() - int(when)) > within:
        return False
    made = hmac.new(secret.encode(), f"{when}.".encode() + body, "sha256").hexdigest()
    return hmac.compare_digest(made, parts.get("v1", ""))
