"""Agreement of a file's models: per moment and per pair of models."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from detector.correlation import correlation
from detector.messages import states
from detector.messages.format import clock, limit, listed, score, whole_percent
from detector.presentation import Curve, Grid, Section, Text, models, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Label, ModelResult, Question, Subject, Thresholds
from detector.schema.codes import Side
from detector.sentences import _, join, ngettext, numeral

_OUTER = {Side.FAKE: Label.FAKE, Side.REAL: Label.REAL}
FAR = 0.3
"""Distance of two scores of one moment from which models differ, though neither is sure."""


@dataclass(frozen=True)
class ModelLine:
    """The scores of one model for a subject over time, and their thresholds."""

    model: ModelResult
    lane: Lane
    limits: Thresholds

    @property
    def name(self) -> str:
        return models.plain(self.model)

    @property
    def question(self) -> Question | None:
        """Return the question that it answers; models of different questions are not compared."""
        return self.model.question

    @cached_property
    def readings(self) -> list[Label]:
        """Return the label of each moment, of the bands the outer one: FAKE, INCONCLUSIVE or REAL;
        NOT_APPLICABLE without a score."""
        bands = (series.label_at(value, self.limits) for value in self.lane.score)
        return [_OUTER[band.side] if band.side else band for band in bands]

    @property
    def finding(self) -> str:
        """Return the text alternative of its line."""
        return f"{self.name}: {series.finding(self.lane, self.limits)}"


def lines(analysis: Analysis, subject: Subject, asked: Iterable[ModelResult]) -> list[ModelLine]:
    """Return the lines of the requested models that scored a subject."""
    lane = series.lane(analysis, subject)
    return [
        ModelLine(
            model,
            replace(
                lane,
                score=lane.models[model.id],
                models={},
                gaps=series.gaps_of(analysis, subject, model.id) if subject.frames else lane.gaps,
            ),
            analysis.verdict.thresholds,
        )
        for model in asked
        if model.id in lane.models
    ]


@dataclass(frozen=True)
class Pair:
    """Two models on the moments that both scored.

    Attributes
    ----------
    sure, same, opposite : int
        Moments at which a model is over or under its thresholds; of these, at which the other reads
        the same; with one over and one under.
    apart : float
        Mean distance of their scores.
    correlation : float or None
        Of their scores (Pearson); None with fewer than three moments or a flat line.
    """

    first: ModelLine
    second: ModelLine
    both: int
    sure: int
    same: int
    opposite: int
    apart: float
    correlation: float | None

    @property
    def said(self) -> str:
        """Return the text alternative of the pair."""
        text = _("{models}: {apart} points apart on average; neither is sure of any moment")
        if self.sure:
            text = _("{models}: {apart} points apart on average; {same} of {sure} sure moments "
                     "alike")  # fmt: skip
        apart = round(100 * self.apart)
        return text.format(models=self.names, apart=apart, same=self.same, sure=self.sure)

    @property
    def names(self) -> str:
        return listed([self.first.name, self.second.name])


def pairs(compared: Iterable[ModelLine]) -> list[Pair]:
    """Return every pair of models of one question."""
    out = []
    for a, b in itertools.combinations(compared, 2):
        if a.question is not b.question:
            continue
        read = list(zip(a.readings, b.readings, strict=True))
        both = [i for i, pair in enumerate(read) if Label.NOT_APPLICABLE not in pair]
        sure = [i for i in both if set(read[i]) != {Label.INCONCLUSIVE}]
        same = sum(read[i][0] is read[i][1] for i in sure)
        opposite = sum(set(read[i]) == {Label.FAKE, Label.REAL} for i in both)
        x, y = (np.array([line.lane.score[i] for i in both], float) for line in (a, b))
        steady = len(both) < 3 or min(x.std(), y.std()) < 1e-6
        linear = None if steady else correlation(x, y)
        apart = float(np.abs(x - y).mean()) if both else 0.0
        out.append(Pair(a, b, len(both), len(sure), same, opposite, apart, linear))
    return out


def key(label: Label, questions: Collection[Question | None]) -> str:
    """Return the name of a reading, in the words of each of these questions."""
    asked = (question for question in (*Question, None) if question in questions)
    return " · ".join(dict.fromkeys(states.zone(label, question) for question in asked))


def section(compared: Sequence[Pair]) -> Section:
    """Return the agreement of pairs of models."""
    if not compared:
        none = _("These models answer different questions: they neither agree nor differ.")
        return Section("pairs", "", (Text(none, "note"),))
    about = _("Same reading: of the moments at which at least one of the two is sure.")
    return Section("pairs", "", (table(compared), Text(about, "note")))


def table(compared: Iterable[Pair]) -> Grid:
    """Return a table with a row for each pair."""
    heads = (
        _("Pair"), _("Same reading"), _("Points apart"), _("Moments"), _("Opposite"),
        _("Correlation"),
    )  # fmt: skip
    rows = [
        (
            pair.names,
            f"{round(100 * pair.same / pair.sure)} %" if pair.sure else "–",
            f"{round(100 * pair.apart)}" if pair.both else "–",
            f"{pair.both}",
            f"{pair.opposite}",
            "–" if pair.correlation is None else numeral(pair.correlation, ".2f"),
        )
        for pair in compared
    ]
    return Grid(heads, rows)


@dataclass(frozen=True)
class Difference:
    """A stretch of time in which models differ."""

    start: float
    end: float
    text: str


def differences(compared: Iterable[ModelLine]) -> list[Difference]:
    """Return stretches in which models of one question differ, longest first: one over and one
    under the thresholds, then one sure and one not, then neither sure and the scores far apart."""
    unsure = _("{other} can’t tell where {model} says {reading}")
    texts = {
        (Label.FAKE, Label.REAL): _("{other} finds no sign where {model} says {reading}"),
        (Label.FAKE, Label.INCONCLUSIVE): unsure,
        (Label.REAL, Label.INCONCLUSIVE): unsure,
    }
    found: list[tuple[int, int, Difference]] = []

    def add(rank: int, times: Sequence[float], run: list[int], text: str) -> None:
        found.append((rank, -len(run), Difference(times[run[0]], times[run[-1]], text)))

    for a, b in itertools.permutations(compared, 2):
        if a.question is not b.question:
            continue
        times, names = a.lane.times, {"model": a.name, "other": b.name}
        for rank, (differ, text) in enumerate(texts.items()):
            read = zip(a.readings, b.readings, strict=True)
            for run in _runs(i for i, pair in enumerate(read) if pair == differ):
                surest = (min if differ[0] is Label.REAL else max)(
                    a.lane.score[i] or 0.0 for i in run
                )
                reading = states.zone(series.label_at(surest, a.limits), a.question)
                add(rank, times, run, text.format(reading=reading, **names))
        for run in _runs(_far(a, b)):
            scores = (np.mean([line.lane.score[i] for i in run]) for line in (a, b))
            high, low = (score(float(value)) for value in scores)
            text = _("{model} scores {high} where {other} scores {low}; neither is sure")
            add(len(texts), times, run, text.format(high=high, low=low, **names))
    return [stretch for *_, stretch in sorted(found, key=lambda item: item[:2])]


def _runs(places: Iterable[int]) -> Iterator[list[int]]:
    """Yield runs of consecutive indices."""
    # These have the same distance from their place in the list.
    for _gap, group in itertools.groupby(enumerate(places), lambda item: item[1] - item[0]):
        yield [i for _place, i in group]


def _far(a: ModelLine, b: ModelLine) -> Iterator[int]:
    """Yield moments at which both are inconclusive and the first scores at least `FAR` higher."""
    for i, (x, y) in enumerate(zip(a.lane.score, b.lane.score, strict=True)):
        unsure = a.readings[i] is b.readings[i] is Label.INCONCLUSIVE
        if unsure and x is not None and y is not None and x - y >= FAR:
            yield i


def highest(compared: Sequence[ModelLine]) -> list[float | None]:
    """Return the highest score of each moment that as many of the models as possible scored; None
    for the other moments. Some models look at few moments of a clip."""
    scores = [
        [score for score in moment if score is not None]
        for moment in zip(*(line.lane.score for line in compared), strict=True)
    ]
    most = max(map(len, scores), default=0)
    return [max(moment) if moment and len(moment) == most else None for moment in scores]


def nowhere(compared: Iterable[Pair]) -> str:
    """Return the text for models that never differ."""
    if any(pair.sure for pair in compared):
        return _("Nowhere: where one model is sure, the others are too.")
    text = _("No model is sure of any moment, and no two scores are {points} points apart.")
    return text.format(points=round(100 * FAR))


def sentence(analysis: Analysis, subject: Subject, compared: Sequence[ModelLine]) -> str:
    """Return the agreement in a sentence or two: "2 of 4 models say fake; scores from 29 to 93.",
    with the longest difference."""
    whole = [(line, subject.models[line.model.id]) for line in compared]
    sides = [Label(given.label).side for _line, given in whole]
    scores = [given.probability for _line, given in whole]
    text = ngettext(
        "{fake} of {count} model says fake; scores from {low} to {high}.",
        "{fake} of {count} models say fake; scores from {low} to {high}.",
        len(whole),
    )
    said = text.format(
        fake=sides.count(Side.FAKE), count=len(whole), low=score(min(scores)),
        high=score(max(scores)),
    )  # fmt: skip
    if stretches := differences(compared):
        text, first = _("They differ most from {time} on: {difference}."), stretches[0]
        time = clock(first.start, tenths=True)
        return join(said, text.format(time=time, difference=first.text))
    if any(pair.sure for pair in pairs(compared)):
        return join(said, _("Where one model is sure, the others of its question are too."))
    return said


def unscored(names: Sequence[str]) -> str:
    """Return the chosen models without a score; that none scored if there are none."""
    if not names:
        return _("No model scored anything in this file.")
    return _("No score in this file: {models}.").format(models=listed(names))


def reach(line: ModelLine) -> str:
    """Return how often a model is over its threshold: "12 of 32 frames over 70"."""
    values = [value for value in line.lane.score if value is not None]
    if line.limits.never_decide:
        most = _("at most {score}")
        return most.format(score=score(max(values))) if values else ""
    kind = line.model.kind if line.lane.track.frames else "audio"
    return _("{over} of {looks} over {high}").format(
        over=sum(value > line.limits.suspect for value in values),
        looks=models.looks(len(values), kind),
        high=limit(line.limits.suspect),
    )


def axis(line: ModelLine) -> str:
    """Return the name of an axis of a model's scores."""
    return _("{name}, score").format(name=line.name)


def against(first: ModelLine, second: ModelLine) -> str:
    """Return the text alternative of one model's scores against another's."""
    text = _("{first} against {second}, a dot a moment")
    return text.format(first=first.name, second=second.name)


def shading(line: ModelLine) -> str:
    """Return whose limits shade lanes of several questions."""
    text = _("Shaded by the limits of {model}; another question has limits of its own.")
    return text.format(model=line.name)


SIDE_BY_SIDE = _("Scores side by side")
SIDE_BY_SIDE_NOTE = _("one time axis · shaded: can’t tell · thin: not counted")
WHERE = _("Where they differ")
"""Heads of the lanes of models, and of the moments at which they differ"""


# --- two files under one model --------------------------------------------------------------------


NEITHER = _("No model scored both clips.")


def furthest(time: float) -> str:
    """Return the moment, s, at which the scores of two files differ most."""
    return _("Furthest apart at {time}").format(time=clock(time, tenths=True))


def of_two(first: Analysis, second: Analysis, model: ModelResult) -> tuple[Section, float | None]:
    """Return the scores of one model for two files, for the most suspicious subject of each, and
    the time of the largest difference in s of the first file; None if there is nothing to draw."""
    suspects = [
        max(scored, key=lambda subject: subject.models[model.id].logit)
        for analysis in (first, second)
        if (scored := [subject for subject in analysis.judged if model.id in subject.models])
    ]
    if len(suspects) < 2:
        none = Text(_("It gave no score for one of them."), "note")
        return Section("pair-chart", "", (none,)), None
    whole = [subject.models[model.id].probability for subject in suspects]
    apart = abs(whole_percent(whole[0]) - whole_percent(whole[1]))
    values = {"model": models.plain(model), "first": score(whole[0]), "second": score(whole[1])}
    points = ngettext(
        "{points} point apart; solid: first clip, dashed: second.",
        "{points} points apart; solid: first clip, dashed: second.",
        apart,
    )
    title = _("{model}: score {first} against {second}").format(**values)
    legend = Text(points.format(points=apart), "note")
    (line,), (other,) = (
        lines(analysis, subject, [model])
        for analysis, subject in zip((first, second), suspects, strict=True)
    )
    times, ours, theirs = shared(line.lane, other.lane)
    if len(times) < 2:
        few = Text(_("These two have too few moments in common to draw."), "note")
        pictures = {analysis.media.kind for analysis in (first, second)} == {"image"}
        return Section("pair-chart", title, () if pictures else (few,)), None
    most = times[int(np.argmax(np.abs(np.subtract(ours, theirs))))]
    said = _(
        "{model}: score {first} on the first, {second} on the second; furthest apart at {time}"
    ).format(time=clock(most, tenths=True), **values)
    curves = (
        Curve(list(zip(times, ours, strict=True))),
        Curve(list(zip(times, theirs, strict=True)), dashed=True),
    )
    chart = series.chart(curves, max(times[-1], 0.1), line.limits, said)
    return Section("pair-chart", title, (legend, chart)), most


def shared(a: Lane, b: Lane) -> tuple[list[float], list[float], list[float]]:
    """Return times of the first clip that both cover, and both clips' scores there; those of the
    second are interpolated linearly."""
    if not a.scored or not b.scored:
        return [], [], []
    known, values = zip(*b.scored, strict=True)
    ours = [(t, v) for t, v in a.scored if known[0] - 0.2 <= t <= known[-1] + 0.2]
    times = [t for t, _value in ours]
    return times, [value for _time, value in ours], np.interp(times, known, values).tolist()
