"""`unmask report`: report of a saved analysis, or a copy of its file with the verdict in its
metadata."""

import json
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import ValidationError

from cli.common import given, reading, tell, write_bytes
from cli.options import ReportOptions, arg, opt
from detector.errors import MediaError, UsageError
from detector.media.files import open_file
from detector.schema.analysis import Analysis
from detector.sentences import _
from detector.verdict_metadata import write_copy

ENDINGS = ("pdf", "md", "json", "csv")
LARGEST = 256 * 1024**2  # bytes of a saved analysis; one of 2,000 moments with 20 people has 60 MB


def report(
    analysis: Annotated[Path, arg("", "ANALYSIS.json")],
    options: ReportOptions,
    media: Annotated[Path | None, opt("the file, for its pictures", "FILE")] = None,
    out: Annotated[
        str | None, opt("or .md, .json or .csv; sealed", "-o", "--out", "FILE.pdf")
    ] = None,
    mark: Annotated[Path | None, opt("write the verdict into a copy of the media", "COPY")] = None,
) -> int:
    """Write a report of a saved analysis (analyze --json, or a JSON report)."""
    if not out and not mark:
        raise UsageError(_("Say what to write: --out report.pdf, or --mark copy.mp4."))
    if mark and media is None:
        raise UsageError(_("--mark needs the file itself: --media FILE."))
    read = read_analysis(given(analysis))
    if out:
        write_report(out, read, media, options)
    if mark and media:
        tell(write_copy(media, mark, read))
    return 0


def ending(
    target: str,
    known: Sequence[str] = ENDINGS,
    otherwise: str = "A report can be written as PDF, Markdown, JSON or CSV.",
) -> str:
    """Return the format of a report by its file name. Raise UsageError for any other,
    ModuleNotFoundError if its package is missing."""
    form = target.rpartition(".")[2].lower()
    if form not in known:
        raise UsageError(otherwise, hint=_("--report result.pdf"))
    require("fpdf" if form == "pdf" else "cryptography")
    return form


def require(package: str) -> None:
    """Raise ModuleNotFoundError before the analysis if its report can't be written."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"There is no {package}.", name=package)


def write_report(
    target: str, analysis: Analysis, media: Path | None, options: ReportOptions
) -> None:
    """Write a report in the format of its file name."""
    write_bytes(target, maker(ending(target), options)(analysis, media))


def maker(form: str, options: ReportOptions) -> Callable[[Analysis, Path | None], bytes]:
    """Return the function that renders reports in a format. Raise UsageError for an invalid key or
    zone."""
    from detector import report as reports  # of the extra `report`

    key, zone = reports.signing_key(options.sign), reports.time_zone(options.zone)
    details = reports.ReportDetails(
        options.case, options.reviewer, zone, base_rate=options.base_rate
    )

    @reading()
    def make(analysis: Analysis, media: Path | None) -> bytes:
        content = reports.collect(
            analysis,
            media,
            notes=options.notes,
            place=not options.no_place,
            pictures=form == "pdf",
            details=details,
        )
        return reports.FORMS[form](content, key)

    return make


def read_analysis(path: Path) -> Analysis:
    """Return a saved analysis, plain or in a JSON report. Raise UsageError if it is none."""
    try:
        open_file(path).close()
        if path.stat().st_size > LARGEST:
            raise UsageError(_("{name} is too large for an analysis.").format(name=path.name))
        tree = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and "unmask_report" in tree:
            tree = tree.get("analysis")
        return Analysis.model_validate(tree)
    except MediaError as error:
        raise UsageError(
            _("{name}: {message}").format(name=path.name, message=error.message), hint=error.hint
        ) from None
    except OSError as error:
        raise UsageError(
            _("{name} can't be read: {strerror}.").format(name=path.name, strerror=error.strerror)
        ) from None
    except (ValidationError, ValueError, RecursionError):
        raise UsageError(
            _("{name} is not an analysis of Unmask.").format(name=path.name),
            hint=_("Save one with: analyze --json FILE"),
        ) from None
