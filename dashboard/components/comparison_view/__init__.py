"""The own component of a comparison: a copy laid on its original, where they differ, and when.

Python says what is there (`view_data`); `view.js` draws it in up to three places of a page, which
show one moment, and asks nothing of the server.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st
from PIL import Image

from dashboard import labels
from dashboard.i18n import _, speech
from detector.comparison import HEAT_LEVELS, AlignedPictures
from detector.messages import comparison as words
from detector.messages.format import time_ticks
from detector.schema.comparison import ComparedMoment, Comparison, FaceDifference

HERE = Path(__file__).parent
Part = Literal["viewer", "map", "chart"]
QUALITY = 78
"""of WebP"""
AROUND = 1.5
"""times a face's box that a tile shows"""

_component = st.components.v2.component(
    "unmask_comparison_view",
    html='<div class="compared"></div>',
    css=(HERE / "view.css").read_text("utf-8"),
    js=(HERE / "view.js").read_text("utf-8"),
)


def comparison_view(part: Part, data: Mapping[str, Any], *, key: str) -> None:
    """Mount a part of the view. All parts of one comparison get the same data; the pictures go to
    the viewer and the map."""
    _component(key=key, data={**data, "part": part})


def view_data(
    id: str,
    comparison: Comparison,
    pictures: Sequence[Mapping[str, str] | None],
    *,
    mirrored: bool = False,
) -> dict[str, Any]:
    """Return everything the view needs.

    Parameters
    ----------
    id : str
        Of the comparison.
    pictures
        For each moment "copy", "original" and "heat" as data addresses; None where they can't be
        shown. Without any there is a chart only.
    mirrored : bool
        Show each file on the other side. It changes the view alone: times and measurements stay
        those of the copy.
    """
    media = comparison.copy_media
    length = max(media.duration or 0.0, 0.1)
    seen_at = [
        (place, _sides(shown or {}, mirrored))
        for place, shown in enumerate(pictures or [None] * len(comparison.moments))
        if shown or not pictures
    ]
    moments = [_moment(comparison, place, shown, mirrored) for place, shown in seen_at]
    excess = [comparison.moments[place].excess for place, _shown in seen_at]
    levels = [m["elsewhere"] for m in moments]
    levels += [face["difference"] for m in moments for face in m["faces"]]
    levels += [face["limit"] for m in moments for face in m["faces"]]
    ranked = sorted(comparison.people, key=lambda p: (p.part == "none", -p.difference))
    seen = {face["person"] for m in moments for face in m["faces"]}
    times, ticks = time_ticks(length)
    body: dict[str, Any] = {
        "id": id,
        "size": [media.width, media.height],
        "people": [
            {"id": p.id, "name": _("Person {id}").format(id=p.id)} for p in ranked if p.id in seen
        ],
        "moments": moments,
        "start": excess.index(max(excess)) if excess else 0,
        "length": length,
        "end": labels.clock(length),
        "top": max(5, int(np.ceil(1.1 * max(levels, default=0.0)))),
        "ticks": [[t / length, text] for t, text in zip(times, ticks, strict=True) if t <= length],
        "words": _words(comparison, mirrored),
    }
    version = hashlib.sha1(json.dumps(body).encode(), usedforsecurity=False).hexdigest()
    return body | {"version": version}


def address(rgb: np.ndarray) -> str:
    """Return a picture as a data address, WebP."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "WEBP", quality=QUALITY, method=0)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def addresses(pictures: AlignedPictures) -> dict[str, str]:
    """Return the three pictures of a moment."""
    return {
        "copy": address(pictures.copy),
        "original": address(pictures.original),
        "heat": address(pictures.heat(HEAT_LEVELS)),
    }


def _sides(shown: Mapping[str, str], mirrored: bool) -> dict[str, str]:
    """Return what belongs to the two files, each in the other's place if mirrored."""
    if not (mirrored and shown):
        return dict(shown)
    return {**shown, "copy": shown["original"], "original": shown["copy"]}


def _moment(
    comparison: Comparison, place: int, shown: Mapping[str, str], mirrored: bool
) -> dict[str, Any]:
    moment = comparison.moments[place]
    clock, still = labels.clock(moment.time), not comparison.copy_media.duration
    there = labels.clock(moment.original_time)
    faces = [_face(face, clock) for face in moment.faces]
    say = "; ".join([face["label"] for face in faces]) or clock
    copy, original = titles(comparison)
    values = {"time": clock, "there": there, "copy": copy, "original": original}
    alt = {
        "copy": copy if still else _("{copy} at {time}").format(**values),
        "original": _("{original}, laid on the other file").format(**values)
        if still
        else _("{original} at {there}, laid on the other file").format(**values),
    }
    return {
        **shown,
        "time": moment.time,
        "clock": clock,
        "place": _("moment {n} of {all} · {time}").format(
            n=place + 1, all=len(comparison.moments), time=clock
        ),
        "say": say,
        "elsewhere": moment.elsewhere,
        "limit": moment.limit,
        "faces": faces,
        "alt": {**_sides(alt, mirrored), "heat": _where(moment, clock)},
    }


def _where(moment: ComparedMoment, clock: str) -> str:
    """Return the map in words."""
    most = max(moment.faces, key=lambda face: face.difference, default=None)
    if most is None:
        text = _("Where they differ at {time}: {rest} gray levels on average; no face is seen.")
        return text.format(time=clock, rest=f"{moment.elsewhere:.1f}")
    text = _(
        "Where they differ at {time}: {levels} gray levels inside the face of Person {id}, {rest} "
        "elsewhere."
    )
    return text.format(
        time=clock, levels=f"{most.difference:.1f}", id=most.person, rest=f"{moment.elsewhere:.1f}"
    )


def _face(face: FaceDifference, clock: str) -> dict[str, Any]:
    x0, y0, x1, y1 = face.box
    side = AROUND * max(x1 - x0, y1 - y0)
    text = _("{time}, Person {id}: {levels} gray levels apart, re-encoding leaves {limit}")
    values = {"levels": f"{face.difference:.1f}", "limit": f"{face.limit:.1f}"}
    return {
        "person": face.person,
        "difference": face.difference,
        "limit": face.limit,
        "differs": face.part != "none",
        "crop": [(x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side],
        "text": f"{face.difference:.0f}" if face.difference >= 10 else f"{face.difference:.1f}",
        "label": text.format(time=clock, id=face.person, **values),
    }


def titles(comparison: Comparison) -> tuple[str, str]:
    """Return what stands over each of the two files: their roles where these are known."""
    if comparison.roles_known:
        return _("Suspected copy"), _("Original")
    return words.called(comparison, speech())


def _words(comparison: Comparison, mirrored: bool) -> dict[str, Any]:
    copy, original = titles(comparison)
    short = _("Copy") if comparison.roles_known else copy
    sides = {"copy": short, "original": original}
    edge = _sides(sides, mirrored)
    wiped = _("{share} % copy") if mirrored else _("{share} % original")
    if not comparison.roles_known:
        wiped = "{share} % " + edge["original"]
    people = [p for p in comparison.people if p.part != "none"] or comparison.people
    inside = max((p.difference for p in people), default=0.0)
    values = {
        "inside": f"{inside:.1f}",
        "rest": f"{comparison.elsewhere or 0:.1f}",
        "limit": f"{comparison.limit or 0:.1f}",
    }
    return {
        "how": _("How to look at them"),
        "wipe": _("Wipe"),
        "blink": _("Blink"),
        "both": _("Side by side"),
        "difference": _("Difference"),
        "short": {
            "wipe": _("Wipe"), "blink": _("Blink"), "both": _("Both"), "difference": _("Map"),
        },
        "names": {
            **_sides({"copy": copy, "original": original}, mirrored), "copyShort": edge["copy"],
        },
        "edge": _("Edge between the two files"),
        "wiped": wiped,
        "moment": _("Moment"),
        "before": _("Moment before"),
        "after": _("After alignment, with colors and sharpness matched."),
        "next": _("Next moment"),
        "play": _("Play the moments"),
        "pause": _("Pause"),
        "strip": _("Moment by moment"),
        "person": _("Person"),
        "unit": _("inside the face, gray levels"),
        "apart": _("Apart by"),
        "where": _("Where they differ"),
        "none": _("none"),
        "most": _("{most} or more gray levels").format(most=HEAT_LEVELS),
        "time": _("Difference over time"),
        "axis": _("mean gray levels, 0 to 255 · click a point to go there"),
        "inside": _("inside the face, {name}"),
        "others": _("other people"),
        "rest": _("everywhere else"),
        "zone": _("what re-encoding leaves in that face"),
        "differs": _("the face differs by more"),
        "alt": _(
            "Difference over time: inside the face {inside} gray levels, elsewhere {rest}; "
            "re-encoding alone leaves up to {limit}."
        ).format(**values),
    }  # fmt: skip
