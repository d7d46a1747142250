"""The verdict card: what, who and when, each question's answer, one number with its scale, what it
meant in our tests, what pulled which way, what it can't tell. In this order."""

from __future__ import annotations

import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import likelihood_scale, verdict
from dashboard.components.markup import Text, join, rich, show
from dashboard.i18n import LazyDict, _, ngettext, speech
from dashboard.labels import NBSP
from dashboard.result import how_we_know, pulls, question
from dashboard.result.linked import ResultViewState
from detector.messages import states
from detector.schema.analysis import (
    Analysis,
    Answer,
    Basis,
    CaveatCode,
    Label,
    Modality,
    Question,
    Reason,
    ReasonCode,
    Subject,
)

KIND: LazyDict[str, str] = LazyDict(
    lambda: {"video": _("video"), "image": _("picture"), "animation": _("animation")}
)
MANY_PEOPLE = 4
"""named in the sentence about the others; more are counted."""
IN_BARS = (
    ReasonCode.ABOVE_THRESHOLD,
    ReasonCode.TOGETHER_ABOVE,
    ReasonCode.BELOW_THRESHOLD,
    ReasonCode.BETWEEN_THRESHOLDS,
)
"""Reasons that "What pulled which way" and the line under it say."""
IN_ROWS = (CaveatCode.NOT_ASKED, CaveatCode.STAYS_OPEN)
"""Caveats that the questions' rows say."""


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card into the container at hand."""
    slug = labels.STATES[analysis.verdict.label].slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        show(head(analysis, linked.changed), question.rows(analysis))
        if pulls.answer_of(analysis) is not None:
            if not guessing(analysis) or linked.scores_anyway:
                show(number(analysis), scale(analysis), verdict.odds(odds(analysis)))
                how_we_know.draw(analysis)
                pulls.draw(analysis, linked)
            else:
                with st.container(key="anyway"):
                    st.button(
                        _("Show the scores anyway"),
                        icon=":material/visibility:",
                        on_click=linked.show_scores,
                        key=linked.widget("anyway"),
                    )
        show(limits(analysis))


def head(analysis: Analysis, changed: bool = False) -> Markup:
    """Return the verdict as heading and sentence. Announced once."""
    found = analysis.verdict
    state = labels.state(found.label, found.question)
    whose = _own(analysis) if changed else _own_clips(analysis)
    kicker = join([_("Verdict"), _kicker(analysis)], " · ")
    if whose:
        kicker += Markup(" · ") + verdict.own(whose)
    said = _said(analysis)
    detail = labels.say_small(said) if said else ""
    if detail and not detail.endswith("."):
        detail = f"{labels.capital(detail)}."
    return verdict.head(
        kicker,
        state.slug,
        state.icon,
        labels.headline(found),
        sentence(analysis),
        detail,
        _others(analysis),
        announced=True,
    )


def guessing(analysis: Analysis) -> bool:
    """Whether the file is too poor for its number to be shown unasked."""
    return any(r.code is ReasonCode.LOW_QUALITY for r in analysis.verdict.reasons)


def _said(analysis: Analysis) -> Reason | None:
    """The reason that is said in the lead sentence: why there is no verdict, or none but this."""
    verdict = analysis.verdict
    if verdict.label in (Label.FAKE, Label.REAL):
        return None
    spoken = [r for r in verdict.reasons if r.code not in IN_BARS]
    return spoken[0] if spoken else None


def _kicker(analysis: Analysis) -> str:
    media = analysis.media
    kind, seconds = KIND[media.kind], media.duration or 0.0
    if seconds >= 1:
        length = labels.took(seconds) if seconds >= 100 else f"{seconds:.0f}{NBSP}s"
        kind = _("{length} {kind}").format(length=length, kind=kind)
    found = sum(track.modality is Modality.FACE for track in analysis.judged)
    return f"{kind} · {labels.count(found, 'person', 'people')}" if found else kind


def _own_clips(analysis: Analysis) -> str:
    """That the threshold is from the person's own clips, if it is."""
    limits = analysis.verdict.thresholds
    if not limits.own:
        return ""
    return _("with thresholds from {data}").format(data=limits.data)


def _own(analysis: Analysis) -> str:
    """Which of our settings the person changed."""
    limits = any(answer.thresholds.custom for answer in analysis.verdict.answers.values())
    models = any(m.not_counted_because == "switched off" for m in analysis.models)
    if limits and models:
        return _("with your thresholds and models")
    return _("with your thresholds") if limits else _("with your models")


# --- the sentence ---------------------------------------------------------------------------------


def sentence(analysis: Analysis) -> Text:
    """Return the lead sentence or two."""
    verdict, said = analysis.verdict, _said(analysis)
    top = _track(analysis, verdict.subject)
    if verdict.label is Label.NOT_APPLICABLE or top is None:
        first = verdict.reasons[0] if verdict.reasons else None
        return labels.say(first) if first else _("There is no score.")
    if verdict.label is Label.REAL:
        return _without_sign(analysis, top)
    whom = _capital(_subject(analysis, top))
    where = strongest(analysis, top)
    if verdict.label is Label.FAKE:
        return join([whom, f", {where}." if where else "."])
    if said is not None and said.code is ReasonCode.MODELS_DISAGREE:
        text = rich(_("The models pull opposite ways for {whom}."), whom=_subject(analysis, top))
        if said.time is not None and analysis.media.kind != "image":
            look = _("Look at {time}.").format(time=labels.clock(said.time, tenths=False))
            return join([text, look], " ")
        return text
    if said is not None:
        return f"{labels.say(said).rstrip('.')}."
    enough = _("Not enough to decide.")
    if not where:
        return join([whom, f". {enough}"])
    return rich(_("{whom}, most at {when}. {enough}"), whom=whom, when=where, enough=enough)


def strongest(analysis: Analysis, track: Subject) -> str:
    """The stretch around a person's highest moment in which the score stays near it: "00:30 to
    00:52"; empty for a picture, and where it is all there is."""
    points = [(f.time, f.score) for f in track.frames if f.score is not None]
    if analysis.media.kind == "image" or len(points) < 2:
        return ""
    scores = [score for _, score in points]
    peak = max(range(len(points)), key=lambda i: scores[i])
    middle = sorted(scores)[len(scores) // 2]
    high = analysis.verdict.thresholds.high
    level = high if scores[peak] > high else (scores[peak] + middle) / 2
    first = last = peak
    while first > 0 and scores[first - 1] > level:
        first -= 1
    while last + 1 < len(points) and scores[last + 1] > level:
        last += 1
    start, end = points[first][0], points[last][0]
    if round(start) == round(end):
        return labels.clock(points[peak][0], tenths=False)
    return labels.stretch(start, end, tenths=False)


def _without_sign(analysis: Analysis, top: Subject) -> str:
    """For whom, in how much of the file."""
    judged = sum(
        track.modality is Modality.FACE and track.probability is not None
        for track in analysis.judged
    )
    whom = (
        _("the whole picture")
        if top.modality is Modality.FULL_FRAME
        else labels.count(judged, "person", "people")
    )
    if analysis.media.kind == "image":
        return _("For {whom}.").format(whom=whom)
    frames = analysis.coverage.frames if analysis.coverage else 0
    looked = len(analysis.moments)
    if frames <= looked:
        return _("For {whom}, in {frames}.").format(
            whom=whom, frames=labels.count(looked, "frame", "frames")
        )
    return _("For {whom}, in {looked} of {frames} frames.").format(
        whom=whom, looked=f"{looked:,}", frames=f"{frames:,}"
    )


def _subject(analysis: Analysis, track: Subject) -> Text:
    """What the question in front is about, as it stands within a sentence. "Face" is said of
    faces only."""
    if track.modality is Modality.FULL_FRAME or analysis.verdict.question is Question.SYNTHESIS:
        return _("the whole picture")
    text = (
        _("the face of <b>Person\u00a0{person}</b> ({side})")
        if track.side and len(analysis.judged) > 1
        else _("the face of <b>Person\u00a0{person}</b>")
    )
    return rich(text, person=track.id, side=labels.SIDES[track.side])


def _others(analysis: Analysis) -> str:
    """The other people, by state, in one muted sentence or two."""
    others = [t for t in analysis.judged if t.id != analysis.verdict.subject]
    if analysis.verdict.subject is None or not others:
        return ""
    sentences = []
    for label, text in (
        (Label.FAKE, _("Likely manipulated too: {people}.")),
        (Label.INCONCLUSIVE, _("Inconclusive for {people}.")),
        (Label.REAL, _("No sign of manipulation found for {people}.")),
        (Label.NOT_APPLICABLE, _("Could not be judged: {people}.")),
    ):
        names = [_named(t) for t in others if t.label is label]
        # "For 2 people, in 32 of 150 frames" has said it of those without a sign.
        if not names or label is analysis.verdict.label is Label.REAL:
            continue
        many = ngettext("{number} more person", "{number} more people", len(names))
        many = many.format(number=len(names))
        sentences.append(
            text.format(people=many if len(names) > MANY_PEOPLE else labels.listed(names))
        )
    return " ".join(sentences)


def _named(track: Subject) -> str:
    name = _("Person\u00a0{person}").format(person=track.id)
    more = [labels.SIDES[track.side]] if track.side else []
    if track.reason is not None and track.reason in labels.WHY_NOT and track.probability is None:
        more.append(labels.WHY_NOT[track.reason])
    return f"{name} ({', '.join(more)})" if more else name


def _capital(text: Text) -> Text:
    """A subject at the beginning of a sentence."""
    first = labels.capital(str(text))
    return Markup(first) if isinstance(text, Markup) else first


# --- the number -----------------------------------------------------------------------------------


def number(analysis: Analysis) -> Markup:
    """Return the one number of the file, and by what it is judged."""
    answer, lead = pulls.answer_of(analysis), analysis.verdict.question
    assert answer is not None and answer.probability is not None and lead is not None
    said = rich(
        _("<b>{percent}</b> combined likelihood"), percent=labels.percent(answer.probability)
    )
    return verdict.number(said, _judged_by(analysis, answer, lead))


def _judged_by(analysis: Analysis, answer: Answer, lead: Question) -> str:
    """By what: the thresholds' standing, or of how many models; and one person's own number."""
    parts = []
    if answer.basis in (Basis.PUBLISHED, Basis.SUBSET, Basis.CUSTOM, Basis.OWN):
        parts.append(states.basis(answer.basis.value, speech()))
    else:
        counted = [m for m in analysis.models if m.counted and m.question is lead]
        fitted = all(m.calibration and m.calibration.clips for m in counted)
        many = labels.count(len(counted), "model", "models")
        text = _("{models}, calibrated") if fitted else _("{models}, uncalibrated")
        parts.append(text.format(models=many))
    top = _track(analysis, answer.subject)
    alone = top.answers[lead].probability if top and lead in top.answers else None
    if answer.people > 1 and alone is not None:
        text = _("Person\u00a0{person} alone {percent}")
        parts.append(text.format(person=answer.subject, percent=labels.percent(alone)))
    return " · ".join(parts)


def scale(analysis: Analysis) -> Markup:
    """Return the likelihood scale."""
    answer, lead = pulls.answer_of(analysis), analysis.verdict.question
    assert answer is not None and answer.probability is not None and lead is not None
    return likelihood_scale.scale(answer.probability, answer.thresholds, lead)


def odds(analysis: Analysis) -> str:
    """Return what such a score meant in our tests; empty where that was not measured."""
    answer, lead = pulls.answer_of(analysis), analysis.verdict.question
    assert answer is not None and lead is not None
    if answer.odds is not None:
        found = answer.odds
        return states.odds(found.share, found.low, found.high, speech())
    table = analysis.ensembles[lead].odds if lead in analysis.ensembles else []
    if table and answer.basis in (Basis.MEASURED, Basis.OWN) and analysis.media.kind != "image":
        return _("Too few such clips in our tests to give odds.")
    return ""


def limits(analysis: Analysis) -> Markup:
    """Return what this can't tell; inside the card, because it is part of the verdict."""
    found = analysis.verdict
    said = IN_ROWS if found.answers else ()
    text = " ".join(labels.say(c) for c in found.caveats if c.code not in said)
    return verdict.limits(_("What this can’t tell"), text)


def _track(analysis: Analysis, id: str | None) -> Subject | None:
    return next((t for t in analysis.judged if t.id == id), None)
