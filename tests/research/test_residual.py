"""The branch for noise: its filters, what it adds to a trunk, how it is loaded and trained."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file

from detector.errors import WeightsError
from detector.explain import cam
from detector.models import registry
from detector.models.base import CropRecipe, ModelSpec, Normalization
from detector.models.families import mobilenet
from detector.training import start
from detector.training.recipe import Part, Recipe
from detector.training.run import train
from detector.weights.entry import WeightFile
from research.families import residual
from research.families.residual import BANK
from tests.integration.detector.test_training import write_labels

SIDE = 64


def recipe(**options: bool) -> Recipe:
    return Recipe(
        name="made", family="residual", images=160, pairs=4, rate=2e-3, soften=0.0, average=0.9,
        holdout_images=0.25, check_every=10, crop=CropRecipe(scale=0.9, size=SIDE),
        parts=[Part(name="made", kind="image", tight=True, share=1.0)], options=dict(options),
    )  # fmt: skip


def spec() -> ModelSpec:
    return ModelSpec(
        id="noisy", title="Noisy", family="residual", kind="frame", summary="",
        files=[WeightFile(path="x", sha256="0" * 64, size=1)],
        fake_output="the one logit is P(fake)", crop=CropRecipe(size=SIDE),
        normalization=Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        license_code="", license_weights="", source="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    face = skimage.data.astronaut()[40:220, 140:320]
    return np.stack([np.roll(cv2.resize(face, (SIDE, SIDE)), 3 * i, 1) for i in range(20)])


def normalized(crops: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(crops.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def network(crops: np.ndarray) -> residual.ResidualNet:
    """Untrained, but with statistics and a last layer that tell one crop from another."""
    torch.manual_seed(0)
    made = residual.ResidualNet().train()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        made(normalized(crops))
        torch.nn.init.normal_(made.classifier[1].weight)
    return made.eval().requires_grad_(False)


def test_the_filters_see_neither_grey_nor_a_slope() -> None:
    down, across = np.indices((16, 16), np.float32)
    for picture in (np.full((16, 16), 90, np.float32), 3 * across, 2 * down + 5 * across):
        shown = torch.from_numpy(np.stack([picture] * 3) / 127.5 - 1)[None].float()
        left = residual.NoiseResiduals()(shown)[..., 2:-2, 2:-2]  # a slope ends at the border
        assert left.abs().max() < 1e-4
    for kernel in BANK:
        assert np.abs(kernel).sum() > 1  # and are not nothing


def test_a_single_odd_pixel_is_seen_in_its_own_color_and_cut_off() -> None:
    shown = torch.zeros(1, 3, 16, 16)
    shown[0, 1, 8, 8] = 2 / 127.5
    left = residual.NoiseResiduals()(shown)[0]
    assert not left[:3].any() and not left[6:].any()
    expected = torch.from_numpy(BANK[:, ::-1, ::-1].copy()) * 2 / residual.LIMIT
    torch.testing.assert_close(left[3:6, 6:11, 6:11], expected.clamp(-1, 1))
    shown[0, 1, 8, 8] = 1
    assert residual.NoiseResiduals()(shown).abs().max() == 1


def test_half_precision_keeps_the_noise() -> None:
    torch.manual_seed(0)
    shown = (torch.randint(100, 103, (1, 3, 32, 32)) / 127.5 - 1).float()
    with torch.autocast("cpu", torch.bfloat16):
        left = residual.NoiseResiduals()(shown)
    assert left.dtype == torch.float32
    torch.testing.assert_close(left, residual.NoiseResiduals()(shown))


def test_the_branch_is_small(network: residual.ResidualNet) -> None:
    assert sum(p.numel() for p in network.residual.parameters()) < 500_000


def test_noise_alone_changes_the_score_of_the_branch(
    network: residual.ResidualNet, crops: np.ndarray
) -> None:
    """What the trunk sees held fixed: only the branch is shown the noise."""
    x = normalized(crops[:4])
    torch.manual_seed(1)
    noisy = x + torch.randn_like(x) * 3 / 127.5
    with torch.no_grad():
        before, after = network.embed(x), network.embed(noisy)
        mixed = torch.cat([before[:, : mobilenet.FEATURES], after[:, mobilenet.FEATURES :]], 1)
        moved = network.judge(mixed) - network.judge(before)
    assert moved.abs().min() > 0.05


def test_scores_and_heatmaps_through_the_door(
    network: residual.ResidualNet, crops: np.ndarray, tmp_path: Path
) -> None:
    save_file(network.state_dict(), tmp_path / "x.safetensors")
    model = registry.load_family(spec(), [tmp_path / "x.safetensors"], "cpu")
    with torch.no_grad():
        expected = network(normalized(crops)).numpy()
    np.testing.assert_allclose(model.score(crops), expected, atol=5e-3)
    maps = cam.draw(model, crops[:3])
    assert maps is not None and maps.shape == (3, SIDE, SIDE)
    assert maps.min() >= 0 and maps.max() == pytest.approx(1)


def test_what_does_not_fit_is_refused(network: residual.ResidualNet, tmp_path: Path) -> None:
    state = dict(network.state_dict())
    del state["residual.1.0.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(WeightsError, match="do not fit"):
        residual.load(spec(), [tmp_path / "short.safetensors"], "cpu")


def test_a_trained_trunk_answers_as_before_until_the_branch_has_learned(
    crops: np.ndarray, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    trunk = mobilenet.MobileNetV2().eval()
    save_file(trunk.state_dict(), tmp_path / "trunk.safetensors")
    begun = start.frame_network(
        recipe(frozen=True),
        tmp_path / "trunk.safetensors",
        residual.ResidualNet,
        frozenset({"classifier", "residual"}),
    ).eval()
    with torch.no_grad():
        torch.testing.assert_close(begun(normalized(crops)), trunk(normalized(crops)))


@pytest.mark.parametrize("options", [{}, {"trunk": False}, {"frozen": True}])
def test_it_learns(options: dict[str, bool], crops: np.ndarray, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (160, 160))
    labels = write_labels(tmp_path, face)
    torch.manual_seed(3)
    save_file(mobilenet.MobileNetV2().state_dict(), tmp_path / "trunk.safetensors")
    begin = tmp_path / "trunk.safetensors" if options.get("frozen") else None
    file = train(recipe(**options), labels, tmp_path / "run", begin=begin)
    assert file is not None
    lines = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    first, last = (float(line.split(",")[1]) for line in lines[1:])
    assert last < first
    learned = load_file(file)
    assert any(name.startswith("features.") for name in learned) == options.get("trunk", True)
    assert residual.build(learned).training is False
    if options.get("frozen"):
        before = load_file(tmp_path / "trunk.safetensors")
        kept = [name for name in before if name.startswith("features.")]
        assert all(torch.equal(before[n].half(), learned[n].half()) for n in kept if before[n].ndim)
