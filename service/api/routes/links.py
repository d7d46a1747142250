"""Links that are fetched in the background: how far one is can be asked, and it can be stopped."""

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from detector.sentences import _
from service.api import uploads
from service.api.access import Analyst, App
from service.api.errors import NotFound
from service.api.routes.analyses import FIELDS, REFUSALS
from service.api.schemas import V1, TaskView, form_body
from service.api.uploads import Form, IdempotencyKey, once
from service.application import Application
from service.context import RequestContext
from service.tasks.task import Task

router = APIRouter(prefix=f"{V1}/links", tags=["analyses"])

LINK_FORM = form_body(
    {name: field for name, field in FIELDS.items() if name not in ("file", "webhook")},
    [uploads.LINK],
    "application/x-www-form-urlencoded",
)


@router.post("", status_code=202, responses=REFUSALS, openapi_extra=LINK_FORM)
async def create(
    request: Request,
    context: Analyst,
    application: App,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TaskView:
    """Fetch a file by its address and analyze it. The answer is the task of the fetch, which says
    how far it is and, once it is done, where the analysis is; deleted, it ends and nothing is
    kept."""
    async with uploads.receive(request, context, names=()) as form:
        task = await run_in_threadpool(_start, application, context, form, idempotency_key)
    view = TaskView.of(task)
    response.headers["Location"] = view.href
    return view


def _start(application: Application, context: RequestContext, form: Form, key: str | None) -> Task:
    link, settings = form.sources[0].name, form.settings
    id = once(
        application, context, form, key, lambda: application.start_link(context, link, settings).id
    )
    task = application.tasks.find(id, context.principal)
    if task is None:
        raise NotFound(_("What this request made before was deleted."))
    return task
