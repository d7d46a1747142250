"""The verdict card: what, who and when, how sure, why, what it can't tell. In this order."""

from __future__ import annotations

import streamlit as st

from dashboard import words
from dashboard.result.linked import Linked
from dashboard.words import NBSP
from detector.results import Analysis, Evidence, Label, Reason, ReasonCode, Thresholds, Track

KIND = {"video": "video", "image": "picture", "animation": "animation"}
RATING_ICON = {"good": "check", "fair": "help", "poor": "help"}
MANY_PEOPLE = 4
"""named in the sentence about the others; more are counted."""


def draw(analysis: Analysis, linked: Linked) -> None:
    """Draw the card into the container at hand."""
    slug = words.STATES[analysis.verdict.label].slug
    with st.container(border=True, key=f"verdict-{slug}", height="stretch", gap=None):
        st.html(head(analysis, linked.changed))
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
    state = words.STATES[verdict.label]
    own = ""
    if changed:
        own = f" · <span class='um-own'>{_own(analysis)}</span>"
    parts = [
        f"<div class='um-caption'>Verdict · {_kicker(analysis)}{own}</div>",
        "<div role='status' aria-live='polite'>",
        f"<h2 class='um-verdict {state.slug}'><span class='um-icon' aria-hidden='true'>"
        f"{state.icon}</span><span>{state.words}</span></h2>",
        f"<p class='um-say'>{_sentence(analysis)}</p>",
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


def _kicker(analysis: Analysis) -> str:
    media = analysis.media
    length = f"{media.duration:.0f}{NBSP}s " if media.duration and media.duration >= 1 else ""
    if media.duration and media.duration >= 100:
        length = f"{words.took(media.duration)} "
    people = words.count(len(analysis.tracks), "person", "people")
    models = words.count(analysis.verdict.counted, "model")
    return f"{length}{KIND[media.kind]} · {people} · {models}"


def _own(analysis: Analysis) -> str:
    """Which of our settings the person changed."""
    parts = []
    if analysis.verdict.thresholds.custom:
        parts.append("thresholds")
    if any(m.not_counted_because == "switched off" for m in analysis.models) or not parts:
        parts.append("models")
    return f"with your {' and '.join(parts)}"


def _sentence(analysis: Analysis) -> str:
    """The lead sentence, safe HTML."""
    verdict = analysis.verdict
    top = _track(analysis, verdict.track)
    first = verdict.reasons[0] if verdict.reasons else None
    if verdict.label is Label.NOT_APPLICABLE or top is None:
        return words.escape(first.text) if first else "There is no score."
    if verdict.label is Label.FAKE:
        return f"{_face(analysis, top)}{_when(analysis, top)}."
    if verdict.label is Label.REAL:
        scored = sum(1 for face in top.faces if face.score is not None)
        frames = "" if analysis.media.kind == "image" else f" in {words.count(scored, 'frame')}"
        judged = sum(1 for t in analysis.tracks if t.probability is not None)
        people = words.count(judged, "person", "people")
        where = f", for {people}{frames if judged == 1 else ''}"
        return f"{verdict.agree} of {words.count(verdict.counted, 'model')} agree{where}."
    said = _said(analysis)
    if said is not None:
        return f"{words.escape(said.text).rstrip('.')}."
    if first is not None and first.code is ReasonCode.MODELS_DISAGREE:
        return f"The models disagree about {_face(analysis, top, small=True)}."
    return f"The score of {_face(analysis, top, small=True)} lies between the thresholds."


def _face(analysis: Analysis, track: Track, *, small: bool = False) -> str:
    the = "the" if small else "The"
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
    assert verdict.probability is not None
    counted = [m for m in analysis.models if m.counted]
    kind = "likelihood" if all(m.calibration for m in counted) else "score, uncalibrated"
    # "3 of 3 models agree" is the sentence of "no sign"; once is enough.
    agree = "" if verdict.label is Label.REAL else _agreement(analysis)
    who = f", Person{NBSP}{verdict.track}" if len(analysis.tracks) > 1 else ""
    return (
        "<div class='um-number'><div>"
        f"<b>{words.percent(verdict.probability)}</b> {kind}{who}</div>"
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
    """HTML of the likelihood scale: zones, thresholds, the models' range, the pointer.

    Made of divs, because `st.html` removes SVG. The words under a zone that is too narrow for them
    wrap out of sight; the numbers stay.
    """
    verdict = analysis.verdict
    assert verdict.probability is not None
    low, high = verdict.thresholds.low * 100, verdict.thresholds.high * 100
    at = verdict.probability * 100
    top = _track(analysis, verdict.track)
    counted = {m.id for m in analysis.models if m.counted}
    scores = [s.probability * 100 for id, s in (top.models if top else {}).items() if id in counted]
    span = ""
    if len(scores) > 1:
        least, most = min(scores), max(scores)
        span = f"<div class='range' style='left:{least:.1f}%;width:{most - least:.1f}%'></div>"
    text = f"{words.percent(verdict.probability)}, {scale_text(verdict.thresholds)}" + (
        f" The models range from {words.percent(min(scores) / 100)} to "
        f"{words.percent(max(scores) / 100)}."
        if len(scores) > 1
        else ""
    )
    zones = (
        ("real", 0.0, low, "no sign", "no sign"),
        ("inc", low, high, "inconclusive", "inconclusive"),
        ("fake", high, 100.0, "likely manipulated", "likely"),
    )
    bars = "".join(
        f"<div class='zone {slug}' style='width:{b - a:.1f}%'></div>" for slug, a, b, *_ in zones
    )
    names = "".join(
        f"<div class='name' style='left:{a:.1f}%;width:{b - a:.1f}%'><i></i>"
        f"<span class='wide'>{wide}</span></div>"
        f"<div class='name short' style='left:{a:.1f}%;width:{b - a:.1f}%'><i></i>"
        f"<span>{short}</span></div>"
        for _, a, b, wide, short in zones
    )
    ticks = "".join(f"<b class='tick' style='left:{v:.1f}%'>{v:.0f}</b>" for v in (low, high))
    return (
        f"<div class='um-scale' role='img' aria-label='{words.escape(text)}'>"
        f"<div class='over'>{span}<div class='pointer' style='left:{at:.1f}%'></div></div>"
        f"<div class='bar'>{bars}<div class='at' style='left:{at:.1f}%'></div></div>"
        f"<div class='under'>{names}{ticks}</div></div>"
    )


def scale_text(thresholds: Thresholds) -> str:
    low, high = words.percent(thresholds.low), words.percent(thresholds.high)
    return f"below {low} no sign, above {high} likely manipulated, between inconclusive."


def _reasons(analysis: Analysis, linked: Linked) -> None:
    said = _said(analysis)
    reasons = [r for r in analysis.verdict.reasons if r is not said][:3]
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
    text = " ".join(words.escape(limit) for limit in analysis.verdict.limits)
    return f"<div class='um-limits'><h3>What this can’t tell</h3><p>{text}</p></div>"


def _evidence(item: Evidence) -> str:
    icon = RATING_ICON[item.rating]
    return (
        f"<div><span class='{item.rating}'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"{words.escape(item.name)}</span><b>{words.escape(item.value)}</b></div>"
    )


def _track(analysis: Analysis, id: str | None) -> Track | None:
    return next((t for t in analysis.tracks if t.id == id), None)
