"""Routes of cases: analyses, links and notes that belong together, with an audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from detector.sentences import use
from service.api.access import Analyst, App, Reader
from service.api.routes.analyses import PDF, ReportLocale, download
from service.api.schemas import V1
from service.records.cases import Case, CaseAction, CaseEntry, CaseStatus

router = APIRouter(prefix=f"{V1}/cases", tags=["cases"])

ZIP = "application/zip"


class _Change(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(default="", description="who does it; an account's own name stands instead")


class NewCase(_Change):
    """Request body of a new case."""

    title: str


class CaseChange(_Change):
    """Changes of a case, applied in this order."""

    title: str | None = None
    add_analyses: list[str] = []
    remove_analysis: str | None = None
    link: str | None = Field(default=None, description="an address; nothing is fetched")
    note: str | None = None
    status: CaseStatus | None = None
    reviewer: str = Field(default="", description="with the status; one that is reviewed needs it")


class CaseView(BaseModel):
    """A case with its contents."""

    id: str
    title: str
    status: CaseStatus
    reviewer: str
    created: datetime
    touched: datetime
    files: list[dict[str, str]] = Field(description="as they were when they were added")
    links: list[str]
    notes: list[str]
    log: list[CaseEntry]
    first_broken: int | None = Field(description="of the log's entries, where the chain is broken")
    href: str

    @classmethod
    def of(cls, case: Case) -> CaseView:
        """Return the view of a case."""
        return cls(
            **case.tree,
            created=case.created,
            touched=case.touched,
            links=[entry.details["url"] for entry in case.entries(CaseAction.LINK_ADDED)],
            notes=[entry.details["text"] for entry in case.entries(CaseAction.NOTE_ADDED)],
            log=list(case.log),
            first_broken=case.first_broken,
            href=f"{V1}/cases/{case.id}",
        )


def find(id: str, context: Reader, application: App) -> Case:
    """Return a case of the caller. Raise NoCase if they have none with this id."""
    return application.cases.get(context, id)


RequestedCase = Annotated[Case, Depends(find)]


@router.get("")
def search(context: Reader, application: App) -> list[CaseView]:
    """List the caller's cases, the latest change first."""
    return [CaseView.of(case) for case in application.cases.all(context)]


@router.post("", status_code=201)
def create(new: NewCase, context: Analyst, application: App, response: Response) -> CaseView:
    """Open a case."""
    view = CaseView.of(application.cases.open(context, new.title, new.by))
    response.headers["Location"] = view.href
    return view


@router.get("/{id}")
def get(case: RequestedCase) -> CaseView:
    """Return a case with its log."""
    return CaseView.of(case)


@router.patch("/{id}")
def change(case: RequestedCase, what: CaseChange, context: Analyst, application: App) -> CaseView:
    """Change a case. Each change is an entry of its log."""
    cases, id, by = application.cases, case.id, what.by
    if what.title is not None:
        case = cases.rename(context, id, what.title, by)
    if what.add_analyses:
        case = cases.add_files(context, id, what.add_analyses, by)
    if what.remove_analysis is not None:
        case = cases.remove_file(context, id, what.remove_analysis, by)
    if what.link is not None:
        case = cases.add_link(context, id, what.link, by)
    if what.note is not None:
        case = cases.add_note(context, id, what.note, by)
    if what.status is not None:
        case = cases.set_status(context, id, what.status, what.reviewer, by)
    return CaseView.of(case)


@router.delete("/{id}", status_code=204)
def delete(case: RequestedCase, context: Analyst, application: App) -> None:
    """Delete a case with its log. The analyses stay."""
    application.cases.delete(context, case.id)


@router.post("/{id}/report.pdf", response_class=Response, responses=PDF)
def report(
    case: RequestedCase, context: Analyst, application: App, reading: ReportLocale, by: str = ""
) -> Response:
    """Return one sealed PDF of a case and all its reports; the log records the export."""
    zone, language = reading
    with use(language):
        made = application.cases.export(context, case.id, "pdf", by=by, zone=zone)
    return download(made, f"unmask-case-{case.id}.pdf")


@router.post("/{id}/bag.zip", response_class=Response, responses={200: {"content": {ZIP: {}}}})
def bag(
    case: RequestedCase,
    context: Analyst,
    application: App,
    reading: ReportLocale,
    media: bool = False,
    by: str = "",
) -> Response:
    """Return a case as a BagIt bag: report, data, log and keyframes; media with `media`."""
    zone, language = reading
    with use(language):
        content = application.cases.export(context, case.id, "zip", media=media, by=by, zone=zone)
    return download(content, f"unmask-case-{case.id}.zip", ZIP)
