"""The voice of a file: name, answer, speech and score over time."""

from dataclasses import replace

from detector.decision import voice
from detector.messages import states
from detector.messages.format import percent, score, stretch, took
from detector.presentation import CurveChart, lead, people, series
from detector.presentation.answers import AnswerRow, row
from detector.schema.analysis import (
    Analysis,
    Label,
    Modality,
    Question,
    SpanSegment,
    SpeechMeasurement,
    Subject,
)
from detector.sentences import _, count

STRONGEST = 3
"""windows that are named"""


def subject(analysis: Analysis) -> Subject | None:
    """Return the voice, if a model judged one."""
    return next((s for s in analysis.subjects if s.modality is Modality.VOICE), None)


def name(analysis: Analysis) -> str:
    """Return the name of the voice."""
    heard = subject(analysis)
    return lead.name(heard) if heard else _("The voice")


def answer(analysis: Analysis) -> AnswerRow:
    """Return the answer to the question about the voice."""
    found = analysis.verdict.answers.get(Question.VOICE)
    if found is None:
        none = states.state(Label.NOT_APPLICABLE, short=True)
        return AnswerRow(states.question(Question.VOICE), none, Label.NOT_APPLICABLE)
    return row(analysis, Question.VOICE, found)


def speech(analysis: Analysis) -> str:
    """Return the amount of speech; empty without any."""
    heard = voice.heard_of(analysis)
    return spoken(heard) if heard is not None and heard.spans else ""


def spoken(heard: SpeechMeasurement) -> str:
    """Return the amount of speech in a measurement."""
    return _("{time} of speech").format(time=took(heard.speech_seconds))


def stretch_of_speech(start: float, end: float) -> str:
    """Return the label of a stretch of speech, s."""
    return _("Speech, {stretch}").format(stretch=stretch(start, end, tenths=True))


WAVEFORM = _("Waveform"), _("speech marked")
BY_WINDOW = _("Score"), _("by window")
"""Names of lanes, and what they show"""
UNSCORED = _("Gray: no speech, or too little of it to score.")


def frequencies(end: float, *, mfcc: bool) -> tuple[str, str, str]:
    """Return the name of a picture of the sound up to `end`, s, what it shows, and its text
    alternative: the spectrogram, or the cepstral coefficients."""
    length = took(end)
    if mfcc:
        note = _("20 coefficients; no installed model scores this picture")
        alt = _("Mel-frequency cepstral coefficients of {length}.")
        return "MFCC", note, alt.format(length=length)
    alt = _("Spectrogram of {length}, low tones below, loud is dark.")
    return _("Spectrogram"), _("80 bands, 0 to 8 kHz"), alt.format(length=length)


def waveform(stretches: int) -> str:
    """Return the text alternative of a waveform."""
    spoken = count(stretches, "stretch of speech", "stretches of speech")
    return _("Waveform with {count}.").format(count=spoken)


def over_time(analysis: Analysis, end: float) -> tuple[CurveChart, tuple[series.Gap, ...]]:
    """Return the score by windows up to `end`, s, and its gaps."""
    heard, likelihood = subject(analysis), _("none")
    if heard is not None and heard.probability is not None:
        likelihood = percent(heard.probability)
    said = _("Score over time. Likelihood: {likelihood}.").format(likelihood=likelihood)
    if heard is None or not any(span.score is not None for span in heard.spans):
        none = series.Gap(0.0, end, series.Missing.NOT_HEARD)
        return CurveChart((), end, 0.0, 1.0, (), said=said), (none,)
    chart = replace(people.over_time(analysis, heard), end=end, said=said)
    return chart, series.lane(analysis, heard).gaps


def sides(analysis: Analysis) -> str:
    """Return how voices were told apart, with the likelihood of each of several."""
    if two := lead.sides(analysis):
        return _("Each side is judged by itself. {voices}").format(voices=two)
    return _("All speech is judged as one voice: speakers are not told apart.")


def strongest(analysis: Analysis) -> list[tuple[SpanSegment, str]]:
    """Return the disjoint windows with the highest scores, highest first, with their texts."""
    heard, out = subject(analysis), list[SpanSegment]()
    scored = [s for s in heard.spans if s.score is not None] if heard else []
    for span in sorted(scored, key=lambda s: -(s.score or 0.0)):
        if all(span.start >= other.end or span.end <= other.start for other in out):
            out.append(span)
    return [(span, _said(span)) for span in out[:STRONGEST]]


def _said(span: SpanSegment) -> str:
    text = _("{when}: score {score}")
    value = score(span.score or 0.0)
    return text.format(when=stretch(span.start, span.end), score=value)
