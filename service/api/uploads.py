"""Upload of files in a request: streamed to disk, and refused as soon as a limit is exceeded.

The caller is authenticated before the first byte of the body is read; a body is never held in
memory.
"""

import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Header
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from detector.errors import InputError
from detector.media.files import sha256
from detector.models import registry
from detector.schema.analysis import Settings
from detector.sentences import _
from service import limits
from service.api.errors import UnsupportedBody, invalid
from service.api.forms import parsed
from service.application import Application
from service.batch_files import IncomingFile
from service.context import RequestContext
from service.limits import MEGABYTE, TooLarge
from service.storage.arriving import ArrivingFile
from service.storage.uploads import full_disk_refused, max_upload_mb, no_room
from service.tasks.jobs import Job

OVERHEAD = 64 * 1024  # bytes of a form beside its file: boundaries, names, settings
LINK = "url"  # The field of a file's address; there may be several where there may be several files
MAX_FIELDS, MAX_FIELD_BYTES = 20, 8 * 1024
SETTINGS = tuple(name for name in Settings.model_fields if name != "ensemble")
"""Fields of a form that are those of `Settings`."""


Source = IncomingFile | str
"""A file of a request, on disk until that is answered; or the address of one."""


@contextmanager
def on_disk(file: IncomingFile) -> Iterator[Path]:
    """Copy a file of a request to a temporary path for the duration of the context."""
    with tempfile.NamedTemporaryFile(prefix="unmask-") as copy:
        shutil.copyfileobj(file.source, copy)
        copy.flush()
        yield Path(copy.name)


def submit(
    source: Source,
    application: Application,
    context: RequestContext,
    settings: Settings,
    *,
    film: bool = False,
) -> Job:
    """Queue the analysis of a file or of a link's file; with `film`, of the video in a motion
    photo. Raise as `Application.submit`, `submit_link` and `submit_film`."""
    if isinstance(source, str):
        return application.submit_link(context, source, settings)
    if not film:
        return application.submit(context, source.source, source.name, settings, size=source.size)
    with on_disk(source) as path:
        return application.submit_film(context, path, source.name, settings)


@dataclass(frozen=True)
class Form:
    """The parsed body of a request."""

    sources: tuple[tuple[str, Source], ...]  # Each with the name of its field
    fields: dict[str, str]

    @property
    def files(self) -> list[Source]:
        """Return the files and addresses in their order."""
        return [source for _field, source in self.sources]

    def fingerprint(self) -> str:
        """Return a hash of all values and files, to recognize a repeated request. Reads the files
        and rewinds them."""
        parts = []
        for field, source in self.sources:
            if isinstance(source, str):
                parts.append(f"{LINK}\0{source}")
            else:
                file = source.source
                hash = file.sha256 if isinstance(file, ArrivingFile) else sha256(file)
                parts.append(f"{field}\0{source.name}\0{hash}")
                file.seek(0)
        asked = [*parts, *sorted(self.fields.items())]
        return hashlib.sha256(repr(asked).encode()).hexdigest()

    @property
    def webhook(self) -> str:
        """Return the webhook's address; may be empty."""
        return self.fields.get("webhook", "").strip()

    @property
    def film(self) -> bool:
        """Return whether the video of a motion photo is to be analyzed. Raise InputError if the
        value is invalid."""
        try:
            return TypeAdapter(bool).validate_python(self.fields.get("film", "").strip() or False)
        except ValidationError:
            text = _("The field “film” is true or false.")
            raise InputError(text, code="invalid") from None

    @property
    def settings(self) -> Settings:
        """Return the settings of the analysis. Raise InputError if a value is invalid or a model
        unknown."""
        given: dict[str, Any] = {n: v for n in SETTINGS if (v := self.fields.get(n, "").strip())}
        if "models" in given:
            given["models"] = [id.strip() for id in given["models"].split(",") if id.strip()]
        try:
            settings = Settings.model_validate(given)
        except ValidationError as error:
            raise InputError(invalid(error.errors()).message, code="invalid") from None
        registry.choose(settings.models)
        return settings


@asynccontextmanager
async def receive(
    request: Request,
    context: RequestContext,
    *,
    names: tuple[str, ...] = ("file",),
    most: int = 1,
    least: int = 1,
) -> AsyncIterator[Form]:
    """Parse the form of a request with `least` to `most` files in the fields `names`; they are
    deleted on exit. Raise TooLarge, UnsupportedBody or InputError if the form is not accepted."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        text = _("A file comes as a form: Content-Type multipart/form-data.")
        raise UnsupportedBody(text, hint=_("For example: curl -F file=@clip.mp4 …"))
    megabytes = limits.megabytes(context.principal, max_upload_mb())
    application: Application = request.app.state.application()
    uploads = application.jobs.uploads
    announced = request.headers.get("content-length", "")
    if not uploads.has_room(int(announced) if announced.isdigit() else 0):
        raise no_room()
    limited = _limited(request, megabytes)
    fields = parsed(
        Request(request.scope, limited),
        uploads.root,
        max_files=most,
        max_fields=MAX_FIELDS + most,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        with full_disk_refused():
            async with fields as form:
                yield _checked(form, names, most, least)
    except ClientDisconnect:
        raise HTTPException(400, "the client went away") from None


def _limited(request: Request, megabytes: int) -> Receive:
    """Return a reader of the body that refuses the first byte over the limit."""
    allowed = megabytes * MEGABYTE + OVERHEAD
    refusal = TooLarge(_("A file may have {number} MB here.").format(number=megabytes))
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > allowed:
        raise refusal
    came = 0

    async def read() -> Message:
        nonlocal came
        message = await request.receive()
        came += len(message.get("body", b""))
        if came > allowed:
            raise refusal
        return message

    return read


def _checked(form: FormData, names: tuple[str, ...], most: int, least: int) -> Form:
    sources: list[tuple[str, Source]] = []
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name in names:
                given = value.filename or "file"  # hostile
                sources.append((name, IncomingFile(value.file, given, value.size or 0)))
        elif name == LINK:
            if value.strip():
                sources.append((LINK, value.strip()))
        else:
            fields[name] = value
    if len(sources) < least:
        text = _("There is no file in this request, or it broke off.")
        hint = _("Send it in the field “{name}”.")
        raise InputError(text, code="no_file", hint=hint.format(name=(*names, LINK)[0]))
    if len(sources) > most:
        text = _("Too many files and links in one request; it may have {number}.")
        raise InputError(text.format(number=most), code="too_many_files")
    return Form(tuple(sources), fields)


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="any text of yours; the same request under it within a day is done once",
    ),
]


def once(
    application: Application,
    context: RequestContext,
    form: Form,
    key: str | None,
    make: Callable[[], str],
) -> str:
    """Return the id of what a request creates, or created before under the same idempotency key.
    Raise KeyReused or InProgress if the key belongs to another or an unfinished request."""
    if key is None:
        return make()
    owner, keys = context.principal.id, application.idempotency
    earlier = keys.claim(owner, key, form.fingerprint())
    if earlier is not None:
        return earlier
    try:
        id = make()
    except BaseException:
        keys.release(owner, key)
        raise
    keys.complete(owner, key, id)
    return id
