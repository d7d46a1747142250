"""A report's part on the file beside its original: a finding of its own, which counts nothing in
the detectors' verdict."""

from __future__ import annotations

from detector.messages import comparison as words
from detector.report.paper import MUTED, SMALL, Paper
from detector.schema.analysis import Analysis


def draw(pdf: Paper, analysis: Analysis) -> None:
    """Draw what differs from the original, and what that can't tell; nothing without one."""
    found = analysis.comparison
    if found is None:
        return
    pdf.head(words.question(seen=words.assumed(found)))
    pdf.say(f"{words.sentence(found)}.", style="B")
    pdf.say(f"{words.lead(found)} {words.against(found)}")
    pdf.facts(
        [
            ("Held against", found.original_media.name),
            ("SHA-256 of that", found.original_media.sha256),
            *words.figures(found),
        ]
    )
    if limits := words.limits(found):
        pdf.say(f"What this can't tell: {limits}", SMALL, MUTED)
