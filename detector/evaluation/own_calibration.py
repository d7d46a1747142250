"""Calibration on a person's own untouched clips, without fakes, for any models."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from detector import messages
from detector.decision import conformal, decide
from detector.decision.conformal import OwnCalibration
from detector.decision.context import voting
from detector.decision.numbers import logit
from detector.errors import InputError, ModelError
from detector.evaluation.labels import SOUNDS, VIDEOS
from detector.models import registry
from detector.pipeline import Analyzer, initial_results
from detector.schema.analysis import Analysis, Settings
from detector.schema.base import StrictModel
from detector.schema.ensemble import NotCounted
from detector.sentences import _

ENDINGS = VIDEOS | SOUNDS
"""Endings of the clips of a folder; other files are ignored."""


class OwnCalibrationResult(StrictModel):
    """A calibration, and the clips that are not in it."""

    calibration: OwnCalibration
    left_out: dict[str, str]  # name -> reason


def holds(calibration: OwnCalibration) -> bool:
    """Return True if the calibration's models are unchanged."""
    then = calibration.models
    specs = [spec for spec in registry.list_models() if spec.id in then]
    return {spec.id: initial_results.result(spec).identity for spec in specs} == then


def clips_in(folder: Path) -> list[Path]:
    """Return a folder's videos and sounds, sorted; raise InputError without any."""
    if not folder.is_dir():
        raise InputError(_("{folder} is not a folder.").format(folder=folder), code="not_found")
    clips = sorted(p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
    if not clips:
        raise InputError(
            _("{folder} holds no videos and no sounds.").format(folder=folder),
            hint=_("MP4, MOV, WebM, MKV and AVI are read; of voices WAV, MP3, M4A, FLAC and Ogg."),
        )
    return clips


@dataclass(frozen=True)
class OwnClips:
    """A person's own untouched clips."""

    files: Path | Sequence[Path]  # a folder, or files
    domain: str = ""  # the person's description
    sources: int | None = None
    """Number of recordings (one person at one place and time, with any cuts). None: the number of
    folders."""


def calibrate_own(
    clips: OwnClips,
    *,
    models: Sequence[str] | None = None,
    rate: float = 0.05,
    analyzer: Analyzer | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> OwnCalibrationResult:
    """Set the thresholds of a set of models (default: the default ones, voice models for sounds) by
    untouched clips alone, for a false alarm `rate` on clips like these. The result is not stored
    (`conformal.keep`); `progress` is called with (clips done, clips in all).

    Raise InputError for too few usable clips (`conformal.least`) or videos mixed with sounds,
    ModelError where a model gave no score for any clip, Canceled."""
    files = clips_in(clips.files) if isinstance(clips.files, Path) else list(clips.files)
    if len(files) < conformal.least(rate):
        raise conformal.too_few(len(files), rate)
    specs = registry.choose(models)
    if models is None:  # voice models for recordings alone
        sounds = [file.suffix.lower() in SOUNDS for file in files]
        if any(sounds) != all(sounds):
            text = _("These are videos and sounds, and a threshold is for one of both.")
            raise InputError(text, hint=_("Give them one after the other."))
        specs = [spec for spec in specs if spec.modality.of_sound or not all(sounds)]
    settings = Settings(models=[spec.id for spec in specs])
    analyzer = analyzer or Analyzer()
    scored: list[float] = []
    folders, seen, left_out = set(), set(), {}
    last: Analysis | None = None
    for done, file in enumerate(files):
        try:
            analysis = analyzer.analyze(file, settings, cancel=cancel)
        except InputError as error:
            left_out[file.name] = error.message
        else:
            analysis = decide(analysis, models=settings.models, unmeasured=True)
            copy = "There is another copy of it." if analysis.media.sha256 in seen else ""
            if why := copy or _unusable(analysis):
                left_out[file.name] = why
            else:
                scored.append(logit(analysis.verdict.probability or 0.0))
                folders.add(file.parent)
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
        domain=clips.domain,
        sources=min(clips.sources or len(folders), len(scored)),
        models={m.id: m.identity for m in voting(last.models)},
        clips=scored,
    )
    calibration.high()
    return OwnCalibrationResult(calibration=calibration, left_out=left_out)


def _unusable(analysis: Analysis) -> str:
    """Return why a clip is unusable, or ""; raise ModelError if a model failed."""
    failed = next((m for m in analysis.models if m.error), None)
    if failed:
        text = _("{title} can't be calibrated: {error}.")
        raise ModelError(text.format(title=failed.title, error=failed.error))
    if analysis.verdict.probability is None:
        reasons = analysis.verdict.reasons
        return messages.text(reasons[0]) if reasons else "It could not be judged."
    silent = (NotCounted.ADDS_NOTHING, NotCounted.NO_SOUND)
    for model in analysis.models:
        heard = model.modality.of_sound and analysis.media.kind != "audio"
        if not (model.counted or heard or model.weight <= 0 or model.not_counted_because in silent):
            return f"{model.title}: {model.not_counted_because}."
    return ""
