"""The verdict card: what, who and when, each question's answer, one number with its scale, what it
meant in our tests, what pulled which way, what it can't tell. In this order."""

from __future__ import annotations

import numpy as np
import streamlit as st
from markupsafe import Markup

from dashboard import labels
from dashboard.components import controls, likelihood_scale, verdict
from dashboard.components.markup import Text, join, rich, show
from dashboard.i18n import LazyDict, _, ngettext, speech
from dashboard.labels import NBSP
from dashboard.result import how_we_know, original, pulls, question
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
    lambda: {
        "video": _("video"),
        "image": _("picture"),
        "animation": _("animation"),
        "audio": _("sound"),
    }
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
    slug = "fake" if original.heads(analysis) else labels.STATES[analysis.verdict.label].slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        show(head(analysis, linked.changed), question.rows(analysis))
        if pulls.answer_of(analysis) is not None:
            if not guessing(analysis) or linked.scores_anyway:
                show(number(analysis), scale(analysis), verdict.odds(odds(analysis)))
                how_we_know.draw(analysis)
                pulls.draw(analysis, linked)
            else:
                with st.container(key="anyway"):
                    text, key = _("Show the scores anyway"), linked.widget("anyway")
                    controls.button(text, "visibility", key, linked.show_scores)
        show(limits(analysis))


def head(analysis: Analysis, changed: bool = False) -> Markup:
    """Return the verdict as heading and sentence. Announced once."""
    if (found := original.heads(analysis)) is not None:
        return original.head(analysis, found)
    state = labels.state(analysis.verdict.label, analysis.verdict.question)
    whose = _changed_settings(analysis) if changed else _own_clips(analysis)
    own = [verdict.own(whose)] if whose else []
    kicker = join([_("Verdict"), _kicker(analysis), *own], " · ")
    reason = _lead_reason(analysis)
    detail = labels.say_small(reason) if reason else ""
    if detail and not detail.endswith("."):
        detail = f"{labels.capital(detail)}."
    return verdict.head(
        kicker,
        state.slug,
        state.icon,
        labels.headline(analysis.verdict),
        sentence(analysis),
        detail,
        original.beside(analysis),
        _others(analysis),
        announced=True,
    )


def guessing(analysis: Analysis) -> bool:
    """Return whether the file is too poor for its number to be shown unasked."""
    return any(r.code is ReasonCode.LOW_QUALITY for r in analysis.verdict.reasons)


def _lead_reason(analysis: Analysis) -> Reason | None:
    """Return the reason that is said in the lead sentence: why there is no verdict, or none but
    this."""
    verdict = analysis.verdict
    if verdict.label in (Label.FAKE, Label.REAL):
        return None
    return next((r for r in verdict.reasons if r.code not in IN_BARS), None)


def _kicker(analysis: Analysis) -> str:
    media = analysis.media
    kind, seconds = KIND[media.kind], media.duration or 0.0
    if seconds >= 1:
        length = labels.took(seconds) if seconds >= 100 else f"{seconds:.0f}{NBSP}s"
        kind = _("{length} {kind}").format(length=length, kind=kind)
    people = sum(track.modality is Modality.FACE for track in analysis.judged)
    return f"{kind} · {labels.count(people, 'person', 'people')}" if people else kind


def _own_clips(analysis: Analysis) -> str:
    limits = analysis.verdict.thresholds
    return _("with thresholds from {data}").format(data=limits.data) if limits.own else ""


def _changed_settings(analysis: Analysis) -> str:
    limits = any(answer.thresholds.custom for answer in analysis.verdict.answers.values())
    models = any(m.not_counted_because == "switched off" for m in analysis.models)
    if limits and models:
        return _("with your thresholds and models")
    return _("with your thresholds") if limits else _("with your models")


# --- the sentence ---------------------------------------------------------------------------------


def sentence(analysis: Analysis) -> Text:
    """Return the lead sentence or two."""
    verdict, reason = analysis.verdict, _lead_reason(analysis)
    top = _track(analysis, verdict.subject)
    if verdict.label is Label.NOT_APPLICABLE or top is None:
        first = verdict.reasons[0] if verdict.reasons else None
        return labels.say(first) if first else _("There is no score.")
    if verdict.label is Label.REAL and top.modality is not Modality.VOICE:
        return _without_sign(analysis, top)
    subject, where = _subject(analysis, top), strongest(analysis, top)
    if verdict.label in (Label.FAKE, Label.REAL):
        return join([_capital(subject), f", {where}." if where else "."])
    if reason is None:
        enough = _("Not enough to decide.")
        if not where:
            return join([_capital(subject), f". {enough}"])
        text = _("{whom}, most at {when}. {enough}")
        return rich(text, whom=_capital(subject), when=where, enough=enough)
    if reason.code is not ReasonCode.MODELS_DISAGREE:
        return f"{labels.say(reason).rstrip('.')}."
    said = rich(_("The models pull opposite ways for {whom}."), whom=subject)
    if reason.time is None or analysis.media.kind == "image":
        return said
    look = _("Look at {time}.").format(time=labels.clock(reason.time, tenths=False))
    return join([said, look], " ")


def strongest(analysis: Analysis, track: Subject) -> str:
    """Return the stretch around a person's highest moment in which the score stays near it: "00:30
    to 00:52"; empty for a picture, and where it is all there is."""
    points = [(look.start, look.end, look.score) for look in track.looks if look.score is not None]
    if analysis.media.kind == "image" or len(points) < 2:
        return ""
    times, ends, scores = np.array(points).T
    peak, high = int(scores.argmax()), analysis.verdict.thresholds.high
    middle = np.sort(scores)[len(scores) // 2]
    level = high if scores[peak] > high else (scores[peak] + middle) / 2
    low = np.flatnonzero(scores <= level)
    first = low[low < peak].max(initial=-1) + 1
    last = low[low > peak].min(initial=len(scores)) - 1
    if round(times[first]) == round(ends[last]):
        return labels.clock(times[peak], tenths=False)
    return labels.stretch(times[first], ends[last], tenths=False)


def _without_sign(analysis: Analysis, top: Subject) -> str:
    scored = sum(
        track.modality is Modality.FACE and track.probability is not None
        for track in analysis.judged
    )
    whom = labels.count(scored, "person", "people")
    if top.modality is Modality.FULL_FRAME:
        whom = _("the whole picture")
    if analysis.media.kind == "image":
        return _("For {whom}.").format(whom=whom)
    frames = analysis.coverage.frames if analysis.coverage else 0
    sampled = len(analysis.timestamps)
    if frames <= sampled:
        text = _("For {whom}, in {frames}.")
        return text.format(whom=whom, frames=labels.count(sampled, "frame", "frames"))
    text = _("For {whom}, in {looked} of {frames} frames.")
    return text.format(whom=whom, looked=f"{sampled:,}", frames=f"{frames:,}")


def _subject(analysis: Analysis, track: Subject) -> Text:
    """Return what the question in front is about, as it stands within a sentence. "Face" is said of
    faces only."""
    if track.modality is Modality.VOICE:
        return _("the voice")
    if track.modality is Modality.FULL_FRAME or analysis.verdict.question is Question.SYNTHESIS:
        return _("the whole picture")
    text = (
        _("the face of <b>Person\u00a0{person}</b> ({side})")
        if track.side and len(analysis.seen) > 1
        else _("the face of <b>Person\u00a0{person}</b>")
    )
    return rich(text, person=track.id, side=labels.SIDES[track.side])


def _others(analysis: Analysis) -> str:
    verdict = analysis.verdict
    texts = {
        Label.FAKE: _("Likely manipulated too: {people}."),
        Label.INCONCLUSIVE: _("Inconclusive for {people}."),
        Label.REAL: _("No sign of manipulation found for {people}."),
        Label.NOT_APPLICABLE: _("Could not be judged: {people}."),
    }
    if verdict.subject is None:
        return ""
    if verdict.label is Label.REAL:  # "For 2 people, in 32 of 150 frames" has said it of those
        del texts[Label.REAL]
    sentences = []
    for label, text in texts.items():
        names = [_named(t) for t in analysis.seen if t.label is label and t.id != verdict.subject]
        people = labels.listed(names)
        if len(names) > MANY_PEOPLE:
            many = ngettext("{number} more person", "{number} more people", len(names))
            people = many.format(number=len(names))
        if names:
            sentences.append(text.format(people=people))
    return " ".join(sentences)


def _named(track: Subject) -> str:
    name = labels.who(track).replace(" ", NBSP)
    more = [labels.SIDES[track.side]] if track.side else []
    if track.reason is not None and track.reason in labels.WHY_NOT and track.probability is None:
        more.append(labels.WHY_NOT[track.reason])
    return f"{name} ({', '.join(more)})" if more else name


def _capital(text: Text) -> Text:
    first = labels.capital(str(text))
    return Markup(first) if isinstance(text, Markup) else first


# --- the number -----------------------------------------------------------------------------------


def _front(analysis: Analysis) -> tuple[Answer, Question, float]:
    answer, lead = pulls.answer_of(analysis), analysis.verdict.question
    assert answer is not None and answer.probability is not None and lead is not None
    return answer, lead, answer.probability


def number(analysis: Analysis) -> Markup:
    """Return the one number of the file, and by what it is judged."""
    answer, lead, probability = _front(analysis)
    text = rich(_("<b>{percent}</b> combined likelihood"), percent=labels.percent(probability))
    return verdict.number(text, _judged_by(analysis, answer, lead))


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
    answer, lead, probability = _front(analysis)
    return likelihood_scale.scale(probability, answer.thresholds, lead)


def odds(analysis: Analysis) -> str:
    """Return what such a score meant in our tests; empty where that was not measured."""
    answer, lead, _probability = _front(analysis)
    if answer.odds is not None:
        known = answer.odds
        return states.odds(known.share, known.low, known.high, lead, speech())
    table = analysis.ensembles[lead].odds if lead in analysis.ensembles else []
    if table and answer.basis in (Basis.MEASURED, Basis.OWN) and analysis.media.kind != "image":
        return _("Too few such clips in our tests to give odds.")
    return ""


def limits(analysis: Analysis) -> Markup:
    """Return what this can't tell; inside the card, because it is part of the verdict."""
    shown = IN_ROWS if analysis.verdict.answers else ()
    text = " ".join(labels.say(c) for c in analysis.verdict.caveats if c.code not in shown)
    return verdict.limits(_("What this can’t tell"), text)


def _track(analysis: Analysis, id: str | None) -> Subject | None:
    return next((t for t in analysis.judged if t.id == id), None)
