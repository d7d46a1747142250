"""The timeline of a video or picture: face strips, boxes over the player, a cursor on the lanes."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboard import charts, labels, series
from dashboard.charts import LaneSize
from dashboard.components.timeline import PLAYER, versioned
from dashboard.i18n import _
from dashboard.series import Lane
from dashboard.theme import ON_VIDEO
from detector.schema.analysis import Analysis, Label, Subject, Thresholds, Verdict

WIDE, NARROW = 11, 7
"""Tiles of a strip on a desktop and under 480 px, where eleven would be too small to press."""
LANES = "lanes"
"""Key of the container that holds the lanes."""
NO_FACE_ICON, NO_PICTURE_ICON = "face_retouching_off", "face"


def view_data(
    analysis: Analysis,
    lanes: Sequence[Lane],
    sizes: Sequence[LaneSize],
    *,
    time: float,
    seek: int,
    pictures: Mapping[tuple[str, int], str],
    charted: Sequence[Lane] | None = None,
) -> dict[str, Any]:
    """Return what the view shows: lanes in the order of the page, those of the chart where they
    show another question, the moment in s, and face pictures by (person, position) as data
    addresses. `seek` grows when the server moved the moment."""
    end = series.length(analysis)
    moments = analysis.timestamps
    ids = {key: i for i, key in enumerate(pictures)}
    (color, dash), unjudged = ON_VIDEO[Label.NOT_APPLICABLE], labels.STATES[Label.NOT_APPLICABLE]
    body = {
        "id": f"evidence-{analysis.id}",
        "player": {"place": f".st-key-{PLAYER}", "leads": True},
        "end": end,
        "pictures": list(pictures.values()),
        "strips": {
            "still": analysis.media.kind == "image",
            "rows": [_row(lane, analysis.verdict, end, ids) for lane in lanes],
        },
        "boxes": {
            "size": [analysis.media.width, analysis.media.height],
            "step": end / len(moments) if moments else end,
            "unjudged": {"color": color, "dash": dash, "icon": unjudged.icon},
            "people": [_faces(track) for track in analysis.seen],
        },
        "cursor": {
            "place": f".st-key-{LANES}",
            "left": charts.LEFT,
            "right": charts.RIGHT,
            "sizes": [{"top": s.top, "plot": s.plot} for s in sizes],
            "lines": [list(zip(lane.times, lane.score, strict=True)) for lane in charted or lanes],
        },
    }
    return versioned(body, time=time, seek=seek)


def _row(
    lane: Lane, verdict: Verdict, end: float, pictures: Mapping[tuple[str, int], int]
) -> dict[str, Any]:
    track = lane.track
    state = labels.state(track.label, track.question)
    limits = verdict.thresholds
    whole = len(lane.times) <= NARROW
    return {
        "person": track.id,
        "name": labels.who(track),
        "state": state.slug,
        "icon": state.icon,
        "chip": chip(track, verdict),
        "unit": _("score, 0 to 100") if whole else _("highest score, 0 to 100"),
        "tiles": {
            name: [_tile(lane, t, limits, pictures) for t in series.tiles(lane, count, end)]
            for name, count in (("wide", WIDE), ("narrow", NARROW))
        },
    }


def _faces(track: Subject) -> dict[str, Any]:
    state = labels.state(track.label, track.question)
    color, dash = ON_VIDEO[track.label]
    return {
        "id": track.id,
        "icon": state.icon,
        "label": labels.lower_first(state.short),
        "color": color,
        "dash": dash,
        "faces": [
            {
                "time": f.time,
                "box": [round(v, 1) for v in f.box],
                "word": None if f.score is not None else series.why(f),
            }
            for f in track.frames
        ],
    }


def chip(track: Subject, verdict: Verdict) -> str:
    """Return a person's state with the score, or why there is none; the first leans as the file."""
    short = labels.state(track.label, track.question).short
    if track.label is verdict.label is Label.INCONCLUSIVE and track.id == verdict.subject:
        short = labels.headline(verdict)
    detail = labels.WHY_NOT.get(track.reason) if track.reason else None
    if track.probability is not None:
        detail = labels.percent(track.probability)
    return f"{short} · {detail}" if detail else short


def _tile(
    lane: Lane, tile: series.Tile, limits: Thresholds, pictures: Mapping[tuple[str, int], int]
) -> dict[str, Any]:
    time, score = lane.times[tile.index], lane.score[tile.index]
    who, when = labels.who(lane.track), labels.clock(time)
    state = labels.state(series.label_at(score, limits), lane.track.question)
    if score is None:
        face = next((f for f in lane.track.frames if f.index == tile.index), None)
        name, text = f"{who}, {when}, {series.why(face)}", "–"
    else:
        text = labels.score(score)
        name = _("{person}, {time}, score {number}, {state}").format(
            person=who, time=when, number=text, state=labels.lower_first(state.short)
        )
    return {
        "time": time,
        "from": tile.start,
        "to": tile.stop,
        "text": text,
        "name": name,
        "state": state.slug,
        "icon": NO_FACE_ICON if score is None else NO_PICTURE_ICON,
        "pictures": [{"picture": pictures.get((lane.track.id, tile.index), -1)}],
    }
