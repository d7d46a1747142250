"""How figures become words: percents, times, lists, counts."""

from __future__ import annotations

from collections.abc import Sequence

from detector.messages.types import ENGLISH, Speech


def whole_percent(probability: float) -> int:
    """Return whole percents: 0.789 -> 79; 0.999 -> 99 and 0.001 -> 1, for no model is certain."""
    whole = round(probability * 100)
    if whole == 100 and probability < 1:
        return 99
    if whole == 0 and probability > 0:
        return 1
    return whole


def percent(probability: float) -> str:
    """Return a share as every page and report says it: 0.789 -> "79 %"."""
    return f"{whole_percent(probability)} %"


def clock(seconds: float) -> str:
    """Return mm:ss, or h:mm:ss from an hour on."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{text}" if hours else text


def listed(names: Sequence[str], speech: Speech = ENGLISH) -> str:
    """Return "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    _ = speech.gettext
    return _("{some} and {last}").format(some=", ".join(names[:-1]), last=names[-1])


def capital(text: str) -> str:
    """Return a text as a sentence begins: "the face" -> "The face"."""
    return text[:1].upper() + text[1:]


def signed(logit: float) -> str:
    """Return a contribution with its sign and one decimal: "+1.2", "−0.4", "0.0"."""
    rounded = round(logit, 1)
    if rounded == 0:
        return "0.0"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):.1f}"
