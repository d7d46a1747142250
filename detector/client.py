"""A client of the REST API (docs/api.md), for programs elsewhere.

    with UnmaskClient("https://unmask.example.org", key="um_…") as client:
        analysis = client.analyze("clip.mp4", frames=16)
        print(analysis.verdict.label, analysis.verdict.probability)

What a busy server sends away (429, 503) is sent again when it says so; a file is sent under a key
of its own, so that it is analyzed once however often it is sent. Knows nothing of the service: only
what goes over the wire.

Longer than 400 lines because it is one client: a method a route, with what each answers.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict

from detector.errors import UnmaskError
from detector.schema.analysis import Analysis, Label
from detector.schema.comparison import Comparison, ComparisonFinding

URL = "http://127.0.0.1:8502"
"""Where `unmask serve` listens."""
RETRIES = 8
MAX_WAIT = 60.0
"""s of the longest wait before a request is sent again"""
WATCH = 30.0
"""s that one request waits for a result; then the next does"""

TaskState = Literal["queued", "running", "done", "failed", "canceled", "interrupted"]
ENDED = frozenset({"done", "failed", "canceled", "interrupted"})


class ApiError(UnmaskError):
    """What the server refused, or failed at.

    Attributes
    ----------
    status : int
        Of HTTP.
    request_id : str
        By which the server's log knows the request.
    """

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        message = error.get("message") or f"The server answered {status}."
        super().__init__(message, code=error.get("code"), hint=error.get("hint", ""))
        self.status = status
        self.request_id: str = error.get("request_id", "")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # newer servers say more


class RemoteError(_Answer):
    """Why there is no result."""

    code: str
    message: str
    hint: str = ""


class RemoteTask(_Answer):
    """Background work of the server."""

    id: str
    kind: str
    state: TaskState
    stage: str
    fraction: float
    seconds_left: float | None
    error: RemoteError | None
    href: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class RemoteAnalysis(_Answer):
    """The analysis of a file: where it stands, and its result once there is one."""

    id: str
    name: str
    state: TaskState
    created: datetime
    ahead: int
    task: RemoteTask
    error: RemoteError | None
    verdict: Label | None
    result: Analysis | None
    href: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class RemoteComparison(_Answer):
    """A suspected copy against its original: where that stands, and what came of it."""

    id: str
    state: TaskState
    task: RemoteTask | None
    error: RemoteError | None
    finding: ComparisonFinding | None
    sentence: str
    result: Comparison | None
    href: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class RemoteFace(_Answer):
    """A subject at one sampled moment."""

    id: str
    box: tuple[float, float, float, float]
    probability: float | None
    scores: dict[str, float]
    problem: str | None


class RemoteFrame(_Answer):
    """One sampled moment."""

    index: int
    time: float
    subjects: list[RemoteFace]


class RemoteModel(_Answer):
    """A model of the server."""

    id: str
    title: str
    state: str
    ready: bool
    license: str


class RemoteBatchItem(_Answer):
    """One file of a batch."""

    name: str
    analysis: str | None
    state: TaskState | None
    verdict: Label | None
    error: RemoteError | None


class RemoteBatch(_Answer):
    """Several analyses that are followed as one."""

    id: str
    done: bool
    counts: dict[str, int]
    items: list[RemoteBatchItem]
    href: str


class UnmaskClient:
    """A connection to a server.

    Parameters
    ----------
    url : str
        Of the server, without `/v1`.
    key : str, optional
        Made by `unmask keys add`; a server on this computer needs none.
    timeout : float
        s without an answer after which a request is given up.
    retries : int
        How often a request is sent again that a busy server sent away.
    transport : httpx.BaseTransport, optional
        For tests.
    """

    def __init__(
        self,
        url: str = URL,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._retries = retries
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout + WATCH, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def analyze(self, path: str | Path, *, webhook: str | None = None, **settings: Any) -> Analysis:
        """Send a file and wait for its result.

        Parameters
        ----------
        path : path
        webhook : str, optional
            A public address that the server tells, too.
        **settings
            Of `detector.schema.analysis.Settings`: models, frames, sampling, fps, min_face, start,
            end.

        Raises
        ------
        ApiError
            The server refused it, or there is no result (`code` says why).
        """
        return self.wait(self.submit(path, webhook=webhook, **settings).id)

    def submit(
        self, path: str | Path, *, webhook: str | None = None, **settings: Any
    ) -> RemoteAnalysis:
        """Send a file; its analysis, which may not have begun. Parameters as in `analyze`."""
        answer = self._upload("/v1/analyses", "file", [Path(path)], webhook, settings)
        return RemoteAnalysis.model_validate(answer)

    def wait(self, id: str) -> Analysis:
        """Wait for the end of an analysis; its result.

        Raises
        ------
        ApiError
            It ended without one.
        """
        found = self.get(id)
        while not found.ended:
            for _task in self.events(found.task.id):
                pass
            found = self.get(id)
        if found.result is None:
            error = found.error or RemoteError(code=found.state, message=f"It is {found.state}.")
            raise ApiError(200, error.model_dump())
        return found.result

    def get(self, id: str) -> RemoteAnalysis:
        """Return an analysis as it is now."""
        return RemoteAnalysis.model_validate(self._json("GET", f"/v1/analyses/{id}"))

    def list(self, *, limit: int = 20, offset: int = 0) -> list[RemoteAnalysis]:
        """Return one's own analyses without their results, the newest first."""
        params = {"limit": limit, "offset": offset}
        found = self._json("GET", "/v1/analyses", params=params)
        return [RemoteAnalysis.model_validate(one) for one in found]

    def frames(self, id: str) -> Sequence[RemoteFrame]:
        """Return the sampled moments of a result."""
        found = self._json("GET", f"/v1/analyses/{id}/frames")["frames"]
        return [RemoteFrame.model_validate(one) for one in found]

    def heatmap(
        self, id: str, frame: int, *, subject: str | None = None, model: str | None = None
    ) -> bytes:
        """Return where a model looked in a sampled moment, as a JPEG."""
        asked = {"subject": subject, "model": model}
        params = {name: value for name, value in asked.items() if value is not None}
        return self._send("GET", f"/v1/analyses/{id}/heatmap/{frame}", params=params).content

    def report(self, id: str) -> bytes:
        """Return the sealed report, a PDF."""
        return self._send("GET", f"/v1/analyses/{id}/report.pdf").content

    def again(self, id: str) -> RemoteAnalysis:
        """Analyze a kept file once more, under its address: one that was interrupted or failed."""
        return RemoteAnalysis.model_validate(self._json("POST", f"/v1/analyses/{id}/again"))

    def delete(self, id: str) -> None:
        """Stop an analysis, and delete it with its file."""
        self._send("DELETE", f"/v1/analyses/{id}")

    def task(self, id: str) -> RemoteTask:
        """Return a task as it is now."""
        return RemoteTask.model_validate(self._json("GET", f"/v1/tasks/{id}"))

    def cancel(self, id: str) -> RemoteTask:
        """Ask a task to stop."""
        return RemoteTask.model_validate(self._json("DELETE", f"/v1/tasks/{id}"))

    def events(self, id: str) -> Iterator[RemoteTask]:
        """Give each change of a task until it has ended."""
        with self._http.stream("GET", f"/v1/tasks/{id}/events") as stream:
            if stream.is_error:
                stream.read()
                raise _error(stream)
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    yield RemoteTask.model_validate_json(line[5:])

    def submit_comparison(self, copy: str | Path, original: str | Path) -> RemoteComparison:
        """Have a suspected copy held against its original; parameters as in `compare`."""
        sides = {"copy": copy, "original": original}
        data = {name: one for name, one in sides.items() if isinstance(one, str)}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with ExitStack() as stack:
            files = [
                (name, (one.name, stack.enter_context(one.open("rb"))))
                for name, one in sides.items()
                if isinstance(one, Path)
            ]
            answer = self._send("POST", "/v1/comparisons", files=files, data=data, headers=headers)
        return RemoteComparison.model_validate(answer.json())

    def comparison(self, id: str) -> RemoteComparison:
        """Return a comparison as it is now."""
        return RemoteComparison.model_validate(self._json("GET", f"/v1/comparisons/{id}"))

    def comparison_report(self, id: str) -> bytes:
        """Return the sealed report of a comparison, a PDF."""
        return self._send("GET", f"/v1/comparisons/{id}/report.pdf").content

    def compare(self, copy: str | Path, original: str | Path) -> Comparison:
        """Hold a suspected copy against its original and wait for what comes of it.

        Parameters
        ----------
        copy, original : Path or str
            A `Path` is a file that is sent; a text is the id of an analysis.

        Raises
        ------
        ApiError
            The server refused it, or there is no finding (`code` says why).
        """
        found = self.submit_comparison(copy, original)
        while not found.ended:
            for _task in self.events(found.task.id if found.task else found.id):
                pass
            found = self.comparison(found.id)
        if found.result is None:
            error = found.error or RemoteError(code=found.state, message=f"It is {found.state}.")
            raise ApiError(200, error.model_dump())
        return found.result

    def models(self) -> Sequence[RemoteModel]:
        """Return the models of the server."""
        return [RemoteModel.model_validate(one) for one in self._json("GET", "/v1/models")]

    def fetch_model(self, id: str) -> RemoteTask:
        """Have the server download a model."""
        return RemoteTask.model_validate(self._json("POST", f"/v1/models/{id}/fetch"))

    def submit_batch(
        self, paths: Sequence[str | Path], *, webhook: str | None = None, **settings: Any
    ) -> RemoteBatch:
        """Send several files together. Parameters as in `analyze`."""
        files = [Path(path) for path in paths]
        answer = self._upload("/v1/batches", "files", files, webhook, settings)
        return RemoteBatch.model_validate(answer)

    def batch(self, id: str) -> RemoteBatch:
        """Return a batch as it is now."""
        return RemoteBatch.model_validate(self._json("GET", f"/v1/batches/{id}"))

    def _upload(
        self, path: str, field: str, files: Sequence[Path], webhook: str | None, settings: Any
    ) -> Any:
        if isinstance(settings.get("models"), list | tuple):
            settings["models"] = ",".join(settings["models"])
        data = {name: str(value) for name, value in settings.items() if value is not None}
        if webhook:
            data["webhook"] = webhook
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        with ExitStack() as stack:
            opened = [(field, (f.name, stack.enter_context(f.open("rb")))) for f in files]
            return self._send("POST", path, files=opened, data=data, headers=headers).json()

    def _json(self, method: str, path: str, **sent: Any) -> Any:
        return self._send(method, path, **sent).json()

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        for left in range(self._retries, -1, -1):
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


def _error(answer: httpx.Response) -> ApiError:
    try:
        return ApiError(answer.status_code, dict(answer.json()["error"]))
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, {"code": "no_api"})


def verify_signature(body: bytes, header: str, secret: str, *, within: float = 300.0) -> bool:
    """Return whether an event of a webhook is the server's, and fresh.

    Parameters
    ----------
    body : bytes
        As it came.
    header : str
        `Unmask-Signature`.
    secret : str
        Of `GET /v1/webhooks/secret`.
    within : float
        s of the oldest that counts.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    when = parts.get("t", "")
    if not when.isdigit() or abs(time.time() - int(when)) > within:
        return False
    made = hmac.new(secret.encode(), f"{when}.".encode() + body, "sha256").hexdigest()
    return hmac.compare_digest(made, parts.get("v1", ""))
