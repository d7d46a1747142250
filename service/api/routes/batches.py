"""Routes of batches: several analyses that are submitted and followed as one."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from detector.schema.analysis import Label
from detector.sentences import _
from service.api import uploads
from service.api.access import Analyst, App, Reader
from service.api.errors import NotFound, RefusalDetail, detail_of
from service.api.routes.analyses import FIELDS, REFUSALS
from service.api.schemas import V1, example, form_body
from service.api.uploads import Form, IdempotencyKey, once
from service.application import Application
from service.batches import BatchRow
from service.context import RequestContext
from service.records.model import State
from service.records.tables import Batch

router = APIRouter(prefix=f"{V1}/batches", tags=["batches"])

MAX_FILES = 50  # files of one request; a batch may have more, in several
NAMES = ("files", "file")
FORM = form_body(
    {
        "files": {"type": "array", "items": FIELDS["file"], "maxItems": MAX_FILES},
        "url": {"type": "array", "items": FIELDS["url"], "maxItems": MAX_FILES},
        **{name: field for name, field in FIELDS.items() if name not in ("file", "url")},
    }
)


class BatchItemView(BaseModel):
    """One file of a batch."""

    name: str
    analysis: str | None = Field(description="id; None where it was not taken")
    state: State | None
    verdict: Label | None
    error: RefusalDetail | None = Field(description="why it was not taken, or has no result")
    href: str | None

    @classmethod
    def of(cls, row: BatchRow, *, runs: bool) -> BatchItemView:
        """Return the view of a file of a batch; a running batch reaches waiting files by itself."""
        item, record = row.item, row.record
        result = record.result if record is not None and row.state is State.DONE else None
        error = RefusalDetail.model_validate(item.refused) if item.refused else None
        return cls(
            name=item.name,
            analysis=item.analysis,
            state=(State.QUEUED if runs else State.INTERRUPTED) if row.waits else row.state,
            verdict=result.verdict if result is not None else None,
            error=detail_of(row.fault) if row.fault else error,
            href=f"{V1}/analyses/{record.id}" if record else None,
        )


class BatchView(BaseModel):
    """Several analyses with their common progress."""

    model_config = example(
        id="q0Zl3vJ6T2uYb8Rk1cXw9A",
        done=False,
        counts={"done": 1, "queued": 1},
        items=[],
        href="/v1/batches/q0Zl3vJ6T2uYb8Rk1cXw9A",
    )

    id: str
    done: bool = Field(description="none waits or runs any more")
    counts: dict[str, int] = Field(description="files by state; refused, deleted")
    items: list[BatchItemView]
    href: str


def find(id: str, context: Reader, application: App) -> Batch:
    """Return a batch of the caller. Raise NotFound if they have none with this id."""
    batch = application.batches.get(context.principal.id, id)
    if batch is None:
        raise NotFound(_("There is no such batch."))
    return batch


@router.post("", status_code=202, responses=REFUSALS, openapi_extra=FORM)
async def create(
    request: Request,
    context: Analyst,
    application: App,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> BatchView:
    """Analyze several files. A refused file states its reason and may be added later."""
    async with uploads.receive(request, context, names=NAMES, most=MAX_FILES) as form:
        id = await run_in_threadpool(_create, application, context, form, idempotency_key)
    view = await run_in_threadpool(_view_of, application, context, id)
    response.headers["Location"] = view.href
    return view


@router.post("/{id}", status_code=202, responses=REFUSALS, openapi_extra=FORM)
async def add(id: str, request: Request, context: Analyst, application: App) -> BatchView:
    """Add files to a batch and resume it."""
    await run_in_threadpool(find, id, context, application)
    async with uploads.receive(request, context, names=NAMES, most=MAX_FILES) as form:
        await run_in_threadpool(_add, application, context, form, id)
    return await run_in_threadpool(_view_of, application, context, id)


@router.get("/{id}")
def get(batch: Annotated[Batch, Depends(find)], context: Reader, application: App) -> BatchView:
    """Return the progress of a batch and the state of each file."""
    return _view(application, context, batch)


def _create(application: Application, context: RequestContext, form: Form, key: str | None) -> str:
    return once(application, context, form, key, lambda: _add(application, context, form))


def _add(
    application: Application, context: RequestContext, form: Form, id: str | None = None
) -> str:
    """Add the files of a request to a batch; return its id."""
    if form.webhook:
        application.webhooks.permit(form.webhook)
    known = application.batches.get(context.principal.id, id) if id else None
    scope = application.scope(context)
    batch = application.batch_runs.add(context, scope, form.files, form.settings, id=id)
    before = known.items if known is not None else ()
    new = {item.analysis: None for item in batch.items if item.analysis and item not in before}
    if form.webhook and new:
        application.webhooks.start(form.webhook, list(new), context.principal, batch.id)
    return batch.id


def _view_of(application: Application, context: RequestContext, id: str) -> BatchView:
    return _view(application, context, find(id, context, application))


def _view(application: Application, context: RequestContext, batch: Batch) -> BatchView:
    service = application.batch_runs
    task = service.task(context.principal, batch)
    runs = task is not None and task.active
    rows = service.listed(application.scope(context), batch)
    items = [BatchItemView.of(row, runs=runs) for row in rows]
    states = (item.state or ("deleted" if item.analysis else "refused") for item in items)
    counts = Counter(map(str, states))
    return BatchView(
        id=batch.id,
        done=not counts.keys() & {State.QUEUED.value, State.RUNNING.value},
        counts=counts,
        items=items,
        href=f"{V1}/batches/{batch.id}",
    )
