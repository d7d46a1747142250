"""Sections of a comparison of two files."""

import math
from collections.abc import Callable, Sequence

from detector._version import __version__
from detector.messages.format import capital, clock
from detector.presentation import (
    LIMITS,
    Block,
    Curve,
    CurveChart,
    Grid,
    Picture,
    Pictures,
    Points,
    Section,
    Text,
    facts,
    file,
)  # fmt: skip
from detector.presentation.comparison import (
    against,
    called,
    differs,
    figures,
    lead,
    limits,
    question,
    sentence,
    titles,
    unstated,
    when,
)  # fmt: skip
from detector.schema.codes import Label
from detector.schema.comparison import ComparedMoment, Comparison, FaceDifference, SharedMovement
from detector.sentences import _, numeral, say

EDITS = 12  # places that are listed, the largest first; all are in the attached data
BESIDE = _(
    "A comparison is a measurement of its own: no detector counts in it, and it counts in none. It "
    "says what differs between these two files, not what is true."
)
OVER_TIME, LEVELS = _("Difference over time"), _("mean gray levels, 0 to 255")
MAP, MAP_NOTE = _("Where they differ"), _("After alignment, with colors and sharpness matched.")
"""Heads and units of the chart and the map of differences"""
NOT_JUDGED = _("The detectors have not judged it.")
ALONE = _("What the detectors say of each, alone")
ALONE_NOTE = _("They know nothing of the other file, and count nothing in the finding above.")
METHOD = {
    _("In time"): _(
        "Each sampled moment of the copy is matched with the moment of the original that "
        "shows the same, along one path through both in which cuts, other rates and dropped "
        "frames are allowed."
    ),
    _("In place"): _(
        "Features and brightness outside faces say how the original lies in the copy: "
        "cropped, scaled, mirrored, turned, framed or at an angle. That is undone before "
        "measuring."
    ),
    _("In color"): _(
        "Where colors fit better after a curve for each channel, the original gets the "
        "copy's; the sharper of the two is softened."
    ),
    _("What re-encoding leaves"): _(
        "Everything outside faces says by how many gray levels these two files differ where "
        "nothing was done. A face differs where it does so by a multiple of that and by more "
        "than what is about it."
    ),
    _("The same footage"): _(
        "What does not belong to faces has to agree in place and to move alike; else the only"
        " statement about faces is whether one moves as the original's."
    ),
    _("The same movement"): _(
        "Optical flow of a face that is turned upright and brought to one size, held against "
        "the original's at every offset; told where heads and features go together by more "
        "than chance brings unrelated faces, given how much each goes with itself."
    ),
}


def beside_verdict(found: Comparison) -> Section:
    """Return a comparison as a section of an analysis report; it does not affect the verdict."""
    what = limits(found)
    named = [
        (_("Held against"), found.original_media.name),
        (_("SHA-256 of that"), found.original_media.sha256),
        *figures(found),
    ]
    blocks: list[Block] = [
        Text(f"{sentence(found)}.", "strong"),
        Text(f"{lead(found)} {against(found)}"),
        facts(named),
    ]
    if what:
        blocks.append(Text(f"{say(LIMITS)}: {what}", "note"))
    return Section("comparison", question(seen=unstated(found)), tuple(blocks))


def sections(
    comparison: Comparison,
    hashes: tuple[str | None, str | None],
    pictures: tuple[Picture, ...] = (),
    missing: str = "",
) -> list[Section]:
    """Return all sections of a comparison: `hashes` are the current ones of the two files,
    `pictures` show the moment of the largest difference, `missing` says why there are none."""
    several = len(comparison.moments) > 1
    found = [
        _opening(comparison, pictures, missing),
        _measured(comparison),
        *([_over_time(comparison)] if several else []),
        *([movement(comparison.movement, comparison)] if comparison.movement else []),
        _files(comparison, hashes),
        _method(comparison),
    ]
    return [*found, _moments(comparison)] if several else found


def _opening(comparison: Comparison, pictures: tuple[Picture, ...], missing: str) -> Section:
    blocks: list[Block] = [Text(lead(comparison), "lead")]
    if comparison.finding.related:
        blocks.append(Text(against(comparison)))
    if pictures:
        title = Text(_("The moment at which most differs"), "subhead")
        blocks += [title, Pictures(pictures, 3)]
    elif missing:
        blocks.append(Text(missing, "note"))
    blocks.append(Text(say(LIMITS), "subhead"))
    said = f"{limits(comparison)} {say(BESIDE)}".strip()
    return Section("finding", "", (*blocks, Text(said, "aside")))


def _measured(comparison: Comparison) -> Section:
    blocks: list[Block] = [facts(figures(comparison))]
    if comparison.people:
        rows = []
        for person in comparison.people:
            part = differs(comparison, person)
            levels = (person.difference, person.rim, person.noise_threshold)
            seen = when(comparison, person.spans) if person.spans else ""
            rows.append((person.id, capital(part), seen, *map(_gray, levels)))
        heads = (
            _("Person"), _("Finding"), _("When"), _("Inside"), _("Rim"), _("Re-encoding leaves"),
        )  # fmt: skip
        blocks.append(Grid(heads, rows))
    if comparison.edits:
        edits, copy = [], called(comparison)[0]
        for edit in comparison.edits[:EDITS]:
            x0, y0, x1, y1 = (round(side) for side in edit.box)
            kind = _("Laid over") if edit.kind == "overlay" else _("Changed")
            place = _("{start} to {end} px of {copy}")
            place = place.format(start=f"{x0}, {y0}", end=f"{x1}, {y1}", copy=copy)
            edits.append((kind, place, when(comparison, edit.spans), _gray(edit.difference)))
        columns = _("Outside faces"), _("Where"), _("When"), _("Gray levels")
        blocks.append(Grid(columns, edits))
    return Section("measured", _("What was measured"), tuple(blocks))


def _over_time(comparison: Comparison) -> Section:
    """Return the difference over time inside the most different face and elsewhere."""
    person = next(iter(seen_people(comparison)), None)
    note = _(
        "Mean gray levels, 0 to 255. Bold: inside the face of the person who differs most, in "
        "color where it does. Dashed: everywhere outside faces. The band is what re-encoding alone "
        "leaves in that face."
    )
    blocks = over_time(comparison, comparison.moments, person), Text(note, "note")
    return Section("differences", say(OVER_TIME), blocks)


def seen_people(comparison: Comparison) -> dict[str, str]:
    """Return the names of visible people by id, the most different face first."""
    seen = {face.person for moment in comparison.moments for face in moment.faces}
    ranked = sorted(comparison.people, key=lambda p: (p.changed_region == "none", -p.difference))
    return {p.id: _("Person {id}").format(id=p.id) for p in ranked if p.id in seen}


def face_of(moment: ComparedMoment, person: str | None) -> FaceDifference | None:
    """Return the measurement of a person's face at a moment, if visible."""
    return next((face for face in moment.faces if face.person == person), None)


def differs_at(face: FaceDifference | None) -> bool:
    """Return whether a face differs by more than re-encoding explains."""
    changed = face is not None and face.changed_region != "none"
    return changed and face is not None and face.difference > face.noise_threshold


def over_time(
    comparison: Comparison, moments: Sequence[ComparedMoment], person: str | None
) -> CurveChart:
    """Return the difference over time: inside a person's face, inside other faces, elsewhere, and
    the level that re-encoding explains."""

    def inside(id: str | None, *, where: Callable[[FaceDifference], bool] = bool) -> Points:
        faces = ((moment.time, face_of(moment, id)) for moment in moments)
        return [(time, face.difference if face and where(face) else None) for time, face in faces]

    own = [(moment, face_of(moment, person)) for moment in moments]
    leaves = [(m.time, face.noise_threshold if face else m.noise_threshold) for m, face in own]
    rest = [(moment.time, moment.background_difference) for moment in moments]
    others = [inside(id) for id in seen_people(comparison) if id != person]
    shown = inside(person)
    levels = (level for points in (shown, leaves, rest, *others) for _time, level in points)
    top = 5.0 * max(1, math.ceil(max((level or 0.0 for level in levels), default=0.0) / 5))
    end = max([comparison.copy_media.duration or 0.1, *(moment.time for moment in moments)])
    lines = (
        Curve(rest, 0.4, muted=True, dashed=True),
        *(Curve(points, 0.4, muted=True) for points in others),
        Curve(shown),
        Curve(inside(person, where=differs_at), 0.9, state=Label.FAKE),
    )
    ticks = tuple((level, numeral(level, "g")) for level in (0.0, top / 2, top))
    return CurveChart(lines, end, 0.0, top, ticks, leaves, said=_in_words(comparison))


def _in_words(comparison: Comparison) -> str:
    changed = [p for p in comparison.people if p.changed_region != "none"] or comparison.people
    text = _(
        "Difference over time: inside the face {inside} gray levels, elsewhere {rest}; "
        "re-encoding alone leaves up to {limit}."
    )
    return text.format(
        inside=_gray(max((p.difference for p in changed), default=0.0)),
        rest=_gray(comparison.background_difference or 0),
        limit=_gray(comparison.noise_threshold or 0),
    )


def moment_said(moment: ComparedMoment) -> str:
    """Return the measurements of a moment's faces, or its time without a face."""
    said = [face_said(moment, face) for face in moment.faces]
    return "; ".join(said) or clock(moment.time, tenths=True)


STRIP = _("Moment by moment"), _("inside the face, gray levels")
APART = _("Apart by")
"""Head and unit of the strip of faces in both files, and the name of its numbers"""


def level(face: FaceDifference) -> str:
    """Return how far a face differs in gray levels, with a tenth below 10."""
    return f"{face.difference:.0f}" if face.difference >= 10 else _gray(face.difference)


def _gray(levels: float) -> str:
    return numeral(levels, ".1f")


def place(comparison: Comparison, number: int) -> str:
    """Return which of the moments this is, from 0, and its time; empty for a picture."""
    if not comparison.copy_media.duration:
        return ""
    text, moments = _("moment {n} of {all} · {time}"), comparison.moments
    time = clock(moments[number].time, tenths=True)
    return text.format(n=number + 1, all=len(moments), time=time)


def face_said(moment: ComparedMoment, face: FaceDifference) -> str:
    """Return the measurement of a face at a moment."""
    text = _("{time}, Person {id}: {levels} gray levels apart, re-encoding leaves {limit}")
    return text.format(
        time=clock(moment.time, tenths=True), id=face.person,
        levels=_gray(face.difference), limit=_gray(face.noise_threshold),
    )  # fmt: skip


def pictures(comparison: Comparison, moment: ComparedMoment) -> tuple[str, str]:
    """Return the captions of both pictures of a moment, the second aligned to the first."""
    first, second = titles(comparison)
    if comparison.copy_media.duration:
        at = _("{file} at {time}")
        first = at.format(file=first, time=clock(moment.time, tenths=True))
        second = at.format(file=second, time=clock(moment.original_time, tenths=True))
    return first, _("{file}, laid on the other").format(file=second)


def keys(comparison: Comparison, person: str | None) -> dict[str, str]:
    """Return the legend of the chart of differences."""
    named, out = seen_people(comparison), dict[str, str]()
    if person:
        out["own"] = _("inside the face, {name}").format(name=named[person])
        if any(differs_at(face_of(moment, person)) for moment in comparison.moments):
            out["differs"] = _("the face differs by more")
        if len(named) > 1:
            out["others"] = _("other people")
    rest = _("what re-encoding leaves in that face")
    return out | {"elsewhere": _("everywhere else"), "rest": rest}


def map_scale(levels: int) -> str:
    """Return how the map of differences is read in print: white from so many gray levels on."""
    text = _("{map}: black is 0, white {number} gray levels or more")
    return text.format(map=say(MAP), number=levels)


def map_ends(levels: int) -> tuple[str, str]:
    """Return the ends of the color scale of the map of differences."""
    return _("none"), _("{most} or more gray levels").format(most=levels)


def map_said(moment: ComparedMoment) -> str:
    """Return the text alternative of the map of differences."""
    most = max(moment.faces, key=lambda face: face.difference, default=None)
    text = _(
        "Where they differ at {time}: {levels} gray levels inside the face of Person {id}, {rest} "
        "elsewhere."
    )
    if most is None:
        text = _("Where they differ at {time}: {rest} gray levels on average; no face is seen.")
    return text.format(
        time=clock(moment.time, tenths=True),
        levels=_gray(most.difference) if most else "",
        id=most.person if most else "",
        rest=_gray(moment.background_difference),
    )


REACH = 3.4  # standard deviations of a movement that are drawn, either way


def movement(shared: SharedMovement, comparison: Comparison) -> Section:
    """Return the movement of head and features in both files: the original thick, the copy thin."""
    moving, charts = {"head": _("Head"), "features": _("Features")}, list[Block]()
    alike = _("{what}: correlation {n:.2f} between the two files")
    for trace in shared.traces:
        curves = [
            [(i * shared.step, max(-REACH, min(REACH, value))) for i, value in enumerate(values)]
            for values in (trace.of_original, trace.of_copy)
        ]
        lines = Curve(curves[0], 0.8, muted=True), Curve(curves[1], 0.3)
        end, name = (len(trace.of_copy) - 1) * shared.step, moving[trace.what]
        said = alike.format(what=name, n=trace.correlation)
        charts.append(CurveChart(lines, end, -REACH, REACH, (), title=name, said=said))
    copy, original = called(comparison)
    text = _(
        "{seconds:.1f} s, from {start:.1f} s of {copy} on, along the way the face moves most, each "
        "by its own strength. Thick and gray: {original}; thin: {copy}."
    )
    values = {"seconds": shared.seconds, "start": shared.start, "copy": copy, "original": original}
    return Section(
        "movement", _("How the face moves"), (*charts, Text(text.format(**values), "note"))
    )


def _files(comparison: Comparison, hashes: tuple[str | None, str | None]) -> Section:
    both, blocks = (comparison.copy_media, comparison.original_media), list[Block]()
    for title, media, now in zip(titles(comparison), both, hashes, strict=True):
        blocks += [Text(title, "subhead"), file.hashed(media, now, _("SHA-256 when compared"))]
    blocks += [Text(say(note), "note") for note in comparison.notes]
    return Section("files", _("The two files"), tuple(blocks))


def _method(comparison: Comparison) -> Section:
    blocks: list[Block] = [facts((say(name), say(text)) for name, text in METHOD.items())]
    length = comparison.copy_media.duration or 0.0
    if length and len(comparison.moments) > 1:
        text = _(
            "{number} moments of {length} were measured: a change shorter than {seconds} s can lie "
            "between two of them."
        )
        values = {"number": len(comparison.moments), "length": clock(length, tenths=True)}
        apart = length / len(comparison.moments)
        blocks.append(Text(text.format(**values, seconds=numeral(apart, ".2g")), "note"))
    took = f"{numeral(comparison.seconds, '.1f')} s" if comparison.seconds else _("not measured")
    made = facts([(_("Program"), f"Unmask {__version__}"), (_("Took"), took)])
    return Section("method", _("How it was measured"), (*blocks, made))


def _moments(comparison: Comparison) -> Section:
    rows = []
    for moment in comparison.moments:
        face = max(moment.faces, key=lambda face: face.difference, default=None)
        inside = (
            (_gray(face.difference), _gray(face.noise_threshold), face.person)
            if face
            else ("",) * 3
        )
        times = (f"{numeral(t, '.2f')} s" for t in (moment.time, moment.original_time))
        rows.append((*times, *inside, _gray(moment.background_difference)))
    first = _("First file"), _("Second file")
    if comparison.roles_known:
        first = _("Copy"), _("Original")
    levels = _("Inside the face"), _("Re-encoding leaves"), _("Person"), _("Elsewhere")
    table = Grid((*first, *levels), rows)
    return Section("moments", _("Moment by moment"), (table,))
