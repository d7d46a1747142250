"""Parts of a verdict card: head, number, questions, contributions, scale."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from dashboard import labels
from dashboard.components.chips import inked
from dashboard.components.markup import Text, icon, join, tag
from detector.presentation import BarRow, answers
from detector.presentation.answers import AnswerRow
from detector.schema.analysis import Label, Question, Thresholds


def head(
    kicker: Text, state: Label | None, words: Text, *sentences: Text, symbol: str = "",
    announced: bool = False,
) -> Markup:  # fmt: skip
    """Return heading and paragraphs of a verdict in a state's color, with its icon or another
    `symbol`, below a `kicker`."""
    look = labels.look(state)
    title = tag(
        "h2", icon(symbol or look.icon), tag("span", words), cls=f"um-verdict {look.slug}"
    )  # fmt: skip
    lead = title + join(tag("p", text, cls="um-say") for text in sentences[:1])
    if announced:
        lead = tag("div", lead, role="status", aria_live="polite")
    more = join(tag("p", text, cls="um-say second") for text in sentences[1:] if text)
    return tag("div", kicker, cls="um-caption") + lead + more


def number(value: str, what: str, beside: Text) -> Markup:
    """Return the likelihood with its name and its basis."""
    text = tag("div", tag("b", value), " ", what)
    return tag("div", text, tag("div", beside, cls="um-caption"), cls="um-number")


def limits(title: Text, text: Text) -> Markup:
    """Return the limits of a verdict."""
    return tag("div", tag("h3", title), tag("p", text), cls="um-limits")


def own(text: Text) -> Markup:
    """Return the note on thresholds or models that are not the shipped ones."""
    return tag("span", text, cls="um-own")


def questions(rows: Iterable[AnswerRow]) -> Markup:
    """Return answers, a row each; empty without any."""
    lines = [
        tag(
            "div",
            tag("span", row.question),
            inked(row.answer, row.state),
            tag("b" if row.leads else "span", row.share, cls="n"),
            cls="first" if row.leads else "",
        )
        for row in rows
    ]
    return tag("div", *lines, cls="um-questions") if lines else Markup()


def sides(title: Text, real: str, fake: str, *, bare: bool) -> Markup:
    """Return the head of the bars with its two directions."""
    ends = tag("span", tag("span", f"‹ {real}"), tag("span", f"{fake} ›"))
    row = tag(
        "div", tag("span"), ends, tag("span"),
        cls=f"um-pull um-sides{' bare' if bare else ''}", aria_hidden="true",
    )  # fmt: skip
    return tag("h3", title, cls="um-h3") + row


def pull(row: BarRow, end: float, *, bare: bool = False) -> Markup:
    """Return a named bar from the center of an axis, up to `end` either way; `bare` without a
    link."""
    share = (row.end or 0.0) / end
    width = 50.0 * min(1.0, abs(share))
    left = 50.0 if share >= 0 else 50.0 - width
    slug = "all" if row.total else labels.look(row.state).slug
    filled = tag("i", cls=slug, style=f"left:{left:.1f}%;width:{width:.1f}%")
    return tag(
        "div",
        tag("span", row.name),
        tag("span", filled, cls="track", aria_hidden="true"),
        tag("span", tag("bdi", row.value), cls="n"),
        cls=f"um-pull{' all' if row.total else ''}{' bare' if bare else ''}",
    )


def pulls_nothing(name: Text, why: Text) -> Markup:
    """Return the row of a model without a contribution."""
    return tag("div", tag("span", name), tag("span", why), cls="um-pull none")


def trace(text: Text) -> Markup:
    """Return small print below the bars; empty for no text."""
    return tag("p", text, cls="um-caption um-after") if text else Markup()


# --- the scale ------------------------------------------------------------------------------------


CLOSE = 8.0
"""percent; ticks that are nearer to each other, or to the lower end, would touch."""
END = 12.0
"""percent; nearer to the upper one a tick touches its "100" on a phone"""


def scale(probability: float, thresholds: Thresholds, question: Question | None) -> Markup:
    """Return the scale, the pointer at a probability of 0..1.

    Made of divs, because `st.html` removes SVG. What each zone says stands under it ("over 89:
    likely manipulated"). Where no likelihood gives an answer there is no such zone.
    """
    shown = answers.scale(probability, thresholds, question)
    bars = join(
        tag("div", cls=f"zone {labels.look(label).slug}", style=f"width:{100 * (end - start):.1f}%")
        for label, start, end in shown.zones
    )
    pointer = tag("div", cls="pointer", style=f"left:{100 * probability:.1f}%")
    return tag(
        "div",
        tag("div", pointer, cls="over"),
        tag("div", bars, cls="bar"),
        tag("div", _ticks(shown.ticks), cls="under"),
        tag("div", join(tag("span", name) for name in shown.bands), cls="below"),
        cls="um-scale",
        role="img",
        aria_label=shown.said,
    )


def _ticks(ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return the limits under the bar; of two that would touch the first stands to the left."""
    shown, limits = Markup(), [limit for limit, _text in ticks]
    for place, (limit, text) in enumerate(ticks):
        value = 100 * limit
        near = [abs(value - 100 * other) < CLOSE for other in limits[:place] + limits[place + 1 :]]
        side = ("before" if place % 2 == 0 else "after") if any(near) else ""
        shown += tag("b", text, cls=f"tick {side}", style=f"left:{value:.1f}%")
    if not limits or 100 * limits[0] >= CLOSE:
        shown += tag("span", "0", cls="tick after", style="left:0")
    if not limits or 100 * limits[-1] <= 100 - END:
        shown += tag("span", "100", cls="tick before", style="left:100%")
    return shown
