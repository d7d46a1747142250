"""Calibration on a person's own untouched clips: no fakes, any models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from detector import conformal
from detector.conformal import OwnCalibration
from detector.decision import decide
from detector.decision.numbers import logit
from detector.errors import InputError, ModelError
from detector.models import registry
from detector.pipeline import Analyzer, initial_results
from detector.schema.analysis import Analysis, Question, Settings
from detector.schema.base import StrictModel

ENDINGS = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".3gp", ".ts", ".wmv"}
"""Files that are taken from a folder; whatever else lies there is passed over."""


class Made(StrictModel):
    """A calibration, and the clips that are not in it."""

    calibration: OwnCalibration
    left_out: dict[str, str]
    """name -> why"""


def holds(calibration: OwnCalibration) -> bool:
    """Whether its models are today what they were when it was made."""
    made_for = {id: then for models in calibration.models.values() for id, then in models.items()}
    asked = [spec for spec in registry.list_models() if spec.id in made_for]
    return {spec.id: initial_results.result(spec).identity for spec in asked} == made_for


def clips_in(folder: Path) -> list[Path]:
    """The videos of a folder and its subfolders, sorted.

    Raises
    ------
    InputError
        It is no folder, or holds no video.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", code="not_found")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not found:
        raise InputError(f"{folder} holds no videos.", hint="MP4, MOV, WebM, MKV and AVI are read.")
    return found


def calibrate_own(  # noqa: PLR0913
    clips: Path | Sequence[Path],
    *,
    models: Sequence[str] | None = None,
    rate: float = 0.05,
    domain: str = "",
    sources: int | None = None,
    frames: int = 32,
    analyzer: Analyzer | None = None,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Made:
    """Set the thresholds of a set of models by untouched clips alone.

    Parameters
    ----------
    clips : Path or sequence of Path
        A folder, or files.
    models : sequence of str, optional
        Default: the default ones. Models without a calibration are counted too.
    rate : float
        Of untouched clips like these that may be called manipulated.
    domain : str
        What the clips are, in the person's words.
    sources : int, optional
        Different recordings that the clips are of: one person at one place and time, however many
        cuts there are of it. Default: the folders that the clips lie in.
    progress : callable
        Called with (clips done, clips in all).

    Returns
    -------
    Made
        Not kept yet: `conformal.keep`.

    Raises
    ------
    InputError
        Too few clips that can be judged; `conformal.least` says how many a rate takes.
    ModelError
        A model gave no score for any clip.
    Canceled
        `cancel` was set.
    """
    files = clips_in(clips) if isinstance(clips, Path) else list(clips)
    if len(files) < conformal.least(rate):
        raise conformal.too_few(len(files), rate)
    specs = registry.choose(models)
    settings = Settings(models=[spec.id for spec in specs], frames=frames)
    analyzer = analyzer or Analyzer(device=device)
    scored: list[dict[Question, float]] = []
    places, seen, left_out = set(), set(), {}
    last: Analysis | None = None
    for done, file in enumerate(files):
        try:
            analysis = analyzer.analyze(file, settings, cancel=cancel)
        except InputError as error:
            left_out[file.name] = error.message
        else:
            analysis = decide(analysis, models=[spec.id for spec in specs])
            why = _unusable(analysis)
            if analysis.media.sha256 in seen:
                left_out[file.name] = "There is another copy of it."
            elif why:
                left_out[file.name] = why
            else:
                scored.append(_logits(analysis))
                places.add(file.parent)
                last = analysis
            seen.add(analysis.media.sha256)
        if progress:
            progress(done + 1, len(files))
    if last is None:
        raise conformal.too_few(0, rate)
    calibration = OwnCalibration(
        id=conformal.new_id(),
        created=datetime.now(UTC),
        rate=rate,
        domain=domain,
        sources=min(sources or len(places), len(scored)),
        models={
            q: {m.id: m.identity for m in last.models if m.counted and m.question is q}
            for q in scored[0]
        },
        base={q: _base(last, q) for q in scored[0]},
        clips=scored,
    )
    calibration.move()
    return Made(calibration=calibration, left_out=left_out)


def _unusable(analysis: Analysis) -> str:
    """Why a clip can't be used, in a sentence: it must have been judged by all models.

    Raises
    ------
    ModelError
        A model does not work here, so there is no threshold to set for it.
    """
    failed = next((m for m in analysis.models if m.error), None)
    if failed:
        raise ModelError(f"{failed.title} can't be calibrated: {failed.error}.")
    if analysis.verdict.probability is None:
        reasons = analysis.verdict.reasons
        return reasons[0].text if reasons else "It could not be judged."
    missing = next((m for m in analysis.models if not m.counted and m.weight > 0), None)
    return f"{missing.title}: {missing.not_counted_because}." if missing else ""


def _base(analysis: Analysis, question: Question) -> float:
    """Our threshold as a logit; 0 where we have none."""
    high = analysis.ensembles[question].thresholds.high
    return logit(high) if high < 1 else 0.0


def _logits(analysis: Analysis) -> dict[Question, float]:
    """The file's logit for each asked question."""
    answers = analysis.verdict.answers.items()
    return {q: logit(a.probability) for q, a in answers if a.probability is not None}
