"""`unmask batch`: everything in a folder, a table, a list, an archive or a document."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cli import known, report
from cli.analyze import add_machine, add_settings, settings_of, thresholds_of
from cli.common import Commands, ProgressBar, ids, say
from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.batch import BatchOptions, BatchRun, BatchTally, Entry
    from detector.batch.options import WriteReport
    from detector.schema.analysis import Analysis, ErrorDetail

FORMATS = ("jsonl", "csv")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    batch = commands.add_parser(
        "batch",
        help="analyze everything in a folder, table, list, archive or document",
        description="Analyze everything in SOURCE: a folder, a CSV with a column of paths, a text "
        "file with a path a line, a ZIP, a PDF or an office document. Results are written as they "
        "come; the same command goes on where it was stopped.",
    )
    batch.add_argument("source", type=Path, metavar="SOURCE")
    add_output(batch)
    batch.add_argument("--limit", type=int, metavar="N", help="only the first N files")
    batch.set_defaults(run=_batch)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Options of everything that fills a folder with results."""
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="for the results"
    )
    parser.add_argument(
        "--format",
        default="jsonl,csv",
        metavar="FORM,FORM",
        help="jsonl (always written: what is finished is known by it) and csv",
    )
    parser.add_argument(
        "--report", action="store_true", help="write each file's sealed PDF report, too"
    )
    parser.add_argument(
        "--parallel", type=int, default=0, metavar="N", help="files at a time (as many as cores)"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        default="",
        help="on a Ray cluster: auto, local or HOST:PORT (default: UNMASK_RAY_ADDRESS, else none)",
    )
    add_settings(parser)
    known.add_option(parser)
    report.add_options(parser)
    add_machine(parser)


def options_of(args: argparse.Namespace) -> BatchOptions:
    """Return what the options ask for. UsageError when it can't be."""
    from detector import media
    from detector.batch import BatchOptions

    if args.sandbox:
        media.isolate()
    forms = ids(args.format) or []
    if unknown := sorted(set(forms) - set(FORMATS)):
        raise UsageError(f"--format: there is no {unknown[0]!r}.", hint="jsonl, csv or both.")
    if args.parallel < 0:
        raise UsageError("--parallel is a number of files, 1 or more.")
    return BatchOptions(
        settings=settings_of(args),
        thresholds=thresholds_of(args.threshold),
        table="csv" in forms,
        report=_reports(args) if args.report else None,
        parallel=args.parallel,
        device=args.device,
    )


@contextmanager
def open_batch(args: argparse.Namespace) -> Iterator[BatchRun]:
    """Open the folder of results, and the cluster that fills it where there is one. Raises what
    either does."""
    from detector.batch import BatchRun
    from detector.cluster import ClusterAnalyzer, ClusterOptions

    options = options_of(args)
    wanted = ClusterOptions.configured(args.ray, isolate=args.sandbox)
    with ExitStack() as opened:
        library = opened.enter_context(known.OriginalFinder(wanted=not args.no_library))
        options = replace(options, original=lambda *file: library.original_of(*file)[0])
        cluster = None
        if wanted is not None:
            cluster = opened.enter_context(ClusterAnalyzer(wanted, device=args.device))
            options = replace(options, parallel=args.parallel or cluster.slots)
        yield opened.enter_context(BatchRun(args.out, options, cluster))


def _reports(args: argparse.Namespace) -> WriteReport:
    """Return what writes the reports, one a file, unless it is there."""
    from detector import report as reports
    from detector.batch.journal import write_whole

    folder = args.out / "reports"
    key = reports.signing_key(args.sign)

    def write(name: str, analysis: Analysis, media: Path) -> Path:
        target: Path = folder / f"{_file_name(name)}-{analysis.id[:12]}.pdf"
        if not target.exists():
            folder.mkdir(exist_ok=True)
            place = not args.no_place
            content = reports.collect(analysis, media, notes=args.notes, place=place)
            write_whole(target, reports.FORMS["pdf"](content, key))
        return target

    return write


def _file_name(name: str) -> str:
    """Return the name of an entry as one that every disk takes."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[-80:] or "file"


def listed(bar: ProgressBar, tally: BatchTally, entry: Entry, error: ErrorDetail | None) -> None:
    """Show how far a batch is, and an error as it happens."""
    if error is not None:
        say(error, entry.name)
    bar(tally.done, tally.total)


def _batch(args: argparse.Namespace) -> int:
    if args.limit is not None and args.limit < 1:
        raise UsageError("--limit is a number of files, 1 or more.")
    from detector import links
    from detector.batch import read_source

    opener = links.opener if links.allowed() else None
    source = read_source(args.source, leave_out=args.out, links=opener)
    if not source.entries:
        raise UsageError(f"There is no video and no picture in {args.source}.")
    entries = list(islice(source.entries, args.limit))
    bar = ProgressBar("files")
    with open_batch(args) as batch:
        try:
            tally = batch.run(
                entries,
                lambda tally, entry, error: listed(bar, tally, entry, error),
                total=len(entries),
            )
        finally:
            bar.close()
    print(summary(tally, source.passed_over, args.out), file=sys.stderr)
    if tally.ours:
        return 1
    return 2 if tally.failed else 0


def summary(tally: BatchTally, passed_over: int, out: Path) -> str:
    """Return what was done, in a line."""
    parts = [f"{tally.analyzed} analyzed"]
    if tally.found:
        parts.append(f"{tally.found} known already")
    if tally.failed:
        codes = ", ".join(f"{code} {count}" for code, count in tally.codes.most_common())
        parts.append(f"{tally.failed} failed ({codes})")
    if passed_over:
        parts.append(f"{passed_over} passed over by their names")
    return f"unmask: {', '.join(parts)}: {out / 'results.jsonl'}"
