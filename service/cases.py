"""Cases: operations with audit log, and export as one PDF or as a ZIP in BagIt form (RFC 8493)."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Literal

from detector import __version__, paths
from detector.errors import InputError, MediaError
from detector.media.files import one_line
from detector.presentation import (
    Block,
    Grid,
    Presentation,
    Section,
    Text,
    facts,
    items,
    summary,
)  # fmt: skip
from detector.provenance.hashes import keyframes
from detector.report import ReportDetails, document
from detector.schema.analysis import Analysis
from detector.schema.summary import MAX_NAME_LENGTH, ResultSummary
from detector.seals import digest
from detector.sentences import _, say
from service import exports
from service.context import PrincipalKind, RequestContext, new_id
from service.records import rules
from service.records.cases import Case, CaseAction, CaseEntry, CaseStatus
from service.records.model import RecordsError, ResultOrigin
from service.records.seals import origin
from service.records.store import RecordScope
from service.storage.uploads import Uploads

MAX_TITLE, MAX_URL = 120, 2000  # characters
MAX_MEDIA_BYTES = 500_000_000  # of the media of a bag, which is held in memory while it is sent
MAX_ANALYSES = 50  # analyses of an export: each report takes seconds
_TRIES = 5  # to append an entry while others do


class NoCase(InputError):
    """The caller has no case with this id."""

    default_code = "not_found"


class CaseService:
    """Operations on cases. Every method raises InputError if the case is not the caller's or the
    entry is invalid, and RecordsError if the records can't be used. `scope` returns the caller's
    store; `bring` fetches the media of an exported file, which may be on another server."""

    def __init__(
        self,
        scope: Callable[[RequestContext], RecordScope],
        uploads: Uploads,
        bring: Callable[[RequestContext, str], object] = lambda context, id: None,
    ) -> None:
        self._scope, self._uploads, self._bring = scope, uploads, bring

    def all(self, context: RequestContext) -> list[Case]:
        """Return the caller's cases, the latest change first."""
        scope = self._scope(context)
        return scope.store.cases.all(scope.owner)

    def get(self, context: RequestContext, id: str) -> Case:
        """Return a case of the caller."""
        scope = self._scope(context)
        case = scope.store.cases.get(scope.owner, id)
        if case is None:
            raise NoCase(_("There is no such case."))
        return case

    def open(self, context: RequestContext, title: str, by: str = "") -> Case:
        """Create a case."""
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
        """Add finished analyses of the caller that are not in the case yet."""
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
            if len(case.files) >= MAX_ANALYSES:
                text = _("A case can have {number} files.")
                number = MAX_ANALYSES
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
        """Remove a file; the log still records it."""
        noted = self.get(context, id).files.get(analysis)
        if noted is None:
            raise InputError(_("This file is not in the case."), code="not_in_case")
        details = {"analysis": analysis, "name": noted["name"]}
        return self._append(context, id, CaseAction.FILE_REMOVED, details, by)

    def add_link(self, context: RequestContext, id: str, url: str, by: str = "") -> Case:
        """Record a link; nothing is fetched."""
        url = _text(url, MAX_URL, _("link"))
        if not url.startswith(("http://", "https://")):
            raise InputError(_("A link begins with http:// or https://."), code="bad_link")
        return self._append(context, id, CaseAction.LINK_ADDED, {"url": url}, by)

    def add_note(self, context: RequestContext, id: str, text: str, by: str = "") -> Case:
        """Add a note, which can't be changed later."""
        text = rules.cleaned_changes({"note": text})["note"]
        if not text:
            raise InputError(_("A note needs a text."), code="no_text")
        return self._append(context, id, CaseAction.NOTE_ADDED, {"text": text}, by)

    def rename(self, context: RequestContext, id: str, title: str, by: str = "") -> Case:
        """Change the title of a case."""
        details = {"title": _text(title, MAX_TITLE, _("title"))}
        return self._append(context, id, CaseAction.RENAMED, details, by)

    def set_status(
        self, context: RequestContext, id: str, status: CaseStatus, reviewer: str = "", by: str = ""
    ) -> Case:
        """Set a case's status; "reviewed" needs a reviewer, a closed case can only be reopened."""
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
    ) -> bytes:
        """Return a case as one PDF or as a bag (ZIP), in a language and time zone; the log records
        the export."""
        case = self.get(context, id)
        files = [self._file(context, noted) for noted in case.files.values()]
        sizes = [file.media.stat().st_size for file in files if media and file.media is not None]
        if sum(sizes) > MAX_MEDIA_BYTES:
            text = _("The media of this case take more than {number} MB.")
            hint = _("Export it without media, and copy those yourself.")
            number = MAX_MEDIA_BYTES // 1_000_000
            raise InputError(text.format(number=number), code="too_large", hint=hint)
        details = {"form": form, "media": "yes" if media else ""}
        case = self._append(context, id, CaseAction.EXPORTED, details, by)
        if form == "pdf":
            return as_pdf(case, files, zone)
        return as_bag(case, files, zone, media=media)

    def _file(self, context: RequestContext, noted: Mapping[str, str]) -> CaseFile:
        """Return a file of a case with its result and media, if they still exist."""
        scope, id = self._scope(context), noted["analysis"]
        analysis = scope.store.analysis(scope.owner, id)
        if analysis is None:
            return CaseFile(noted)
        self._bring(context, id)
        media = self._uploads.path(id) if self._uploads.has(id) else None
        return CaseFile(noted, analysis, media, origin(analysis.seal, scope.owner))

    def delete(self, context: RequestContext, id: str) -> bool:
        """Delete a case with its log; its analyses stay."""
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
    """Return the actor for a log entry: the account, else the typed name, marked as unchecked."""
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


_ACTIONS = {
    CaseAction.CREATED: _("Case opened"),
    CaseAction.RENAMED: _("Renamed"),
    CaseAction.FILE_ADDED: _("File added"),
    CaseAction.FILE_REMOVED: _("File removed"),
    CaseAction.LINK_ADDED: _("Link added"),
    CaseAction.NOTE_ADDED: _("Note added"),
    CaseAction.STATUS_SET: _("Status set"),
    CaseAction.EXPORTED: _("Exported"),
}
STATUS = {
    CaseStatus.OPEN: _("In progress"),
    CaseStatus.REVIEWED: _("Reviewed"),
    CaseStatus.CLOSED: _("Closed"),
}
CHAIN = _(
    "Each entry carries the SHA-256 of its own content and of the entry before, so a changed, "
    "removed or moved entry breaks the chain. The last hash stands for the whole log: compare it "
    "with a copy that somebody else keeps."
)


@dataclass(frozen=True)
class CaseFile:
    """A file of a case: the facts recorded when it was added, and its result if it still exists."""

    noted: Mapping[str, str]
    analysis: Analysis | None = None
    media: Path | None = None
    origin: ResultOrigin = ResultOrigin.HERE

    @property
    def name(self) -> str:
        return self.noted.get("name", "")


def as_pdf(case: Case, files: Sequence[CaseFile], zone: tzinfo = UTC) -> bytes:
    """Return a case and the reports of its analyses as one sealed PDF, in a language and
    time zone."""
    details = ReportDetails(case.title, case.reviewer, zone)
    reports = [_report(file, "pdf", details) for file in files]
    return _merged(case, files, [report for report in reports if report], details)


def as_bag(
    case: Case, files: Sequence[CaseFile], zone: tzinfo = UTC, *, media: bool = False
) -> bytes:
    """Return a case as a bag: its report, the reports and data of its analyses, its log, keyframes,
    and on request the media. Raise InputError if these are too large."""
    content: dict[str, bytes | Path] = {
        "case.json": _json(case),
        "log.jsonl": case.as_lines().encode(),
    }
    details = ReportDetails(case.title, case.reviewer, zone)
    reports = []
    for number, file in enumerate(files, 1):
        stem = "".join(c if c.isalnum() or c in " ._-" else "_" for c in Path(file.name).stem)
        # A name on every system, which needs no escape in a manifest.
        stem = f"{number:02} {stem.strip(' .')[:80] or 'file'}"
        if (pdf := _report(file, "pdf", details)) is not None:
            reports.append(pdf)
            content[f"reports/{stem}.pdf"] = pdf
        if (data := _report(file, "json", details)) is not None:
            content[f"analyses/{stem}.json"] = data
        for name, jpeg in _keyframes(file).items():
            content[f"keyframes/{stem}/{name}"] = jpeg
        if media and file.media is not None:
            content[f"media/{stem}{file.media.suffix}"] = file.media
    content["report.pdf"] = _merged(case, files, reports, details)
    return _bagged(f"unmask-case-{case.id}", case, content)


def _report(file: CaseFile, form: str, details: ReportDetails) -> bytes | None:
    if file.analysis is None:
        return None
    path = file.media or Path(file.name)
    return exports.report(form, path, file.analysis, file.origin, details=details)


def _keyframes(file: CaseFile) -> dict[str, bytes]:
    if file.analysis is None or file.media is None:
        return {}
    try:
        return {f.name: f.jpeg for f in keyframes(file.media, file.analysis.media)}
    except MediaError:  # damaged since
        return {}


def _json(case: Case) -> bytes:
    tree = case.tree | {
        "links": [entry.details["url"] for entry in case.entries(CaseAction.LINK_ADDED)],
        "notes": [entry.tree for entry in case.entries(CaseAction.NOTE_ADDED)],
        "log_head": case.head,
    }
    return (json.dumps(tree, indent=2, ensure_ascii=False) + "\n").encode()


# --- the PDF --------------------------------------------------------------------------------------


def _merged(
    case: Case, files: Sequence[CaseFile], reports: Sequence[bytes], details: ReportDetails
) -> bytes:
    """Return the pages of a case before those of its reports, sealed."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(_cover(case, files, details))))
    for report in reports:
        writer.append(io.BytesIO(report))
    # Signatures of the reports are of files of their own; the whole gets its own.
    writer.remove_annotations("/Widget")
    writer.root_object.pop("/AcroForm", None)
    writer.add_attachment("unmask-case.json", _json(case))
    writer.add_attachment("unmask-case-log.jsonl", case.as_lines().encode())
    out = io.BytesIO()
    writer.write(out)
    ours = all(file.origin is not ResultOrigin.ELSEWHERE for file in files)
    return exports.sealed_case(out.getvalue(), case.id, case.head, sign=ours)


def _cover(case: Case, files: Sequence[CaseFile], details: ReportDetails) -> bytes:
    from detector.report import pdf  # its imports take half a second

    zone, now = details.zone, datetime.now(UTC).replace(microsecond=0)

    def when(moment: datetime) -> str:
        return document.when(moment, zone)

    about = [
        (_("Status"), say(STATUS[case.status])),
        (_("Reviewer"), case.reviewer or _("none yet")),
        (_("Opened"), when(case.created)),
        (_("Last change"), when(case.touched)),
        (_("Times of day in"), document.zone_of(now, zone)),
        (_("Last hash of the log"), case.head),
    ]
    sections = [Section("about", "", (facts(about),))]
    if files:
        rows = [(file.name, _said(file), file.noted.get("sha256", "")) for file in files]
        table = Grid((_("File"), _("Result"), "SHA-256"), rows)
        sections.append(Section("files", _("Files"), (table,)))
    if links := case.entries(CaseAction.LINK_ADDED):
        addresses = items(entry.details["url"] for entry in links)
        sections.append(Section("links", _("Links"), tuple(addresses)))
    if notes := case.entries(CaseAction.NOTE_ADDED):
        written = [
            text
            for entry in notes
            for text in (
                Text(f"{when(entry.time)}, {entry.actor}", "note"),
                Text(entry.details["text"]),
            )
        ]
        sections.append(Section("notes", _("Notes"), tuple(written)))
    shown = Presentation(
        title=_("Unmask case: {title}").format(title=case.title),
        kicker=_("Unmask case · {when}").format(when=when(now)),
        about="",
        headline=case.title,
        state=None,
        sections=[*sections, log(case, zone)],
    )
    foot = _("case {id}  log {hash}…").format(id=case.id, hash=case.head[:32])
    return pdf.of_document(shown, foot, now)


def log(case: Case, zone: tzinfo) -> Section:
    """Return actor, action and time of each entry, in a time zone."""
    blocks: list[Block] = [Text(say(CHAIN), "note")]
    if (broken := case.first_broken) is not None:
        text = _("The chain is BROKEN at entry {number}.").format(number=broken)
        blocks.append(Text(text, "strong"))
    rows = [
        (
            str(entry.number),
            f"{entry.time.astimezone(zone):%Y-%m-%d %H:%M:%S}",
            entry.actor,
            _worded(entry),
            entry.hash[:16],
        )
        for entry in case.log
    ]
    table = Grid(("", _("Time"), _("Who"), _("What"), _("Hash")), rows)
    return Section("log", _("Who did what and when"), (*blocks, table))


def _said(file: CaseFile) -> str:
    if file.analysis is None:
        return summary.deleted(file.noted.get("result", ""))
    return summary.line(ResultSummary.of(file.analysis))


def _worded(entry: CaseEntry) -> str:
    """Return an entry in short: "File added: clip.mp4"."""
    details = entry.details
    shown = [details.get(name, "") for name in ("title", "name", "url", "status", "form")]
    if reviewer := details.get("reviewer"):
        shown.append(_("by {reviewer}").format(reviewer=reviewer))
    about = ", ".join(filter(None, shown))
    return ": ".join(filter(None, [say(_ACTIONS[entry.action]), about]))


# --- the bag --------------------------------------------------------------------------------------


def _bagged(root: str, case: Case, content: Mapping[str, bytes | Path]) -> bytes:
    """Return a ZIP with the files under `data/`, and their SHA-256 in the manifest."""
    sizes = [len(data) if isinstance(data, bytes) else data.stat().st_size
             for data in content.values()]  # fmt: skip
    tags = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Bag-Software-Agent: Unmask {__version__}\n"
        f"Bagging-Date: {datetime.now(UTC):%Y-%m-%d}\n"
        f"External-Identifier: {case.id}\n"
        f"Payload-Oxum: {sum(sizes)}.{len(sizes)}\n",
        "manifest-sha256.txt": "".join(
            f"{_sha256(data)}  data/{name}\n" for name, data in content.items()
        ),
    }
    tags["tagmanifest-sha256.txt"] = "".join(
        f"{digest(text.encode())}  {name}\n" for name, text in tags.items()
    )
    with tempfile.TemporaryFile() as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bag:
            for name, text in tags.items():
                bag.writestr(f"{root}/{name}", text)
            for name, data in content.items():
                if isinstance(data, bytes):
                    bag.writestr(f"{root}/data/{name}", data)
                else:
                    bag.write(data, f"{root}/data/{name}", zipfile.ZIP_STORED)
        out.seek(0)
        return out.read()


def _sha256(data: bytes | Path) -> str:
    return digest(data) if isinstance(data, bytes) else paths.sha256(data)
