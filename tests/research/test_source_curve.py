"""`python -m research.source_curve`: what more sources would be worth."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file

from detector.cli import main as unmask
from detector.evaluation import groups
from detector.evaluation.labels import pairs
from detector.models.families.texture import TextureNet
from detector.training.cache import Faces
from detector.training.recipe import FOLDER, read_recipe
from research import source_curve
from research.source_curve import SourceBench, drawn
from tests.conftest import write_clip

FEATURES = 40
SOURCES = {"sources-1": "iperov/DeepFaceLive", "sources-2": "yuangan/eat"}
"""One of each of two folds; by kind they are of two as well."""


def _clips(sources: int) -> list[Faces]:
    """An original and a fake of it, of each source."""
    return [
        Faces(f"{source}-{label}", label, "video", "x" if label else "none", f"g{source}",
              f"made/{source}", f"{source}", 0, 1, [], 0.0)
        for source in range(sources)
        for label in (0, 1)
    ]  # fmt: skip


def _seen(clips: list[Faces]) -> np.ndarray:
    """Descriptions in which a fake moves one way and every source another, further."""
    shift = np.random.default_rng(0).normal(size=FEATURES)
    return np.stack(
        [
            np.random.default_rng(int(clip.person)).normal(size=FEATURES) * 2 + clip.label * shift
            for clip in clips
        ]
    )


@pytest.fixture
def bench() -> SourceBench:
    clips = _clips(60)
    seen = np.repeat(_seen(clips)[None], 3, 0)
    return SourceBench(clips, seen, read_recipe("texture"), {clip.name for clip in clips})


def test_fewer_sources_are_part_of_more_and_hold_a_pair(bench: SourceBench) -> None:
    few, many = drawn(bench.clips, 3, 1), drawn(bench.clips, 9, 1)
    assert len({clip.source for clip in few}) == 3 and len({clip.source for clip in many}) == 9
    assert {clip.name for clip in few} < {clip.name for clip in many}
    assert pairs(few) and few != drawn(bench.clips, 3, 2)


@pytest.mark.parametrize("way", source_curve.WAYS)
def test_a_fit_knows_nothing_of_what_it_is_asked(
    bench: SourceBench, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[set[str]] = []
    fitted = source_curve.fitted

    def noted(described: np.ndarray, clips: list[Faces], *more: float) -> object:
        taught.append({source_curve.WAYS[way](clip) for clip in clips})
        return fitted(described, clips, *more)

    monkeypatch.setattr(source_curve, "fitted", noted)
    assert np.isfinite(bench.left_out(way)).all()
    folds = groups.source_names() if way == "sources" else groups.names()
    missing = [set(folds) - known for known in taught]
    assert all(len(one) == 1 for one in missing) and set.union(*missing) == set(folds)


def test_more_sources_tell_more(
    bench: SourceBench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_curve, "COUNTS", (2, 30))
    source_curve.curve(bench, "sources", 2)
    few, many, every = (line.split()[3] for line in capsys.readouterr().out.splitlines()[2:])
    assert float(few) < float(many) <= float(every)


def test_what_training_described_is_asked(
    tmp_path: Path,
    astronaut: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ["file,label,group,source,method"]
    face = cv2.resize(astronaut[:340, 60:400], (400, 400))
    for number, source in enumerate(SOURCES.values()):
        for label in ("real", "fake"):
            shown = face if label == "real" else cv2.GaussianBlur(face, (0, 0), 2.5)
            roll = partial(lambda shown, n: np.ascontiguousarray(np.roll(shown, 3 * n, 1)), shown)
            name = f"{label}_{number}.mp4"
            write_clip(tmp_path / name, seconds=0.3, fps=10, size=(400, 400), picture=roll)
            method = "none" if label == "real" else "Wav2Lip"
            rows.append(f"{name},{label},g{number}x,{source},{method}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    trunk = TextureNet().features.state_dict(prefix="features.")
    save_file({k: v.contiguous() for k, v in trunk.items()}, tmp_path / "trunk.safetensors")
    data, cache = str(tmp_path / "labels.csv"), ["--cache", str(tmp_path / "faces")]
    begin = [*cache, "--begin", str(tmp_path / "trunk.safetensors")]
    recipe = tmp_path / "small.toml"
    recipe.write_text((FOLDER / "texture.toml").read_text().replace("size = 256", "size = 64"))
    for fold in SOURCES:
        out = ["--leave-out", fold, "--out", str(tmp_path / fold)]
        assert unmask(["train", str(recipe), "--data", data, *begin, *out]) == 0
    monkeypatch.setattr(source_curve, "FEWEST", 2)
    asked = ["source_curve", data, *begin, "--draws", "1", "--recipe", str(recipe)]
    monkeypatch.setattr(sys, "argv", asked)
    source_curve.main()
    said = capsys.readouterr().out
    assert "4 clips (2 untouched), left out by sources" in said
    assert "all sources  AUC 1.000" in said
    assert "Wav2Lip" in said.splitlines()[-1] and said.splitlines()[-1].endswith("1.00  1.00")
