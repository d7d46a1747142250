"""Lead of a verdict: the sentence with its subject and time, and the sentences about the others."""

from collections.abc import Sequence
from itertools import groupby

from detector.messages import text
from detector.messages.format import capital, clock, listed, lower_first, percent, stretch
from detector.messages.states import state, subject_name
from detector.presentation import joint
from detector.schema.analysis import Analysis, Question, Reason, Subject
from detector.schema.ensemble import shown_name
from detector.sentences import _, ngettext, numeral, say

MANY_PEOPLE = 4
"""named in the sentence about the others; more are counted."""
LEFT_OUT = ("too_few_frames", "low_quality")
"""Reasons that keep a person's score from counting where others are seen well enough."""
MANY_STRETCHES = 3
"""named in the lead; more are counted"""
IN_BARS = ("above_threshold", "together_above", "below_threshold", "between_thresholds")
"""Reasons that say where a score lies, as bars and scales do."""


def sentence(analysis: Analysis) -> str:
    """Return the lead sentence: "The face of Person B (right), 00:01 to 00:07."."""
    verdict, why = analysis.verdict, reason(analysis)
    top = next((s for s in analysis.judged if s.id == verdict.subject), None)
    if verdict.label == "NOT_APPLICABLE" or top is None:
        return text(verdict.reasons[0]) if verdict.reasons else _("There is no score.")
    if verdict.label.side == "real" and not top.modality.of_sound:
        return _without_sign(analysis, top)
    whom, where = _whom(analysis, top), strongest(analysis, top)
    if verdict.label.side is not None:
        whom = mostly(analysis, whom)
        return f"{capital(whom)}, {where}." if where else f"{capital(whom)}."
    if why is None:
        if verdict.thresholds.never_decide:
            said = _("{whom} scored highest ({when}); no score of these models decides.")
            if not where:
                said = _("{whom}: no score of these models decides.")
        elif not where:
            said = _("{whom} did not score clearly enough to decide.")
        else:
            said = _("{whom} scored highest ({when}), but not clearly enough to decide.")
        return said.format(whom=capital(whom), when=where)
    if why.code != "models_disagree":
        return f"{text(why).rstrip('.')}."
    said = _("The models pull opposite ways for {whom}.").format(whom=whom)
    if why.time is None or analysis.media.kind == "image":
        return said
    return f"{said} {_('Look at {time}.').format(time=clock(why.time))}"


def origin(analysis: Analysis) -> str:
    """Return the lead sentence of a generator's mark or of Content Credentials; empty if neither
    leads."""
    proof, provenance = analysis.proof, analysis.provenance
    if proof is None or provenance is None:
        return ""
    text = {
        "mark": _("It shows the mark of {name}, {place}. Anybody can add or remove one."),
        "voice_mark": _(
            "The voice carries the inaudible mark of {name}. Anybody can add or remove one."
        ),
        "signed": _(
            "Its Content Credentials state that it was generated. They are signed by {name}, who "
            "is on the trust list here."
        ),
        "part_signed": _(
            "Its Content Credentials state that a part of it was generated. They are signed by "
            "{name}, who is on the trust list here."
        ),
    }.get(proof.kind, "")
    place = provenance.certain_mark.place if provenance.certain_mark else ""
    return text.format(name=proof.name, place=say(place) if place else "")


def reason(analysis: Analysis) -> Reason | None:
    """Return the reason that the lead sentence states: why the verdict is open."""
    verdict = analysis.verdict
    if verdict.label.side is not None:
        return None
    return next((r for r in verdict.reasons if r.code not in IN_BARS), None)


def others(analysis: Analysis) -> str:
    """Return the sentences about other subjects: the joint answer, other people; empty without
    any."""
    return " ".join(filter(None, [joint.sentence(analysis), _people(analysis)]))


ALL_OF_IT = 0.9
"""Share of the evidence from which on a part is named without the word `mostly`."""


def mostly(analysis: Analysis, part: str) -> str:
    """Return the largest part of the evidence within a sentence, and whether there is more."""
    verdict = analysis.verdict
    first = next(iter(verdict.parts.values()), None)
    if first is None or len(verdict.parts) < 2 or (first.share or 0.0) >= ALL_OF_IT:
        return part
    return _("mostly {part}").format(part=part)


def _people(analysis: Analysis) -> str:
    verdict = analysis.verdict
    too = _("{answer} too: {people}.")
    texts = {
        "FAKE": too,
        "PROBABLY_FAKE": too,
        "INCONCLUSIVE": _("Can’t tell for {people}."),
        "PROBABLY_REAL": _("Probably untouched: {people}."),
        "REAL": _("No sign of manipulation found for {people}."),
        "NOT_APPLICABLE": _("Could not be judged: {people}."),
    }
    if verdict.subject is None:
        return ""
    if verdict.label.side == "real":  # "For 2 people, in 32 of 150 frames" has said it of those
        del texts["REAL"], texts["PROBABLY_REAL"]
    if verdict.question is Question.PICTURE:  # everybody is in it
        texts = {"NOT_APPLICABLE": texts["NOT_APPLICABLE"]}
    rest = [s for s in analysis.people if s.id != verdict.subject]
    out = left_out(analysis)
    rest = [s for s in rest if s not in out]
    sentences = []
    for label, said in texts.items():
        alike = [s for s in rest if s.label == label]
        people = listed([_named(s) for s in alike])
        if len(alike) > MANY_PEOPLE:
            many = ngettext("{number} more person", "{number} more people", len(alike))
            people = many.format(number=len(alike))
        if alike:
            answer = state(label, verdict.question)
            sentences.append(said.format(people=people, answer=answer))
    if out:
        shown = [_scored(s) for s in out[:MANY_PEOPLE]]
        if (more := len(out) - MANY_PEOPLE) > 0:
            many = ngettext("{number} more person", "{number} more people", more)
            shown.append(many.format(number=more))
        sentences.append(_("Left out: {people}.").format(people=listed(shown)))
    return " ".join(sentences)


def left_out(analysis: Analysis) -> list[Subject]:
    """Return people whose score does not count because they are seen too little or too poorly,
    highest score first; empty if the leading person is one of them."""
    verdict = analysis.verdict
    if verdict.question is None or verdict.subject is None:
        return []
    out = [s for s in analysis.seen if s.probability is not None and s.reason in LEFT_OUT]
    if verdict.subject in {s.id for s in out}:
        return []
    return sorted(out, key=lambda s: -(s.probability or 0.0))


def moment(analysis: Analysis) -> tuple[float, str] | None:
    """Return the time, s, and subject of a result's key moment: lead sentence, opening frame and
    report picture show it. None without a score.

    It is that of the reason in the lead sentence, else the highest score of the subject in front.
    """
    why = reason(analysis)
    if why is not None and why.time is not None and why.subject is not None:
        return why.time, why.subject
    first = analysis.verdict.subject
    for subject in sorted(analysis.judged, key=lambda subject: subject.id != first):
        looks = [look for look in analysis.counted_looks(subject) if look.score is not None]
        if looks:
            return max(looks, key=lambda look: look.score or 0.0).start, subject.id
    return None


def strongest(analysis: Analysis, subject: Subject) -> str:
    """Return when a subject's score exceeds the threshold, else the stretch around its peak: "00:03
    to 00:08, 00:30 to 00:52". Empty for a picture."""
    counted = analysis.counted_looks(subject)
    looks = [(k.start, k.end, k.score) for k in counted if k.score is not None]
    if analysis.media.kind == "image" or len(looks) < 2:
        return ""
    scores = [score for *_, score in looks]
    peak, high = scores.index(max(scores)), analysis.verdict.thresholds.suspect
    middle = sorted(scores)[len(scores) // 2]
    level = high if scores[peak] > high else (scores[peak] + middle) / 2
    # Of even scores, as of a looped clip, the middle is the highest: all of it is near that.
    near = [[i for i, _ in run] for over, run in groupby(
        enumerate(scores), lambda pair: pair[1] >= level) if over]  # fmt: skip
    around = next(run for run in near if peak in run)
    # One moment alone under the threshold ends nothing, and one alone over it is none.
    shown = [run for run in _joined(near) if len(run) > 1 or peak in run]
    spans: list[tuple[float, float]] = []
    for run in shown if level == high else [around]:
        start, end = looks[run[0]][0], looks[run[-1]][1]
        if spans and clock(spans[-1][1]) == clock(start):  # "00:00 to 00:01 and 00:01"
            start = spans.pop()[0]
        spans.append((start, end))
    if len(spans) > MANY_STRETCHES:
        between = stretch(spans[0][0], spans[-1][1])
        text = _("{number} stretches within {between}")
        return text.format(number=len(spans), between=between)
    return listed([stretch(*span) for span in spans])


def _joined(runs: Sequence[list[int]]) -> list[list[int]]:
    """Return runs of moments, merged over gaps of one moment."""
    out: list[list[int]] = []
    for run in runs:
        if out and run[0] - out[-1][-1] <= 2:
            out[-1] = [*out[-1], *run]
        else:
            out.append(run)
    return out


def trace(analysis: Analysis) -> str:
    """Return a sentence with the finding of the strongest model, its time and its innocent causes;
    empty if no model pulls towards the answer."""
    verdict = analysis.verdict
    part = verdict.strongest
    model = next((m for m in analysis.models if part and m.id == part.id), None)
    if part is None or model is None or not model.finding:
        return ""
    finding = say(model.finding)
    said = f"{say(shown_name(model))}: {lower_first(finding)}"
    shown = moment(analysis)
    if shown is not None and analysis.media.kind != "image":
        said = f"{said}, {_('look at {time}').format(time=clock(shown[0]))}"
    if model.confused_by:
        said = _("{trace}; {cause} can look alike").format(trace=said, cause=say(model.confused_by))
    return f"{said}."


def name(subject: Subject) -> str:
    """Return the name of a subject: "Person A", "The whole picture"."""
    return subject_name(subject.modality, subject.id)


def person(subject: Subject) -> str:
    """Return the same with a non-breaking space."""
    return name(subject).replace(" ", "\u00a0")


def placed(subject: Subject) -> str:
    """Return a name with its side of the picture, if known: "Person\u00a0A (left)"."""
    who = person(subject)
    named = not subject.side or subject.side == subject.id
    return who if named else f"{who} ({side(subject.side)})"


def sides(analysis: Analysis) -> str:
    """Return the likelihood of each of several voices; empty for one."""
    voices = [s for s in analysis.judged if s.modality.of_sound and s.probability is not None]
    if len(voices) < 2:
        return ""
    voices.sort(key=lambda voice: voice.id)
    return "; ".join(
        _("{voice}: {likelihood}").format(
            voice=person(voice), likelihood=percent(voice.probability or 0.0)
        )
        for voice in voices
    )


def side(name: str | None) -> str:
    """Return the side of the picture in words."""
    return {"left": _("left"), "center": _("center"), "right": _("right")}.get(name or "", "")


def why_not(code: str | None) -> str:
    """Return the reason for a missing score in a few words; empty for other codes."""
    return say(_WHY_NOT[code]) if code in _WHY_NOT else ""


_WHY_NOT: dict[str | None, str] = {
    "no_face": _("no face"),
    "face_too_small": _("face too small"),
    "picture_too_small": _("picture too small"),
    "too_blurred": _("too blurred"),
    "too_dark": _("too dark"),
    "too_bright": _("too bright"),
    "turned_away": _("turned away"),
    "pixelated": _("pixelated"),
    "graphic": _("a drawing or graphic"),
    "false_colors": _("false colors"),
    "unlike_tested": _("unlike all that was tested"),
    "clip_too_short": _("clip too short"),
    "too_slow": _("too slow"),
    "too_few_frames": _("too few frames"),
    "too_few_models": _("too few models"),
    "low_quality": _("low quality"),
    "too_poor_to_clear": _("poor copy"),
    "no_model": _("no model"),
    "no_speech": _("no speech"),
    "music": _("too little ordinary speech"),
    "speech_too_short": _("too little ordinary speech"),
    "singing": _("too little ordinary speech"),
    "too_noisy": _("too noisy"),
    "phone_quality": _("phone quality"),
    "clipped": _("overloaded"),
    "canceled": _("canceled"),
    "undecodable": _("can't be read"),
}


def _whom(analysis: Analysis, subject: Subject) -> str:
    """Return the subject of the leading question, within a sentence; "face" is used for faces
    only."""
    question = analysis.verdict.question
    if about := subject.modality.spec.about:
        return say(about)
    several = len(analysis.people) > 1
    who = placed(subject) if several else person(subject)
    if question is not Question.SYNTHESIS:
        return _("the face of {person}").format(person=who)
    return _("the head of {person}").format(person=who) if several else say(question.spec.about)


def _without_sign(analysis: Analysis, top: Subject) -> str:
    scored = sum(s.probability is not None for s in analysis.people)
    whom = f"{numeral(scored)}\u00a0{ngettext('person', 'people', scored)}"
    if top.modality.spec.about:
        whom = say(top.modality.spec.about)
    if analysis.media.kind == "image":
        return _("For {whom}.").format(whom=whom)
    frames, looked = analysis.coverage.frames if analysis.coverage else 0, len(analysis.timestamps)
    if frames <= looked:
        seen = f"{numeral(looked)}\u00a0{ngettext('frame', 'frames', looked)}"
        return _("For {whom}, in {frames}.").format(whom=whom, frames=seen)
    said = _("For {whom}, in {looked} of {frames} frames.")
    return said.format(whom=whom, looked=numeral(looked), frames=numeral(frames))


def _scored(subject: Subject) -> str:
    """Return a person's name with their score and the reason that it does not count."""
    more = [percent(subject.probability)] if subject.probability is not None else []
    more += filter(None, [why_not(subject.reason)])
    return f"{person(subject)} ({', '.join(more)})"


def _named(subject: Subject) -> str:
    more = [side(subject.side)] if subject.side not in (None, subject.id) else []
    if subject.reason is not None and subject.probability is None:
        more += filter(None, [why_not(subject.reason)])
    who = person(subject)
    return f"{who} ({', '.join(more)})" if more else who
