"""`unmask compare`: a suspected copy beside its original."""

from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, refuse_link, speech, write_bytes, write_result
from cli.options import Json, Option, Sandbox, Sign, Zone
from cli.report import ending
from detector import comparison, media, report
from detector.messages import ENGLISH, Speech
from detector.messages import comparison as words
from detector.schema.comparison import Comparison

FORMS = ("pdf", "json"), "The report of a comparison can be written as PDF or JSON."
"""Endings of a report's name, and the message about any other."""
MANIPULATED, OTHER_FOOTAGE = 10, 11  # Exit statuses, which the help tells too


def compare(
    copy: Path,
    original: Path,
    json: Json = None,
    report_file: Annotated[
        str | None, Option("--report", metavar="FILE.pdf", help="or .json; sealed, with pictures")
    ] = None,
    zone: Zone = "UTC",
    sign: Sign = None,
    sandbox: Sandbox = False,
) -> int:
    """Hold a suspected copy against its original: aligned in time and place, what differs inside
    the faces and elsewhere by more than re-encoding leaves? Exit status 0: nothing but how it was
    encoded, cut or graded; 10: a face or something else was changed; 11: not the same footage, or
    faces can't be judged."""
    if sandbox:
        media.isolate()
    for path in (copy, original):
        refuse_link(path)
    form = ending(report_file, *FORMS) if report_file else ""
    here = report.time_zone(zone)
    bar = ProgressBar("comparing", "share")
    result = comparison.compare(copy, original, on_progress=lambda share: bar(share, 1.0))
    language = speech()
    write_result(json, result.model_dump(mode="json"), *lines(result, language))
    if report_file:
        content = report.collect_pair(result, copy, original, zone=here, speech=language)
        write_bytes(report_file, report.PAIR_FORMS[form](content, report.signing_key(sign)))
    return status(result)


def status(result: Comparison) -> int:
    """Return the exit status that says what was found."""
    if not result.finding.same_footage:
        return OTHER_FOOTAGE
    changed = result.finding.manipulated or result.finding == "other_edits"
    return MANIPULATED if changed else 0


def lines(result: Comparison, speech: Speech = ENGLISH) -> list[str]:
    """Return what a terminal shows."""
    _ = speech.gettext
    out = [f"{words.sentence(result, speech)}.", f"  {words.lead(result, speech)}"]
    out += [f"  {name + ':':20} {value}" for name, value in words.figures(result, speech)]
    for person in result.people:
        if len(result.people) > 1:
            when = words.when(result, person.spans, speech)
            part = {
                "none": words.unchanged(result, speech),
                "mouth": _("mouth differs {when}"),
                "face": _("face differs {when}"),
            }[person.changed_region]
            name = _("Person {person}").format(person=person.id)
            out.append(f"  {name + ':':20} {part.format(when=when)}")
    out += [f"  {_(note)}" for note in result.notes]
    if limits := words.limits(result, speech):
        out.append("  " + _("What this can't tell: {limits}").format(limits=limits))
    return out
