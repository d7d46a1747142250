"""Error responses of the API: a status, a code for programs, a sentence for a person.

{"error": {"code": "disk_full", "message": "…", "hint": "…", "request_id": "…"}}
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketState

from detector.errors import Canceled, InputError, UnmaskError
from detector.sentences import _
from service.cases import NoCase
from service.limits import NotAllowed, RateLimitExceeded, TooLarge
from service.live.viewers import TooManyViewers
from service.records.api_keys import InProgress
from service.records.model import ErrorReport, RecordsError, fault_of, hint_of, message_of
from service.storage.uploads import StorageError, StorageUnreachable
from service.tasks.task import QueueFull

log = logging.getLogger(__name__)

BUSY_SECONDS = 10  # s after which to ask again where a queue is full or a database is busy


class NotFound(InputError):
    """The object does not exist, or the caller may not see it."""

    default_code = "not_found"


class Unauthorized(InputError):
    """The request has no API key, or no valid one."""

    default_code = "unauthorized"


class Forbidden(InputError):
    """The key lacks the scope."""

    default_code = "forbidden"


class Conflict(InputError):
    """The request conflicts with the present state."""

    default_code = "conflict"


class UnsupportedBody(InputError):
    """The route does not accept this type of body."""

    default_code = "unsupported_media_type"


class RefusalDetail(BaseModel):
    """Code, message and hint of an error."""

    model_config = ConfigDict(frozen=True)

    code: str = Field(description="stable, for programs", examples=["not_found"])
    message: str = Field(description="one sentence for a person")
    hint: str = Field(default="", description="what to do next; may be empty")
    request_id: str = Field(default="", description="also in the header X-Request-ID and the log")
    reference: str = Field(default="", description="of our own failure, as the log has it")

    @classmethod
    def of(cls, error: UnmaskError) -> RefusalDetail:
        """Return the detail of an error."""
        return cls(code=error.code, message=str(error.message), hint=str(error.hint))


class ErrorAnswer(BaseModel):
    """Body of each error response."""

    error: RefusalDetail


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotAllowed, 403),
    (NotFound, 404),
    (NoCase, 404),
    (Conflict, 409),
    (InProgress, 409),
    (Canceled, 409),
    (TooLarge, 413),
    (UnsupportedBody, 415),
    (RateLimitExceeded, 429),
    (QueueFull, 503),
    (TooManyViewers, 503),
    (StorageUnreachable, 503),
    (StorageError, 507),
    (RecordsError, 503),
    (InputError, 422),
    (Exception, 500),
)
"""The first that fits."""
CODES = {"license": 409, "disk_full": 507, "too_many_viewers": 503}  # Where these say more
MEANINGS: dict[int | str, str] = {
    400: "The body is broken.",
    401: "No key, or none in force.",
    403: "The key lacks the scope.",
    404: "There is no such thing, or it is somebody else's.",
    409: "Not as things stand.",
    422: "The file or a field can't be used.",
    429: "Too much for now; see Retry-After.",
    503: "Not now; see Retry-After.",
}
"""What any address may answer."""


def described(meanings: Mapping[int | str, str]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of error responses by status."""
    return {code: {"model": ErrorAnswer, "description": what} for code, what in meanings.items()}


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, UnmaskError) and error.code in CODES:
        return CODES[error.code]
    return next(status for kind, status in STATUS if isinstance(error, kind))


def detail_of(fault: ErrorReport) -> RefusalDetail:
    """Return the detail of a fault."""
    return RefusalDetail(
        code=fault.problem.code,
        message=str(message_of(fault)),
        hint=str(hint_of(fault)),
        reference=fault.reference if fault.ours else "",
    )


def answer(
    request: HTTPConnection, status: int, detail: RefusalDetail, headers: Mapping[str, str] = {}
) -> JSONResponse:
    """Return an error response."""
    detail = detail.model_copy(update={"request_id": request_id(request)})
    # Of a body that was refused, the rest is not read either.
    hang_up = {"Connection": "close"} if request.scope.get("method") == "POST" else {}
    return JSONResponse(
        ErrorAnswer(error=detail).model_dump(), status_code=status, headers={**headers, **hang_up}
    )


def request_id(request: HTTPConnection) -> str:
    """Return the id of a request, as in its response and in the log."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def answer_error(request: HTTPConnection, error: Exception) -> JSONResponse:
    """Return the response to an exception."""
    status = status_of(error)
    if status < 500 and isinstance(error, UnmaskError):
        detail = RefusalDetail.of(error)
    else:
        fault = fault_of(error)
        detail = detail_of(fault)
        if not isinstance(error, UnmaskError):
            message = str(_("Something went wrong here, not with your request."))
            detail = detail.model_copy(update={"message": message})
        if status == 500:
            log.error("a request failed, reference %s", fault.reference, exc_info=error)
    return answer(request, status, detail, headers_of(error, status))


def headers_of(error: Exception, status: int) -> dict[str, str]:
    """Return the headers of an error response, such as Retry-After."""
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    if status in (429, 503) or isinstance(error, InProgress):
        wait = getattr(error, "retry_after", 0.0) or BUSY_SECONDS
        return {"Retry-After": str(math.ceil(wait))} if math.isfinite(wait) else {}
    return {}


def install(app: FastAPI) -> None:
    """Register the exception handlers with an application."""
    for kind, handle in HANDLERS:
        app.add_exception_handler(kind, partial(_handle, handle))


async def _handle(
    handle: Callable[[HTTPConnection, Exception], JSONResponse],
    connection: HTTPConnection,
    error: Exception,
) -> JSONResponse:
    """Answer a request; a refused WebSocket gets the same body before it is accepted."""
    response = handle(connection, error)
    if isinstance(connection, WebSocket):
        if connection.client_state is WebSocketState.CONNECTING:
            await connection.send_denial_response(response)
        elif connection.application_state is WebSocketState.CONNECTED:
            await connection.close(1011)
    return response


def _http(request: HTTPConnection, error: Exception) -> JSONResponse:
    """Answer errors of the framework: an unknown path or method, a broken body."""
    assert isinstance(error, HTTPException)
    message = {
        400: _("The body could not be read: {problem}.").format(problem=error.detail),
        404: _("There is nothing at this address."),
        405: _("This address does not take that method."),
    }.get(error.status_code, error.detail)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    detail = RefusalDetail(code=code, message=str(message))
    return answer(request, error.status_code, detail, error.headers or {})


def _invalid(request: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError | WebSocketRequestValidationError)
    return answer(request, 422, invalid(error.errors()))


def invalid(problems: Sequence[Any]) -> RefusalDetail:
    """Return the message about invalid fields from pydantic's errors."""
    where = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in problems[:5]
    )
    message = _("A field does not fit: {fields}.").format(fields=where)
    return RefusalDetail(code="invalid", message=str(message))


HANDLERS: tuple[
    tuple[type[Exception], Callable[[HTTPConnection, Exception], JSONResponse]], ...
] = (
    (UnmaskError, answer_error),
    (Exception, answer_error),
    (HTTPException, _http),
    (RequestValidationError, _invalid),
    (WebSocketRequestValidationError, _invalid),
)
