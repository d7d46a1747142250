"""Signals: measurements that inform and never vote."""

from collections.abc import Iterable

from detector import signals
from detector.presentation import Block, Cell, Curve, CurveChart, Grid, Section, Text, items
from detector.schema.analysis import Analysis, Label, Side, Signal
from detector.sentences import _, numeral, say
from detector.signals.reference import FAMILY

READINGS = {
    "unusual": (Label.FAKE, _("Unusual")),
    "unclear": (Label.INCONCLUSIVE, _("Unclear")),
    "usual": (Label.REAL, _("Usual")),
    "absent": (Label.NOT_APPLICABLE, _("Not measured")),
}
"""What a measurement is beside those of untouched files: whose color it has, and its word."""

TITLE = _("Signals")
HOW_TO_READ = _(
    "Signals inform and never vote. “Usual” is where 90 % of untouched files lie; one in ten of "
    "those lies outside, for each signal."
)


def section(analysis: Analysis) -> Section:
    """Return the measured signals and the missing ones."""
    blocks: list[Block] = [Text(say(HOW_TO_READ), "note")]
    if measured := [signal for signal in shown(analysis) if signal.reading != "absent"]:
        blocks.append(table(measured))
    if missing := absent(analysis):
        blocks += [Text(_("Not measured:"), "note"), *items(missing)]
    return Section("signals", say(TITLE), tuple(blocks))


def none(analysis: Analysis) -> str:
    """Return why a file or a person has no signals."""
    if analysis.media.kind == "audio":
        return _("Signals need a picture; this file has only sound.")
    if analysis.media.kind == "image":
        return _("Signals need a video; this file is a picture.")
    if not analysis.people:
        return _("No person, so there is nothing to measure.")
    if analysis.media.live:
        return _("A live session reads no signals.")
    return _(
        "No signals were read of this person. Results of an earlier version have none: analyze the "
        "file again."
    )


def table(measured: Iterable[Signal]) -> Grid:
    """Return the measurements, by person, compared with untouched files."""
    heads = _("Signal"), _("Measured"), _("Reading"), _("How to read it")
    return Grid(heads, [_row(signal) for signal in measured])


def _row(signal: Signal) -> tuple[str | Cell, ...]:
    label, word = READINGS[signal.reading]
    whose = ", ".join(filter(None, [signal.title, signal.subject]))
    return whose, signal.value, Cell(say(word), state=label), signal.how_to_read


def over_time(signal: Signal) -> CurveChart:
    """Return a signal over time, with the range of untouched files."""
    usual, end = signal.usual, signal.series[-1][0]
    reached = [value for _time, value in signal.series] + list(usual or ())
    least, most = min(reached), max(reached)
    room = 0.05 * (most - least) or 1.0
    low, high = least - room, most + room
    band = [(0.0, usual[1]), (end, usual[1])] if usual else []
    ticks = tuple((value, numeral(value, ".3g")) for value in (*(usual or ()), least, most))
    floor, unit = usual[0] if usual else low, say(signal.unit)
    return CurveChart(
        (Curve(signal.series),), end, low, high, ticks, band, floor, unit, said=signal.value
    )


def absent(analysis: Analysis) -> list[str]:
    """Return unmeasured signals and why; the people concerned, unless it is all."""
    everybody = {signal.subject for signal in analysis.signals}
    missing: dict[tuple[str, str], dict[str | None, None]] = {}
    for signal in shown(analysis):
        if signal.reading == "absent":
            missing.setdefault((signal.title, signal.how_to_read), {})[signal.subject] = None
    lines, titles = [], list(dict.fromkeys(signal.title for signal in shown(analysis)))
    for (title, why), whom in sorted(missing.items(), key=lambda pair: titles.index(pair[0][0])):
        named = [] if whom.keys() == everybody else sorted(filter(None, whom))
        people = f" ({', '.join(named)})" if named else ""
        lines.append(f"{title}{people}{f': {why}' if why else ''}")
    return lines


def shown(analysis: Analysis) -> list[Signal]:
    """Return the signals in the reader's language; the family of methods only of a file with a fake
    verdict."""
    fake = analysis.verdict.label.side is Side.FAKE
    return [signals.said(s) for s in analysis.signals if fake or s.id != FAMILY]
