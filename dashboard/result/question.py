"""Two questions in one result: both answers in words; all below is drawn for one of them."""

from __future__ import annotations

import streamlit as st

from dashboard import words
from dashboard.language import _
from dashboard.result.linked import Linked
from detector.results import Analysis, Answer, Label, Question


def asked(analysis: Analysis) -> list[Question]:
    """The questions that a model answered, the one that leads first."""
    answers = analysis.verdict.answers
    found = [q for q, answer in answers.items() if answer.asked]
    return sorted(found, key=lambda q: q is not analysis.verdict.question)


def viewed(analysis: Analysis, question: Question | None) -> Analysis:
    """The analysis as one question sees it: its models, scores, labels and thresholds.

    The verdict's label and the order of the people stay. With one asked question it is the analysis
    itself.
    """
    if len(asked(analysis)) < 2 or question is None:
        return analysis
    out = analysis.model_copy(deep=True)
    answer = out.verdict.answers[question]
    out.verdict.question, out.verdict.thresholds = question, answer.thresholds
    out.verdict.track, out.verdict.agree = answer.track, answer.agree
    out.verdict.counted = answer.counted
    out.models = [m for m in out.models if m.question in (question, None)]
    ids = {m.id for m in out.models}
    for track in out.tracks:
        person = track.answers.get(question)
        track.question = question
        track.probability = person.probability if person else None
        track.label = person.label if person else Label.NOT_APPLICABLE
        track.reason = person.reason if person else None
        track.models = {id: score for id, score in track.models.items() if id in ids}
        for face in track.faces:
            face.scores = {id: score for id, score in face.scores.items() if id in ids}
            face.score = face.answers.get(question)
    return out


def draw(analysis: Analysis, linked: Linked) -> None:
    """Both answers and, where both were asked, the choice of which is shown below."""
    if analysis.verdict.answers:
        st.html(rows(analysis))
    questions = asked(analysis)
    if len(questions) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="shown-below"):
        st.html(f"<span class='um-caption'>{_('Shown below')}</span>", width="content")
        st.segmented_control(
            _("Shown below"),
            list(Question),
            default=questions[0],
            required=True,
            format_func=lambda q: words.QUESTIONS[q].short,
            key=linked.widget("question"),
            label_visibility="collapsed",
        )


def rows(analysis: Analysis) -> str:
    """HTML of the answers, a line each."""
    lines = "".join(
        _row(question, answer)
        for question, answer in sorted(analysis.verdict.answers.items(), key=lambda a: str(a[0]))
    )
    return f"<div class='um-answers'>{lines}</div>"


def _row(question: Question, answer: Answer) -> str:
    state = words.state(answer.label, question)
    said = state.short if answer.asked else _("Not asked: no model for it")
    value = "" if answer.probability is None else f"<b>{words.percent(answer.probability)}</b>"
    return (
        f"<div><span>{words.QUESTIONS[question].text}</span>"
        f"<span class='um-ink {state.slug}'><span class='um-icon' aria-hidden='true'>"
        f"{state.icon}</span>{said}</span>{value}</div>"
    )
