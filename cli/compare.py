"""`unmask compare`: comparison of two files, of which one may be a manipulated copy of
the other."""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, given, reading, refuse_link, write_bytes, write_result
from cli.options import Json, Sandbox, Sign, Zone, opt
from cli.report import ending
from detector import comparison, media, paths
from detector.errors import InputError, UsageError
from detector.pipeline import Analyzer
from detector.presentation import brief
from detector.schema.analysis import Settings
from detector.schema.comparison import Comparison
from detector.sentences import _

FORMS = (
    ("pdf", "md", "json"),
    ("The report of a comparison can be written as PDF, Markdown or JSON."),
)
"""Endings of a report's name, and the message about any other."""
MANIPULATED, OTHER_FOOTAGE, ROLES_OPEN = 10, 11, 12  # Exit statuses, which the help tells too
Likelihood = Callable[[Path], float | None]
"""What the detectors say of a file alone; None where they can't judge it."""


def compare(
    a: Path,
    b: Path,
    original: Annotated[
        str | None,
        opt(
            "which of the two is the original, if you know it: A, B or its path; without it "
            "nobody is accused",
            "A|B",
        ),
    ] = None,
    json: Json = None,
    report_file: Annotated[
        str | None, opt("or .md, .json; sealed, with pictures", "--report", "FILE.pdf")
    ] = None,
    zone: Zone = "UTC",
    sign: Sign = None,
    sandbox: Sandbox = False,
) -> int:
    """Compare two files: aligned in time and place, what differs inside the faces and elsewhere by
    more than re-encoding leaves? Exit status 0: nothing but how it was encoded, cut or graded; 10:
    a face of the copy, or something else, was changed; 11: not the same footage, or faces can't be
    judged; 12: a face differs, and it is not known which of the two is the original. Where a face
    differs, the detectors judge both files, too."""
    from detector import report  # of the extra `report`, which --help does without

    if sandbox:
        media.isolate()
    for path in (a, b):
        refuse_link(path)
    a, b = given(a), given(b)
    copy, named = in_roles(a, b, original)
    form = ending(report_file, *FORMS) if report_file else ""
    here = report.time_zone(zone)
    bar = ProgressBar(_("comparing"), "share")
    result = comparison.compare(
        copy,
        named,
        roles="unknown" if original is None else "stated",
        on_progress=lambda share: bar(share, 1.0),
    )
    result = with_scores(result, copy, named, likelihood_by(Analyzer()))
    with reading():
        lines = brief.of_comparison(result)
    write_result(json, result.model_dump(mode="json"), *lines)
    if report_file:
        with reading():
            content = report.collect_pair(result, *sides(result, copy, named), zone=here)
            made = report.PAIR_FORMS[form](content, report.signing_key(sign))
        write_bytes(report_file, made)
    return status(result)


def in_roles(a: Path, b: Path, original: str | None) -> tuple[Path, Path]:
    """Return copy and original; in the given order if no original is named. Raise UsageError if
    another file is named."""
    if original is None:
        return a, b
    named = {"A": a, "B": b}.get(original.upper())
    if named is None and (same := [path for path in (a, b) if path == Path(original)]):
        named = same[0]
    if named is None or a == b:
        raise UsageError(_("--original names one of the two files: A, B or its path."))
    return (b, a) if named == a else (a, b)


def likelihood_by(analyzer: Analyzer, settings: Settings | None = None) -> Likelihood:
    """Return a function that analyzes a file for its likelihood and shows the progress."""

    def likelihood(path: Path) -> float | None:
        with closing(ProgressBar(path.name, "share")) as bar, suppress(InputError):
            found = analyzer.analyze(path, settings, observe=lambda done: bar(done.fraction, 1.0))
            return found.verdict.probability
        return None

    return likelihood


def sides(result: Comparison, one: Path, other: Path) -> tuple[Path, Path]:
    """Return the two files in the comparison's roles: a signature can prove which of them is the
    original."""
    swapped = result.generation.proven and result.copy_media.sha256 != paths.sha256(one)
    return (other, one) if swapped else (one, other)


def with_scores(result: Comparison, one: Path, other: Path, likelihood: Likelihood) -> Comparison:
    """Return the comparison with the models' results for both files, where they matter: a face
    differs, and the roles are a person's statement or unknown."""
    if not result.finding.manipulated or result.role_source == "registered":
        return result
    copy, original = sides(result, one, other)
    scores = {"copy_score": likelihood(copy), "original_score": likelihood(original)}
    return result.model_copy(update=scores)


def status(result: Comparison) -> int:
    """Return the exit status of a finding."""
    if not result.finding.same_footage:
        return OTHER_FOOTAGE
    if result.roles_doubtful:
        return ROLES_OPEN
    changed = result.finding.manipulated or result.finding == "other_edits"
    return MANIPULATED if changed else 0
