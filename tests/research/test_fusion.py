"""CLIP and a forensic CNN fused: the three ways, training, loading."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial import geometric_slerp
from torch import nn

import research
from detector.errors import ModelError, WeightsError
from detector.explain import cam
from detector.models import vit
from detector.models.base import ModelSpec
from research.families import fusion
from tests.support.golden import picture

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3} | {
    "num_attention_heads": 2
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CLIP of three layers, and a CNN that says how bright and how colored a picture is."""
    monkeypatch.setattr(vit, "CLIP_L14", vit.CLIP_L14 | SMALL)
    monkeypatch.setattr(fusion, "CLIP_WIDTH", SMALL["hidden_size"])
    monkeypatch.setitem(fusion.CNNS, "efficientnet_b4", ("test_efficientnet", 256))


def entry(way: str, **options: str | int) -> ModelSpec:
    tables = tomllib.loads((research.FOLDER / "weights" / "fusion.toml").read_text())["models"]
    (table,) = (table for table in tables if table["id"] == f"fusion_{way}")
    spec = ModelSpec.model_validate(table)
    return spec.model_copy(update={"options": {**spec.options, "width": 16, **options}})


def network(how: str) -> fusion.Fusion:
    torch.manual_seed(0)
    return fusion.build(entry(how)).eval()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_slerp_is_the_great_circles(share: float) -> None:
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 5, 8)))
    b[1], b[2] = a[1], a[2] + 1e-9  # no angle, and next to none
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    found = fusion.slerp(torch.tensor(a), torch.tensor(b), torch.tensor(share))
    for ours, start, end in zip(found.numpy(), a, b, strict=True):
        wanted = start if np.allclose(start, end) else geometric_slerp(start, end, share)
        np.testing.assert_allclose(ours, wanted, atol=1e-7)
    assert torch.isfinite(found).all()


def test_the_three_ways_differ_and_weigh() -> None:
    a, b = torch.eye(16)[:2], torch.eye(16)[2:4]
    fused = {how: network(how).fuse(a, b) for how in fusion.WAYS}
    assert fused["concat"].shape == (2, 32)
    torch.testing.assert_close(fused["weighted"], (a + b) / 2)
    torch.testing.assert_close(fused["slerp"].norm(dim=1), torch.ones(2))
    own = network("weighted")
    with torch.no_grad():
        own.share.fill_(-20.0)
    torch.testing.assert_close(own.fuse(a, b), a)


def test_the_cnn_gets_the_picture_as_it_was_trained() -> None:
    spec = entry("slerp", cnn_norm="half")
    net = fusion.build(spec)
    x = torch.rand(3, 4, 4)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in vars(spec.normalization).values())
    torch.testing.assert_close((x - mean) / std * net.stretch + net.shift, (x - 0.5) / 0.5)


@pytest.mark.parametrize("how", fusion.WAYS)
def test_the_head_learns_and_the_trunks_stay(how: str) -> None:
    net = network(how)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.rand(4, 3, 224, 224) + torch.arange(4).view(4, 1, 1, 1) % 2
    wanted = torch.arange(4) % 2
    optimizer = torch.optim.Adam(net.head_parameters(), lr=0.05)
    losses = []
    for _ in range(8):
        loss = nn.functional.cross_entropy(net(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    changed = {name for name, value in net.state_dict().items() if not value.equal(before[name])}
    assert changed and not any(name.startswith(("clip.", "cnn.")) for name in changed)


def test_a_trained_file_scores_and_explains(tmp_path: Path) -> None:
    net = network("slerp")
    save_file(
        {k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / "own.safetensors"
    )
    model = fusion.load(entry("slerp"), [tmp_path / "own.safetensors"], "cpu")
    x = model.preprocess(picture("input_odd_313x277.png"))[None]
    torch.testing.assert_close(model.forward(x), net(x).detach())
    logits = model.forward(x)
    torch.testing.assert_close(model.p_fake(logits), logits.softmax(1)[:, 1])
    maps = cam.draw(model, picture("input_face_224.png")[None])
    assert maps is not None and maps.shape == (1, 224, 224)
    with pytest.raises(WeightsError, match="another shape"):
        fusion.load(entry("concat"), [tmp_path / "own.safetensors"], "cpu")


def test_trunks_are_loaded_strictly() -> None:
    net, other = network("slerp"), network("concat")
    net.load_trunks(other.clip.state_dict(), other.cnn.state_dict())
    with pytest.raises(WeightsError, match="CNN"):
        net.load_trunks(other.clip.state_dict(), {})


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ModelError, match="slerp"):
        fusion.build(entry("slerp", how="sum"))
    with pytest.raises(ModelError, match="cnn_norm"):
        fusion.build(entry("slerp", cnn_norm="own"))
