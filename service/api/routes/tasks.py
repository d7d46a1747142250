"""Routes of background tasks: progress on request, as server-sent events, or over a WebSocket."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Request, WebSocket
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from detector.sentences import _
from service.api.access import Analyst, App, Reader, in_force
from service.api.errors import NotFound
from service.api.schemas import V1, TaskView
from service.application import Application
from service.tasks.queue import LOOK_SECONDS, TaskQueue
from service.tasks.task import Task

router = APIRouter(prefix=f"{V1}/tasks", tags=["tasks"])

RECHECK = 2.0  # s between two looks at whether they still may


def find(task: str, context: Reader, application: App) -> Task:
    """Return a task of the caller. Raise NotFound if they have none with this id."""
    found = application.tasks.find(task, context.principal)
    if found is None:
        raise NotFound(_("There is no such task."))
    return found


RequestedTask = Annotated[Task, Depends(find)]


@router.get("/{task}")
def get(task: RequestedTask) -> TaskView:
    """Return the progress of a task."""
    return TaskView.of(task)


@router.delete("/{task}", status_code=202)
def cancel(task: str, context: Analyst, application: App) -> TaskView:
    """Cancel a task: a waiting one ends at once, a running one at its next step."""
    found = find(task, context, application)
    application.tasks.cancel(found)
    return TaskView.of(found)


@router.get("/{task}/events", response_class=EventSourceResponse)
async def events(
    task: RequestedTask, request: Request, application: App
) -> AsyncIterator[ServerSentEvent]:
    """Send each change of a task as a server-sent event `task`, until it has ended."""
    async for view in watch(task, request, application):
        yield ServerSentEvent(event="task", data=view.model_dump(mode="json"))


@router.websocket("/{task}/events")
async def socket(websocket: WebSocket, task: str, context: Reader, application: App) -> None:
    """Send each change of a task as a JSON message until it has ended."""
    found = await run_in_threadpool(find, task, context, application)
    await websocket.accept()
    try:
        async for view in watch(found, websocket, application):
            await websocket.send_text(view.model_dump_json())
        await websocket.close()
    except WebSocketDisconnect:
        pass


async def watch(
    task: Task, connection: HTTPConnection, application: Application
) -> AsyncIterator[TaskView]:
    """Yield a task now, at each change, and at its end, while the caller's credentials
    are valid."""
    last: TaskView | None = None
    checked = time.monotonic()
    async with changes(application.tasks) as change:
        while True:
            if time.monotonic() - checked > RECHECK:
                checked = time.monotonic()
                if not await run_in_threadpool(in_force, connection, application):
                    return
            task = await run_in_threadpool(application.tasks.now, task)
            ended = not task.active
            view = TaskView.of(task)
            if view != last:
                last = view
                yield view
            if ended:
                return
            await change()


async def wait_for(task: Task, seconds: float, application: Application) -> None:
    """Wait for the end of a task on any server, up to a time limit."""
    tasks = application.tasks
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), changes(tasks) as change:
            while task.active:
                await change()
                if not tasks.runs_here(task):
                    task = await run_in_threadpool(tasks.now, task)


@asynccontextmanager
async def changes(tasks: TaskQueue) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield a function that waits for the next change of any task since the last call, at most
    `LOOK_SECONDS`, since other servers announce none."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    async def change() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
        changed.clear()

    def announce() -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(changed.set)

    with tasks.listening(announce):
        yield change
