"""`unmask robustness`: does the verdict hold when the file is compressed, blurred, made noisy?"""

from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, ids, refuse_link, speech, write_result
from cli.options import Device, Json, Models, Option
from detector.decision import decide
from detector.messages import Speech
from detector.messages import robustness as words
from detector.messages.format import score
from detector.messages.states import state
from detector.perturbation.conditions import NONE, parse
from detector.perturbation.robustness import USUAL, try_out
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Robustness, Settings


def robustness(
    path: Path,
    models: Models = None,
    conditions: Annotated[
        str | None,
        Option(
            metavar="NAME,NAME",
            help="instead of the usual: crf-32,resize-0.5,mirror or mp3-32,phone,snr-10",
        ),
    ] = None,
    json: Json = None,
    device: Device = "auto",
) -> int:
    """Analyze a part of a file again: pictures and clips compressed, blurred …, sounds as MP3, over
    a telephone, in noise …"""
    refuse_link(path)
    wanted = parse(conditions) if conditions else USUAL
    analyzer = Analyzer(device=device)
    analysis = analyzer.analyze(path, Settings(models=ids(models)))
    bar = ProgressBar("changes tried")
    tried = try_out(
        path,
        analysis,
        analyzer,
        conditions=[condition for condition in wanted if condition != NONE],
        on_progress=lambda done, total, _: bar(done, total),
    )
    analysis = decide(analysis.model_copy(update={"robustness": tried}))
    lines = _lines(analysis, analysis.robustness or tried, speech())
    write_result(json, analysis.model_dump(mode="json"), *lines)
    return 0


def _lines(analysis: Analysis, robustness: Robustness, speech: Speech) -> list[str]:
    """Return a line a trial, then what it means."""
    from detector.report.words import GLYPHS  # of the extra `report`, which --help does without

    _, question = speech.gettext, analysis.verdict.question
    lines = [f"{analysis.media.name}: {state(analysis.verdict.label, question, speech)}"]
    for trial in (robustness.unchanged, *robustness.trials):
        number = "–" if trial.probability is None else score(trial.probability)
        outcome = (
            _(trial.error or "") or f"{GLYPHS[trial.label]} {state(trial.label, question, speech)}"
        )
        lines.append(f"  {_(trial.title):24} {number:>5}  {outcome}")
    thresholds, furthest = (
        analysis.verdict.answers[robustness.question].thresholds,
        robustness.furthest,
    )
    said = words.outcome(robustness, thresholds, speech).replace("\u00a0", " ")
    if thresholds.never_decide and furthest is not None:
        moved = abs(robustness.moved(furthest) or 0.0)
        text = _("Moves by up to {points} points: {change}.")
        said = text.format(points=round(100 * moved), change=_(furthest.title))
    return [*lines, f"  {said}"]
