"""The likelihood scale: zones, thresholds, a range, the pointer. Of a file's verdict and of a live
reading alike."""

from __future__ import annotations

from dashboard import words
from dashboard.language import _
from detector.results import Question, Thresholds


def scale(
    probability: float,
    thresholds: Thresholds,
    question: Question,
    *,
    span: tuple[float, float] | None = None,
    ranges: str = "",
) -> str:
    """HTML of the scale.

    Made of divs, because `st.html` removes SVG. The words under a zone that is too narrow for them
    wrap out of sight; the numbers stay.

    Parameters
    ----------
    probability : float
        Where the pointer stands, 0..1.
    span : (float, float), optional
        A bracket over the bar, 0..1.
    ranges : str
        What ranges over the bracket, for a screen reader, with its ends left blank: "The models
        range from {least} to {most}."
    """
    low, high, at = thresholds.low * 100, thresholds.high * 100, probability * 100
    says = words.QUESTIONS[question].fake_short
    text = _("{percent}, below {low} no sign, above {high} {says}, between inconclusive.").format(
        percent=words.percent(probability),
        low=words.percent(thresholds.low),
        high=words.percent(thresholds.high),
        says=says,
    )
    bracket = ""
    if span is not None:
        least, most = span
        bracket = (
            f"<div class='range' style='left:{least * 100:.1f}%;"
            f"width:{(most - least) * 100:.1f}%'></div>"
        )
        text += f" {ranges.format(least=words.percent(least), most=words.percent(most))}"
    zones = (
        ("real", 0.0, low, _("no sign"), _("no sign")),
        ("inc", low, high, _("inconclusive"), _("inconclusive")),
        ("fake", high, 100.0, says, _("likely")),
    )
    bars = "".join(
        f"<div class='zone {slug}' style='width:{b - a:.1f}%'></div>" for slug, a, b, *_ in zones
    )
    names = "".join(
        f"<div class='name' style='left:{a:.1f}%;width:{b - a:.1f}%'><i></i>"
        f"<span class='wide'>{wide}</span></div>"
        f"<div class='name short' style='left:{a:.1f}%;width:{b - a:.1f}%'><i></i>"
        f"<span>{short}</span></div>"
        for _, a, b, wide, short in zones
    )
    ticks = "".join(f"<b class='tick' style='left:{v:.1f}%'>{v:.0f}</b>" for v in (low, high))
    return (
        f"<div class='um-scale' role='img' aria-label='{words.escape(text)}'>"
        f"<div class='over'>{bracket}<div class='pointer' style='left:{at:.1f}%'></div></div>"
        f"<div class='bar'>{bars}<div class='at' style='left:{at:.1f}%'></div></div>"
        f"<div class='under'>{names}{ticks}</div></div>"
    )
