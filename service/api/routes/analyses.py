"""Routes of analyses: submit a file or link, read the result, its frames, heatmaps and report;
preview a file without an analysis."""

import base64
from contextlib import suppress
from datetime import tzinfo
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic.config import JsonDict
from starlette.concurrency import run_in_threadpool

from detector import media
from detector.errors import InputError, MediaError
from detector.report import ReportDetails, time_zone
from detector.schema.analysis import Analysis, Settings
from detector.schema.media import Media
from detector.sentences import Translations, _, use
from service import exports, languages
from service.api import uploads
from service.api.access import Analyst, App, Reader
from service.api.errors import Conflict, NotFound, RefusalDetail, answer, described
from service.api.routes.tasks import wait_for
from service.api.schemas import BINARY, V1, AnalysisView, FramesView, TaskView, form_body
from service.api.uploads import Form, IdempotencyKey, once
from service.application import Application
from service.batch_files import IncomingFile
from service.context import RequestContext
from service.records import thumbnails
from service.records.model import Query as RecordQuery
from service.tasks.jobs import Job
from service.tasks.task import Task

router = APIRouter(prefix=V1, tags=["analyses"])

MAX_WAIT = 600.0  # s that a client may wait for a result


def _field(setting: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of a setting as a form field; an omitted one is None."""
    known = setting.get("anyOf", [{}])[0] | setting
    names = ("type", "enum", "minimum", "maximum", "multipleOf", "description")
    return {name: known[name] for name in names if name in known}


FIELDS: JsonDict = {
    "file": BINARY,
    "url": {"type": "string", "description": "in place of a file, where links are allowed"},
    **{name: _field(Settings.model_json_schema()["properties"][name]) for name in uploads.SETTINGS},
    "models": {"type": "string", "description": "ids with commas between; default: the ensemble"},
    "film": {
        "type": "boolean",
        "description": "analyze the film behind a picture (a motion photo) in place of it",
    },
    "webhook": {"type": "string", "description": "a public address that is told when it has ended"},
}
"""Fields of the form of an analysis."""
LINK_FORM = form_body(
    {name: field for name, field in FIELDS.items() if name not in ("file", "film", "webhook")},
    [uploads.LINK],
    "application/x-www-form-urlencoded",
)
REFUSALS = described(
    {
        413: "Larger than a file may be here.",
        415: "Not a form.",
        500: "Our own failure; see `reference`.",
        507: "The disk is full.",
    }
)

FORMS = {
    "pdf": "application/pdf",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
}
PDF: dict[int | str, dict[str, Any]] = {200: {"content": {FORMS["pdf"]: {}}}}
REPORTS: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in FORMS.values()}}}
"""What a route answers that hands out a report."""


def read_by(
    zone: Annotated[
        str, Query(max_length=64, description="IANA name, for the PDF's times")
    ] = "UTC",
    language: Annotated[
        str, Query(max_length=16, description="of the PDF: es, fr, de, pt or ar")
    ] = "en",
) -> tuple[tzinfo, Translations]:
    """Return the time zone and the nearest available language of a report's reader."""
    return time_zone(zone), languages.catalog(languages.nearest(language))


ReportLocale = Annotated[tuple[tzinfo, Translations], Depends(read_by)]


def download(content: bytes, name: str, kind: str = "application/pdf") -> Response:
    """Return a response that is saved as a file of this name."""
    saved = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=saved)


def find(id: str, context: Reader, application: App) -> Job:
    """Return the analysis behind an id. Raise NotFound if there is none."""
    job = application.find(context, id)
    if job is None:
        raise NotFound(_("There is no such analysis."))
    return job


RequestedJob = Annotated[Job, Depends(find)]


def finished(job: RequestedJob) -> Analysis:
    """Return the result of an analysis. Raise Conflict if it has none."""
    if job.analysis is None:
        text = _("There is no result: the analysis is {state}.")
        raise Conflict(text.format(state=job.state.value), code="no_result")
    return job.analysis


Result = Annotated[Analysis, Depends(finished)]


@router.post(
    "/analyses",
    status_code=202,
    response_model=AnalysisView,
    responses={200: {"model": AnalysisView, "description": "The result, by `wait`."}, **REFUSALS},
    openapi_extra=form_body(FIELDS),
)
async def create(
    request: Request,
    context: Analyst,
    application: App,
    response: Response,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT, description="s for the result")] = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Any:
    """Analyze a file or a link. The answer has the address of the analysis; with `wait`, the result
    if it is ready in time. The same file with the same settings is not analyzed twice."""
    async with uploads.receive(request, context) as form:
        job = await run_in_threadpool(submit, application, context, form, idempotency_key)
    if wait:
        await wait_for(job, wait, application)
        # Another server's is only as it was.
        job = await run_in_threadpool(lambda: application.find(context, job.key) or job)
    view = await run_in_threadpool(_view, job, application)
    if wait and view.error is not None:
        return answer_failed(request, view.error, view.href, job)
    response.headers["Location"] = view.href
    response.status_code = 202 if job.active else 200
    return view


@router.get("/analyses")
def search(
    context: Reader,
    application: App,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[AnalysisView]:
    """List one's own analyses, the newest first, without their results."""
    scope = application.scope(context)
    page = scope.store.search(scope.owner, RecordQuery(limit=limit, offset=offset))
    jobs = [application.jobs.listed(record, scope) for record in page.records]
    return [_view(job, application, whole=False) for job in jobs if job is not None]


@router.get("/analyses/{id}")
def get(job: RequestedJob, application: App) -> AnalysisView:
    """Return the state of an analysis, with its result once there is one."""
    return _view(job, application)


@router.post("/analyses/{id}/again", status_code=202)
def again(job: RequestedJob, context: Analyst, application: App) -> AnalysisView:
    """Analyze a stored file again with its settings and under its address, after an interruption or
    a failure. For its owner only."""
    if job.record.owner != application.scope(context).owner:
        raise NotFound(_("There is no such analysis of yours."))
    if job.active:
        raise Conflict(_("The analysis is not over."), code="active")
    new = application.rerun(context, job.key, job.settings)
    if new is None:
        raise _gone()
    return _view(new, application)


@router.delete("/analyses/{id}", status_code=204)
def delete(id: str, context: Analyst, application: App) -> None:
    """Stop an analysis and delete it with its file. For its owner only."""
    if not application.delete(context, id):
        raise NotFound(_("There is no such analysis of yours."))


@router.get("/analyses/{id}/frames")
def frames(job: RequestedJob, analysis: Result) -> FramesView:
    """List the sampled frames with the subjects in each and their scores."""
    return FramesView.of(job.key, analysis)


@router.get(
    "/analyses/{id}/heatmap/{frame}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def heatmap(
    frame: int,
    job: RequestedJob,
    analysis: Result,
    subject: Annotated[str | None, Query(description="default: the most suspicious")] = None,
    model: Annotated[str | None, Query(description="default: the first that counts")] = None,
) -> Response:
    """Draw the heatmap of a model over a sampled frame, as a JPEG."""
    picture = exports.heatmap(_media(job), analysis, frame, subject, model)
    if picture is None:
        raise NotFound(_("There is nothing to show: no such subject or model in this frame."))
    return Response(picture, media_type="image/jpeg")


def _details(
    reading: ReportLocale,
    case: Annotated[str, Query(max_length=200)] = "",
    reviewer: Annotated[str, Query(max_length=200)] = "",
    base_rate: Annotated[float, Query(gt=0, lt=1)] = 0.5,
) -> ReportDetails:
    return ReportDetails(case, reviewer, reading[0], base_rate=base_rate)


@router.get("/analyses/{id}/report.{form}", response_class=Response, responses=REPORTS)
def report(
    form: Literal["pdf", "md", "json", "csv"],
    job: RequestedJob,
    analysis: Result,
    reading: ReportLocale,
    details: Annotated[ReportDetails, Depends(_details)],
    place: bool = True,
) -> Response:
    """Return the sealed report. `place=false` omits where the file was recorded; `base_rate` is the
    share of fakes among the reader's files, which sets the odds in words."""
    with use(reading[1]):
        content = exports.report(form, job.path, analysis, job.origin, place=place, details=details)
    return download(content, f"report.{form}", FORMS[form])


@router.post("/links", status_code=202, responses=REFUSALS, openapi_extra=LINK_FORM)
async def fetch(
    request: Request,
    context: Analyst,
    application: App,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TaskView:
    """Fetch a file by its address and analyze it. The answer is the task of the fetch with its
    progress and, at the end, the address of the analysis. Deleting the task stops it and keeps
    nothing."""
    async with uploads.receive(request, context, names=()) as form:
        task = await run_in_threadpool(_start_link, application, context, form, idempotency_key)
    view = TaskView.of(task)
    response.headers["Location"] = view.href
    return view


class MediaPreview(BaseModel):
    """Facts about a file and its middle frame."""

    media: Media
    picture: str | None = Field(description="WebP, base64; None for a sound or an unreadable frame")


@router.post("/media", responses=REFUSALS, openapi_extra=form_body({"file": BINARY}, ["file"]))
async def preview(request: Request, context: Analyst) -> MediaPreview:
    """Return facts about a file and a frame of it. Nothing is analyzed or stored."""
    async with uploads.receive(request, context) as form:
        (source,) = form.files
        if isinstance(source, str):
            raise InputError(_("A preview is of a file, not of a link."), code="no_file")
        return await run_in_threadpool(_look, source)


def submit(application: Application, context: RequestContext, form: Form, key: str | None) -> Job:
    """Queue a file, or return what the same request created before. Raise UnmaskError if it is not
    accepted."""
    source, settings = form.files[0], form.settings

    def make() -> str:
        if form.webhook:
            application.webhooks.permit(form.webhook)
        job = uploads.submit(source, application, context, settings, film=form.film)
        if form.webhook:
            application.webhooks.start(form.webhook, [job.key], context.principal)
        return job.key

    id = once(application, context, form, key, make)
    job = application.find(context, id)
    if job is None:
        raise NotFound(_("What this request made before was deleted."))
    return job


def answer_failed(request: Request, error: RefusalDetail, href: str, job: Job) -> Response:
    """Return the error response of an analysis that ended without a result."""
    ours = job.fault is not None and job.fault.ours
    return answer(request, 500 if ours else 422, error, {"Location": href})


def _view(job: Job, application: Application, *, whole: bool = True) -> AnalysisView:
    return AnalysisView.of(job, application.tasks.ahead(job) if job.active else 0, whole=whole)


def _media(job: Job) -> Any:
    if not job.has_media:
        raise _gone()
    return job.path


def _gone() -> Conflict:
    text, hint = _("The file is not kept any more."), _("Send it again.")
    return Conflict(text, code="media_gone", hint=hint)


def _start_link(
    application: Application, context: RequestContext, form: Form, key: str | None
) -> Task:
    link, settings = str(form.files[0]), form.settings
    id = once(
        application, context, form, key, lambda: application.start_link(context, link, settings).id
    )
    task = application.tasks.find(id, context.principal)
    if task is None:
        raise NotFound(_("What this request made before was deleted."))
    return task


def _look(source: IncomingFile) -> MediaPreview:
    with uploads.on_disk(source) as path:
        found, picture = media.probe(path, name=source.name), None
        with suppress(MediaError):
            if found.kind != "audio":
                frame = media.frame_at(path, found, (found.duration or 0.0) / 2)
                picture = base64.b64encode(thumbnails.small(frame.rgb)).decode()
    return MediaPreview(media=found, picture=picture)
