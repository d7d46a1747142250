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
from detector.schema.analysis import Alone, BandRate, Calibration, FileKind, Likelihood, Question
from detector.sentences import _
from lab.evaluation import bands, likelihood_fit
from lab.evaluation.calibration import Calibrated, Parts, asked, by_question, fit_parts, judged

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
    """Return the rows of a table of scores; raise InputError. With the data sheet `pictures.csv` in
    the same folder, pictures of the set `pictures` form a set for each kind of genuine picture and
    each year of generators."""
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
    table = table.assign(label=label, logit=table["logit"].map(float))
    sheet = path.with_name("pictures.csv")
    return _by_kind(table, sheet) if sheet.is_file() else table


def _by_kind(table: pd.DataFrame, sheet: Path) -> pd.DataFrame:
    facts = pd.read_csv(sheet, dtype=str, keep_default_na=False).drop_duplicates("file")
    kinds = facts["note"].where(facts["label"] == "real", "generated, " + facts["year"])
    named = table["file"].map(dict(zip(facts["file"], kinds, strict=True)))
    known = (table["set"] == "pictures") & named.notna()
    return table.assign(set=table["set"].where(~known, "pictures: " + named.fillna("")))


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
    """Fit all questions of a table, each to the files that its models scored, and the likelihood of
    each kind of file. A question is fitted to videos and recordings, or to pictures where it has
    nothing else. Raise InputError where a question lacks originals or fakes. `questions`: as in
    `by_question`."""
    models, rows = by_question(scores["model"].unique(), questions), files(scores)
    still = rows["kind"] == "image"
    of_clips = {q: ids for q, ids in models.items() if judged(rows[~still], ids).any()}
    of_pictures = {q: ids for q, ids in models.items() if q not in of_clips}
    parts = [
        part
        for part in (
            _fit(rows[~still], of_clips, "clips"), _fit(rows[still], of_pictures, "pictures")
        )
        if part is not None
    ]  # fmt: skip
    result = parts[0].result
    for part in parts[1:]:
        result.models |= part.result.models
        result.weights |= part.result.weights
        result.ensembles |= part.result.ensembles
        result.rows += part.result.rows
    held, apart = (pd.concat([p[n] for p in parts]).reindex(rows.index) for n in (1, 2))
    for q, ids in of_clips.items():
        # All pictures were left out together: an unseen kind of photograph shifts scores.
        scored = judged(rows, ids) & still.to_numpy()
        odds = logits(rows.loc[scored, result.ensembles[q].models], result, q)
        held.loc[scored, q] = apart.loc[scored, q] = odds
    table = rows[["label", "source", "about", "set", "version", "kind"]].join(held)
    nouns = {FileKind.STILL: "pictures", FileKind.PICTURE: "pictures"}
    samples = {
        kind: _sample(rows.loc[_measured(kind, own).index], nouns.get(kind, "clips"))
        for kind, own in likelihood_fit.kinds(table, list(held)).items()
    }
    result.add(likelihood_fit.fit(table, apart, samples))
    return result


def _measured(kind: FileKind, own: pd.DataFrame) -> pd.DataFrame:
    asked = [q for q in Question if q in own]
    return likelihood_fit.complete(own, likelihood_fit.measured(kind, own, asked))


def _fit(rows: pd.DataFrame, models: Mapping[Question, Sequence[str]], noun: str) -> Parts | None:
    """Fit questions to files; None without a question."""
    if not models:
        return None
    parts = fit_parts(rows, models, _sample(rows, noun))
    for question, ids in models.items():
        data = {"data": _sample(rows[asked(rows, question, ids)], noun)}
        ensemble = parts.result.ensembles[question]
        if ensemble.calibration:
            ensemble.calibration = ensemble.calibration.model_copy(update=data)
        for id in ids:
            parts.result.models[id] = parts.result.models[id].model_copy(update=data)
    return parts


def alone(scores: pd.DataFrame, models: Iterable[str] = ()) -> dict[str, tuple[Calibration, Alone]]:
    """Return the map of each model, and its limits where it alone is counted (`ModelSpec.alone`);
    default `models`: all that are not the only one of their question. Raise InputError as
    `calibrate`."""
    out = {}
    single = [fit.models for fit in registry.manifest().ensembles.values()]
    scored = scores["model"].unique()
    for id in models or sorted(id for id in scored if [id] not in single):
        own = scores[(scores["model"] == id) & (scores["kind"] != "image")]
        fitted = calibrate(own)
        (ensemble,), likelihoods = fitted.ensembles.values(), fitted.likelihoods.values()
        assert ensemble.calibration is not None
        scale = ensemble.calibration.model_copy(update={"scale": fitted.weights[id]})
        limits = next(iter(likelihoods), Likelihood())
        out[id] = fitted.models[id], Alone(
            models=[id], calibration=scale, auc=ensemble.auc, people=limits.people,
            thresholds=limits.thresholds,
        )  # fmt: skip
    return out


def held_out(scores: pd.DataFrame, held: str) -> dict[FileKind, list[BandRate]]:
    """Return the rates of the answers on the files of one set by a calibration (maps, weights,
    formula and limits) that was fitted to all others; its files have equal weight in a label."""
    own = scores["set"] == held
    result, found = calibrate(scores[~own]), {}
    rows = files(scores[own])
    odds = pd.DataFrame(
        {
            q: logits(rows.reindex(columns=ensemble.models), result, q)
            for q, ensemble in result.ensembles.items()
        },
        index=rows.index,
    )
    table = rows[["label", "source", "about", "set", "version", "kind"]].join(odds)
    for kind, some in likelihood_fit.kinds(table, list(odds)).items():
        fit = result.likelihoods.get(kind)
        if fit is None:
            continue
        some = likelihood_fit.complete(some, sorted(fit.fitted or {Question.VOICE}))
        formula = likelihood_fit.Formula(
            {q: w for q, w in fit.weights.items() if w > 0}, fit.scale, fit.offset
        )
        edges = fit.thresholds
        limits = bands.BandLimits(
            *logit((edges.low, edges.unsuspicious, edges.suspect, edges.high)).tolist()
        )
        if some["label"].nunique() == 2:
            given = bands.answers(formula.logits(some), limits)
            found[kind] = bands.rates(given, some, by_file=True)
    return found


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
