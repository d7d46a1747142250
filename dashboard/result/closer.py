"""A closer look at a file that was analyzed: with which settings, and how long it would take."""

from __future__ import annotations

from detector.schema.analysis import Analysis, Settings


def settings(analysis: Analysis) -> Settings | None:
    """The settings of a closer look; None where the file was looked at that closely."""
    from detector.pipeline import CLOSER

    before = analysis.settings
    if before.sampling == "closer" or seconds(analysis) is None:
        return None
    frames = min(CLOSER, analysis.media.frame_count or CLOSER)
    return before.model_copy(update={"sampling": "closer", "frames": frames})


def seconds(analysis: Analysis) -> float | None:
    """How long it would take here, by how long the first look took; None where there is nothing
    closer to look at."""
    from detector.pipeline import estimate

    return estimate(analysis)
