"""The timeline of a comparison: a copy laid on its original, where they differ, and when.

A page mounts each of its layers (`LAYERS`) in a place of its own; all show one moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from markupsafe import Markup

from dashboard.components import timeline
from dashboard.components.cards import Mark
from dashboard.components.markup import tag
from dashboard.components.timeline import layers, versioned
from dashboard.images import data_url, encode
from detector.comparison import HEAT_LEVELS, AlignedPictures
from detector.presentation import comparison as words
from detector.presentation import pair
from detector.schema.comparison import ComparedMoment, Comparison, FaceDifference
from detector.sentences import _, say

Part = Literal["viewer", "map", "plot"]
AROUND = 1.5
"""times a face's box that a tile shows"""
TILES = 10
HEIGHT = 200
"""of the chart, px"""


def mount(part: Part, data: Mapping[str, Any], *, key: str) -> None:
    """Mount a part of the view."""
    shared = {name: value for name, value in data.items() if name != "parts"}
    timeline.mount({**shared, **data["parts"][part]}, key=key)


def view_data(
    id: str,
    comparison: Comparison,
    pictures: Sequence[Mapping[str, str] | None],
    *,
    mirrored: bool = False,
    person: str | None = None,
) -> dict[str, Any]:
    """Return what the view shows of the comparison `id`. `pictures` holds "copy", "original"
    and "heat" of each moment as data addresses, or None; `mirrored` changes sides and no
    figure; `person` is whose face the tiles show."""
    media = comparison.copy_media
    length = max(media.duration or 0.0, 0.1)
    places = [place for place, shown in enumerate(pictures or comparison.moments) if shown]
    moments = [comparison.moments[place] for place in places]
    times = [moment.time for moment in moments]
    opening = max(moments, key=lambda moment: moment.excess).time if moments else 0.0
    parts = {"plot": _plot(comparison, moments, person, length)}
    if pictures:
        shown = [_moment(comparison, place, pictures[place] or {}, mirrored) for place in places]
        html = _viewer(comparison, mirrored, len(shown))
        if strip := _strip(comparison, moments, person, mirrored):
            html += tag("div", strip, cls="strips")
        parts["viewer"] = {"html": str(html), "shown": shown}
        where = tag("div", tag("span", cls="at"), _image("heat", cls="heatmap"), cls="map")
        parts["map"] = {"html": str(where), "shown": [{"heat": one["heat"]} for one in shown]}
    body = {"id": id, "end": length, "moments": times, "parts": parts}
    return versioned(body, time=opening)


def _image(name: str, cls: str = "") -> Markup:
    """Return a picture of the moment, which the view fills in."""
    return tag("img", cls=cls, data_name=name, alt="", draggable="false")


def addresses(pictures: AlignedPictures) -> dict[str, str]:
    """Return the three pictures of a moment."""
    laid = {
        "copy": pictures.copy, "original": pictures.original, "heat": pictures.heat(HEAT_LEVELS),
    }  # fmt: skip
    return {
        name: data_url(encode(one, "WEBP", quality=78, method=0), "webp")
        for name, one in laid.items()
    }


def _sides(shown: Mapping[str, Any], mirrored: bool) -> dict[str, Any]:
    """Return what belongs to the two files, each in the other's place if mirrored: the one that
    was named first stands on the left, where the style sheet has `copy`."""
    if not mirrored:
        return dict(shown)
    return {**shown, "copy": shown["original"], "original": shown["copy"]}


def _moment(
    comparison: Comparison, place: int, shown: Mapping[str, str], mirrored: bool
) -> dict[str, Any]:
    """Return the place of a moment in words, and its three pictures."""
    moment = comparison.moments[place]
    copy, original = pair.pictures(comparison, moment)
    alt = {"copy": copy, "original": original, "heat": pair.map_said(moment)}
    three = {name: {"src": shown[name], "alt": alt[name]} for name in alt}
    return {"place": pair.place(comparison, place), **_sides(three, mirrored)}


def _strip(
    comparison: Comparison, moments: Sequence[ComparedMoment], person: str | None, mirrored: bool
) -> Markup | None:
    """Return tiles with a person's face in both files, evenly over the moments it is seen at."""
    faces = [(i, face) for i, one in enumerate(moments) if (face := pair.face_of(one, person))]
    if not faces or len(moments) < 2:
        return None
    ends = [moment.time for moment in moments[1:]] + [1e9]

    def tile(i: int, face: FaceDifference) -> Markup:
        moment = moments[i]
        crop = _crop(comparison, face)
        return layers.tile(
            *(tag("span", cls="picture", style=crop, data_name=side, data_moment=str(i))
              for side in ("copy", "original")),
            state="differs" if face.changed_region != "none" else "",
            name=pair.face_said(moment, face),
            text=pair.level(face),
            person=person, time=moment.time, start=moment.time, stop=ends[i],
        )  # fmt: skip

    at = np.linspace(0, len(faces) - 1, min(TILES, len(faces)))
    wide = [tile(*faces[round(place)]) for place in at]
    sides = _sides(dict(zip(("copy", "original"), _short(comparison), strict=True)), mirrored)
    return layers.strip(
        *map(say, pair.STRIP),
        *(wide, wide[::2]),
        names=(sides["copy"], sides["original"], say(pair.APART)),
    )


def _crop(comparison: Comparison, face: FaceDifference) -> str:
    """Return the style of a picture that shows a face in a square."""
    x0, y0, x1, y1 = face.box
    whole = (comparison.copy_media.width, comparison.copy_media.height)
    side = min(*whole, AROUND * max(x1 - x0, y1 - y0))
    at = [
        100 * min(max(middle - side / 2, 0), full - side) / (full - side) if full > side else 0
        for middle, full in zip(((x0 + x1) / 2, (y0 + y1) / 2), whole, strict=True)
    ]
    size = " ".join(f"{100 * full / side:.1f}%" for full in whole)
    return f"background-size: {size}; background-position: {at[0]:.1f}% {at[1]:.1f}%"


def _plot(
    comparison: Comparison, moments: Sequence[ComparedMoment], person: str | None, length: float
) -> dict[str, Any]:
    """Return the chart of differences."""
    chart = pair.over_time(comparison, moments, person)
    lane = layers.lane(layers.curves(chart, HEIGHT), layers.ticks(chart, HEIGHT))
    html = layers.plot(_("Moment"), length, [lane], moments=len(moments), cls="ticked")
    return {"html": str(html), "says": list(map(pair.moment_said, moments))}


_MARKS = {
    "own": ("line", "all"), "differs": ("line", "differs"), "others": ("line", "other"),
    "elsewhere": ("line", "dash"), "rest": ("band", "rest"),
}  # fmt: skip


def key(comparison: Comparison, person: str | None) -> Iterator[Mark]:
    """Return what each mark of the chart stands for."""
    for name, said in pair.keys(comparison, person).items():
        yield Mark(" ".join(_MARKS[name]), said)


def _short(comparison: Comparison) -> tuple[str, str]:
    """Return what the two files are called where there is little room."""
    copy, original = words.titles(comparison)
    return (_("Copy") if comparison.roles_known else copy), original


def _viewer(comparison: Comparison, mirrored: bool, moments: int) -> Markup:
    """Return the two files laid on each other, with what moves the edge and the moment."""
    copy, original = words.titles(comparison)
    wiped = _("{share} % original") if mirrored else _("{share} % copy")
    if not comparison.roles_known:
        wiped = "{share} % " + (original if mirrored else copy)
    modes = (
        ("wipe", _("Wipe"), _("Wipe")),
        ("blink", _("Blink"), _("Blink")),
        ("both", _("Side by side"), _("Both")),
        ("difference", _("Difference"), _("Map")),
    )
    buttons = (
        tag("button", tag("span", words, cls="wide"), tag("span", short, cls="narrow"), value=mode)
        for mode, words, short in modes
    )
    choice = tag("div", *buttons, cls="choice", role="group", aria_label=_("How to look at them"))
    sides = _sides({"copy": copy, "original": original}, mirrored)
    frames = (
        tag("div", _image(name), tag("span", title, cls="name"), cls=f"frame {name}")
        for name, title in sides.items()
    )
    heat = tag("div", _image("heat"), cls="frame heat")
    edge = tag("div", tag("span", "⇄", cls="grip", aria_hidden="true"), cls="edge")
    name, shape = _("Edge between the two files"), comparison.copy_media
    handle = _range("handle", name, step="2", data_says=wiped)
    style = f"--shape: {shape.width} / {shape.height}"
    head = tag("div", choice, tag("span", cls="at"), cls="head")
    stage = tag("div", *frames, heat, edge, handle, cls="stage", style=style)
    return tag("div", head, stage, _controls(moments) if moments > 1 else "", cls="viewer")


def _controls(moments: int) -> Markup:
    before, after = (
        layers.button(symbol, cls="icon", name=name, title=name, data_step=step)
        for symbol, name, step in (
            ("skip_previous", _("Moment before"), "-1"),
            ("skip_next", _("Next moment"), "1"),
        )
    )
    words = {"data_play": _("Play the moments"), "data_pause": _("Pause")}
    bar = _range("moment", _("Moment"), max=str(moments - 1))
    return tag("div", before, layers.button(cls="icon play", **words), after, bar, cls="controls")


def _range(cls: str, name: str, **attributes: str) -> Markup:
    return tag("input", cls=cls, type="range", aria_label=name, **attributes)
