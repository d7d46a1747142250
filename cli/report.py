"""`unmask report`: a saved analysis as a report, or written into a copy of its file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from cli.common import Commands, tell, write_bytes
from detector.errors import MediaError, UsageError
from detector.schema.analysis import Analysis

ENDINGS = ("pdf", "json", "csv")
LARGEST = 256 * 1024**2
"""bytes of a saved analysis; one of 2,000 moments with 20 people has 60 MB"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    report = commands.add_parser(
        "report",
        help="write a report of a saved analysis",
        description="Write a report of a saved analysis (analyze --json, or a JSON report).",
    )
    report.add_argument("analysis", type=Path, metavar="ANALYSIS.json")
    report.add_argument("--media", type=Path, metavar="FILE", help="the file, for its pictures")
    report.add_argument("-o", "--out", metavar="FILE.pdf", help="or .json or .csv; sealed")
    report.add_argument(
        "--mark", type=Path, metavar="COPY", help="write the verdict into a copy of the media"
    )
    add_options(report)
    report.set_defaults(run=_report)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of everything that writes a report."""
    parser.add_argument("--notes", default="", metavar="TEXT", help="the analyst's, for the report")
    parser.add_argument(
        "--no-place", action="store_true", help="leave out where the file says it was recorded"
    )
    add_signing(parser)


def add_signing(parser: argparse.ArgumentParser) -> None:
    """Option of everything that signs a report."""
    parser.add_argument(
        "--sign", type=Path, metavar="KEY.pem", help="the operator's Ed25519 key, for the report"
    )


def ending(
    target: str,
    known: Sequence[str] = ENDINGS,
    otherwise: str = "A report can be written as PDF, JSON or CSV.",
) -> str:
    """Return the form of a report by its name. UsageError for any other."""
    form = target.rpartition(".")[2].lower()
    if form not in known:
        raise UsageError(otherwise, hint="--report result.pdf")
    return form


def write_report(
    target: str, analysis: Analysis, media: Path | None, args: argparse.Namespace
) -> None:
    """Write a report in the form that its name asks for."""
    from detector import report

    form, place = ending(target), not args.no_place
    key = report.signing_key(args.sign)
    content = report.collect(analysis, media, notes=args.notes, place=place, pictures=form == "pdf")
    write_bytes(target, report.FORMS[form](content, key))


def read_analysis(path: Path) -> Analysis:
    """Return a saved analysis, bare or in a JSON report. UsageError when it is none."""
    from pydantic import ValidationError

    from detector.media.files import open_file

    try:
        open_file(path).close()
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path.name} is too large for an analysis.")
        tree = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and "unmask_report" in tree:
            tree = tree.get("analysis")
        return Analysis.model_validate(tree)
    except MediaError as error:
        raise UsageError(f"{path.name}: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise UsageError(f"{path.name} can't be read: {error.strerror}.") from None
    except (ValidationError, ValueError, RecursionError):
        raise UsageError(
            f"{path.name} is not an analysis of Unmask.", hint="Save one with: analyze --json FILE"
        ) from None


def _report(args: argparse.Namespace) -> int:
    from detector.verdict_metadata import write_copy

    if not args.out and not args.mark:
        raise UsageError("Say what to write: --out report.pdf, or --mark copy.mp4.")
    if args.mark and args.media is None:
        raise UsageError("--mark needs the file itself: --media FILE.")
    analysis = read_analysis(args.analysis)
    if args.out:
        write_report(args.out, analysis, args.media, args)
    if args.mark:
        tell(write_copy(args.media, args.mark, analysis))
    return 0
