"""The likelihood scale: zones, thresholds, a range, the pointer. Of a file's verdict and of a live
reading alike."""

from __future__ import annotations

from dashboard import words
from detector.results import Question, Thresholds


def scale(
    probability: float,
    thresholds: Thresholds,
    question: Question,
    *,
    span: tuple[float, float] | None = None,
    whose: str = "",
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
    whose : str
        What ranges over the bracket, for a screen reader: "The models".
    """
    low, high, at = thresholds.low * 100, thresholds.high * 100, probability * 100
    says = words.QUESTIONS[question].fake_short
    text = f"{words.percent(probability)}, {text_of(thresholds, says)}"
    bracket = ""
    if span is not None:
        least, most = span
        bracket = (
            f"<div class='range' style='left:{least * 100:.1f}%;"
            f"width:{(most - least) * 100:.1f}%'></div>"
        )
        text += f" {whose} range from {words.percent(least)} to {words.percent(most)}."
    zones = (
        ("real", 0.0, low, "no sign", "no sign"),
        ("inc", low, high, "inconclusive", "inconclusive"),
        ("fake", high, 100.0, says, "likely"),
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


def text_of(thresholds: Thresholds, says: str) -> str:
    """The thresholds in words: "below 30 % no sign, ..."."""
    low, high = words.percent(thresholds.low), words.percent(thresholds.high)
    return f"below {low} no sign, above {high} {says}, between inconclusive."
