"""The timeline of a video or picture: face strips, boxes over the player, a cursor on the lanes."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dashboard import charts, labels
from dashboard.charts import LaneSize
from dashboard.components.markup import icon, tag, written
from dashboard.components.timeline import PLAYER, layers, versioned
from dashboard.theme import ON_VIDEO
from detector.presentation import lead, people, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Label, Subject
from detector.sentences import _

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
    rows = (_row(analysis, lane, end, pictures) for lane in lanes)
    body = {
        "id": f"evidence-{analysis.id}",
        "player": {"place": f".st-key-{PLAYER}", "leads": True},
        "end": end,
        "html": str(written(tag("div", *rows, cls=f"strips {analysis.media.kind}"))),
        "boxes": {
            "size": [analysis.media.width, analysis.media.height],
            "step": end / len(moments) if moments else end,
            "people": [_faces(person) for person in analysis.people],
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
    analysis: Analysis, lane: Lane, end: float, pictures: Mapping[tuple[str, int], str]
) -> Markup:
    track = lane.track
    state = labels.state(track.label, track.question)
    whole = len(lane.times) <= NARROW
    groups = (
        [_tile(analysis, lane, tile, pictures) for tile in series.tiles(lane, count, end)]
        for count in ((WIDE,) if whole else (WIDE, NARROW))
    )
    unit = _("score, 0 to 100") if whole else _("highest score, 0 to 100")
    words = tag("span", people.chip(track, analysis.verdict))
    head = tag("span", icon(state.icon), words, cls=f"chip {state.slug}")
    return layers.strip(lead.name(track), unit, *groups, chip=head)


def _faces(track: Subject) -> dict[str, Any]:
    """Return where a face is, and what its box looks like by why there is no score."""
    state = labels.state(track.label, track.question)
    looks = {"": _look(track, track.label, state.icon, labels.lower_first(state.short))}
    faces = []
    for f in track.frames:
        why = series.why(f) if f.score is None else ""
        faces.append({"time": f.time, "box": [round(v, 1) for v in f.box], "why": why})
        if why not in looks:
            unjudged = Label.NOT_APPLICABLE
            looks[why] = _look(track, unjudged, labels.state(unjudged).icon, why)
    return {"faces": faces, "looks": looks}


def _look(track: Subject, label: Label, symbol: str, words: str) -> dict[str, str]:
    color, dash = ON_VIDEO[label]
    state = tag("span", symbol, cls="um-icon", style=f"color: {color}")
    text = tag("span", track.id, tag("span", f" · {words}", cls="um-box-words"))
    return {"border": f"{dash} {color}", "label": f"{state}{text}"}


def _tile(
    analysis: Analysis, lane: Lane, tile: series.Tile, pictures: Mapping[tuple[str, int], str]
) -> Markup:
    time, score = lane.times[tile.index], lane.score[tile.index]
    state = labels.state(series.label_at(score, analysis.verdict.thresholds))
    text = "–" if score is None else labels.score(score)
    if source := pictures.get((lane.track.id, tile.index)):
        shown = tag("img", src=source, alt="", draggable="false")
    else:
        shown = icon(NO_FACE_ICON if score is None else NO_PICTURE_ICON)
    return layers.tile(
        tag("span", shown, cls="picture"), state=state.slug, text=text,
        name=people.at_moment(analysis, lane, tile.index),
        person=lane.track.id, time=time, start=tile.start, stop=tile.stop,
    )  # fmt: skip
