"""The result as files: the Analysis JSON as it is, and the scores as a table."""

from __future__ import annotations

import csv
import io
from pathlib import PurePath

from dashboard import series
from detector.results import Analysis


def as_json(analysis: Analysis) -> str:
    """The Analysis JSON, as the command line prints it."""
    return analysis.model_dump_json(indent=2)


def as_csv(analysis: Analysis) -> str:
    """A row a person and looked-at moment; an empty field is no score, and `why` says why.

    Scores have four decimals, times three, boxes are px of the upright frame.
    """
    ids = [model.id for model in analysis.models]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["person", "time_s", "score", *ids, "x0", "y0", "x1", "y1", "why"])
    for track in analysis.tracks:
        faces = {face.index: face for face in track.faces}
        for index, time in enumerate(analysis.moments):
            face = faces.get(index)
            score = face.score if face else None
            scores = [face.scores.get(id) if face else None for id in ids]
            box = [f"{v:.1f}" for v in face.box] if face else [""] * 4
            why = "" if score is not None else series.why(face)
            table.writerow([track.id, f"{time:.3f}", *map(_number, [score, *scores]), *box, why])
    return out.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def file_name(name: str, kind: str) -> str:
    """ "council statement.mp4" -> "council statement.unmask.json", safe on every system."""
    stem = PurePath(name.replace("\\", "/")).stem or "result"
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem).strip(" .")[:80]
    return f"{kept or 'result'}.unmask.{kind}"
