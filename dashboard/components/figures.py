"""Charts and pictures with captions, placeholders and axes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts import CONFIG
from dashboard.components.markup import Text, join, show, tag
from detector.errors import UnmaskError
from detector.sentences import _


def chart(
    figure: go.Figure, key: str, alt: str, *, at: DeltaGenerator | None = None, still: bool = False
) -> None:
    """Draw a Plotly figure, `still` without a pointer; `alt` is its text alternative."""
    config = {**CONFIG, "staticPlot": still}
    (at or st).plotly_chart(figure, theme=None, config=config, key=key, alt=alt)


def missing(text: Text, *, at: DeltaGenerator | None = None) -> None:
    """Draw the placeholder of a picture."""
    show(tag("div", text, cls="um-missing"), at=at)


@contextmanager
def readable(*, at: DeltaGenerator | None = None) -> Iterator[None]:
    """Draw a placeholder for a frame whose file is gone or damaged."""
    try:
        yield
    except (UnmaskError, OSError):
        missing(_("The frame can’t be read any more."), at=at)


def caption(*parts: Text, at: DeltaGenerator | None = None) -> None:
    """Draw the caption of a picture."""
    show(tag("div", *parts, cls="um-figcaption"), at=at)


def titled(title: Text, text: Text) -> Markup:
    """Return a caption with its title in bold."""
    return join([tag("b", title), text], " ")


def ramp(least: Text, most: Text) -> Markup:
    """Return the color scale of a heatmap with labels at its ends."""
    return tag("div", cls="um-ramp") + ends(least, most)


def ends(*texts: Text) -> Markup:
    """Return labels below an axis, left to right."""
    return tag("div", join(tag("span", text) for text in texts), cls="um-ends")


def bars(shares: Iterable[float], label: str) -> Markup:
    """Return small bars side by side, by shares 0..1; `label` says them to a screen reader."""
    drawn = join(tag("i", style=f"height:{max(4, round(100 * share))}%") for share in shares)
    return tag("div", drawn, cls="um-tubelets", role="img", aria_label=label)


def cells(
    rows: Sequence[tuple[Text, Sequence[tuple[str, Text, str]]]], under: Iterable[Text], label: str
) -> Markup:
    """Return rows of cells, each row after its name; a cell has classes, a sign and a tooltip.
    `label` is the text alternative, `under` is below."""
    drawn = [
        tag("div", tag("span", name), *(tag("i", sign, cls=cls, title=hover)
                                        for cls, sign, hover in shown))
        for name, shown in rows
    ]  # fmt: skip
    columns = f"--columns: {max((len(shown) for _name, shown in rows), default=1)}"
    named = {"role": "img", "aria_label": label, "style": columns}
    return tag("div", *drawn, ends(*under), cls="um-cells", **named)


def marks(title: Text, note: Text, places: Iterable[float], label: str, under: Text) -> Markup:
    """Return an axis with marks at `places` (0..1); `label` is its text alternative."""
    drawn = join(tag("i", style=f"left:{100 * place:.2f}%") for place in places)
    return tag(
        "div",
        tag("div", tag("b", title), tag("span", note, cls="um-caption")),
        tag("div", drawn, cls="axis", role="img", aria_label=label),
        tag("div", under, cls="um-caption"),
        cls="um-looked",
    )


def material(content: Text) -> Markup:
    """Return the text about the material under a player."""
    return tag("div", content, cls="um-material")


def interval(value: float, low: float, high: float, text: Text, note: Text) -> Markup:
    """Return a value on an axis with its interval, each 0..1 of the axis."""

    def at(share: float) -> float:
        return 100 * min(1.0, max(0.0, share))

    line = tag(
        "i",
        tag("u", style=f"left:{at(low):.0f}%;width:{at(high) - at(low):.0f}%"),
        tag("s", style=f"left:{at(value):.0f}%"),
        aria_hidden="true",
    )
    return tag("div", line, tag("b", text), tag("span", note), cls="um-auc")
