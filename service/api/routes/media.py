"""What a file is, before anything is analyzed."""

import base64
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from detector import media
from detector.errors import InputError, MediaError
from detector.schema.media import Media
from detector.sentences import _
from service.api import uploads
from service.api.access import Analyst
from service.api.routes.analyses import REFUSALS
from service.api.schemas import BINARY, V1, form_body
from service.api.uploads import FormFile
from service.records import thumbnails

router = APIRouter(prefix=f"{V1}/media", tags=["analyses"])


class MediaPreview(BaseModel):
    """A file as its probe and its middle picture show it."""

    media: Media
    picture: str | None = Field(description="WebP, base64; None for a sound or an unreadable frame")


@router.post("", responses=REFUSALS, openapi_extra=form_body({"file": BINARY}, ["file"]))
async def preview(request: Request, context: Analyst) -> MediaPreview:
    """Describe a file and show a picture of it. Nothing is analyzed, and nothing is kept."""
    async with uploads.receive(request, context) as form:
        (source,) = form.sources
        if not isinstance(source, FormFile):
            raise InputError(_("A preview is of a file, not of a link."), code="no_file")
        return await run_in_threadpool(_look, source)


def _look(source: FormFile) -> MediaPreview:
    with tempfile.NamedTemporaryFile(prefix="unmask-") as copy:
        shutil.copyfileobj(source.file, copy)
        copy.flush()
        path = Path(copy.name)
        found, picture = media.probe(path, name=source.name), None
        with suppress(MediaError):
            if found.kind != "audio":
                frame = media.frame_at(path, found, (found.duration or 0.0) / 2)
                picture = base64.b64encode(thumbnails.small(frame.rgb)).decode()
    return MediaPreview(media=found, picture=picture)
