"""A mesh for faces of made people: its points lie on ellipses in the middle of the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.training import hulls, layer


class Oval:
    """In place of `detector.models.mesh.Mesh`."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def points(self, face: np.ndarray) -> np.ndarray | None:
        side, points = len(face), np.full((478, 2), len(face) / 2)
        for number, (names, wide) in enumerate(((hulls.OVAL, 0.3), (hulls.LIPS, 0.1))):
            turn = np.linspace(-np.pi / 2, 1.5 * np.pi, len(names), endpoint=False)
            points[list(names)] += wide * side * np.stack([np.cos(turn), np.sin(turn)], 1)
            points[list(names), 1] += 0.12 * side * number
        points[list(hulls.BROWS)] += (0, -0.15 * side)
        points[hulls.CHIN] = (side / 2, 0.8 * side)
        points[list(hulls.FIVE)] += ((-40, -30), (40, -30), (0, 0), (0, 0), (0, 0))
        return points


@pytest.fixture()
def oval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training finds such a mesh, and needs no file for it."""
    monkeypatch.setattr(layer, "Mesh", Oval)
    monkeypatch.setattr(layer.weights, "resolve", lambda entry: [Path("mesh.task")])
