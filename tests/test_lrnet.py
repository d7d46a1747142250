"""LRNet with its published weights: what its authors' code gave on a made sequence of landmarks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from detector.errors import ModelError, WeightsError
from detector.models import lrnet, registry

FILES = {"deeperforensics": ("g1", "g2"), "ffpp": ("ffpp_g1", "ffpp_g2")}


def landmarks(frames: int = 97) -> np.ndarray:
    """The sequence of the golden: [T, 136]."""
    t, k = np.arange(frames)[:, None], np.arange(136)[None]
    return np.round(0.6 * np.sin(0.37 * k + 0.05 * t) + 0.05 * np.cos(0.13 * k + 0.9 * t), 5)


@pytest.mark.shared
@pytest.mark.parametrize("variant", FILES)
def test_published_weights_give_the_published_scores(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """Through the registry, from the cache folder."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "weights" / "lrnet").mkdir(parents=True)
    for here, there in zip(FILES[variant], ("g1", "g2"), strict=True):
        target = tmp_path / "weights" / "lrnet" / f"{variant}_{there}.pth"
        shutil.copy(shared / "weights" / "lrnet" / f"{here}.pth", target)
    golden = json.loads((shared / "goldens" / "lrnet.json").read_text())
    wanted = golden["variants"]["+".join(FILES[variant])]
    model = registry.load_model(f"lrnet:{variant}")

    batch = torch.stack([model.preprocess(block) for block in lrnet.blocks(landmarks())])
    said = model.forward(batch)
    np.testing.assert_allclose(said[:, 0], wanted["g1 output"], atol=1e-5)
    np.testing.assert_allclose(said[:, 1], wanted["g2 output"], atol=1e-5)
    scores = model.p_fake(said)
    np.testing.assert_allclose(scores, wanted["block P(fake)"], atol=1e-5)
    assert float((scores >= 0.5).float().mean()) == pytest.approx(wanted["video score"][0])
    backwards = model.forward(batch.flip(1))
    assert float((backwards - said).abs().max()) > 0.05


def test_blocks_are_cut_as_the_original_does() -> None:
    assert lrnet.blocks(landmarks(97)).shape == (3, 30, 136)
    assert lrnet.blocks(landmarks(90)).shape == (2, 30, 136)
    assert lrnet.blocks(landmarks(31)).shape == (1, 30, 136)
    assert lrnet.blocks(landmarks(30)).shape == (0, 30, 136)


def made(folder: Path) -> list[Path]:
    paths = [folder / "g1.pth", folder / "g2.pth"]
    for path in paths:
        torch.save(lrnet.Reader().state_dict(), path)
    return paths


def test_pictures_get_no_score(tmp_path: Path) -> None:
    model = registry.load_model("lrnet", weights=made(tmp_path))
    with pytest.raises(ModelError, match="has no such points"):
        model.score(np.zeros((1, 30, 224, 224, 3), np.uint8))
    points = landmarks(30).reshape(30, 68, 2)
    assert model.preprocess(points).shape == (30, 136)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    first, second = made(tmp_path)
    torch.save({"dense.3.weight": torch.zeros(2, 64)}, second)
    with pytest.raises(WeightsError, match="missing"):
        registry.load_model("lrnet", weights=[first, second])
