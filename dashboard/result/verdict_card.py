"""The verdict card: what, who and when, how sure, why, what it can't tell. In this order."""

from __future__ import annotations

import streamlit as st

from dashboard import likelihood, words
from dashboard.language import _
from dashboard.result import question
from dashboard.result.linked import Linked
from dashboard.words import NBSP
from detector.evidence import NOT_ASKED
from detector.results import (
    Analysis,
    Evidence,
    Label,
    Question,
    Reason,
    ReasonCode,
    Track,
)

KIND = {"video": "video", "image": "picture", "animation": "animation"}
RATING_ICON = {"good": "check", "fair": "help", "poor": "help"}
MANY_PEOPLE = 4
"""named in the sentence about the others; more are counted."""


def draw(analysis: Analysis, linked: Linked) -> None:
    """Draw the card into the container at hand."""
    slug = words.STATES[analysis.verdict.label].slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        st.html(head(analysis, linked.changed))
        question.draw(analysis, linked)
        if analysis.verdict.probability is not None:
            if not guessing(analysis) or linked.scores_anyway:
                st.html(number(analysis) + scale(analysis))
            else:
                with st.container(key="anyway"):
                    st.button(
                        "Show the scores anyway",
                        icon=":material/visibility:",
                        on_click=linked.show_scores,
                        key=linked.widget("anyway"),
                    )
        _reasons(analysis, linked)
        st.html(evidence(analysis))
        st.html(limits(analysis))


def head(analysis: Analysis, changed: bool = False) -> str:
    """HTML of the verdict as heading, sentence, number and scale. Announced once."""
    verdict = analysis.verdict
    state = words.state(verdict.label, verdict.question)
    whose = _own(analysis) if changed else _own_clips(analysis)
    own = f" · <span class='um-own'>{whose}</span>" if whose else ""
    parts = [
        f"<div class='um-caption'>Verdict · {_kicker(analysis)}{own}</div>",
        "<div role='status' aria-live='polite'>",
        f"<h2 class='um-verdict {state.slug}'><span class='um-icon' aria-hidden='true'>"
        f"{state.icon}</span><span>{state.words}</span></h2>",
        f"<p class='um-say'>{sentence(analysis)}</p>",
        "</div>",
    ]
    said = _said(analysis)
    detail = words.escape(said.detail) if said else ""
    parts += [
        f"<p class='um-say second'>{text}</p>" for text in (detail, _others(analysis)) if text
    ]
    return "".join(parts)


def guessing(analysis: Analysis) -> bool:
    """Whether the file is too poor for its number to be shown unasked."""
    return any(r.code is ReasonCode.LOW_QUALITY for r in analysis.verdict.reasons)


def _said(analysis: Analysis) -> Reason | None:
    """The reason that is the lead sentence, and so isn't repeated under "Why"."""
    verdict = analysis.verdict
    first = verdict.reasons[0] if verdict.reasons else None
    if first is None or verdict.label in (Label.FAKE, Label.REAL):
        return None
    spoken = (ReasonCode.MODELS_DISAGREE, ReasonCode.BETWEEN_THRESHOLDS)
    return None if first.code in spoken else first


def _repeats(reason: Reason, analysis: Analysis) -> bool:
    """Whether a reason adds nothing to the lead sentence, which is made of it."""
    leads = reason.time is not None and analysis.media.kind != "image"
    return reason.code is ReasonCode.BETWEEN_THRESHOLDS and not reason.detail and not leads


def _kicker(analysis: Analysis) -> str:
    media = analysis.media
    length = f"{media.duration:.0f}{NBSP}s " if media.duration and media.duration >= 1 else ""
    if media.duration and media.duration >= 100:
        length = f"{words.took(media.duration)} "
    found = sum(not track.whole for track in analysis.tracks)
    people = f"{words.count(found, 'person', 'people')} · " if found else ""
    models = words.count(sum(m.counted for m in analysis.models), "model", "models")
    return f"{length}{KIND[media.kind]} · {people}{models}"


def _own_clips(analysis: Analysis) -> str:
    """That the threshold is from the person's own clips, if it is."""
    limits = analysis.verdict.thresholds
    return f"with thresholds from {words.escape(limits.data)}" if limits.own else ""


def _own(analysis: Analysis) -> str:
    """Which of our settings the person changed."""
    parts = []
    if any(answer.thresholds.custom for answer in analysis.verdict.answers.values()):
        parts.append("thresholds")
    if any(m.not_counted_because == "switched off" for m in analysis.models) or not parts:
        parts.append("models")
    return f"with your {' and '.join(parts)}"


def sentence(analysis: Analysis) -> str:
    """The lead sentence, safe HTML."""
    verdict = analysis.verdict
    top = _track(analysis, verdict.track)
    first = verdict.reasons[0] if verdict.reasons else None
    if verdict.label is Label.NOT_APPLICABLE or top is None:
        return words.escape(first.text) if first else "There is no score."
    if verdict.label is Label.FAKE:
        if verdict.question is Question.SYNTHESIS:
            return f"Judged by {_face(analysis, top, small=True)}{_when(analysis, top)}."
        return f"{_face(analysis, top)}{_when(analysis, top)}."
    if verdict.label is Label.REAL:
        scored = sum(1 for face in top.faces if face.score is not None)
        frames = (
            ""
            if analysis.media.kind == "image"
            else f" in {words.count(scored, 'frame', 'frames')}"
        )
        judged = sum(1 for t in analysis.tracks if t.probability is not None)
        people = "the whole picture" if top.whole else words.count(judged, "person", "people")
        where = f", for {people}{frames if judged == 1 else ''}"
        return f"{verdict.agree} of {words.count(verdict.counted, 'model', 'models')} agree{where}."
    said = _said(analysis)
    if said is not None:
        return f"{words.escape(said.text).rstrip('.')}."
    if first is not None and first.code is ReasonCode.MODELS_DISAGREE:
        return f"The models disagree about {_face(analysis, top, small=True)}."
    return f"The score of {_face(analysis, top, small=True)} lies between the thresholds."


def _face(analysis: Analysis, track: Track, *, small: bool = False) -> str:
    the = "the" if small else "The"
    if track.whole:
        return f"{the} whole picture"
    if len(analysis.tracks) == 1:
        return f"{the} face in this {KIND[analysis.media.kind]}"
    side = f" ({track.side})" if track.side else ""
    return f"{the} face of <b>Person{NBSP}{words.escape(track.id)}</b>{side}"


def _when(analysis: Analysis, track: Track) -> str:
    if analysis.media.kind == "image":
        return ""
    start, end = (words.clock(t, tenths=False) for t in (track.start, track.end))
    return f", {start} to {end}"


def _others(analysis: Analysis) -> str:
    """The other people, by state, in one muted sentence or two."""
    others = [t for t in analysis.tracks if t.id != analysis.verdict.track]
    if analysis.verdict.track is None or not others:
        return ""
    sentences = []
    for label, lead in (
        (Label.FAKE, "Likely manipulated too: "),
        (Label.INCONCLUSIVE, "Inconclusive for "),
        (Label.REAL, "No sign of manipulation found for "),
        (Label.NOT_APPLICABLE, "Could not be judged: "),
    ):
        names = [_named(t) for t in others if t.label is label]
        if not names:
            continue
        text = f"{len(names)} more people" if len(names) > MANY_PEOPLE else words.listed(names)
        sentences.append(f"{lead}{text}.")
    if analysis.verdict.label is Label.REAL:
        # "3 of 3 models agree, for 2 people" has said it of those without a sign.
        sentences = [s for s in sentences if not s.startswith("No sign")]
    return " ".join(sentences)


def _named(track: Track) -> str:
    more: list[str] = [track.side] if track.side else []
    if track.reason is not None and track.reason in words.WHY_NOT and track.probability is None:
        more.append(words.WHY_NOT[track.reason])
    extra = f" ({', '.join(more)})" if more else ""
    return f"Person{NBSP}{words.escape(track.id)}{extra}"


def number(analysis: Analysis) -> str:
    """HTML of the likelihood and of how many models agree."""
    verdict = analysis.verdict
    assert verdict.question is not None
    answer = verdict.answers[verdict.question]
    assert answer.probability is not None
    counted = [m for m in analysis.models if m.counted and m.question is verdict.question]
    kind = "likelihood" if all(m.calibration for m in counted) else "score, uncalibrated"
    # "3 of 3 models agree" is the sentence of "no sign"; once is enough.
    agree = "" if verdict.label is Label.REAL else _agreement(analysis)
    top = _track(analysis, answer.track)
    alone = top.answers[verdict.question].probability if top and answer.people > 1 else None
    who = f"; Person{NBSP}{answer.track} alone {words.percent(alone)}" if alone is not None else ""
    return (
        "<div class='um-number'><div>"
        f"<b>{words.percent(answer.probability)}</b> {kind}{who}</div>"
        f"<div class='um-caption'>{agree}</div></div>"
    )


def _agreement(analysis: Analysis) -> str:
    verdict = analysis.verdict
    if verdict.counted == 1:
        return "1 model"
    if verdict.counted and verdict.agree == verdict.counted:
        return f"{'both' if verdict.counted == 2 else f'all {verdict.counted}'} models agree"
    return f"{verdict.agree} of {verdict.counted} models agree"


def scale(analysis: Analysis) -> str:
    """HTML of the likelihood scale with the models' range."""
    verdict = analysis.verdict
    assert verdict.question is not None
    probability = verdict.answers[verdict.question].probability
    assert probability is not None
    top = _track(analysis, verdict.track)
    counted = {m.id for m in analysis.models if m.counted and m.question is verdict.question}
    scores = [s.probability for id, s in (top.models if top else {}).items() if id in counted]
    return likelihood.scale(
        probability,
        verdict.thresholds,
        verdict.question,
        span=(min(scores), max(scores)) if len(scores) > 1 else None,
        ranges=_("The models range from {least} to {most}."),
    )


def _reasons(analysis: Analysis, linked: Linked) -> None:
    said = _said(analysis)
    reasons = [r for r in analysis.verdict.reasons if r is not said and not _repeats(r, analysis)][
        :3
    ]
    if not reasons:
        return
    st.html("<h3 class='um-h3'>Why</h3>")
    with st.container(key="reasons", gap=None):
        for number, reason in enumerate(reasons, 1):
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="top", key=f"reason-{number}"
            ):
                detail = f"<small>{words.escape(reason.detail)}</small>" if reason.detail else ""
                st.html(
                    f"<div class='um-reason'><span>{number}</span>"
                    f"<div>{words.escape(reason.text)}{detail}</div></div>",
                    width="stretch",
                )
                if reason.time is not None and analysis.media.kind != "image":
                    st.button(
                        words.clock(reason.time, tenths=False),
                        key=linked.widget(f"reason.{number}"),
                        icon=":material/play_arrow:",
                        type="tertiary",
                        on_click=linked.go,
                        args=(reason.time, reason.track),
                    )


def evidence(analysis: Analysis) -> str:
    """HTML of how good the material is, in a row."""
    if not analysis.evidence:
        return ""
    cells = "".join(_evidence(item) for item in analysis.evidence)
    return f"<h3 class='um-h3'>Evidence</h3><div class='um-evidence'>{cells}</div>"


def limits(analysis: Analysis) -> str:
    """HTML of what this can't tell; inside the card, because it is part of the verdict."""
    said_above = NOT_ASKED.values() if analysis.verdict.answers else ()
    text = " ".join(words.escape(x) for x in analysis.verdict.limits if x not in said_above)
    return f"<div class='um-limits'><h3>What this can’t tell</h3><p>{text}</p></div>"


def _evidence(item: Evidence) -> str:
    icon = RATING_ICON[item.rating]
    return (
        f"<div><span class='{item.rating}'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"{words.escape(item.name)}</span><b>{words.escape(item.value)}</b></div>"
    )


def _track(analysis: Analysis, id: str | None) -> Track | None:
    return next((t for t in analysis.tracks if t.id == id), None)
