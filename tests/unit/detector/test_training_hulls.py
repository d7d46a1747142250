"""Fakes that are made of originals under the hull of a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from detector.models.mesh import Mesh
from detector.training import hulls
from detector.training.recipe import MadeKind
from detector.vision import load_detector
from tests.support.oval import Oval


class Blind(Oval):
    def points(self, face: np.ndarray) -> np.ndarray | None:
        return None


@pytest.mark.parametrize("kind", get_args(MadeKind))
def test_a_blend_changes_what_lies_in_the_hull(kind: MadeKind, astronaut: np.ndarray) -> None:
    target, source = astronaut[:256, 100:356], astronaut[6:262, 96:352]
    points = Oval().points(target)
    assert points is not None
    for seed in range(8):
        rng = np.random.default_rng(seed)
        made = hulls._blended(target, source, points, kind, rng)
        moved = np.abs(made.astype(int) - target).max(2) > 0
        assert made.dtype == np.uint8 and moved[110:150, 90:160].any() | (kind == "mouth")
        if kind == "mouth":
            assert moved[150:180, 110:146].any() and not moved[:80].any()
        elif kind == "neighbor":
            assert not moved[:10].any() and not moved[:, :10].any()


def test_an_original_and_its_blend_are_encoded_alike(astronaut: np.ndarray) -> None:
    shown = np.stack([astronaut[:256, 100:356]] * 2)
    made, again = (
        hulls.blended(shown, shown, Oval(), "neighbor", np.random.default_rng(1))  # type: ignore[arg-type]
        for _ in range(2)
    )
    assert made is not None and made.fake.shape == made.original.shape == shown.shape
    assert 0 < np.abs(made.original.astype(int) - shown).mean() < 6
    assert again is not None and (made.fake == again.fake).all()
    none = hulls.blended(shown, shown, Blind(), "self", np.random.default_rng(1))  # type: ignore[arg-type]
    assert none is None


@pytest.mark.shared
def test_the_mesh_lies_on_the_face(shared: Path, astronaut: np.ndarray) -> None:
    """In a picture of another size than the network's."""
    folder = shared / "weights" / "mediapipe_face"
    mesh = Mesh(folder / "face_landmarker_v2_with_blendshapes.task")
    points = hulls._points(mesh, np.ascontiguousarray(astronaut[40:220, 130:310]))
    assert points is not None and points.shape == (478, 2)
    found = np.array(load_detector().detect(astronaut, 60)[0].landmarks)
    off = np.linalg.norm(points[list(hulls.FIVE)] + (130, 40) - found, axis=1)
    assert off.max() < 10  # px; its eyes are 46 apart
    assert hulls._points(mesh, np.zeros((180, 180, 3), np.uint8)) is None
