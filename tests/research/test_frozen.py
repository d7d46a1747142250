"""`python -m research.frozen` and `research.masked`: what is described without a label."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from detector.models.families.mobilenet import MobileNetV2
from detector.models.families.texture import DEPTHS, TextureNet
from research import frozen, masked
from tests.support.oval import Oval
from tests.support.shelf import SIDE, shelf  # noqa: F401

LITE2 = "tf_efficientnet_lite2"


def call(monkeypatch: pytest.MonkeyPatch, main: Any, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["python -m research", *map(str, words)])
    main()


@pytest.fixture
def trunks(tmp_path: Path) -> dict[str, Path]:
    """Untrained trunks in files, by name."""
    torch.manual_seed(0)
    networks = {
        "lite0": TextureNet().features,
        "lite2": timm.create_model(LITE2, pretrained=False, num_classes=0),
        "mobile": MobileNetV2().features,
    }
    files = {name: tmp_path / f"{name}.safetensors" for name in networks}
    for name, network in networks.items():
        save_file(network.state_dict(prefix="features."), files[name])
    return files


def test_every_trunk_is_described_at_the_same_three_strides(trunks: dict[str, Path]) -> None:
    picture = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    widths = {"lite0": (24, 40, 112), "lite2": (24, 48, 120), "mobile": (24, 32, 96)}
    grain = TextureNet(SIDE).embed(picture).shape[1] - 6 * sum(widths["lite0"])
    for name, file in trunks.items():
        network = frozen.network_of(str(file), SIDE)
        assert isinstance(network, TextureNet)
        maps = [network.features(picture)[depth] for depth in DEPTHS]
        assert [(m.shape[1], SIDE // m.shape[2]) for m in maps] == list(
            zip(widths[name], DEPTHS.values(), strict=True)
        )
        assert network.embed(picture).shape == (2, 6 * sum(widths[name]) + grain)


def test_the_table_judges_what_was_left_out(
    shelf: Path,  # noqa: F811
    trunks: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(frozen, "Mesh", Oval)
    files = []
    for name in ("mobile", "lite0"):
        files.append(shelf / f"{name}.npz")
        given = ("--cache", shelf / "faces", "--size", SIDE, "--kept", files[-1])
        made = ("pasted", "neighbor") if name == "mobile" else ("pasted",)
        how = ("--trunk", trunks[name], "--mesh", "mesh.task", "--made", *made)
        call(monkeypatch, frozen.main, "describe", shelf / "labels.csv", *given, *how)
    kept = dict(np.load(files[0]))
    assert len(kept) == 48 + 2 * 24  # clips, and what was made of the originals among them
    assert {kept[name].shape[:2] for name in kept if " " in name} == {(2, 2)}
    capsys.readouterr()
    given = ("--cache", shelf / "faces", "--size", SIDE, "--kept", files[0], "--beside", files[1])
    call(monkeypatch, frozen.main, "table", shelf / "labels.csv", *given, "--made", "pasted")
    kinds, sources = capsys.readouterr().out.splitlines()
    assert kinds.startswith("mobile, kinds left out | 1.000") and kinds.endswith("100%")
    assert sources.startswith("mobile, sources left out | 1.000") and "both 1.000" in sources
    given = (*given[:-2], "--made", "pasted", "neighbor", "--alone")
    call(monkeypatch, frozen.main, "table", shelf / "labels.csv", *given)
    assert "mobile, kinds left out" in capsys.readouterr().out


def test_a_masked_run_is_kept_and_weighed(
    shelf: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {"HIDDEN": 24, "LAYERS": 2, "BATCH": 4}.items():
        monkeypatch.setattr(masked, name, value)
    monkeypatch.setattr(masked, "CACHED_SIDE", SIDE)
    given = (shelf / "labels.csv", "--cache", shelf / "faces", "--out", shelf / "run")
    call(monkeypatch, masked.main, *given, "--minutes", 0.02)
    first = capsys.readouterr().out.splitlines()
    kept = torch.load(shelf / "run" / "run.pt", weights_only=True)
    assert kept["step"] >= 1 and kept["spent"] >= 0.02 * 60
    rows = [line for line in first if "left out |" in line]
    assert len(rows) == 6 and rows[0].startswith("pretrained, in order, kinds left out | ")
    call(monkeypatch, masked.main, *given, "--minutes", 0.02)
    again = [line for line in capsys.readouterr().out.splitlines() if "left out |" in line]
    assert again[:4] == rows[:4]  # nothing was left to train
