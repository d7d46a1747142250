"""`python -m research.neighbors`: what changes between neighboring frames."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file

from detector.models.families.texture import FEATURES, TextureNet
from research import neighbors
from tests.conftest import write_clip

SOURCES = ("iperov/DeepFaceLive", "yuangan/eat", "ashawkey/ashawkey.github.io")


def _shaken(shown: np.ndarray, strength: float, number: int) -> np.ndarray:
    """Another grain in each frame."""
    grain = np.random.default_rng(number).normal(0, strength, shown.shape)
    return np.clip(shown + grain, 0, 255).astype(np.uint8)


def test_a_run_tells_its_frames_from_their_changes(astronaut: np.ndarray) -> None:
    network = TextureNet().eval().requires_grad_(False)
    face = cv2.resize(astronaut[:340, 60:400], (256, 256))
    still = np.stack([face] * neighbors.LENGTH)
    moving = np.stack([_shaken(face, 8, n) for n in range(neighbors.LENGTH)])
    of_still, of_moving = (neighbors.describe(network, run) for run in (still, moving))
    change = slice(FEATURES, FEATURES + 10 * (24 + 40 + 112))
    assert np.allclose(of_still[change], np.log(neighbors.LEAST), atol=0.02)
    assert (of_moving[change] > of_still[change]).mean() > 0.99
    assert len(of_still) == change.stop + 6 * (24 + 40 + 112)


def test_flicker_is_found_in_sources_that_were_left_out(
    tmp_path: Path,
    astronaut: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ["file,label,group,source,method"]
    face = cv2.resize(astronaut[:340, 60:400], (400, 400))
    for number, source in enumerate(SOURCES):
        for label, strength in (("real", 1.0), ("fake", 9.0)):
            name = f"{label}_{number}.mp4"
            picture = partial(_shaken, face, strength)
            write_clip(tmp_path / name, seconds=0.4, fps=25, size=(400, 400), picture=picture)
            method = "none" if label == "real" else "x"
            rows.append(f"{name},{label},g{number}x,{source},{method}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    trunk = TextureNet().features.state_dict(prefix="features.")
    save_file({k: v.contiguous() for k, v in trunk.items()}, tmp_path / "trunk.safetensors")
    command = ["neighbors", str(tmp_path / "labels.csv"), "--kept", str(tmp_path / "kept.npz")]
    monkeypatch.setattr(sys, "argv", [*command, "--begin", str(tmp_path / "trunk.safetensors")])
    neighbors.main()
    said = capsys.readouterr().out
    assert "3 untouched and 3 altered clips, 3 pairs" in said
    (row,) = (line for line in said.splitlines() if line.startswith("sources  change "))
    assert "1.00" in row.split("[")[0] and row.endswith("pairs 1.00")
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--beside", "detail"])
    neighbors.main()
    both = capsys.readouterr().out
    assert both.startswith(said)
    rows = [line for line in both.splitlines() if "right" in line]
    assert [row.split("  ")[0].split()[0] for row in rows] == ["sources"] * 3 + ["kinds"] * 3
    assert "change and shown + detail" in rows[1] and "1.000" in rows[1]
    monkeypatch.setattr(sys, "argv", sys.argv[:-2])
    # What was described is kept: the second call opens no clip.
    for clip in tmp_path.glob("*.mp4"):
        clip.unlink()
    neighbors.main()
    assert capsys.readouterr().out == said
