"""`unmask analyze`: videos and pictures."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cli import known, report
from cli.common import JsonOutput, ProgressBar, is_web_address, refuse_link, say, tell
from cli.options import Json, MachineOptions, NoLibrary, Option, ReportOptions, SettingsOptions
from detector import links, media
from detector.batch import DOCUMENT_ENDINGS, Entry, failed, read_container
from detector.comparison import compare
from detector.decision import decide
from detector.errors import InputError, MediaError, UsageError
from detector.messages import comparison, lead, states
from detector.messages.coverage import covered
from detector.messages.format import percent, score, signed
from detector.pipeline import Analyzer
from detector.schema.analysis import (
    Analysis,
    ErrorDetail,
    Failure,
    Label,
    Modality,
    Question,
    Settings,
    Thresholds,
    Verdict,
)


def analyze(
    paths: list[str],
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
    json: Json = None,
    report_file: Annotated[
        str | None, Option("--report", metavar="FILE.pdf", help="sealed; or .json or .csv")
    ] = None,
    original: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="hold it against this file as well, of which it may be a manipulated copy: a "
            "finding of its own (as of unmask compare), which counts nothing in the verdict",
        ),
    ] = None,
    no_library: NoLibrary = False,
) -> int:
    """Analyze videos and pictures, the pictures of a PDF or an office document, or links where
    UNMASK_LINKS is on."""
    if machine.sandbox:
        media.isolate()  # first: its own imports go on beside those of torch
    wanted, limits = settings.settings(), settings.thresholds()
    files = [(path, picture) for path in paths for picture in _pictures(path)]
    if report_file:
        report.ending(report_file)
        if len(files) > 1:
            raise UsageError("A report is about one file.", hint="--json takes several.")
    if original and len(files) > 1:
        raise UsageError("An original is that of one file.", hint="Give one file.")
    if original:
        refuse_link(original)
    analyzer = Analyzer(device=machine.device)
    status = 0
    finder = known.OriginalFinder(wanted=original is None and not no_library)
    with JsonOutput(json, several=len(files) > 1) as output, finder, ExitStack() as fetched:
        for path, picture in files:
            file = Path(path)
            if picture is not None or is_web_address(path):
                file = Path(fetched.enter_context(TemporaryDirectory(prefix="unmask-"))) / "link"
            file, result = _one(analyzer, path, picture, file, wanted, limits)
            if isinstance(result, Failure):
                status = 2
                output.add(result.model_dump(mode="json"))
                continue
            found, told = finder.original_of(file, result.media)
            if (source := original or found) is not None:
                result = _against(result, file, source)
            output.add(result.model_dump(mode="json"))
            if report_file:
                report.write_report(report_file, result, file, reporting)
            if json != "-":
                tell(summary(result), *filter(None, [told]))
    return status


def _pictures(path: str) -> list[Entry] | list[None]:
    """Return the pictures of a document, or why it can't be read; [None] of any other file."""
    name = Path(path).name
    if is_web_address(path) or Path(path).suffix.lower() not in DOCUMENT_ENDINGS:
        return [None]
    try:
        found = read_container(Path(path), name)
        if found is not None and not found.entries:
            raise MediaError("There is no picture in this document.", code="no_media")
    except InputError as error:
        return [failed(name, error)]
    return [None] if found is None else found.entries


def _one(
    analyzer: Analyzer, path: str, picture: Entry | None, file: Path, settings: Settings,
    limits: Thresholds | None,
) -> tuple[Path, Analysis | Failure]:  # fmt: skip
    """Analyze a file: fetched to `file` where `path` is a link, or a document's `picture`, which is
    unpacked beside it. Return where it is, and what came of it or what is wrong with it."""
    link = is_web_address(path)
    name = links.name_of(path) if link else picture.title if picture else file.name
    bar = ProgressBar(path if link else name, "share")
    try:
        source = links.fetch_to(path, file).source if link else None
        if picture is not None:
            file, source = picture.open(file.parent), picture.source
        analysis = analyzer.analyze(
            file, settings, name=name, observe=lambda done: bar(done.fraction, 1)
        ).taken_from(source)
        return file, decide(analysis, thresholds=limits) if limits else analysis
    except InputError as error:
        if isinstance(error, UsageError):
            raise
        bar.close()
        if error.code == "not_a_file" and Path(path).is_dir():
            error.hint = "`unmask batch FOLDER --out DIR` analyzes everything in it."
        say(error, bar.text)
        detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
        return file, Failure(name=bar.text, error=detail)
    finally:
        bar.close()


def _against(analysis: Analysis, path: Path, original: Path) -> Analysis:
    """Return the result with what came of holding the file against its original."""
    bar = ProgressBar("comparing", "share")
    found = compare(
        path, original, copy_media=analysis.media, on_progress=lambda share: bar(share, 1.0)
    )
    bar.close()
    return analysis.model_copy(update={"comparison": found})


def summary(analysis: Analysis) -> str:
    """Return the verdict in a few lines for a terminal."""
    verdict = analysis.verdict
    lines = [f"{analysis.media.name}: {analysis.headline}"]
    if (found := analysis.comparison) is not None:
        more = "" if found.finding.same_footage else f" {comparison.lead(found)}"
        lines.append(f"  {comparison.sentence(found)}.{more}")
        if found.finding.related:
            lines.append(f"  {comparison.against(found)}")
    if origin := lead.origin(analysis):
        lines.append(f"  {origin}")
    known = filter(None, (lead.posted(analysis), lead.document(analysis)))
    lines += [f"  {sentence}" for sentence in known]
    if found is not None or origin:
        alone = states.headline(verdict.label, verdict.question, verdict.lean)
        lines.append(f"  The detectors, alone: {alone}")
    lines += [f"  {line}" for line in _people(analysis)]
    front_answer = verdict.answers.get(verdict.question) if verdict.question else None
    front = sorted(verdict.answers.items(), key=lambda pair: pair[0] is not verdict.question)
    lines += [line for question, _ in front if (line := _answered(verdict, question))]
    if front_answer is not None and front_answer.odds is not None:
        odds = front_answer.odds
        lines.append(f"  {states.odds(odds.share, odds.low, odds.high, verdict.question)}")
    for reason in verdict.reasons:
        lines.append(f"  - {reason.text}" + (f" ({reason.detail})" if reason.detail else ""))
    plain = {m.id: m.plain or m.title for m in analysis.models}
    for part in front_answer.contributions if front_answer else ():
        name = states.contribution(part.kind, part.id, plain.get(part.id, ""))
        lines.append(f"  {signed(part.logit):>5}  {name}")
    for model in analysis.models:
        if not model.counted:
            own = "" if model.probability is None else f" score {score(model.probability)},"
            lines.append(f"  {model.title}:{own} not counted: {model.not_counted_because}")
    if coverage := covered(analysis.coverage):
        lines.append(f"  Looked at: {coverage}")
    lines += [f"  Note: {note}" for note in analysis.media.notes]
    if turn := analysis.media.faces_turned:
        lines.append(f"  To analyze it turned: --rotate {turn}")
    lines.append(f"  Can't tell: {' '.join(verdict.limits)}")
    return "\n".join(lines)


def _people(analysis: Analysis) -> list[str]:
    """Return who of several people leads, and the text about the others and the voice."""
    verdict = analysis.verdict
    people = [subject for subject in analysis.seen if subject.modality is Modality.FACE]
    lines = []
    top = next((person for person in people if person.id == verdict.subject), None)
    # Of a picture that a machine made nobody in it leads.
    if len(people) > 1 and top and verdict.question and not verdict.question.spec.whole:
        alone = top.answers[verdict.question].probability
        said = [
            lead.placed(top),
            "" if alone is None else f"{percent(alone)} alone",
            "" if verdict.label is Label.REAL else lead.strongest(analysis, top),
        ]
        of = f"{len(people)} people"
        if out := lead.left_out(analysis):
            of = f"{len(people) - len(out)} of {len(people)} people whose score counts"
        lines.append(f"Most suspicious of {of}: {', '.join(filter(None, said))}")
    # Without a sign, the sentence counts those that the others' leaves out.
    real = len(people) > 1 and verdict.label is Label.REAL
    all_of_them = lead.sentence(analysis) if real else ""
    lines.append(" ".join(filter(None, [all_of_them, lead.others(analysis)])))
    return [line.replace("\u00a0", " ") for line in lines if line]


def _answered(verdict: Verdict, question: Question) -> str:
    """One question in a line; "" where it was not asked or not judged."""
    answer = verdict.answers[question]
    if answer.probability is None:
        return ""
    limits = answer.thresholds
    low = "" if limits.one_sided else f"no sign under {percent(limits.low)}, "
    basis = f"by {limits.data}" if limits.own else states.basis(answer.basis)
    by = f", {basis}" if basis else ""
    likely = f"{percent(answer.probability)} combined likelihood"
    if answer.undecided_secondary:
        if verdict.uncounted(question):
            likely = f"{percent(answer.probability)} not counted"
        likely = f"stays open, {likely}"
    over = f"{states.says(question)} over {percent(limits.high)}"
    if limits.never_decide:
        over = "no score decides"
    return f"  {states.question(question)} {likely} ({low}{over}{by})"
