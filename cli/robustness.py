"""`unmask robustness`: does the verdict hold when the file is compressed, blurred, made noisy?"""

from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, ids, reading, refuse_link, write_result
from cli.options import Device, Json, Models, Option
from detector.decision import decide
from detector.messages import robustness as words
from detector.messages.format import score
from detector.messages.states import state
from detector.perturbation.conditions import NONE, parse
from detector.perturbation.robustness import USUAL, try_out
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Robustness, Settings
from detector.sentences import _, say


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
    bar = ProgressBar(_("changes tried"))
    tried = try_out(
        path,
        analysis,
        analyzer,
        conditions=[condition for condition in wanted if condition != NONE],
        on_progress=lambda done, total, _: bar(done, total),
    )
    analysis = decide(analysis.model_copy(update={"robustness": tried}))
    lines = _lines(analysis, analysis.robustness or tried)
    write_result(json, analysis.model_dump(mode="json"), *lines)
    return 0


@reading()
def _lines(analysis: Analysis, robustness: Robustness) -> list[str]:
    """Return a line a trial, then what it means."""
    from detector.report.words import GLYPHS  # of the extra `report`, which --help does without

    question = analysis.verdict.question
    lines = [f"{analysis.media.name}: {state(analysis.verdict.label, question)}"]
    for trial in (robustness.unchanged, *robustness.trials):
        number = "–" if trial.probability is None else score(trial.probability)
        outcome = say(trial.error or "") or f"{GLYPHS[trial.label]} {state(trial.label, question)}"
        lines.append(f"  {say(trial.title):24} {number:>5}  {outcome}")
    thresholds, furthest = (
        analysis.verdict.answers[robustness.question].thresholds,
        robustness.furthest,
    )
    said = words.outcome(robustness, thresholds).replace("\u00a0", " ")
    if thresholds.never_decide and furthest is not None:
        moved = abs(robustness.moved(furthest) or 0.0)
        text = _("Moves by up to {points} points: {change}.")
        said = text.format(points=round(100 * moved), change=say(furthest.title))
    return [*lines, f"  {said}"]
