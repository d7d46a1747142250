"""Temporal heads: shapes, time, strict weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from detector.errors import UsageError, WeightsError
from detector.explain import cam
from detector.models.base import CropRecipe, ModelSpec, Normalization
from detector.models.families.mobilenet import MIDDLE_CHANNELS
from detector.training import clips as clip_training
from detector.training import run
from detector.training.cache import FaceCache
from detector.training.recipe import Pretrain, Recipe
from detector.weights.entry import WeightFile
from research.families import temporal
from tests.integration.detector.test_training_clips import curve, job
from tests.integration.detector.test_training_clips import recipe as clip_recipe

SIDE, FRAMES = 64, 8
HEADS = sorted(temporal.HEADS)


def spec(head: str) -> ModelSpec:
    return ModelSpec(
        id="clip",
        title="Clip",
        family="temporal",
        kind="clip",
        summary="",
        files=[WeightFile(path="x", sha256="0" * 64, size=1)],
        fake_output="the one logit is P(fake)",
        fake_index=1,
        crop=CropRecipe(size=SIDE),
        normalization=Normalization(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        options={"head": head, "hidden": 16},
        clip_frames=FRAMES,
        clip_step=0.08,
        license_code="",
        license_weights="",
        source="",
    )


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Two clips of a real face that moves, one of them backwards."""
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (SIDE, SIDE))
    clip = np.stack([np.roll(face, 2 * t * t, 1) for t in range(FRAMES)])
    return np.stack([clip, clip[::-1]])


def file_of(head: str, folder: Path) -> Path:
    torch.manual_seed(0)
    network = temporal.Temporal(SIDE, FRAMES, head, hidden=16)
    network.trunk.train()
    with torch.no_grad():
        network.trunk(torch.rand(16, 3, SIDE, SIDE) * 2 - 1)
    out = folder / f"{head}.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, out)
    return out


@pytest.mark.parametrize("head", HEADS)
def test_scores_and_saliency(head: str, clips: np.ndarray, tmp_path: Path) -> None:
    model = temporal.load(spec(head), [file_of(head, tmp_path)], "cpu")
    scores = model.score(clips)
    assert scores.shape == (2,) and scores.dtype == np.float32
    np.testing.assert_allclose(model.score(clips[1:]), scores[1:], rtol=1e-4)
    maps = cam.draw(model, clips, "saliency")
    assert maps.shape == (2, FRAMES, SIDE // 16, SIDE // 16)
    assert maps.min() >= 0 and maps.max() == pytest.approx(1.0)


@pytest.mark.parametrize("head", HEADS)
def test_the_order_of_moments_matters(head: str) -> None:
    torch.manual_seed(1)
    network = temporal.Temporal(SIDE, FRAMES, head, hidden=16).eval()
    maps = torch.randn(3, FRAMES, MIDDLE_CHANNELS, SIDE // 16, SIDE // 16)
    with torch.no_grad():
        there, back = network.judge(maps), network.judge(maps.flip(1))
        assert there.shape == (3,)
        assert (there - back).abs().min() > 1e-5


def test_the_mouths_stream_sees_no_standing_face() -> None:
    torch.manual_seed(1)
    head = temporal.TwoLrcn(4, 16, 0.0).eval()
    seen: list[torch.Tensor] = []
    head.change.register_forward_hook(lambda layer, inputs, out: seen.append(inputs[0]))
    still = torch.randn(1, 1, MIDDLE_CHANNELS, 4, 4).expand(-1, FRAMES, -1, -1, -1)
    head(still)
    assert seen[0].shape == (1, FRAMES - 1, MIDDLE_CHANNELS, 2, 4)
    assert not seen[0].any()


def test_another_head_or_shape_is_refused(tmp_path: Path) -> None:
    file = file_of("lrcn", tmp_path)
    with pytest.raises(WeightsError, match="do not fit"):
        temporal.load(spec("gru"), [file], "cpu")
    with pytest.raises(WeightsError, match="no temporal head"):
        temporal.load(spec("none"), [file], "cpu")


# --- training ------------------------------------------------------------------------------------


def recipe(head: str, **changes: object) -> Recipe:
    options = {"pool": 24, "head": head, "hidden": 16}
    return clip_recipe(**{"family": "temporal", "options": options, **changes})


@pytest.mark.parametrize("head", HEADS)
def test_a_run_learns(head: str, cache: FaceCache, trunk: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    run.TRAINERS["temporal"](job(recipe(head), cache, tmp_path, trunk))
    lines = curve(tmp_path)
    assert float(lines[-1]["loss"]) < 0.9 * float(lines[0]["loss"])
    assert float(lines[-1]["made auc"]) > 0.7


def test_only_a_videomae_is_masked(cache: FaceCache, trunk: Path, tmp_path: Path) -> None:
    asked = Pretrain(images=8, clips=4, pool=4, rate=1e-3)
    plan = recipe("gru", pretrain=asked, options={"pool": 2, "head": "gru"})
    with pytest.raises(UsageError, match="only a videomae"):
        run.TRAINERS["temporal"](job(plan, cache, tmp_path, trunk))


def test_options_that_fit_no_head_are_refused() -> None:
    with pytest.raises(UsageError, match="fit no temporal"):
        clip_training.network_of(recipe("gru", options={"layers": 3}), temporal.Temporal)
