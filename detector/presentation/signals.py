"""Signals: measurements that inform and do not vote."""

from detector import signals
from detector.schema.analysis import Analysis, Side, Signal
from detector.sentences import _, say
from detector.signals.reference import FAMILY

READINGS = {
    "unusual": _("Unusual"),
    "unclear": _("Unclear"),
    "usual": _("Usual"),
    "absent": _("Absent"),
}
"""What a measurement is beside those of untouched files."""


def rows(analysis: Analysis) -> list[tuple[str, str, str, str]]:
    """Return what was measured, as (signal and whose, value, reading, how to read it)."""
    here = [signal for signal in shown(analysis) if signal.reading != "absent"]
    return [
        (
            ", ".join(filter(None, [s.title, s.subject])),
            s.value,
            say(READINGS[s.reading]),
            s.how_to_read,
        )
        for s in here
    ]


def absent(analysis: Analysis) -> list[str]:
    """Return what was not measured and why; of which people, where that is not so of all."""
    everybody = {signal.subject for signal in analysis.signals}
    missing: dict[tuple[str, str], dict[str | None, None]] = {}
    for signal in shown(analysis):
        if signal.reading == "absent":
            missing.setdefault((signal.title, signal.how_to_read), {})[signal.subject] = None
    lines, titles = [], list(dict.fromkeys(signal.title for signal in analysis.signals))
    for (title, why), whom in sorted(missing.items(), key=lambda pair: titles.index(pair[0][0])):
        named = [] if whom.keys() == everybody else sorted(filter(None, whom))
        people = f" ({', '.join(named)})" if named else ""
        lines.append(f"{title}{people}{f': {why}' if why else ''}")
    return lines


def shown(analysis: Analysis) -> list[Signal]:
    """Return the signals in the reader's language. The family of methods is one of a file that is
    called fake: with other models or limits than at first it may not be."""
    fake = analysis.verdict.label.side is Side.FAKE
    return [signals.said(s) for s in analysis.signals if fake or s.id != FAMILY]
