"""Cases: what a person does with one, each step an entry of its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Literal

from detector.errors import InputError
from detector.media.files import one_line
from detector.sentences import ENGLISH, Speech, _
from service import case_export
from service.case_export import CaseFile
from service.context import PrincipalKind, RequestContext, new_id
from service.records import rules
from service.records.cases import Case, CaseAction, CaseStatus
from service.records.model import MAX_NAME_LENGTH, RecordsError
from service.records.store import RecordScope
from service.tasks.jobs import Job

MAX_TITLE, MAX_URL = 120, 2000  # characters
_TRIES = 5  # to append an entry while others do


def file_of(noted: Mapping[str, str], job: Job | None) -> CaseFile:
    """Return a file of a case with the result and media of its job, where it still has them."""
    if job is None or job.analysis is None:
        return CaseFile(noted)
    return CaseFile(noted, job.analysis, job.path if job.has_media else None, job.origin)


class NoCase(InputError):
    """The caller has no case with this id."""

    default_code = "not_found"


class CaseService:
    """The cases of a server. Every method raises InputError where the case is not the caller's, or
    what is given is no entry of a case, and RecordsError where the records can't be used. `scope`
    returns whose records they are, `find` one of the caller's files with its result, by what was
    noted of it."""

    def __init__(
        self,
        scope: Callable[[RequestContext], RecordScope],
        find: Callable[[RequestContext, Mapping[str, str]], CaseFile],
    ) -> None:
        self._scope, self._find = scope, find

    def all(self, context: RequestContext) -> list[Case]:
        """Return the caller's cases, the newest change first."""
        scope = self._scope(context)
        return scope.store.cases.all(scope.owner)

    def get(self, context: RequestContext, id: str) -> Case:
        """Return one of the caller's."""
        scope = self._scope(context)
        case = scope.store.cases.get(scope.owner, id)
        if case is None:
            raise NoCase(_("There is no such case."))
        return case

    def open(self, context: RequestContext, title: str, by: str = "") -> Case:
        """Begin a case."""
        self._may_write(context)
        scope = self._scope(context)
        case = Case(id=new_id(), owner=scope.owner)
        details = {"title": _text(title, MAX_TITLE, _("title")), "case": case.id}
        case = case.appended(actor(context, by), CaseAction.CREATED, details)
        scope.store.cases.save(case, 0)
        return case

    def add_files(
        self, context: RequestContext, id: str, analyses: Sequence[str], by: str = ""
    ) -> Case:
        """Add finished analyses of the caller; those that are in the case already are left out."""
        scope = self._scope(context)
        records = scope.store.records(scope.owner, analyses)
        case = self.get(context, id)
        for analysis in analyses:
            record = records.get(analysis)
            if record is None or record.result is None:
                text = _("Only your own analyses that have a result go into a case.")
                raise InputError(text, code="no_result")
            if analysis in case.files:
                continue
            if len(case.files) >= case_export.MAX_ANALYSES:
                text = _("A case can have {number} files.")
                number = case_export.MAX_ANALYSES
                raise InputError(text.format(number=number), code="case_full")
            noted = {
                "analysis": analysis,
                "name": record.name[:MAX_NAME_LENGTH],
                "sha256": record.sha256,
                "result": record.result.label.value,
                "sealed": record.result.seal.document if record.result.seal else "",
            }
            case = self._append(context, id, CaseAction.FILE_ADDED, noted, by)
        return case

    def remove_file(self, context: RequestContext, id: str, analysis: str, by: str = "") -> Case:
        """Take a file out; the log keeps that it was there."""
        noted = self.get(context, id).files.get(analysis)
        if noted is None:
            raise InputError(_("This file is not in the case."), code="not_in_case")
        details = {"analysis": analysis, "name": noted["name"]}
        return self._append(context, id, CaseAction.FILE_REMOVED, details, by)

    def add_link(self, context: RequestContext, id: str, url: str, by: str = "") -> Case:
        """Note an address; nothing is fetched."""
        url = _text(url, MAX_URL, _("link"))
        if not url.startswith(("http://", "https://")):
            raise InputError(_("A link begins with http:// or https://."), code="bad_link")
        return self._append(context, id, CaseAction.LINK_ADDED, {"url": url}, by)

    def add_note(self, context: RequestContext, id: str, text: str, by: str = "") -> Case:
        """Write a note, which stays as it is."""
        text = rules.cleaned_changes({"note": text})["note"]
        if not text:
            raise InputError(_("A note needs a text."), code="no_text")
        return self._append(context, id, CaseAction.NOTE_ADDED, {"text": text}, by)

    def rename(self, context: RequestContext, id: str, title: str, by: str = "") -> Case:
        """Give a case another title."""
        details = {"title": _text(title, MAX_TITLE, _("title"))}
        return self._append(context, id, CaseAction.RENAMED, details, by)

    def set_status(
        self, context: RequestContext, id: str, status: CaseStatus, reviewer: str = "", by: str = ""
    ) -> Case:
        """Set a case's status; reviewed needs a reviewer, a closed one can only be reopened."""
        if status is CaseStatus.REVIEWED and not reviewer.strip():
            raise InputError(_("Name who reviewed the case."), code="no_reviewer")
        details = {"status": status.value, "reviewer": one_line(reviewer)[:MAX_TITLE].strip()}
        return self._append(context, id, CaseAction.STATUS_SET, details, by)

    def export(
        self,
        context: RequestContext,
        id: str,
        form: Literal["pdf", "zip"],
        *,
        media: bool = False,
        by: str = "",
        zone: tzinfo = UTC,
        speech: Speech = ENGLISH,
    ) -> bytes:
        """Return a case as one PDF or as a bag (ZIP), its PDFs in a language and their times in a
        zone; its log and the export note it."""
        case = self.get(context, id)
        files = [self._find(context, noted) for noted in case.files.values()]
        if media:
            case_export.check_media(files)
        details = {"form": form, "media": "yes" if media else ""}
        case = self._append(context, id, CaseAction.EXPORTED, details, by)
        if form == "pdf":
            return case_export.as_pdf(case, files, zone, speech)
        return case_export.as_bag(case, files, zone, speech, media=media)

    def delete(self, context: RequestContext, id: str) -> bool:
        """Delete a case with its log; the analyses stay."""
        scope = self._scope(context)
        return scope.store.cases.delete(scope.owner, id)

    def _append(
        self,
        context: RequestContext,
        id: str,
        action: CaseAction,
        details: Mapping[str, str],
        by: str,
    ) -> Case:
        self._may_write(context)
        store = self._scope(context).store.cases
        for _again in range(_TRIES):
            case = self.get(context, id)
            if case.closed and action not in (CaseAction.STATUS_SET, CaseAction.EXPORTED):
                text, hint = _("This case is closed."), _("Open it again to change it.")
                raise InputError(text, code="case_closed", hint=hint)
            longer = case.appended(actor(context, by), action, details)
            if store.save(longer, len(case.log)):
                return longer
        text, hint = _("Others are writing into this case."), _("Try again in a moment.")
        raise RecordsError(text, code="records_busy", hint=hint)

    def _may_write(self, context: RequestContext) -> None:
        if not context.principal.may_analyze:
            raise InputError(_("This account may not do that."), code="not_allowed")


def actor(context: RequestContext, by: str = "") -> str:
    """Return who acts for a log: the account, else the typed name, marked as unchecked."""
    person, name = context.principal, one_line(by)[:MAX_TITLE].strip()
    if person.kind is PrincipalKind.USER:
        return person.email or person.id
    known = person.kind.value if person.kind is PrincipalKind.GUEST else person.id
    return f"{name} ({known})" if name else known


def _text(text: str, most: int, what: str) -> str:
    """Return one line of text; raise InputError if it is empty or too long."""
    text = one_line(text).strip()
    if not text or len(text) > most:
        said = _("A {what} has 1 to {most} characters.")
        raise InputError(said.format(what=what, most=most), code="bad_text")
    return text
