"""WebSocket of a remote camera: JPEG frames in, readings out.

A binary message is a frame. The text message `end` ends the session; so do silence and a
disconnect. Answers are JSON: `{"type": "frame", …}` for each scored frame, as `unmask live --json`
writes it, `{"type": "known", …}` when the camera shows footage of the owner's library, and
`{"type": "end", "result": …}` at the end.
"""

import asyncio
import io
import time
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, WebSocket
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from detector.errors import InputError, UnmaskError
from detector.live import LiveSettings
from detector.live.lines import ScoredFrameLines
from detector.network.transport import first_to_end
from detector.sentences import _
from service.api.access import Analyst, App, in_force
from service.api.errors import RefusalDetail
from service.api.routes.tasks import RECHECK
from service.api.schemas import V1
from service.application import Application
from service.live.viewers import LiveOptions, SessionRetention, Viewer, letterbox

router = APIRouter(prefix=V1, tags=["live"])

MAX_FRAME_BYTES = 4 << 20
MAX_FRAME_SIDE = 4096  # px; as `detector.live.session`
EVERY = 0.05  # s between two looks at what is known
INVALID_DATA, POLICY = 1007, 1008  # codes that a WebSocket is closed with


@router.websocket("/live")
async def live(
    websocket: WebSocket,
    context: Analyst,
    application: App,
    models: Annotated[str | None, Query(description="ids with commas between")] = None,
    min_face: Annotated[int, Query(ge=12, le=1000)] = 40,
    alarm_above: Annotated[float | None, Query(gt=0, lt=1)] = None,
    keep: Literal["nothing", "scores"] = "nothing",
) -> None:
    """Score the frames of a camera. With `keep=scores` the session becomes an analysis at
    its end."""
    ids = tuple(id.strip() for id in models.split(",") if id.strip()) if models else None
    viewer = await run_in_threadpool(
        application.viewers.open,
        LiveSettings(models=ids, min_face=min_face, alarm_above=alarm_above),
        LiveOptions(
            models=ids, keep=SessionRetention(keep), mirror=False, scope=application.scope(context)
        ),
    )
    try:
        await websocket.accept()
        await first_to_end(_take(websocket, viewer), _tell(websocket, viewer, application))
        await run_in_threadpool(viewer.end)
        if viewer.failure is not None:
            raise viewer.failure
        result = f"{V1}/analyses/{viewer.result}" if viewer.result else None
        await websocket.send_json({"type": "end", "result": result})
        await websocket.close()
    except WebSocketDisconnect as error:
        if error.code == POLICY:
            await websocket.close(POLICY)
    except UnmaskError as error:
        await websocket.send_json({"type": "error", "error": RefusalDetail.of(error).model_dump()})
        await websocket.close(INVALID_DATA)
    finally:
        await run_in_threadpool(viewer.end)


async def _take(websocket: WebSocket, viewer: Viewer) -> None:
    """Pass frames on until `end`; raise WebSocketDisconnect, or InputError for a non-frame."""
    while not viewer.ended:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1000)
        if message.get("text") is not None:
            if message["text"].strip() == "end":
                return
            raise InputError(_("A message of text can only be “end”."), code="bad_message")
        rgb = await run_in_threadpool(decode, message.get("bytes") or b"")
        viewer.push(rgb)


async def _tell(websocket: WebSocket, viewer: Viewer, application: Application) -> None:
    """Send new readings while the caller's credentials are valid."""
    lines, checked, ready, known = ScoredFrameLines(), time.monotonic(), False, ""
    while not viewer.ended:
        state = viewer.state
        if state.ready and not ready:
            ready = True
            await websocket.send_json({"type": "ready", "models": list(state.every)})
        for line in lines.new(state):
            await websocket.send_json({"type": "frame", **line})
        if viewer.known is not None and viewer.known.match_sha256 != known:
            known = viewer.known.match_sha256
            told = viewer.known.model_dump(include={"name", "source", "matched", "asked"})
            await websocket.send_json({"type": "known", **told})
        if time.monotonic() - checked > RECHECK:
            checked = time.monotonic()
            if not await run_in_threadpool(in_force, websocket, application):
                raise WebSocketDisconnect(POLICY)
        await asyncio.sleep(EVERY)  # readings change with each frame, and none is announced


def decode(data: bytes) -> np.ndarray:
    """Return the picture of a frame, uint8 [H, W, 3] RGB, at the size of a session. Raise
    InputError if it is not a JPEG, or too large; its header is checked before it is decoded."""
    text = _("A frame is a JPEG of at most {bytes} MB and {side} px.")
    refusal = InputError(
        text.format(bytes=MAX_FRAME_BYTES >> 20, side=MAX_FRAME_SIDE), code="bad_frame"
    )
    if len(data) > MAX_FRAME_BYTES:
        raise refusal
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if max(picture.size) > MAX_FRAME_SIDE:
                raise refusal
            return letterbox(np.asarray(picture.convert("RGB")))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise refusal from None
