"""Routes of comparisons: two files, of which one may be a manipulated copy of the other."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic.config import JsonDict
from starlette.concurrency import run_in_threadpool

from detector.errors import InputError
from detector.schema.analysis import Settings
from detector.sentences import _, use
from service import exports
from service.api import uploads
from service.api.access import Analyst, App, Reader
from service.api.errors import Conflict, NotFound
from service.api.routes.analyses import FORMS, REFUSALS, REPORTS, ReportLocale, download
from service.api.schemas import BINARY, V1, ComparisonView, form_body
from service.api.uploads import Form, IdempotencyKey, once
from service.application import Application
from service.context import RequestContext
from service.records.tables import KeptComparison
from service.tasks.jobs import Job
from service.tasks.task import Task

router = APIRouter(prefix=f"{V1}/comparisons", tags=["comparisons"])

FIRST, SECOND, ORIGINAL = "first", "second", "original"
_EITHER: JsonDict = {
    "description": "a file, or the id of an analysis",
    "anyOf": [BINARY, {"type": "string"}],
}
_WHICH: JsonDict = {
    "description": "which of the two is the original, where a person says so",
    "type": "string",
    "enum": [FIRST, SECOND],
}


@router.post(
    "",
    status_code=202,
    responses=REFUSALS,
    openapi_extra=form_body({FIRST: _EITHER, SECOND: _EITHER, ORIGINAL: _WHICH}, (FIRST, SECOND)),
)
async def create(
    request: Request,
    context: Analyst,
    application: App,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ComparisonView:
    """Compare two files: `first` and `second` are files, which are analyzed as well, or ids of
    analyses whose files are still stored. The answer has the address of the finding. Their order
    means nothing: no file is called a copy unless `original` names the other one, here or in a
    later request with the same two. The latest statement counts."""
    names = (FIRST, SECOND)
    async with uploads.receive(request, context, names=names, most=2, least=0) as form:
        id = await run_in_threadpool(_start, application, context, form, idempotency_key)
    view = await run_in_threadpool(_view, id, context, application)
    response.headers["Location"] = view.href
    return view


@router.get("/{id}")
def get(id: str, context: Reader, application: App) -> ComparisonView:
    """Return the state of a comparison, with its finding once there is one."""
    return _view(id, context, application)


@router.get("/{id}/report.{form}", response_class=Response, responses=REPORTS)
def report(
    id: str,
    form: Literal["pdf", "md", "json"],
    context: Reader,
    application: App,
    reading: ReportLocale,
) -> Response:
    """Return the sealed report of a finding. A deleted file is stated."""
    kept, task = _known(id, context, application)
    if kept is None:
        state = ComparisonView.of(id, kept, task).state
        text = _("There is no result: the comparison is {state}.").format(state=state)
        raise Conflict(text, code="no_result")
    originals, scope, held = application.originals, application.scope(context), kept.comparison
    copy = originals.media_of(scope, held.copy_media.sha256)
    original = originals.media_of(scope, held.original_media.sha256)
    zone, language = reading
    with use(language):
        made = exports.comparison_report(form, kept, copy, original, zone=zone)
    return download(made, f"comparison.{form}", FORMS[form])


def _view(id: str, context: RequestContext, application: Application) -> ComparisonView:
    return ComparisonView.of(id, *_known(id, context, application))


def _known(
    id: str, context: RequestContext, application: Application
) -> tuple[KeptComparison | None, Task | None]:
    """Return the caller's finding or running task. Raise NotFound if there is neither."""
    person = context.principal
    task = application.tasks.find(id, person)  # first: it may end meanwhile
    originals = application.originals
    kept = originals.comparisons.get(person.id, id)
    if task is not None and (task.kind is not originals.kind or task.owner != person.id):
        task = None
    if kept is None and task is None:
        raise NotFound(_("There is no such comparison."))
    return kept, task


def _start(application: Application, context: RequestContext, form: Form, key: str | None) -> str:
    said = form.fields.get(ORIGINAL, "").strip()
    if said not in ("", FIRST, SECOND):
        text = _("“original” is neither “first” nor “second”.")
        raise InputError(text, code="unknown_original")

    def make() -> str:
        both = {name: _job(application, context, form, name) for name in (FIRST, SECOND)}
        first, second, original = *both.values(), both.get(said)
        kept = application.originals.answer(context, first, second, original)
        if kept is not None:
            return kept.id
        if not (first.has_media and second.has_media):
            text = _("The file of one of the two is not kept here any more.")
            raise InputError(text, code="file_gone", hint=_("Send it again."))
        return application.originals.compare(context, first, second, original=original).id

    return once(application, context, form, key, make)


def _job(application: Application, context: RequestContext, form: Form, name: str) -> Job:
    """Return the analysis of one of the two files."""
    for field, source in form.sources:
        if field == name:
            return uploads.submit(source, application, context, Settings())
    id = form.fields.get(name, "").strip()
    if not id:
        text = _("There is no “{name}” in this request: a file, or the id of an analysis.")
        raise InputError(text.format(name=name), code="no_file")
    job = application.find(context, id)
    if job is None:
        raise NotFound(_("There is no such analysis."))
    return job
