"""What a label, a question, a lean and a model's part are called: one wording for all places."""

from __future__ import annotations

from detector.messages.types import ENGLISH, Speech


def state(
    label: str, question: str | None = None, speech: Speech = ENGLISH, *, short: bool = False
) -> str:
    """Return an answer in words, in those of its question: "Likely made by a machine".

    Parameters
    ----------
    label : str
        FAKE, REAL, INCONCLUSIVE or NOT_APPLICABLE.
    question : str, optional
        "manipulation" or "synthesis".
    short : bool
        For chips and table cells.
    """
    _ = speech.gettext
    if label == "FAKE" and question == "synthesis":
        return _("Likely machine-made") if short else _("Likely made by a machine")
    if label == "FAKE":
        return _("Likely manipulated")
    if label == "REAL":
        return _("No sign found") if short else _("No sign of manipulation found")
    if label == "INCONCLUSIVE":
        return _("Inconclusive")
    return _("Not judged") if short else _("Could not be judged")


def headline(label: str, question: str | None, lean: str | None, speech: Speech = ENGLISH) -> str:
    """Return the verdict's headline: an inconclusive one says where it leans."""
    _ = speech.gettext
    if label == "INCONCLUSIVE" and lean is not None:
        return {
            "manipulated": _("Inconclusive, leans machine-made")
            if question == "synthesis"
            else _("Inconclusive, leans manipulated"),
            "untouched": _("Inconclusive, leans untouched"),
            "none": _("Inconclusive, no lean"),
        }[lean]
    return state(label, question, speech)


def question(name: str, speech: Speech = ENGLISH, *, short: bool = False) -> str:
    """Return a question as it is put, or its name where room is small."""
    _ = speech.gettext
    if name == "synthesis":
        return _("Whole picture") if short else _("Whole picture made by a machine?")
    return _("Face") if short else _("Face manipulated?")


def says(name: str, speech: Speech = ENGLISH) -> str:
    """Return what a score over the threshold says, within a sentence."""
    return _lower(state("FAKE", name, speech, short=True))


def subject(name: str | None, speech: Speech = ENGLISH, *, whole: bool = False) -> str:
    """Return what a question is about, within a sentence: "face" is said of faces only."""
    _ = speech.gettext
    return _("the whole picture") if whole or name == "synthesis" else _("the face")


def subject_name(modality: str, id: str, speech: Speech = ENGLISH) -> str:
    """Return whom or what a subject is, as a name: "Person A", "The whole picture"."""
    _ = speech.gettext
    if modality == "full_frame":
        return _("The whole picture")
    text = _("Speaker {person}") if modality == "voice" else _("Person {person}")
    return text.format(person=id)


def contribution(kind: str, id: str, title: str = "", speech: Speech = ENGLISH) -> str:
    """Return the name of a row of "What pulled which way".

    Parameters
    ----------
    kind : str
        model, start, held_back or people.
    id : str
        The model, or the cause that holds back.
    title : str
        The model's plain name.
    """
    _ = speech.gettext
    if kind == "model":
        return _(title) if title else id
    if kind == "start":
        return _("Starting point")
    if kind == "people":
        return _("Several people")
    return _("Held back: {cause}").format(cause=cause(id, speech))


def cause(id: str, speech: Speech = ENGLISH) -> str:
    """Return what makes a score doubtful, in a word or two."""
    _ = speech.gettext
    return {
        "size": _("small face"),
        "sharpness": _("soft picture"),
        "compression": _("compression"),
        "frames": _("few frames"),
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


def odds(share: float, low: float, high: float, speech: Speech = ENGLISH) -> str:
    """Return what a score meant in our tests, in a sentence.

    Parameters
    ----------
    share, low, high : float
        Of clips with such a score, how many were manipulated, 0..1, with its 95 % interval.
    """
    _ = speech.gettext
    return _(
        "Of 100 clips with a score like this, about {share} were manipulated in our tests; "
        "{low} to {high}."
    ).format(share=round(share * 100), low=round(low * 100), high=round(high * 100))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
