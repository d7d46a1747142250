"""The timeline of a video or picture: face strips, boxes over the player, a cursor on the lanes."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dashboard import charts, labels
from dashboard.charts import LaneSize
from dashboard.components.markup import icon, tag, written
from dashboard.components.timeline import PLAYER, layers, versioned
from dashboard.theme import ON_VIDEO
from detector.presentation import Cell, lead, people, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis, Label, Subject

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
    said, look = people.chip(track, analysis.verdict), labels.look(track.label)
    whole = len(lane.times) <= NARROW
    groups = (
        [_tile(analysis, lane, tile, pictures) for tile in series.tiles(lane, count, end)]
        for count in ((WIDE,) if whole else (WIDE, NARROW))
    )
    unit = people.unit(NARROW, len(lane.times))
    head = tag("span", icon(look.icon), tag("span", said.text), cls=f"chip {look.slug}")
    return layers.strip(lead.name(track), unit, *groups, chip=head)


def _faces(track: Subject) -> dict[str, Any]:
    """Return where a face is, and what its box looks like by why there is no score."""
    looks, faces = {"": _look(track, people.reading(track))}, []
    for f in track.frames:
        why = series.why(f) if f.score is None else ""
        faces.append({"time": f.time, "box": [round(v, 1) for v in f.box], "why": why})
        if why not in looks:
            looks[why] = _look(track, Cell(why, state=Label.NOT_APPLICABLE))
    return {"faces": faces, "looks": looks}


def _look(track: Subject, said: Cell) -> dict[str, str]:
    color, dash = ON_VIDEO[said.state or Label.NOT_APPLICABLE]
    state = tag("span", labels.look(said.state).icon, cls="um-icon", style=f"color: {color}")
    words = tag("span", f" · {labels.lower_first(said.text)}", cls="um-box-words")
    text = tag("span", track.id, words)
    return {"border": f"{dash} {color}", "label": f"{state}{text}"}


def _tile(
    analysis: Analysis, lane: Lane, tile: series.Tile, pictures: Mapping[tuple[str, int], str]
) -> Markup:
    time, scored = lane.times[tile.index], lane.score[tile.index] is not None
    said = people.at_moment(analysis, lane, tile.index)
    if source := pictures.get((lane.track.id, tile.index)):
        shown = tag("img", src=source, alt="", draggable="false")
    else:
        shown = icon(NO_PICTURE_ICON if scored else NO_FACE_ICON)
    return layers.tile(
        tag("span", shown, cls="picture"), state=labels.look(said.state).slug, text=said.text,
        name=said.note,
        person=lane.track.id, time=time, start=tile.start, stop=tile.stop,
    )  # fmt: skip
