"""`unmask case`: the cases of this computer, as on its Cases page."""

from __future__ import annotations

import getpass
import json
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cli.common import group, reading, tell, tell_table, user_files, write_bytes, write_json
from cli.options import AsJson, Zone, arg, opt
from detector import paths
from detector.errors import InputError
from detector.sentences import _, count
from service.context import LOCAL, RequestContext

if TYPE_CHECKING:
    from service.cases import CaseService
    from service.records.cases import Case

BROKEN = 10  # Exit status of a log whose chain is broken
HERE = RequestContext(LOCAL, loopback=True)


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return ""


ME = _me()
Id = Annotated[str, arg("its id, from: unmask case list", "CASE")]
By = Annotated[str, opt("who does it, for the log", "NAME")]
actions = group("Cases: analyses of History, links and notes, with a log of who did what and when.")


@contextmanager
def _cases() -> Iterator[CaseService]:
    # Of the extra `dashboard`, which --help does without.
    from service.cases import CaseService
    from service.records.database import configured
    from service.records.seals import Keyring
    from service.records.sql import open_store
    from service.records.store import RecordScope
    from service.storage import open_uploads

    with user_files(), closing(open_store(configured())) as store:
        store.seals = Keyring.open(paths.data(), store.database)
        yield CaseService(lambda context: RecordScope(LOCAL.id, store), open_uploads(paths.data()))


@actions.command("list")
def list_cases(as_json: AsJson = False) -> int:
    """List all cases, the newest change first."""
    with _cases() as cases:
        known = cases.all(HERE)
    if as_json:
        write_json("-", [_tree(one) for one in known])
    else:
        with reading():
            files = [count(len(one.files), "file", "files") for one in known]
            tell_table(
                [
                    (one.id, f"{one.touched:%Y-%m-%d}", one.status, number, one.title)
                    for one, number in zip(known, files, strict=True)
                ]
            )
    return 0


@actions.command("open")
def open_case(title: Annotated[str, arg("", "TITLE")], by: By = ME) -> int:
    """Open a case, and print its id."""
    with _cases() as cases:
        print(cases.open(HERE, title, by).id)
    return 0


@actions.command()
def show(id: Id, as_json: AsJson = False) -> int:
    """Show a case with its log."""
    with _cases() as cases:
        one = cases.get(HERE, id)
    if as_json:
        write_json("-", _tree(one))
        return 0
    text = _("{status}, reviewer: {yet}")
    tell(one.title, text.format(status=one.status, yet=one.reviewer or _("none yet")))
    for entry in one.log:
        details = ", ".join(f"{name}: {value}" for name, value in entry.details.items())
        tell(f"{entry.number:3}  {entry.time:%Y-%m-%d %H:%M}  {entry.actor}  {entry.action}")
        tell(f"     {details}")
    return _told(one.first_broken)


@actions.command()
def add(
    id: Id, analyses: Annotated[list[str], arg("ids, as in /?a=ID", "ANALYSIS")], by: By = ME
) -> int:
    """Add analyses of History."""
    with _cases() as cases:
        cases.add_files(HERE, id, analyses, by)
    return 0


@actions.command()
def link(id: Id, url: Annotated[str, arg("", "URL")], by: By = ME) -> int:
    """Note an address; nothing is fetched."""
    with _cases() as cases:
        cases.add_link(HERE, id, url, by)
    return 0


@actions.command()
def note(id: Id, text: Annotated[str, arg("", "TEXT")], by: By = ME) -> int:
    """Write a note, which stays as it is."""
    with _cases() as cases:
        cases.add_note(HERE, id, text, by)
    return 0


@actions.command()
def status(
    id: Id,
    state: Annotated[Literal["open", "reviewed", "closed"], arg()],
    reviewer: Annotated[str, opt("", "NAME")] = "",
    by: By = ME,
) -> int:
    """Set how far a case is; one that is reviewed needs a reviewer."""
    from service.records.cases import CaseStatus

    with _cases() as cases:
        cases.set_status(HERE, id, CaseStatus(state), reviewer, by)
    return 0


@actions.command()
def export(
    id: Id,
    file: Annotated[Path, arg("ends in .pdf, or .zip for a bag", "FILE")],
    media: Annotated[bool, opt("with the media files; in a .zip", "--media")] = False,
    by: By = ME,
    zone: Zone = "UTC",
) -> int:
    """Write a case as one PDF, or as a BagIt bag with its report, data, log and keyframes."""
    form: Literal["pdf", "zip"]
    if file.suffix.lower() == ".pdf" and not media:
        form = "pdf"
    elif file.suffix.lower() == ".zip":
        form = "zip"
    else:
        raise InputError(_("A case is written as .pdf, or as .zip, which may hold the media."))
    from detector.report import time_zone

    here = time_zone(zone)
    with _cases() as cases:
        with reading():
            made = cases.export(HERE, id, form, media=media, by=by, zone=here)
        write_bytes(str(file), made)
    return 0


@actions.command(help="Check the log of an exported case; exit status 10: it is broken.")
def verify(file: Annotated[Path, arg("a bag (.zip), or its log.jsonl", "FILE")]) -> int:
    """Check the hash chain of an exported log."""
    from service.records.cases import first_broken

    with user_files():
        return _told(first_broken(_log(file)))


@actions.command()
def delete(id: Id) -> int:
    """Delete a case with its log. The analyses stay."""
    with _cases() as cases:
        if not cases.delete(HERE, id):
            raise InputError(_("There is no such case."), hint=_("unmask case list"))
    return 0


def _log(file: Path) -> list[dict[str, Any]]:
    """Return the entries of an exported log. Raise InputError where the file holds none."""
    try:
        text = file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as bag:
                (name,) = [name for name in bag.namelist() if name.endswith("/data/log.jsonl")]
                text = bag.read(name)
        log = [json.loads(line) for line in text.decode().split("\n") if line]
        if log and all(isinstance(entry, dict) for entry in log):
            return log
    except (ValueError, zipfile.BadZipFile):
        pass
    raise InputError(_("{name} holds no log of a case.").format(name=file.name))


def _told(broken: int | None) -> int:
    if broken is None:
        tell(_("The log is whole: no entry was changed, removed or moved."), error=True)
        return 0
    tell(_("The log is BROKEN at entry {broken}.").format(broken=broken), error=True)
    return BROKEN


def _tree(one: Case) -> dict[str, Any]:
    return one.tree | {"log": [entry.tree for entry in one.log]}
