"""A table of left-out scores: logits of labelled files by weights that never saw their source.

It holds facts and numbers, no media, so that everybody can fit the calibration again and check
every figure that is made of it. A row is one model's raw logit of one version of a file:

    file, label, source, kind, type, set, fold, version, model, logit

`label` is real or fake, `kind` video, image or audio; `type` says what of a fake was generated:
region (a face in real footage), whole (the head), picture (all of it, whatever it shows) or cloned
(a voice). `set` names where the file was collected, `fold` what was left out together with it,
`version` "as it is" or a worse copy.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import logit

from detector.decision.material import Material
from detector.decision.numbers import mapped
from detector.errors import InputError
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, BandRate, Calibration, Ensemble, Question
from detector.sentences import _
from lab.evaluation import bands
from lab.evaluation.calibration import Calibrated, fit_clips
from lab.evaluation.ensemble_fit import Clip, ScoredPerson

COLUMNS = (
    "file", "label", "source", "kind", "type", "set", "fold", "version", "model", "logit",
)  # fmt: skip
ABOUT = {
    "region": Question.MANIPULATION, "whole": Question.SYNTHESIS, "picture": Question.PICTURE,
    "cloned": Question.VOICE,
}  # fmt: skip
NOTHING_KNOWN = Material(None, None, None, 16)


class LeftOutFile(NamedTuple):
    """One version of a file with the logits of the models that judged it."""

    name: str
    clip: Clip
    kind: str
    set: str
    version: str


def read(path: Path, *, leave_out: Iterable[str] = (), model: str = "") -> list[LeftOutFile]:
    """Return the files of a table, without those of the sets in `leave_out`; of one `model`, those
    that it judged, with its logits alone. Raise InputError."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            _("The table of scores {path} can't be read: {error}.").format(path=path, error=error)
        ) from error
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError(
            _("The table of scores {path} needs the columns {columns}.").format(
                path=path, columns=", ".join(COLUMNS)
            )
        )
    without = set(leave_out)
    found: dict[tuple[str, str], LeftOutFile] = {}
    for row in rows:
        if row["set"] in without or (model and row["model"] != model):
            continue
        key = row["file"], row["version"]
        if key not in found:
            label = int(row["label"] == "fake")
            about = (ABOUT[row["type"]],) if label else ()
            person = ScoredPerson({}, NOTHING_KNOWN)
            clip = Clip(label, row["fold"], about, (person,), origin=row["source"])
            found[key] = LeftOutFile(row["file"], clip, row["kind"], row["set"], row["version"])
        found[key].clip.people[0].logits[row["model"]] = float(row["logit"])
    return list(found.values())


def calibrate(
    path: Path,
    *,
    leave_out: Iterable[str] = (),
    model: str = "",
    questions: Mapping[str, Question] | None = None,
) -> Calibrated:
    """Fit all questions of a table, each to the files that its models judged: to videos and
    recordings, with limits of their own for pictures, or to pictures where there is nothing else.
    Raise InputError where a question lacks originals or fakes.

    `questions` by model id replace what the catalog says of a model: a recipe's own is new."""
    files = read(path, leave_out=leave_out, model=model)
    by_question: dict[Question, list[str]] = {}
    for id in dict.fromkeys(id for one in files for id in one.clip.people[0].logits):
        question = (questions or {}).get(id) or QUESTION_OF.get(registry.get_spec(id).task)
        if question is not None:
            by_question.setdefault(question, []).append(id)
    moving, stills = (
        [one for one in files if (one.kind == "image") is still] for still in (False, True)
    )
    moves = {q for q, ids in by_question.items() if any(_judged(one, ids) for one in moving)}
    parts = [
        _fit(moving, {q: ids for q, ids in by_question.items() if q in moves}, "clips", stills),
        _fit(stills, {q: ids for q, ids in by_question.items() if q not in moves}, "pictures"),
    ]
    return Calibrated.joined([part for part in parts if part is not None])


def _fit(
    files: Sequence[LeftOutFile],
    by_question: Mapping[Question, Sequence[str]],
    noun: str,
    stills: Sequence[LeftOutFile] = (),
) -> Calibrated | None:
    """Fit questions to files, and their limits for `stills`; None without a question."""
    if not by_question:
        return None
    result = fit_clips([one.clip for one in files], by_question, _sample(files, noun))
    _of_pictures(result, by_question, stills)
    for question, ids in by_question.items():
        ensemble = result.ensembles[question]
        words = _sample([one for one in files if _is_of(one, question, ids)], noun)
        ensemble.thresholds = ensemble.thresholds.model_copy(update={"data": words})
        if ensemble.calibration:
            ensemble.calibration = ensemble.calibration.model_copy(update={"data": words})
        for id in ids:
            result.models[id] = result.models[id].model_copy(update={"data": words})
    return result


def alone(path: Path, models: Iterable[str] = ()) -> dict[str, tuple[Calibration, Ensemble]]:
    """Return each model's map, and the bands by which it answers where it alone is counted
    (`ModelSpec.alone`); `models`: of these, else of all that answer no question by themselves
    anyway. Raise InputError as `calibrate`."""
    out = {}
    single = [fit.models for fit in registry.manifest().ensembles.values()]
    scored = {id for one in read(path) for id in one.clip.people[0].logits}
    for id in models or sorted(id for id in scored if [id] not in single):
        fitted = calibrate(path, model=id)
        (ensemble,) = fitted.ensembles.values()
        assert ensemble.calibration is not None
        scale = ensemble.calibration.model_copy(update={"scale": fitted.weights[id]})
        own = ensemble.model_copy(update={"models": [id], "calibration": scale, "odds": []})
        out[id] = fitted.models[id], own
    return out


def held_out(path: Path, held: str) -> list[BandRate]:
    """Return how often the answers on one set are right by a calibration that was fitted to all
    others: maps, weights and bands. Of its videos and recordings, as they are."""
    result = calibrate(path, leave_out=[held])
    kept = (one for one in read(path) if one.set == held and one.kind != "image")
    clips = [one.clip for one in kept]
    files = _held(clips, result, result.ensembles)
    limits = {}
    for question, ensemble in result.ensembles.items():
        edges = ensemble.thresholds
        probable = edges.unsuspicious, edges.suspect
        limits[question] = bands.BandLimits(
            *(float(logit(edge)) for edge in (edges.low, *probable, edges.high))
        )
    seen = np.any([medium.complete() for medium in files.media()], axis=0)
    given = bands.answers(files.logits, limits)
    return bands.rates(given[seen], files.labels[seen], files.sources[seen])


def _logit(result: Calibrated, ensemble: Ensemble, clip: Clip) -> float:
    """Return a clip's logit by the fitted maps and weights; NaN unless all its models judged it."""
    raw = clip.people[0].logits
    if not set(ensemble.models) <= raw.keys():
        return float("nan")
    start = ensemble.calibration.offset if ensemble.calibration else 0.0
    return start + sum(
        result.weights[id] * mapped(result.models[id], raw[id]) for id in ensemble.models
    )


def _judged(one: LeftOutFile, ids: Iterable[str]) -> bool:
    """Return whether any of the models scored a file."""
    return not one.clip.people[0].logits.keys().isdisjoint(ids)


def _is_of(one: LeftOutFile, question: Question, ids: Iterable[str]) -> bool:
    """Return whether a question was fitted to a file, or could be: an original or a fake that it
    asks for, scored by its models."""
    return _judged(one, ids) and (not one.clip.label or one.clip.is_fake_of(question))


def _of_pictures(
    result: Calibrated, by_question: Mapping[Question, Sequence[str]], stills: Sequence[LeftOutFile]
) -> None:
    """Give questions limits for pictures, by the maps that were fitted to clips: a kind of
    photograph that no fit has seen moves scores, so all pictures were left out together."""
    of = {q: [one for one in stills if _is_of(one, q, ids)] for q, ids in by_question.items()}
    asked = [q for q, own in of.items() if len({one.clip.label for one in own}) == 2]
    pictures = [one for one in stills if any(_judged(one, by_question[q]) for q in asked)]
    held = _held([one.clip for one in pictures], result, asked)
    for medium in held.media() if asked else ():
        fitted = bands.fit(medium)
        for question, limits in fitted.limits.items():
            own = (held.labels == 0) | held.about[question]
            sample = _sample(of[question], "pictures", together=True)
            x = held.logits[question][own]
            result.ensembles[question].pictures = bands.thresholds(
                limits, fitted.rates, x, held.labels[own], sample
            )


def _held(
    clips: Sequence[Clip], result: Calibrated, questions: Iterable[Question]
) -> bands.HeldOutLogits:
    """Return the logits of clips by the fitted maps and weights."""
    return bands.HeldOutLogits(
        {q: np.array([_logit(result, result.ensembles[q], clip) for clip in clips])
         for q in questions},
        np.array([clip.label for clip in clips], int),
        {q: np.array([clip.is_fake_of(q) for clip in clips], bool) for q in questions},
        np.array([clip.origin for clip in clips]),
    )  # fmt: skip


def _sample(files: Sequence[LeftOutFile], noun: str = "clips", *, together: bool = False) -> str:
    """Return what figures were measured on: files of which each fold left some out, or all."""
    names = {one.name: one.clip for one in files}.values()
    real, fake = ([clip for clip in names if clip.label == label] for label in (0, 1))
    if any(Question.VOICE in clip.questions for clip in fake):
        noun = "recordings"
        text = _(
            "{clips:,} recordings in {versions:,} versions, each judged by weights that never saw "
            "its source ({real:,} real of {first} sources, {fake:,} cloned of {second} sources)"
        )
    elif noun == "pictures" and not together:
        text = _(
            "{clips:,} pictures in {versions:,} versions, each judged by weights that never saw "
            "its source ({real:,} untouched of {first} sources, {fake:,} fake of {second} sources)"
        )
    elif noun == "pictures":
        text = _(
            "{clips:,} pictures in {versions:,} versions, each judged by weights that never saw "
            "its source ({real:,} untouched of {first} sources, {fake:,} fake of {second} "
            "sources), all left out together"
        )
    elif len(files) > len(names):
        text = _(
            "{clips:,} clips in {versions:,} versions, each judged by weights that never saw its "
            "source ({real:,} untouched of {first} sources, {fake:,} fake of {second} sources)"
        )
    else:
        text = _(
            "{clips:,} clips, each judged by weights that never saw its source ({real:,} untouched "
            "of {first} sources, {fake:,} fake of {second} sources)"
        )
    first, second = (len({clip.origin for clip in some}) for some in (real, fake))
    counts = {"clips": len(names), "versions": len(files), "real": len(real), "fake": len(fake)}
    return text.format(**counts, first=first, second=second, unit=noun)
