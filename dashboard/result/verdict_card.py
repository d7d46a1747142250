"""The verdict card: what, who and when, how sure, why, what it can't tell. In this order."""

from __future__ import annotations

import streamlit as st

from dashboard import likelihood, words
from dashboard.language import Table, _, ngettext
from dashboard.result import question
from dashboard.result.linked import Linked
from dashboard.words import NBSP
from detector.results import (
    Analysis,
    Evidence,
    Label,
    Question,
    Reason,
    ReasonCode,
    Track,
)

KIND: Table[str, str] = Table(
    lambda: {"video": _("video"), "image": _("picture"), "animation": _("animation")}
)
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
                        _("Show the scores anyway"),
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
        f"<div class='um-caption'>{_('Verdict')} · {_kicker(analysis)}{own}</div>",
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
    kind, seconds = KIND[media.kind], media.duration or 0.0
    if seconds >= 1:
        length = words.took(seconds) if seconds >= 100 else f"{seconds:.0f}{NBSP}s"
        kind = _("{length} {kind}").format(length=length, kind=kind)
    found = sum(not track.whole for track in analysis.tracks)
    people = f"{words.count(found, 'person', 'people')} · " if found else ""
    models = words.count(sum(m.counted for m in analysis.models), "model", "models")
    return f"{kind} · {people}{models}"


def _own_clips(analysis: Analysis) -> str:
    """That the threshold is from the person's own clips, if it is."""
    limits = analysis.verdict.thresholds
    if not limits.own:
        return ""
    return _("with thresholds from {data}").format(data=words.escape(limits.data))


def _own(analysis: Analysis) -> str:
    """Which of our settings the person changed."""
    limits = any(answer.thresholds.custom for answer in analysis.verdict.answers.values())
    models = any(m.not_counted_because == "switched off" for m in analysis.models)
    if limits and models:
        return _("with your thresholds and models")
    return _("with your thresholds") if limits else _("with your models")


def sentence(analysis: Analysis) -> str:
    """The lead sentence, safe HTML."""
    verdict = analysis.verdict
    top = _track(analysis, verdict.track)
    first = verdict.reasons[0] if verdict.reasons else None
    if verdict.label is Label.NOT_APPLICABLE or top is None:
        return words.escape(first.text) if first else _("There is no score.")
    if verdict.label is Label.FAKE:
        face = _face(analysis, top)
        if analysis.media.kind != "image":
            face = f"{face}, {words.stretch(top.start, top.end, tenths=False)}"
        if verdict.question is Question.SYNTHESIS:
            return _("Judged by {face}.").format(face=face)
        return f"{words.capital(face)}."
    if verdict.label is Label.REAL:
        return _without_sign(analysis, top)
    said = _said(analysis)
    if said is not None:
        return f"{words.escape(said.text).rstrip('.')}."
    if first is not None and first.code is ReasonCode.MODELS_DISAGREE:
        return _("The models disagree about {face}.").format(face=_face(analysis, top))
    text = _("The score of {face} lies between the thresholds.")
    return text.format(face=_face(analysis, top))


def _without_sign(analysis: Analysis, top: Track) -> str:
    """How many models agree, and for whom."""
    verdict = analysis.verdict
    scored = sum(1 for face in top.faces if face.score is not None)
    judged = sum(1 for track in analysis.tracks if track.probability is not None)
    text = (
        _("{number} of {models} agree, for {people} in {frames}.")
        if judged == 1 and analysis.media.kind != "image"
        else _("{number} of {models} agree, for {people}.")
    )
    return text.format(
        number=verdict.agree,
        models=words.count(verdict.counted, "model", "models"),
        people=_("the whole picture") if top.whole else words.count(judged, "person", "people"),
        frames=words.count(scored, "frame", "frames"),
    )


def _face(analysis: Analysis, track: Track) -> str:
    """Whose face, as it stands within a sentence; HTML."""
    if track.whole:
        return _("the whole picture")
    if len(analysis.tracks) == 1:
        return {
            "video": _("the face in this video"),
            "image": _("the face in this picture"),
            "animation": _("the face in this animation"),
        }[analysis.media.kind]
    text = (
        _("the face of <b>Person\u00a0{person}</b> ({side})")
        if track.side
        else _("the face of <b>Person\u00a0{person}</b>")
    )
    return text.format(person=words.escape(track.id), side=words.SIDES[track.side])


def _others(analysis: Analysis) -> str:
    """The other people, by state, in one muted sentence or two."""
    others = [t for t in analysis.tracks if t.id != analysis.verdict.track]
    if analysis.verdict.track is None or not others:
        return ""
    sentences = []
    for label, text in (
        (Label.FAKE, _("Likely manipulated too: {people}.")),
        (Label.INCONCLUSIVE, _("Inconclusive for {people}.")),
        (Label.REAL, _("No sign of manipulation found for {people}.")),
        (Label.NOT_APPLICABLE, _("Could not be judged: {people}.")),
    ):
        names = [_named(t) for t in others if t.label is label]
        # "3 of 3 models agree, for 2 people" has said it of those without a sign.
        if not names or label is analysis.verdict.label is Label.REAL:
            continue
        many = ngettext("{number} more person", "{number} more people", len(names))
        many = many.format(number=len(names))
        sentences.append(
            text.format(people=many if len(names) > MANY_PEOPLE else words.listed(names))
        )
    return " ".join(sentences)


def _named(track: Track) -> str:
    name = _("Person\u00a0{person}").format(person=words.escape(track.id))
    more = [words.SIDES[track.side]] if track.side else []
    if track.reason is not None and track.reason in words.WHY_NOT and track.probability is None:
        more.append(words.WHY_NOT[track.reason])
    return f"{name} ({', '.join(more)})" if more else name


def number(analysis: Analysis) -> str:
    """HTML of the likelihood and of how many models agree."""
    verdict = analysis.verdict
    assert verdict.question is not None
    answer = verdict.answers[verdict.question]
    assert answer.probability is not None
    counted = [m for m in analysis.models if m.counted and m.question is verdict.question]
    said = (
        _("<b>{percent}</b> likelihood")
        if all(m.calibration for m in counted)
        else _("<b>{percent}</b> score, uncalibrated")
    ).format(percent=words.percent(answer.probability))
    # "3 of 3 models agree" is the sentence of "no sign"; once is enough.
    agree = "" if verdict.label is Label.REAL else _agreement(analysis)
    top = _track(analysis, answer.track)
    alone = top.answers[verdict.question].probability if top and answer.people > 1 else None
    if alone is not None:
        said = _("{likelihood}; Person\u00a0{person} alone {percent}").format(
            likelihood=said, person=answer.track, percent=words.percent(alone)
        )
    return f"<div class='um-number'><div>{said}</div><div class='um-caption'>{agree}</div></div>"


def _agreement(analysis: Analysis) -> str:
    verdict = analysis.verdict
    if verdict.counted == 1:
        return _("1 model")
    if verdict.counted == verdict.agree == 2:
        return _("both models agree")
    if verdict.counted and verdict.agree == verdict.counted:
        return _("all {number} models agree").format(number=verdict.counted)
    text = _("{number} of {total} models agree")
    return text.format(number=verdict.agree, total=verdict.counted)


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
    st.html(f"<h3 class='um-h3'>{_('Why')}</h3>")
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
    return f"<h3 class='um-h3'>{_('Evidence')}</h3><div class='um-evidence'>{cells}</div>"


def limits(analysis: Analysis) -> str:
    """HTML of what this can't tell; inside the card, because it is part of the verdict."""
    said_above: tuple[str, ...] = ()
    text = " ".join(words.escape(x) for x in analysis.verdict.limits if x not in said_above)
    return f"<div class='um-limits'><h3>{_('What this can’t tell')}</h3><p>{text}</p></div>"


def _evidence(item: Evidence) -> str:
    icon = RATING_ICON[item.rating]
    return (
        f"<div><span class='{item.rating}'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"{words.escape(item.name)}</span><b>{words.escape(item.value)}</b></div>"
    )


def _track(analysis: Analysis, id: str | None) -> Track | None:
    return next((t for t in analysis.tracks if t.id == id), None)
