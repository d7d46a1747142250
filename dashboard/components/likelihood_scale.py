"""The likelihood scale: zones, thresholds, names, the pointer. Of a file's verdict and of a live
reading alike."""

from typing import NamedTuple

from markupsafe import Markup

from dashboard import labels
from dashboard.components.markup import join, tag
from dashboard.i18n import _
from detector.schema.analysis import Label, Question, Thresholds

CLOSE = 8.0
"""percent; ticks that are nearer to each other, or to an end, would touch."""


class _Zone(NamedTuple):
    slug: str
    start: float
    end: float
    name: str


def scale(probability: float, thresholds: Thresholds, question: Question | None) -> Markup:
    """Return the scale.

    Made of divs, because `st.html` removes SVG. What each zone says stands under it ("over 89:
    likely manipulated"). Where the models never say "no sign" there is no such zone.

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
    return tag(
        "div",
        tag("div", tag("div", cls="pointer", style=f"left:{at:.1f}%"), cls="over"),
        tag("div", bars, cls="bar"),
        tag("div", _ticks([zone.end for zone in zones[:-1]]), cls="under"),
        tag("div", join(tag("span", _name(zone, len(zones))) for zone in zones), cls="below"),
        cls="um-scale",
        role="img",
        aria_label=spoken,
    )


def _ticks(limits: list[float]) -> Markup:
    near = len(limits) == 2 and limits[1] - limits[0] < CLOSE
    ticks = Markup()
    for place, value in enumerate(limits):
        side = ("before", "after")[place] if near else ""
        ticks += tag("b", f"{value:.0f}", cls=f"tick {side}", style=f"left:{value:.1f}%")
    if not limits or limits[0] >= CLOSE:
        ticks += tag("span", "0", cls="tick after", style="left:0")
    if not limits or limits[-1] <= 100 - CLOSE:
        ticks += tag("span", "100", cls="tick before", style="left:100%")
    return ticks


def _name(zone: _Zone, count: int) -> str:
    if zone.slug == "fake":
        return _("over {high}: {name}").format(high=f"{zone.start:.0f}", name=zone.name)
    if zone.slug == "real":
        return _("under {low}: {name}").format(low=f"{zone.end:.0f}", name=zone.name)
    return _("between: {name}").format(name=zone.name) if count == 3 else zone.name
