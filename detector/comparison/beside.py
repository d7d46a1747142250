"""An analysis with the comparison of its file with a known original."""

import logging
from pathlib import Path
from threading import Event

from detector.comparison.engine import OnProgress, compare
from detector.errors import InputError
from detector.schema.analysis import Analysis

log = logging.getLogger(__name__)


def beside_original(
    analysis: Analysis,
    path: Path,
    original: Path,
    *,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Analysis:
    """Return the analysis of the file at `path` with its comparison with a registered original;
    unchanged if the two can't be compared. Raise Canceled."""
    try:
        found = compare(
            path, original, roles="registered", copy_media=analysis.media,
            on_progress=on_progress, cancel=cancel,
        )  # fmt: skip
    except InputError as error:
        log.warning("an original can't be compared: %s", error.code)
        return analysis
    return analysis.model_copy(update={"comparison": found})
