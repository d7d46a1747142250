"""`python -m research.edges`: a face near the edge of the picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from detector.models.base import CropRecipe
from detector.vision import cut
from research import edges
from tests.conftest import write_clip


def test_a_frame_ends_where_it_is_asked_to() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (200, 240, 3)).astype(np.uint8)
    box = (100.0, 80.0, 140.0, 120.0)
    beyond = np.array([0.0, 0.2, 0.0, 0.1])
    less, moved = edges.nearer(frame, box, 60.0, beyond)
    assert less.shape == (117 + 7 - 82, 240, 3)
    crop = CropRecipe(scale=1.5, size=60, resize="area")
    whole, seen = cut(frame, box, crop), cut(less, moved, crop)
    np.testing.assert_array_equal(seen[12:54], whole[12:54])
    assert not seen[:12].any() and not seen[54:].any()
    mirrored = cut(less, moved, crop.model_copy(update={"border": "mirror"}))
    np.testing.assert_array_equal(mirrored[:12], whole[12:24][::-1])


def test_the_table_says_how_far_scores_move(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["file,label,kind,group,source,method"]
    for number, label in enumerate(("real", "fake", "real", "fake")):
        write_clip(tmp_path / f"{number}.mp4", seconds=0.4, size=(320 + 16 * number, 320))
        rows.append(f"{number}.mp4,{label},video,g{number},s{number},swap")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    monkeypatch.setattr(
        sys,
        "argv",
        ["edges", str(tmp_path / "labels.csv"), "--models", "grain", "--border", "black"],
    )
    edges.main()
    said = capsys.readouterr().out
    assert "4 clips, 2 of them originals" in said
    row = next(line for line in said.splitlines() if line.startswith("| grain"))
    moved = [float(x) for x in row.split("|")[2:4]]
    assert all(np.isfinite(moved)) and any(moved)


def test_what_was_left_out_is_told_by_how_much_is_beyond(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The face is 0.4 of the height wide: in a tall clip the square about it is all there."""
    rows, lines = ["file,label,kind,group,source,method"], []
    for number, label in enumerate((0, 1, 0, 1)):
        write_clip(tmp_path / f"{number}.mp4", seconds=0.4, size=(480, 320))
        rows.append(f"{number}.mp4,{['real', 'fake'][label]},video,g{number},s{number},swap")
        lines.append({"name": f"{number}.mp4", "logits": {"grain": label + number / 10}})
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    held = tmp_path / "held.jsonl"
    held.write_text("\n".join(json.dumps(line) for line in lines))
    monkeypatch.setattr(
        sys, "argv", ["edges", str(tmp_path / "labels.csv"), "--held", str(held), str(held)]
    )
    edges.main()
    said = capsys.readouterr().out
    told = [line for line in said.splitlines() if "| 2 | 2 |" in line]
    assert len(told) == 1 and "| 1.000 | 1.000 |" in told[0]
