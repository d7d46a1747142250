"""What was measured on small pictures, in pixels of the files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detector.comparison import decide, geometry
from detector.comparison.measure import MeasuredMoment
from detector.schema.analysis import Media
from detector.schema.comparison import (
    ComparedMoment,
    Comparison,
    FaceDifference,
    SpaceAlignment,
)
from detector.schema.subject import letter


def space(result: Comparison, found: Sequence[MeasuredMoment]) -> SpaceAlignment:
    """Return how the original's picture lies in the copy's, by the middle one of the maps."""
    edge = geometry.corners(result.original_media.width, result.original_media.height)
    matrices = [_matrix(m, result) for m in found]
    moved = np.array([geometry.moved_points(matrix, edge) for matrix in matrices])
    middle = int(np.abs(moved - np.median(moved, axis=0)).max((1, 2)).argmin())
    return geometry.described(
        matrices[middle],
        (result.original_media.width, result.original_media.height),
        (result.copy_media.width, result.copy_media.height),
    )


def _matrix(moment: MeasuredMoment, result: Comparison) -> np.ndarray:
    """Return a moment's map as one of full pictures."""
    pair = moment.pair
    return geometry.rescaled(
        pair.matrix,
        (
            result.original_media.width / pair.original.shape[1],
            result.original_media.height / pair.original.shape[0],
        ),
        (
            result.copy_media.width / pair.copy.shape[1],
            result.copy_media.height / pair.copy.shape[0],
        ),
    )


def scale(about: Media, moment: MeasuredMoment) -> tuple[float, float]:
    """Return px of a file's picture, across and down, for a px of the layers."""
    height, width = moment.layers.valid.shape
    return about.width / width, about.height / height


def moment(
    found: MeasuredMoment,
    parts: dict[int, decide.Part],
    decided: decide.Decided,
    result: Comparison,
    full: tuple[float, float],
) -> ComparedMoment:
    """Return a moment as it is told; `full` as of `scale`."""
    boxes = {number: face.box for number, face in found.layers.faces}
    faces = [
        FaceDifference(
            person=letter(face.person),
            box=(
                boxes[face.person][0] * full[0], boxes[face.person][1] * full[1],
                boxes[face.person][2] * full[0], boxes[face.person][3] * full[1],
            ),
            difference=round(face.inside.difference, 2),
            mouth=round(face.lower.difference, 2),
            rim=round(face.rim.difference, 2),
            limit=round(decided.limits[face.person] * face.inside.expected, 2),
            part=parts.get(face.person, "none"),
        )
        for face in found.faces
    ]  # fmt: skip
    a, b, c, d, e, f, g, h, i = (round(float(x), 8) for x in _matrix(found, result).ravel())
    limit = max([1.0, *decided.limits.values()]) * found.rest.expected
    return ComparedMoment(
        time=round(found.pair.time, 4),
        original_time=round(found.pair.original_time, 4),
        elsewhere=round(found.rest.difference, 2),
        limit=round(limit, 2),
        faces=faces,
        transform=(a, b, c, d, e, f, g, h, i),
    )
