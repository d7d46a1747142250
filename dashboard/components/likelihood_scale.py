"""The likelihood scale: zones, thresholds, names, the pointer. Of a file's verdict and of a live
reading alike."""

from __future__ import annotations

from typing import NamedTuple

from dashboard import labels
from dashboard.i18n import _
from detector.schema.analysis import Question, Thresholds

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


def scale(
    probability: float,
    thresholds: Thresholds,
    question: Question,
    *,
    span: tuple[float, float] | None = None,
    ranges: str = "",
) -> str:
    """HTML of the scale.

    Made of divs, because `st.html` removes SVG. All three names are always there: what has no room
    in its zone stands under it ("over 89: likely manipulated"). Where the models never say "no
    sign" there is no such zone.

    Parameters
    ----------
    probability : float
        Where the pointer stands, 0..1.
    span : (float, float), optional
        A bracket over the bar, 0..1.
    ranges : str
        What ranges over the bracket, for a screen reader, with its ends left blank.
    """
    low, high, at = thresholds.low * 100, thresholds.high * 100, probability * 100
    says = labels.QUESTIONS[question].fake_short
    zones = [
        _Zone("real", 0.0, low, _("no sign")),
        _Zone("inc", low, high, _("inconclusive")),
        _Zone("fake", high, 100.0, says),
    ]
    if not thresholds.no_sign or low <= 0:
        zones = [_Zone("inc", 0.0, high, _("inconclusive")), zones[2]]
    spoken = (
        _("{percent}, below {low} no sign, above {high} {says}, between inconclusive.")
        if len(zones) == 3
        else _("{percent}, above {high} {says}, below inconclusive; no score means “no sign” here.")
    ).format(
        percent=labels.percent(probability),
        low=labels.percent(thresholds.low),
        high=labels.percent(thresholds.high),
        says=says,
    )
    bracket = ""
    if span is not None:
        least, most = span
        bracket = (
            f"<div class='range' style='left:{least * 100:.1f}%;"
            f"width:{(most - least) * 100:.1f}%'></div>"
        )
        spoken += f" {ranges.format(least=labels.percent(least), most=labels.percent(most))}"
    bars = "".join(
        f"<div class='zone {zone.slug}' style='width:{zone.end - zone.start:.1f}%'></div>"
        for zone in zones
    )
    return (
        f"<div class='um-scale' role='img' aria-label='{labels.escape(spoken)}'>"
        f"<div class='over'>{bracket}<div class='pointer' style='left:{at:.1f}%'></div></div>"
        f"<div class='bar'>{bars}<div class='at' style='left:{at:.1f}%'></div></div>"
        f"{_under(zones, WIDE, 'wide')}{_under(zones, NARROW, 'narrow')}</div>"
    )


def _under(zones: list[_Zone], width: float, where: str) -> str:
    """The ticks and names under the bar, for one width of it."""
    limits = [zone.end for zone in zones[:-1]]
    near = len(limits) == 2 and limits[1] - limits[0] < CLOSE
    ticks = ""
    for place, value in enumerate(limits):
        side = ("before", "after")[place] if near else ""
        ticks += f"<b class='tick {side}' style='left:{value:.1f}%'>{value:.0f}</b>"
    if limits[0] >= CLOSE:
        ticks += "<span class='tick after' style='left:0'>0</span>"
    if limits[-1] <= 100 - CLOSE:
        end = f"100{labels.NBSP}%" if where == "wide" else "100"
        ticks += f"<span class='tick before' style='left:100%'>{end}</span>"
    names, below = "", []
    for zone in zones:
        room = (zone.end - zone.start) / 100 * width - TICK
        if len(zone.name) * LETTER <= room:
            names += (
                f"<span class='name' style='left:{zone.start:.1f}%;"
                f"width:{zone.end - zone.start:.1f}%'>{zone.name}</span>"
            )
        elif zone.slug == "fake":
            text = _("over {high}: {name}").format(high=f"{zone.start:.0f}", name=zone.name)
            below.append(f"<span class='end'>{text}</span>")
        elif zone.slug == "real":
            text = _("under {low}: {name}").format(low=f"{zone.end:.0f}", name=zone.name)
            below.append(f"<span>{text}</span>")
        else:
            below.append(f"<span>{_('between: {name}').format(name=zone.name)}</span>")
    second = f"<div class='below'>{''.join(below)}</div>" if below else ""
    return f"<div class='{where}'><div class='under'>{ticks}{names}</div>{second}</div>"
