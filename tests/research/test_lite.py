"""EfficientNet-Lite on faces with surroundings: names, scores, heatmaps, its trunk, its cut."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from detector.errors import ModelError, WeightsError
from detector.explain import cam
from detector.models.base import CropRecipe
from detector.training import augment, input_transform, start
from detector.training.recipe import Part, read_recipe
from research.families import lite
from research.training import trunks
from tests.support.shelf import SIDE, spec

TRUNK = {"trunk": lite.TRUNKS[0]}


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    face = skimage.data.astronaut()[40:220, 140:320]
    return np.stack([np.roll(cv2.resize(face, (SIDE, SIDE)), 3 * i, 1) for i in range(20)])


@pytest.fixture(scope="module")
def network(crops: np.ndarray) -> lite.LiteNet:
    """Untrained, but with statistics and a last layer that tell one crop from another."""
    torch.manual_seed(0)
    made = lite.LiteNet().train()
    x = torch.from_numpy(augment.batch_to_array(list(crops)))
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        made(x)
        nn.init.normal_(made.classifier[1].weight)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(network: lite.LiteNet, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("weights") / "wide.safetensors"
    save_file(network.state_dict(), file)
    return lite.load(spec("lite", options=TRUNK), [file], "cpu")


def test_scores_are_those_of_the_network_each_time(model, network, crops: np.ndarray) -> None:
    with torch.no_grad():
        expected = network(torch.from_numpy(augment.batch_to_array(list(crops)))).numpy()
    scores = model.score(crops)
    assert scores.shape == (20,) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=5e-3)
    assert np.ptp(scores) > 1
    np.testing.assert_array_equal(scores, model.score(crops))
    assert model.score(crops[:0]).shape == (0,)


def test_heatmaps_are_a_sixteenth(model, crops: np.ndarray) -> None:
    maps = cam.draw(model, crops[:3])
    assert maps.shape == (3, SIDE, SIDE) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() == pytest.approx(1)


def test_what_is_pooled_is_what_timm_pools(network) -> None:
    """The trunk alone, called as timm calls it, gives the features that are judged."""
    x = torch.rand(2, 3, SIDE, SIDE)
    torch.testing.assert_close(network.embed(x), network.features(x))


def test_weights_that_do_not_fit_are_refused(network, tmp_path: Path) -> None:
    state = dict(network.state_dict())
    del state["features.blocks.1.0.conv_pw.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(WeightsError, match="do not fit"):
        lite.load(spec("lite", options=TRUNK), [tmp_path / "short.safetensors"], "cpu")
    with pytest.raises(ModelError, match="no trunk 'resnet18'"):
        lite.load(
            spec("lite", options={"trunk": "resnet18"}), [tmp_path / "short.safetensors"], "cpu"
        )


def test_what_is_frozen_stays_while_the_rest_learns(crops: np.ndarray) -> None:
    torch.manual_seed(2)
    network = lite.LiteNet(frozen=2).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    x = torch.from_numpy(augment.batch_to_array(list(crops[:4])))
    rates = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        rates.zero_grad()
        network(x).sum().backward()
        rates.step()
    after = network.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    early = ("features.conv_stem", "features.bn1", "features.blocks.0", "features.blocks.1")
    assert not [name for name in changed if name.startswith(early) or "running" in name]
    assert "features.blocks.2.0.conv_pw.weight" in changed and "classifier.1.weight" in changed
    # The names in the file are the same, so it loads as any other.
    lite.build(after)


# --- the published trunk -------------------------------------------------------------------------


def published(network: lite.LiteNet) -> dict[str, torch.Tensor]:
    """The trunk as efficientnet_pytorch calls it: blocks in one row, the first of which has nothing
    to expand, and norms from 0 on."""
    names = {}
    row = [block for stage in network.features.blocks for block in stage]
    for number, block in enumerate(row):
        if number:
            parts = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
            ours = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
        else:
            parts = ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")
            ours = ("conv_dw", "bn1", "conv_pw", "bn2")
        for theirs, mine in zip(parts, ours, strict=True):
            names[f"_blocks.{number}.{theirs}"] = getattr(block, mine)
    trunk = network.features
    names |= {"_conv_stem": trunk.conv_stem, "_bn0": trunk.bn1}
    names |= {"_conv_head": trunk.conv_head, "_bn1": trunk.bn2, "_fc": nn.Linear(1280, 1000)}
    return {f"{name}.{key}": t for name, m in names.items() for key, t in m.state_dict().items()}


@pytest.mark.parametrize("trunk", lite.TRUNKS)
def test_a_published_trunk_comes_under_our_names(
    trunk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    known = lite.LiteNet(trunk)
    torch.save(published(known), tmp_path / "published.pth")
    monkeypatch.setattr(
        "sys.argv", ["trunks", str(tmp_path / "published.pth"), str(tmp_path / "t.safetensors")]
    )
    trunks.main()
    plan = read_recipe("surround").model_copy(update={"options": {"trunk": trunk}})
    begun = start.frame_network(plan, tmp_path / "t.safetensors", lite.LiteNet)
    assert set(load_file(tmp_path / "t.safetensors")) == {
        name for name in begun.state_dict() if name.startswith("features.")
    }
    for name, tensor in known.features.state_dict().items():
        torch.testing.assert_close(begun.features.state_dict()[name], tensor)
    # Whatever it sees, it has no opinion yet.
    assert begun.eval()(torch.rand(2, 3, SIDE, SIDE)).tolist() == [0, 0]


def test_another_trunk_is_refused(tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"other\.pth is no EfficientNet-Lite"):
        trunks.trunk_of(tmp_path / "other.pth")


# --- faces with their surroundings ---------------------------------------------------------------


def test_surroundings_are_cached_wider_and_cut_as_the_pipeline_cuts() -> None:
    """A box of 100 px in a picture whose columns and rows count pixels: after the cache and the
    recipe's cut the same pixels are seen as in one cut, to within the two roundings."""
    own = input_transform.OwnInput(CropRecipe(scale=1.5, size=256, resize="area"))
    wanted = own.cached(Part(name="x", kind="video", share=1))
    assert (wanted.name, wanted.margin, wanted.side) == ("video-1.8-307", 1.8, 307)
    usual = input_transform.OwnInput(CropRecipe(scale=0.9, size=192))
    assert usual.cached(Part(name="x", kind="video", share=1)) == input_transform.CacheSpec("video")
    rows, columns = np.mgrid[:256, :256].astype(np.uint8)
    picture = np.stack([columns, rows, columns], 2)
    box = (78.0, 78.0, 178.0, 178.0)
    kept = augment.cut(picture, box, CropRecipe(scale=wanted.margin, size=wanted.side))
    seen = augment.cut(picture, box, own.crop)
    twice = input_transform.plain(kept, False, own.crop, own.margin)
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(twice[inner].astype(int) - seen[inner].astype(int)).max() <= 2
    assert seen[128, 8, 0] < 60 and seen[128, -8, 0] > 195  # 1.5 boxes are seen, not 0.9


def test_no_border_of_the_cache_is_seen() -> None:
    own = input_transform.OwnInput(CropRecipe(scale=1.5, size=256))
    rng = np.random.default_rng(0)
    kept = np.full((307, 307, 3), 200, np.uint8)
    for _ in range(300):
        framing = own.framing(rng, False)
        assert augment.frame(kept, framing, own.crop, False, own.margin).min() == 200
