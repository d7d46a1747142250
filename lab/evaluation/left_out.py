"""Read and calibrate the table of left-out scores: logits of labelled files by weights that
never saw their source.

It holds facts and numbers, no media, so that anyone can repeat the calibration and verify its
figures. A row is one model's raw logit of one version of a file:

    file, label, source, kind, type, set, fold, version, model, logit

`label` is real or fake (in memory 0 or 1), `kind` video, image or audio; `type` is the generated
part of a fake: region (a face in real footage), whole (the head), picture (all of it) or cloned (a
voice). `set` is the collection of the file, `fold` what was left out together with it, `version`
"as it is" or a perturbed copy. Recipes add `method`, `note` and `group`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from detector.decision.numbers import mapped
from detector.errors import InputError
from detector.evaluation import metrics
from detector.evaluation.labels import Item
from detector.evaluation.metrics import Interval
from detector.models import registry
from detector.schema.analysis import BandRate, Calibration, Ensemble, Question
from detector.sentences import _
from lab.evaluation import bands
from lab.evaluation.calibration import Calibrated, asked, by_question, fit_people, judged
from lab.evaluation.ensemble_fit import covered

COLUMNS = [
    "file", "label", "source", "kind", "type", "set", "fold", "version", "model", "logit",
]  # fmt: skip
ABOUT = {
    "region": Question.MANIPULATION, "whole": Question.SYNTHESIS, "picture": Question.PICTURE,
    "cloned": Question.VOICE,
}  # fmt: skip
PICTURES = "pictures"
"""Fold of all pictures: limits for pictures have to hold on unseen kinds of photographs."""

FACTS = [name for name in COLUMNS if name not in ("model", "logit")]

Array = np.ndarray


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a table of scores; raise InputError."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(
            _("The table of scores {path} can't be read: {error}.").format(path=path, error=error)
        ) from error
    if table.empty or set(COLUMNS) - set(table):
        raise InputError(
            _("The table of scores {path} needs the columns {columns}.").format(
                path=path, columns=", ".join(COLUMNS)
            )
        )
    label = (table["label"] == "fake").astype(int)
    return table.assign(label=label, logit=table["logit"].map(float))


def rows_of(items: Sequence[Item], logits: Array, fold: str, version: str) -> pd.DataFrame:
    """Return a row for each file of a fold."""
    facts = [
        (item.name, item.label, item.source, item.kind, item.method, item.note, item.group)
        for item in items
    ]
    table = pd.DataFrame(
        facts, columns=["file", "label", "source", "kind", "method", "note", "group"]
    )
    return table.assign(fold=fold, version=version, logit=np.asarray(logits, float))


def averaged(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each version of a file, with the mean logit of its rows."""
    key = ["fold", "version", "file"]
    mean = scores.groupby(key)["logit"].mean()
    return scores.drop(columns="logit").drop_duplicates(key).join(mean, on=key)


def files(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each version of a file, with the logits of each model in a column and the
    questions that a fake concerns (`ensemble_fit`)."""
    key = ["file", "version"]
    once = scores.drop_duplicates([*key, "model"], keep="last")
    logits = once.pivot(index=key, columns="model", values="logit")
    facts = scores[FACTS].drop_duplicates(key)
    pairs = zip(facts["label"], facts["type"], strict=True)
    about = [(ABOUT[part],) if label else () for label, part in pairs]
    return facts.assign(about=about).join(logits, on=key).reset_index(drop=True)


# --- calibration ----------------------------------------------------------------------------------


def calibrate(
    scores: pd.DataFrame, *, questions: Mapping[str, Question] | None = None
) -> Calibrated:
    """Fit all questions of a table, each to the files that its models scored: to videos and
    recordings, with separate limits for pictures, or to pictures where there is nothing else. Raise
    InputError where a question lacks originals or fakes. `questions`: as in `by_question`."""
    models, rows = by_question(scores["model"].unique(), questions), files(scores)
    still = rows["kind"] == "image"
    of_clips = {q: ids for q, ids in models.items() if judged(rows[~still], ids).any()}
    of_pictures = {q: ids for q, ids in models.items() if q not in of_clips}
    parts = [
        _fit(rows[~still], of_clips, "clips", rows[still]),
        _fit(rows[still], of_pictures, "pictures", rows[:0]),
    ]
    return Calibrated.joined([part for part in parts if part is not None])


def _fit(
    rows: pd.DataFrame, models: Mapping[Question, Sequence[str]], noun: str, stills: pd.DataFrame
) -> Calibrated | None:
    """Fit questions to files, and separate limits to `stills`; None without a question."""
    if not models:
        return None
    result = fit_people(rows, models, _sample(rows, noun))
    _fit_pictures(result, models, stills)
    for question, ids in models.items():
        ensemble = result.ensembles[question]
        data = {"data": _sample(rows[asked(rows, question, ids)], noun)}
        ensemble.thresholds = ensemble.thresholds.model_copy(update=data)
        if ensemble.calibration:
            ensemble.calibration = ensemble.calibration.model_copy(update=data)
        for id in ids:
            result.models[id] = result.models[id].model_copy(update=data)
    return result


def alone(
    scores: pd.DataFrame, models: Iterable[str] = ()
) -> dict[str, tuple[Calibration, Ensemble]]:
    """Return the map of each model, and its bands where it alone is counted (`ModelSpec.alone`);
    default `models`: all that are not the only one of their question. Raise InputError as
    `calibrate`."""
    out = {}
    single = [fit.models for fit in registry.manifest().ensembles.values()]
    scored = scores["model"].unique()
    for id in models or sorted(id for id in scored if [id] not in single):
        fitted = calibrate(scores[scores["model"] == id])
        (ensemble,) = fitted.ensembles.values()
        assert ensemble.calibration is not None
        scale = ensemble.calibration.model_copy(update={"scale": fitted.weights[id]})
        own = ensemble.model_copy(update={"models": [id], "calibration": scale, "odds": []})
        out[id] = fitted.models[id], own
    return out


def held_out(scores: pd.DataFrame, held: str) -> list[BandRate]:
    """Return the rates of the answers on the videos and recordings of one set by a calibration
    (maps, weights and bands) that was fitted to all others."""
    own = scores["set"] == held
    result = calibrate(scores[~own])
    rows = _held(files(scores[own & (scores["kind"] != "image")]), result, result.ensembles)
    limits = {}
    for question, ensemble in result.ensembles.items():
        edges = ensemble.thresholds
        probable = edges.unsuspicious, edges.suspect
        limits[question] = bands.BandLimits(*logit((edges.low, *probable, edges.high)).tolist())
    subjects = bands.by_subject(result.ensembles)
    seen = np.any([rows[some].notna().all(axis=1) for some in subjects], axis=0)
    return bands.rates(bands.answers(rows, limits)[seen], rows[seen])


def _fit_pictures(
    result: Calibrated, models: Mapping[Question, Sequence[str]], stills: pd.DataFrame
) -> None:
    """Fit limits for pictures by the maps that were fitted to clips. All pictures were left out
    together, since an unseen kind of photograph shifts scores."""
    of = {q: stills[asked(stills, q, ids)] for q, ids in models.items()}
    both = [q for q, own in of.items() if own["label"].nunique() == 2]
    pictures = stills[judged(stills, [id for q in both for id in models[q]])]
    held = _held(pictures, result, both)
    for questions in bands.by_subject(both):
        fitted = bands.fit(held, questions)
        for question, limits in fitted.limits.items():
            own = held[covered(held, question)]
            sample = _sample(of[question], "pictures", together=True)
            result.ensembles[question].pictures = bands.thresholds(
                limits, fitted.rates, own[question].to_numpy(), own["label"].to_numpy(), sample
            )


def _held(rows: pd.DataFrame, result: Calibrated, questions: Iterable[Question]) -> pd.DataFrame:
    """Return the logits of files by the fitted maps and weights (`bands`); NaN unless all models
    of a question scored a file."""
    found = {
        q: logits(rows.reindex(columns=result.ensembles[q].models), result, q) for q in questions
    }
    return rows[["label", "source", "about"]].assign(**found)


def logits(scores: pd.DataFrame, result: Calibrated, question: Question) -> Array:
    """Return the calibrated logit of each row of raw ones, a column a model."""
    offset = result.ensembles[question].calibration
    total = np.full(len(scores), offset.offset if offset else 0.0)
    for id in scores.columns:
        total += result.weights[id] * mapped(result.models[id], scores[id].to_numpy(float))
    return total


def _sample(rows: pd.DataFrame, noun: str, *, together: bool = False) -> str:
    """Describe the files that figures were measured on, in words."""
    clips = rows.drop_duplicates("file")
    if (clips["type"] == "cloned").any():
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
    elif len(rows) > len(clips):
        text = _(
            "{clips:,} clips in {versions:,} versions, each judged by weights that never saw its "
            "source ({real:,} untouched of {first} sources, {fake:,} fake of {second} sources)"
        )
    else:
        text = _(
            "{clips:,} clips, each judged by weights that never saw its source ({real:,} untouched "
            "of {first} sources, {fake:,} fake of {second} sources)"
        )
    sources = (clips["source"][clips["label"] == label] for label in (0, 1))
    (real, first), (fake, second) = ((len(some), some.nunique()) for some in sources)
    return text.format(
        clips=len(clips), versions=len(rows), real=real, fake=fake, first=first, second=second,
        unit=noun,
    )  # fmt: skip


def ordered(scores: pd.DataFrame, by: Sequence[str]) -> tuple[Interval, int, int]:
    """Return the share of pairs of a fake and a genuine file of the same footage (`by` columns) in
    which the fake has the higher logit, footage weighted equally; the number of footages with both,
    and of their sources."""
    shares, sources = [], []
    for _footage, some in scores.dropna(subset="logit").groupby(list(by), sort=False):
        real, fake = (some["logit"][some["label"] == label].to_numpy() for label in (0, 1))
        if len(real) and len(fake):
            shares.append(np.greater.outer(fake, real).mean())
            sources.append(some["source"].iloc[0])
    return metrics.mean_interval(np.array(shares), sources), len(shares), len(set(sources))
