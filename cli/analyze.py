"""`unmask analyze`: analysis of videos, pictures and sounds."""

import shutil
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cli import known, report, terminal
from cli.common import (
    JsonOutput,
    ProgressBar,
    given,
    is_web_address,
    line,
    print_error,
    reading,
    refuse_link,
    tell,
    tell_passed_over,
)
from cli.compare import Likelihood, likelihood_by, with_scores
from cli.options import Json, MachineOptions, NoLibrary, ReportOptions, SettingsOptions, opt
from detector import links, media
from detector.batch import Entry, failed, is_container, read_container
from detector.batch.entry import detail as error_detail
from detector.comparison import beside_original, compare
from detector.decision import decide
from detector.errors import InputError, MediaError, ModelError, UnmaskError, UsageError
from detector.media.files import open_file
from detector.models import registry
from detector.pipeline import Analyzer, Progress
from detector.presentation import brief
from detector.presentation.odds import EVEN
from detector.presentation.progress import words
from detector.presentation.summary import passed_over
from detector.schema.analysis import Analysis, ErrorDetail, Failure, Settings, Thresholds
from detector.sentences import _

ANSWER_LINES = 8
CONTAINER_HEAD = 8  # bytes by which an archive or a document is known
_OURS = "internal"  # code of what is no file's fault


def analyze(
    paths: list[str],
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
    json: Json = None,
    report_file: Annotated[
        str | None, opt("sealed; or .md, .json or .csv", "--report", "FILE.pdf")
    ] = None,
    original: Annotated[
        Path | None,
        opt(
            "hold it against this file as well, which you know to be its original: a "
            "finding of its own (as of unmask compare), which counts nothing in the verdict",
            "FILE",
        ),
    ] = None,
    film: Annotated[
        bool, opt("analyze the film behind each picture (a motion photo) in place of it", "--film")
    ] = False,
    no_library: NoLibrary = False,
    verbose: Annotated[
        bool, opt("print each question, model, signal and note as well", "-v", "--verbose")
    ] = False,
) -> int:
    """Analyze videos and pictures, the pictures of a PDF or an office document, or links where
    UNMASK_LINKS is on. A path of - reads standard input."""
    if machine.sandbox:
        media.isolate()  # first: its own imports go on beside those of torch
    wanted, limits = settings.settings(), settings.thresholds()
    registry.choose(wanted.models)  # what is no model is nobody's file's fault
    paths = [path if is_web_address(path) else str(given(path)) for path in paths]
    files = [(path, picture) for path in paths for picture in _pictures(path)]
    if report_file:
        report.ending(report_file)
        if len(files) > 1:
            raise UsageError(_("A report is about one file."), hint=_("--json takes several."))
    if original and len(files) > 1:
        raise UsageError(_("An original is that of one file."), hint=_("Give one file."))
    if original:
        refuse_link(original)
    analyzer = Analyzer(device=machine.device)
    status = 0
    finder = known.OriginalFinder(wanted=original is None and not no_library)
    output = JsonOutput(json, several=len(files) > 1)
    with finder, ExitStack() as fetched:
        for path, picture in files:
            file = Path(path)
            if picture is not None or film or is_web_address(path):
                file = Path(fetched.enter_context(TemporaryDirectory(prefix="unmask-"))) / "link"
            try:
                file, result = _one(analyzer, path, picture, file, wanted, limits, film=film)
            except Exception as error:  # of one file; what concerns all of them ends the command
                if len(files) == 1 or isinstance(error, ModelError):
                    raise
                result = _failed(Path(path).name if picture is None else picture.title, error)
            if isinstance(result, Failure):
                status = 1 if status == 1 or result.error.code == _OURS else 2
                output.add(result.model_dump(mode="json"))
                continue
            found, match = finder.original_of(file, result.media)
            if original is not None:
                result = _against(result, file, original, likelihood_by(analyzer, wanted))
            elif found is not None:
                with closing(ProgressBar(_("comparing"), "share")) as bar:
                    shown = partial(bar, total=1.0)
                    result = beside_original(result, file, found, on_progress=shown)
            output.add(result.model_dump(mode="json"))
            if report_file:
                report.write_report(report_file, result, file, reporting)
            if json != "-":
                tell(summary(result, base_rate=reporting.base_rate) if verbose else answer(result))
                known.tell_match(match)
    return status


def _pictures(path: str) -> list[Entry] | list[None]:
    """Return the files of a document or an archive, whatever its name, or the error of reading it;
    [None] of any other file."""
    name = Path(path).name
    if is_web_address(path):
        return [None]
    try:
        with open_file(path) as file:
            head = file.read(CONTAINER_HEAD)
    except (InputError, OSError):
        return [None]  # reported where it is analyzed
    if not is_container(head):
        return [None]
    try:
        found = read_container(Path(path), name)
        if found is not None and not found.entries:
            text = _("There is no picture in this document.")
            if found.passed_over:
                text = _("Nothing in it is media: {files}.")
                text = text.format(files=passed_over(found.passed_over))
            raise MediaError(text, code="no_media")
    except InputError as error:
        return [failed(name, error)]
    if found is not None and found.passed_over:
        tell_passed_over(found.passed_over)
    return [None] if found is None else found.entries


def _one(
    analyzer: Analyzer, path: str, picture: Entry | None, file: Path, settings: Settings,
    limits: Thresholds | None, *, film: bool = False,
) -> tuple[Path, Analysis | Failure]:  # fmt: skip
    """Analyze a file: fetched to `file` where `path` is a link, or a document's `picture`, which is
    unpacked beside it, or the `film` behind a picture, which is copied there. Return its path, and
    its result or error."""
    link = is_web_address(path)
    name = links.name_of(path) if link else picture.title if picture else Path(path).name
    bar = ProgressBar(path if link else name, "share")
    try:
        source = links.fetch_to(path, file).source if link else None
        if picture is not None:
            file, source = picture.open(file.parent)
        if film:
            behind = media.open_film(file if link or picture else path)
            file, name = file.parent / "film", media.film_name(name)
            with behind, file.open("wb") as copy:
                shutil.copyfileobj(behind, copy)
        analysis = analyzer.analyze(
            file, settings, name=name, observe=partial(_observed, bar)
        ).taken_from(source)
        return file, decide(analysis, thresholds=limits) if limits else analysis
    except InputError as error:
        if isinstance(error, UsageError):
            raise
        bar.close()
        if error.code == "not_a_file" and Path(path).is_dir():
            error.hint = _("`unmask batch FOLDER --out DIR` analyzes everything in it.")
        return file, _failed(bar.text, error)
    finally:
        bar.close()


def _observed(bar: ProgressBar, progress: Progress) -> None:
    """Show how far an analysis is, and its reading so far."""
    bar.note = words(progress)
    bar(progress.fraction, 1)


def _failed(name: str, error: Exception) -> Failure:
    """Report a failed file; return the entry in its place."""
    if isinstance(error, UnmaskError):
        detail = error_detail(error)
    else:
        what = line(f"{type(error).__name__}: {error}")
        message = _("This is our failure, not yours: {what}").format(what=what)
        detail = ErrorDetail(code=_OURS, message=message)
    print_error(detail, name)
    return Failure(name=name, error=detail)


def _against(analysis: Analysis, path: Path, original: Path, judge: Likelihood) -> Analysis:
    """Return the result with the comparison of the file with the original that the command names,
    which is analyzed as well, since the models may contradict the comparison."""
    with closing(ProgressBar(_("comparing"), "share")) as bar:
        shown = partial(bar, total=1.0)
        found = compare(
            path, original, roles="stated", copy_media=analysis.media, on_progress=shown
        )
    scores = {path: analysis.verdict.probability}
    found = with_scores(
        found, path, original, lambda one: scores[one] if one in scores else judge(one)
    )
    return analysis.model_copy(update={"comparison": found})


@reading()
def answer(analysis: Analysis) -> str:
    """Return the answer, its odds and the strongest facts, in at most `ANSWER_LINES` lines of 80
    columns."""
    first, *others = brief.short(analysis)
    text = f"{analysis.media.name}: {first}"
    for sentence in others:
        longer = f"{text}\n  {sentence}"
        if len(terminal.wrapped(longer, 80).splitlines()) <= ANSWER_LINES:
            text = longer
    return text.replace("\u00a0", " ")


@reading()
def summary(analysis: Analysis, *, base_rate: float = EVEN) -> str:
    """Return the result in a few lines for a terminal; odds in words follow a `base_rate` of fakes,
    0..1."""
    return "\n  ".join(brief.lines(analysis, base_rate)).replace("\u00a0", " ")
