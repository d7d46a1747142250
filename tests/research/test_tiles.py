"""A face against its surroundings: tiles do not see each other, and what all have cancels out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from detector.explain import cam
from detector.training.fit import packed
from detector.training.recipe import read_recipe
from detector.training.run import train
from research.families import tiles
from tests.support.shelf import SIDE, shelf, spec  # noqa: F401

TILE = SIDE // tiles.GRID


@pytest.fixture(params=[False, True], ids=["difference", "given"])
def network(request: pytest.FixtureRequest) -> tiles.TilesNet:
    torch.manual_seed(0)
    made = tiles.TilesNet(given=request.param)
    nn.init.normal_(made.classifier[1].weight)
    return made.eval().requires_grad_(False)


def test_a_grid_of_one_tile_has_no_difference(network: tiles.TilesNet) -> None:
    x = torch.rand(2, 3, TILE, TILE).tile(1, 1, tiles.GRID, tiles.GRID)
    described = network.embed(x)
    assert described[:, :1280].abs().max() < 1e-5
    assert described.shape == (2, 2560 if network.given else 1280)
    x[:, :, TILE : 2 * TILE, TILE : 2 * TILE] = torch.rand(2, 3, TILE, TILE)
    assert network.embed(x)[:, :1280].abs().max() > 1e-3


def test_what_is_black_beyond_the_picture_is_not_looked_at(network: tiles.TilesNet) -> None:
    x = torch.rand(1, 3, SIDE, SIDE)
    same = x[..., :TILE].clone()
    x[..., -TILE:] = same
    whole = network.embed(x)
    x[..., -TILE:] = -1.0  # as many tiles fewer, of those that are there twice
    torch.testing.assert_close(network.embed(x)[:, 1280:], whole[:, 1280:])
    everything = torch.full_like(x, -1.0)
    assert torch.isfinite(network(everything)).all()


def test_tiles_are_laid_together_as_they_were() -> None:
    x = torch.rand(2, 5, 32, 16)
    torch.testing.assert_close(tiles._together(tiles._apart(x)), x)


def test_it_learns_scores_and_explains(shelf: Path) -> None:  # noqa: F811
    plan = read_recipe("tiles").model_copy(update={"images": 96, "pairs": 8, "rate": 2e-3})
    plan = plan.model_copy(update={"crop": plan.crop.model_copy(update={"size": SIDE})})
    written = train(plan, shelf / "labels.csv", shelf / "run", cache=shelf / "faces")
    assert written is not None
    options = {"options": {"frozen": 2}}
    model = tiles.load(spec("tiles", **options), [written], "cpu")
    crops = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    trained = tiles.TilesNet(frozen=2).eval()
    trained.load_state_dict({k: v.float() for k, v in load_file(written).items()})
    x = torch.stack([model.preprocess(crop) for crop in crops])
    with torch.no_grad():
        np.testing.assert_allclose(model.score(crops), trained(x).numpy(), atol=5e-3)
    maps = cam.draw(model, crops)
    assert maps is not None and maps.shape == (3, SIDE, SIDE)
    save_file(packed(trained), shelf / "again.safetensors")
    assert set(load_file(shelf / "again.safetensors")) == set(load_file(written))
