"""`unmask compare`: a suspected copy beside its original."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.common import Commands, ProgressBar, refuse_link, tell, write_bytes, write_json
from detector.cli.report import add_signing, ending

if TYPE_CHECKING:
    from detector.schema.comparison import Comparison

FORMS = ("pdf", "json"), "The report of a comparison can be written as PDF or JSON."
"""Endings of a report's name, and the message about any other."""
MANIPULATED, OTHER_FOOTAGE = 10, 11
"""Exit statuses: a face, the mouth or something else was changed; not the same footage, or nothing
can be said."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    compare = commands.add_parser(
        "compare",
        help="what differs between a suspected copy and its original",
        description="Hold a suspected copy against its original: aligned in time and place, what "
        "differs inside the faces and elsewhere by more than re-encoding leaves? Exit status 0: "
        f"nothing but how it was encoded, cut or graded; {MANIPULATED}: a face or something else "
        f"was changed; {OTHER_FOOTAGE}: not the same footage, or faces can't be judged.",
    )
    compare.add_argument("copy", type=Path, metavar="COPY")
    compare.add_argument("original", type=Path, metavar="ORIGINAL")
    compare.add_argument("--json", metavar="FILE", help="all figures by moment; - is stdout")
    compare.add_argument("--report", metavar="FILE.pdf", help="or .json; sealed, with pictures")
    add_signing(compare)
    compare.add_argument(
        "--sandbox",
        action="store_true",
        help="read the files in processes that may do nothing else, for files from strangers",
    )
    compare.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    if args.sandbox:
        from detector import media

        media.isolate()
    from detector.comparison import compare

    for path in (args.copy, args.original):
        refuse_link(path)
    form = ending(args.report, *FORMS) if args.report else ""
    bar = ProgressBar("comparing", "share")
    result = compare(args.copy, args.original, on_progress=lambda share: bar(share, 1.0))
    if args.json:
        write_json(args.json, result.model_dump(mode="json"))
    if args.report:
        from detector import report

        content = report.collect_pair(result, args.copy, args.original)
        write_bytes(args.report, report.PAIR_FORMS[form](content, report.signing_key(args.sign)))
    if args.json != "-":
        tell(*lines(result))
    return status(result)


def status(result: Comparison) -> int:
    """Return the exit status that says what was found."""
    if not result.finding.same_footage:
        return OTHER_FOOTAGE
    changed = result.finding.manipulated or result.finding == "other_edits"
    return MANIPULATED if changed else 0


def lines(result: Comparison) -> list[str]:
    """Return what a terminal shows."""
    from detector.messages import comparison as words

    out = [f"{words.sentence(result)}.", f"  {words.lead(result)}"]
    out += [f"  {name + ':':20} {value}" for name, value in words.figures(result)]
    for person in result.people:
        if len(result.people) > 1:
            when = words.when(result, person.spans)
            part = {"none": words.unchanged(result)}.get(
                person.part, f"{person.part} differs {when}"
            )
            out.append(f"  {f'Person {person.id}:':20} {part}")
    out += [f"  {note}" for note in result.notes]
    if limits := words.limits(result):
        out.append(f"  What this can't tell: {limits}")
    return out
