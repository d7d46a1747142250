"""What a label, a question, a lean and a model's part are called: one wording for all places."""

from __future__ import annotations

from detector import questions
from detector.messages.format import whole_percent
from detector.messages.types import ENGLISH, Speech


def state(
    label: str, question: str | None = None, speech: Speech = ENGLISH, *, short: bool = False
) -> str:
    """Return an answer in words, in those of its question: "Likely AI-generated".

    Parameters
    ----------
    label : str
        FAKE, REAL, INCONCLUSIVE or NOT_APPLICABLE.
    question : str, optional
        A `Question`; None: in the words of a face.
    short : bool
        For chips and table cells.
    """
    _, spec = speech.gettext, questions.of(question)
    if label == "FAKE":
        return _(spec.fake)
    if label == "REAL":
        return _("No sign found") if short else _(spec.no_sign)
    if label == "INCONCLUSIVE":
        return _("Inconclusive")
    return _("Not judged") if short else _("Could not be judged")


def headline(
    label: str,
    question: str | None,
    lean: str | None,
    speech: Speech = ENGLISH,
    *,
    copy_of: str | None = None,
) -> str:
    """Return the headline of a result: an inconclusive one says where it leans.

    Parameters
    ----------
    copy_of : str, optional
        Name of the original of which a comparison found the file to be a manipulated copy. It is
        the stronger answer.
    """
    _ = speech.gettext
    if copy_of is not None:
        return _("Manipulated copy of {name}").format(name=copy_of)
    if label == "INCONCLUSIVE" and lean is not None:
        return {
            "manipulated": _(questions.of(question).leans),
            "untouched": _("Inconclusive, leans untouched"),
            "none": _("Inconclusive, no lean"),
        }[lean]
    return state(label, question, speech)


def question(name: str, speech: Speech = ENGLISH, *, short: bool = False) -> str:
    """Return a question as it is put, or its name where room is small."""
    spec = questions.of(name)
    return speech.gettext(spec.short if short else spec.text)


def says(name: str | None, speech: Speech = ENGLISH) -> str:
    """Return what a score over the threshold says, within a sentence."""
    text = state("FAKE", name, speech, short=True)
    return text[:1].lower() + text[1:]


def zone(label: str, question: str | None = None, speech: Speech = ENGLISH) -> str:
    """Return what a part of the axis of likelihoods says, beside it: "no sign".

    Parameters
    ----------
    label : str
        FAKE, REAL or INCONCLUSIVE.
    question : str, optional
        Whose axis it is; None: that of a face.
    """
    _ = speech.gettext
    if label == "FAKE":
        return says(question, speech)
    return _("no sign") if label == "REAL" else _("inconclusive")


def subject(name: str | None, speech: Speech = ENGLISH, *, whole: bool = False) -> str:
    """Return what a question is about, within a sentence: "face" is used for faces only."""
    return speech.gettext("the whole picture" if whole else questions.of(name).about)


def subject_name(modality: str, id: str, speech: Speech = ENGLISH) -> str:
    """Return whom or what a subject is, as a name: "Person A", "The whole picture"."""
    spec = questions.Modality(modality).spec
    only = spec.only if id == modality else ""
    return speech.gettext(only or spec.name).format(person=id)


def contribution(kind: str, id: str, title: str = "", speech: Speech = ENGLISH) -> str:
    """Return the name of a row of "What pulled which way".

    Parameters
    ----------
    kind : str
        model, start, probit_shrink or people.
    id : str
        The model, or the cause that holds back.
    title : str
        The model's plain name.
    """
    _ = speech.gettext
    if kind == "model":
        return _(title) if title else id
    parts = {"start": _("Starting point"), "people": _("Several people")}
    return parts.get(kind) or _("Held back: {cause}").format(cause=cause(id, speech))


def cause(id: str, speech: Speech = ENGLISH) -> str:
    """Return what makes a score doubtful, in a word or two."""
    _ = speech.gettext
    return {
        "size": _("small face"),
        "sharpness": _("soft picture"),
        "compression": _("compression"),
        "frames": _("one or few frames"),
        "disagreement": _("models differ"),
    }.get(id, id)


def basis(name: str, speech: Speech = ENGLISH) -> str:
    """Return by what the thresholds of an answer stand, or "" where it is the usual."""
    _ = speech.gettext
    return {
        "published": _("by its authors’ threshold, not measured here"),
        "own": _("by your own untouched clips"),
        "custom": _("with your thresholds"),
        "subset": _("by thresholds that were not made for just these models"),
    }.get(name, "")


def odds(
    share: float,
    low: float,
    high: float,
    question: str | None = None,
    speech: Speech = ENGLISH,
) -> str:
    """Return in a sentence what a score meant in our tests: the interval of its likelihood.

    Parameters
    ----------
    share, low, high : float
        Of clips with such a score, how many were manipulated, 0..1, with its 95 % interval.
    """
    text = speech.gettext(questions.of(question).odds)
    likely = {"share": share, "low": low, "high": high}
    return text.format(**{name: whole_percent(value) for name, value in likely.items()})
