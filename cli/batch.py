"""`unmask batch`: analysis of a folder, a table, a list, an archive or a document; `unmask watch`:
of new files in a folder."""

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

from cli import known
from cli.common import ProgressBar, ids, print_error, reading, tell, tell_passed_over
from cli.options import MachineOptions, NoLibrary, ReportOptions, SettingsOptions, between, opt
from cli.report import maker, require
from detector import links, media, paths
from detector.batch import BatchOptions, BatchRun, BatchTally, Entry, read_source
from detector.batch.engine import WriteReport
from detector.errors import UsageError
from detector.pipeline import open_remote
from detector.presentation import summary
from detector.schema.analysis import Analysis, ErrorDetail
from detector.schema.passed_over import PassedOver
from detector.sentences import _

FORMATS = ("jsonl", "csv")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options of commands that fill a folder with results."""

    out: Annotated[Path, opt("for the results", "-o", "--out", "DIR")]
    format: Annotated[
        str, opt("jsonl (always written: what is finished is known by it) and csv", "FORM,FORM")
    ] = "jsonl,csv"
    report: Annotated[bool, opt("write each file's sealed PDF report, too", "--report")] = False
    parallel: Annotated[int, opt("files at a time (as many as cores)", "N", min=0)] = 0
    ray: Annotated[
        str,
        opt(
            "on a Ray cluster: auto, local or HOST:PORT (default: UNMASK_RAY_ADDRESS, else none)",
            "ADDRESS",
        ),
    ] = ""
    no_library: NoLibrary = False


def batch(
    source: Path,
    output: OutputOptions,
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
    limit: Annotated[int | None, opt("only the first N files", "N", min=1)] = None,
) -> int:
    """Analyze everything in SOURCE: a folder, a CSV with a column of paths, a text file with a path
    a line, a ZIP, a PDF or an office document. Results are written as they come; the same command
    goes on where it was stopped."""
    opener = links.opener if links.allowed() else None
    found = read_source(source, leave_out=output.out, links=opener)
    if not found.entries:
        raise _nothing(source, found.passed_over)
    entries = list(islice(found.entries, limit))
    with (
        open_batch(output, settings, reporting, machine) as run,
        closing(ProgressBar(_("files"))) as bar,
    ):
        run.pass_over(found.passed_over)
        tally = run.run(entries, partial(listed, bar), total=len(entries))
    with reading():
        done = summary.of_batch(tally.analyzed, tally.found, tally.codes, found.passed_over)
        tell(f"unmask: {done}: {output.out / 'results.jsonl'}", error=True)
    if tally.ours:
        return 1
    return 2 if tally.failed else 0


def _nothing(source: Path, passed: Sequence[PassedOver]) -> UsageError:
    if not passed:
        return UsageError(_("There is no file in {source}.").format(source=source))
    text = _("Nothing in {source} is media: {files}.")
    return UsageError(text.format(source=source, files=summary.passed_over(passed)))


@contextmanager
def open_batch(
    output: OutputOptions,
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
) -> Iterator[BatchRun]:
    """Open the results folder, and its cluster where there is one; raise as either does."""
    if machine.sandbox:
        media.isolate()
    forms = ids(output.format) or []
    if unknown := sorted(set(forms) - set(FORMATS)):
        text = _("--format: there is no {unknown}.")
        raise UsageError(text.format(unknown=repr(unknown[0])), hint=_("jsonl, csv or both."))
    options = BatchOptions(
        settings=settings.settings(),
        thresholds=settings.thresholds(),
        table="csv" in forms,
        report=_reports(output.out, reporting) if output.report else None,
        parallel=output.parallel,
        device=machine.device,
    )
    with ExitStack() as opened:
        library = opened.enter_context(known.OriginalFinder(wanted=not output.no_library))
        options = replace(options, original=lambda *file: library.original_of(*file)[0])
        remote = open_remote(output.ray, isolate=machine.sandbox, device=machine.device)
        if remote is not None:
            opened.callback(remote.close)
        yield opened.enter_context(BatchRun(output.out, options, remote))


def _reports(out: Path, options: ReportOptions) -> WriteReport:
    """Return the function that writes a file's report, unless it exists."""
    require("fpdf")
    made, folder = maker("pdf", options), out / "reports"

    def write(name: str, analysis: Analysis, media: Path) -> Path:
        name = re.sub(r"[^\w.-]+", "_", name).strip("._")[-80:] or "file"  # that every disk takes
        target = folder / f"{name}-{analysis.id[:12]}.pdf"
        if not target.exists():
            folder.mkdir(exist_ok=True)
            paths.write(target, made(analysis, media))
        return target

    return write


def listed(bar: ProgressBar, tally: BatchTally, entry: Entry, error: ErrorDetail | None) -> None:
    """Show the progress of a batch, and each error as it occurs."""
    if error is not None:
        print_error(error, entry.name)
    bar(tally.done, tally.total)


def watch(
    folder: Path,
    output: OutputOptions,
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
    every: Annotated[float, opt("seconds between two looks", "S", callback=between(0))] = 2.0,
) -> int:
    """Analyze what is in FOLDER and what comes into it, each file once it has stopped growing,
    until this is stopped (Ctrl-C). Results as of unmask batch."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bar = ProgressBar(_("files"))
    try:
        with open_batch(output, settings, reporting, machine) as batch:
            tell(_("unmask: watching {folder}").format(folder=folder), error=True)
            batch.watch(folder, stop, every, partial(listed, bar), tell_passed_over)
    except KeyboardInterrupt:
        tell(_("unmask: stopped"), error=True)
    finally:
        bar.close()
        signal.signal(signal.SIGTERM, before)
    return 0
