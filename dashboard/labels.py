"""Icon, glyph and color of each state, and formats of numbers and times.

Likelihood, never fact: no page says "fake", "authentic" or "verified". A state always has an icon
and a color beside its word, so that it is readable without color and by a screen reader.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

import markupsafe
from babel.dates import format_skeleton

from dashboard.i18n import current
from detector.messages import format, states
from detector.messages.format import about as about
from detector.messages.format import confidence as confidence
from detector.messages.format import interval as interval
from detector.messages.format import listed as listed
from detector.messages.format import lower_first as lower_first
from detector.messages.format import percent as percent
from detector.messages.format import score as score
from detector.messages.format import size as size
from detector.messages.format import took as took
from detector.messages.format import whole_percent as whole_percent
from detector.models.base import ModelSpec
from detector.presentation.models import plain as plain
from detector.schema.analysis import Label
from detector.sentences import NBSP as NBSP
from detector.sentences import _, ngettext, numeral
from detector.sentences import count as count

BadgeColor = Literal["red", "green", "orange", "gray"]
Slug = Literal["fake", "pfake", "inc", "preal", "real", "na", "plain"]


@dataclass(frozen=True)
class StateLook:
    """Icon and color of a state."""

    icon: str  # Material Symbol, by name
    color: BadgeColor  # Streamlit's name, which the theme maps to the state's palette
    slug: Slug  # in keys and classes
    glyph: str = states.GLYPHS["NOT_APPLICABLE"]  # where icons can't go (table cells, plots)


_LOOKS: dict[Label | None, tuple[str, BadgeColor, Slug]] = {
    Label.FAKE: ("warning", "red", "fake"),
    Label.PROBABLY_FAKE: ("error", "red", "pfake"),
    Label.PROBABLY_REAL: ("check", "green", "preal"),
    Label.REAL: ("check_circle", "green", "real"),
    Label.INCONCLUSIVE: ("help", "orange", "inc"),
    Label.NOT_APPLICABLE: ("do_not_disturb_on", "gray", "na"),
    None: ("check", "gray", "plain"),
}


def look(state: Label | None) -> StateLook:
    """Return the look of a state (`Cell.state`); None is neither good nor bad."""
    return StateLook(*_LOOKS[state], states.GLYPHS[state] if state else "")


def plain_names(specs: Iterable[ModelSpec]) -> dict[str, str]:
    """Return the names of models by id."""
    return {spec.id: plain(spec) for spec in specs}


MODEL_KINDS = {
    "frame": _("frame model"),
    "video": _("video model"),
    "image": _("picture model"),
    "audio": _("voice model"),
}


def clock(seconds: float, *, tenths: bool = True) -> str:
    """Return 7.23 as "00:07.2"; without tenths "00:07"; from an hour on "1:02:03.4"."""
    return format.clock(seconds, tenths=tenths)


def stretch(start: float, end: float, *, tenths: bool = True) -> str:
    """Return 3.3, 4.7 as "00:03.3 to 00:04.7"; one time if both read alike."""
    return format.stretch(start, end, tenths=tenths)


def day(moment: date, *, year: bool = True) -> str:
    """Return 20 November 2026 as "20 Nov 2026", or without the year."""
    return format_skeleton("yMMMd" if year else "MMMd", moment, locale=_formats()).replace(
        " ", NBSP
    )


def days(number: float) -> str:
    """Return 1 as "1 day", 0.5 -> "0.5 days"."""
    whole = round(number) if number == round(number) else 2
    return f"{numeral(number, 'g')}{NBSP}{ngettext('day', 'days', whole)}"


def _formats() -> str:
    """Return the locale for dates and lists; for English one that most countries use."""
    code = current()
    return "en_GB" if code == "en" else code


def escape(text: str) -> str:
    """Return untrusted text without markup, for charts; `components.markup` escapes by itself."""
    return str(markupsafe.escape(text))


def plain_markdown(text: str) -> str:
    """Return untrusted text with Markdown escaped: nothing in it formats or links."""
    return "".join(f"&#{ord(c)};" if c in "\\`*_{}[]()#+-.!<>|~:$&\"'" else c for c in text)


def hours(number: float) -> str:
    """Return 24 as "24 hours", 0.5 -> "30 minutes", 168 -> "7 days"."""
    if number < 1:
        return count(round(number * 60), "minute", "minutes")
    if number > 48 and number % 24 == 0:
        return count(round(number / 24), "day", "days")
    return count(round(number), "hour", "hours")
