"""The likelihood scale: zones, thresholds, names, the pointer. Of a file's verdict and of a live
reading alike."""

from typing import NamedTuple

from markupsafe import Markup

from dashboard import labels
from dashboard.components.markup import join, tag
from dashboard.i18n import _
from detector.schema.analysis import Label, Question, Thresholds

WIDE, NARROW = 520.0, 300.0
"""px of a scale on a desktop and on a phone, by which names find their room."""
LETTER = 6.4
"""px of a letter of a name, on the safe side."""
TICK = 26.0
"""px that a tick's number takes."""
CLOSE = 8.0
"""percent; ticks that are nearer to each other, or to an end, would touch."""


class _Zone(NamedTuple):
    slug: str
    start: float
    end: float
    name: str


def scale(probability: float, thresholds: Thresholds, question: Question | None) -> Markup:
    """Return the scale.

    Made of divs, because `st.html` removes SVG. All three names are always there: what has no room
    in its zone stands under it ("over 89: likely manipulated"). Where the models never say "no
    sign" there is no such zone.

    Parameters
    ----------
    probability : float
        Where the pointer stands, 0..1.
    """
    low, high, at = thresholds.low * 100, thresholds.high * 100, probability * 100
    says, between = (labels.zone(one, question) for one in (Label.FAKE, Label.INCONCLUSIVE))
    zones = [
        _Zone("real", 0.0, low, labels.zone(Label.REAL, question)),
        _Zone("inc", low, high, between),
        _Zone("fake", high, 100.0, says),
    ]
    if thresholds.one_sided:
        zones = [_Zone("inc", 0.0, high, between), zones[2]]
    if thresholds.never_decide:
        zones = zones[:1]
    spoken = {
        1: _("{percent}, inconclusive; no score decides here."),
        2: _("{percent}, above {high} {says}, below inconclusive; no score clears a file here."),
        3: _("{percent}, below {low} no sign, above {high} {says}, between inconclusive."),
    }[len(zones)].format(
        percent=labels.percent(probability),
        low=labels.percent(thresholds.low),
        high=labels.percent(thresholds.high),
        says=says,
    )
    bars = join(
        tag("div", cls=f"zone {zone.slug}", style=f"width:{zone.end - zone.start:.1f}%")
        for zone in zones
    )
    place = f"left:{at:.1f}%"
    return tag(
        "div",
        tag("div", tag("div", cls="pointer", style=place), cls="over"),
        tag("div", bars, tag("div", cls="at", style=place), cls="bar"),
        _under(zones, WIDE, "wide"),
        _under(zones, NARROW, "narrow"),
        cls="um-scale",
        role="img",
        aria_label=spoken,
    )


def _under(zones: list[_Zone], width: float, where: str) -> Markup:
    limits = [zone.end for zone in zones[:-1]]
    near = len(limits) == 2 and limits[1] - limits[0] < CLOSE
    ticks = Markup()
    for place, value in enumerate(limits):
        side = ("before", "after")[place] if near else ""
        ticks += tag("b", f"{value:.0f}", cls=f"tick {side}", style=f"left:{value:.1f}%")
    if not limits or limits[0] >= CLOSE:
        ticks += tag("span", "0", cls="tick after", style="left:0")
    if not limits or limits[-1] <= 100 - CLOSE:
        end = f"100{labels.NBSP}%" if where == "wide" else "100"
        ticks += tag("span", end, cls="tick before", style="left:100%")
    names, below = Markup(), Markup()
    for zone in zones:
        room = (zone.end - zone.start) / 100 * width - TICK
        if len(zone.name) * LETTER <= room:
            at = f"left:{zone.start:.1f}%;width:{zone.end - zone.start:.1f}%"
            names += tag("span", zone.name, cls="name", style=at)
        elif zone.slug == "fake":
            text = _("over {high}: {name}").format(high=f"{zone.start:.0f}", name=zone.name)
            below += tag("span", text, cls="end")
        elif zone.slug == "real":
            text = _("under {low}: {name}").format(low=f"{zone.end:.0f}", name=zone.name)
            below += tag("span", text)
        else:
            below += tag("span", _("between: {name}").format(name=zone.name))
    second = tag("div", below, cls="below") if below else ""
    return tag("div", tag("div", ticks, names, cls="under"), second, cls=where)
