"""Formatting of numbers: percents, times, sizes, lists."""

import math
import re
from collections.abc import Iterable, Sequence

from detector.sentences import NBSP, _, numeral


def whole_percent(probability: float) -> int:
    """Return whole percents: 0.789 -> 79; 0.999 -> 99 and 0.001 -> 1, for no model is certain."""
    whole = round(probability * 100)
    if whole == 100 and probability < 1:
        return 99
    if whole == 0 and probability > 0:
        return 1
    return whole


def limit(value: float) -> str:
    """Return a limit of likelihoods, 0..1, in tenths of a percent, without the sign: "94.4", "70".
    Limits have no more digits (`decision.numbers.limit_of`)."""
    return numeral(round(100 * value, 1), "g")


def limit_percent(value: float) -> str:
    """Return the same with the sign: "94.4 %"."""
    return f"{limit(value)} %"


CLOSE = 0.01
"""of probability; nearer to a limit a whole percent could read as on its other side"""


def shown(probability: float, near: Iterable[float] = ()) -> float:
    """Return a probability in percent as it is printed: whole, and within a percent of one of the
    limits `near` it with as many decimals as keep it on its side: 0.934 beside 0.93 -> 93.4."""
    close = [limit for limit in near if abs(probability - limit) < CLOSE]
    if not close or not 0.001 < probability < 0.999:
        return whole_percent(probability)
    exact = 100 * probability
    sides = [_side(exact, 100 * limit) for limit in close]
    places = (round(exact, decimals) for decimals in (1, 2, 3))
    kept = (p for p in places if [_side(p, 100 * limit) for limit in close] == sides)
    return next(kept, exact)


def _side(value: float, limit: float) -> int:
    """Return 1 over the limit, -1 under it, 0 on it; rounding errors are neither."""
    return 0 if abs(value - limit) < 1e-9 else 1 if value > limit else -1


def score(probability: float, near: Iterable[float] = ()) -> str:
    """Return a score or a likelihood in percent without the sign, which only a file's likelihood
    has: 0.789 -> "79"; see `shown`."""
    return numeral(shown(probability, near), "g")


def percent(probability: float, near: Iterable[float] = ()) -> str:
    """Return a share in percent: 0.789 -> "79 %"; see `shown`."""
    return f"{score(probability, near)} %"


def interval(ends: tuple[float, float] | None) -> str:
    """Return the interval of a likelihood: "62 to 91 %"; empty for None."""
    if ends is None:
        return ""
    text, (low, high) = _("{low} to {high}"), ends
    return text.format(low=score(low, [high]), high=percent(high, [low]))


def confidence(ends: tuple[float, float]) -> str:
    """Return the same with its name: "95 % interval 62 to 91 %"."""
    return _("95\u00a0% interval {interval}").format(interval=interval(ends))


def clock(seconds: float, *, tenths: bool = False) -> str:
    """Return 7.23 as "00:07", with tenths "00:07.2"; from an hour on "1:02:03"."""
    # Half up, as browsers do: Python rounds 0.25 to 0.2.
    units = math.floor(max(seconds, 0.0) * 10 + 0.5)
    whole, tenth = divmod(units, 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
    return f"{text}.{tenth}" if tenths else text


def size(count: int) -> str:
    """Return 1_300_000 as "1.3 MB", in decimal units."""
    if count < 1000:
        return _("{number}\u00a0bytes").format(number=count)
    value, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    unit = units[0]
    return f"{numeral(value, '.1f')}{NBSP}{unit}" if value < 10 else f"{value:.0f}{NBSP}{unit}"


def took(seconds: float) -> str:
    """Return 0.42 as "0.4 s", 18.2 -> "18 s", 75 -> "1 min 15 s", 0.01 -> "under 0.1 s"."""
    if seconds < 0.05:
        return _("under 0.1\u00a0s")
    if seconds < 10:
        return f"{numeral(seconds, '.1f')}{NBSP}s"
    if seconds < 60:
        return f"{seconds:.0f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{NBSP}min {rest}{NBSP}s" if rest else f"{minutes}{NBSP}min"


def rounded_up(seconds: float) -> int:
    """Return a time left to full 5 s, at least 5: 12.3 -> 15."""
    return max(5, 5 * math.ceil(seconds / 5))


def about(seconds: float) -> str:
    """Return 12.3 as "about 15 s", rounded up to 5 s; from 90 s on "about 2 minutes"."""
    if seconds >= 90:
        return _("about {minutes} minutes").format(minutes=round(seconds / 60))
    return _("about {seconds}\u00a0s").format(seconds=rounded_up(seconds))


def remaining(seconds: float) -> str:
    """Return 12.3 as "about 15 s left"."""
    return _("{time} left").format(time=about(seconds))


def stretch(start: float, end: float, *, tenths: bool = False) -> str:
    """Return "00:03 to 00:08", with tenths if both ends read alike, or one time."""
    first, last = clock(start, tenths=tenths), clock(end, tenths=tenths)
    if first == last and not tenths:
        exact = clock(start, tenths=True), clock(end, tenths=True)
        first, last = exact if exact[0] != exact[1] else (first, last)
    text = _("{start} to {end}")
    return first if first == last else text.format(start=first, end=last)


_STEPS = (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600)
"""s between the ticks of a time axis"""


def time_ticks(end: float, most: int = 6) -> tuple[list[float], list[str]]:
    """Return at most `most` round times, s, from 0 to the end, and their texts."""
    longest = _STEPS[-1] * -(-end // (_STEPS[-1] * most))
    step = next((s for s in _STEPS if end / s < most), longest)
    values = [i * step for i in range(int(end / step) + 1)]
    return values, [clock(v, tenths=step < 1) for v in values]


def listed(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return _("{some} and {last}").format(some=", ".join(names[:-1]), last=names[-1])


def either(names: Sequence[str]) -> str:
    """Return "a, b or c"."""
    if len(names) < 2:
        return "".join(names)
    return _("{some} or {last}").format(some=", ".join(names[:-1]), last=names[-1])


def lower_first(text: str) -> str:
    """Return a text with its first letter in lower case, for the middle of a sentence."""
    return text[:1].lower() + text[1:]


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def unbroken(text: str) -> str:
    """Return a text whose lines never end between a number and its unit."""
    return re.sub(r"(?<=\d) (?=%|(?:s|px|min|GB|MB)\b)", NBSP, text)


def signed(logit: float) -> str:
    """Return a contribution with its sign and one decimal: "+1.2", "−0.4", "0.0"."""
    rounded = round(logit, 1)
    return numeral(rounded, "+.1f") if rounded else numeral(0.0, ".1f")
