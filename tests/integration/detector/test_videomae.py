"""The clip network: shapes, scores, saliency, weights that don't fit."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from detector.errors import WeightsError
from detector.explain import cam
from detector.models import registry
from detector.models.base import CropRecipe
from detector.models.families import videomae
from detector.vision import cut
from tests.support.specs import spec

SIDE, FRAMES = 64, 8
SHAPE = {"hidden": 32, "layers": 2, "heads": 2}
SPEC = spec(
    "videomae", kind="clip", crop=CropRecipe(size=SIDE), options=SHAPE, clip_frames=FRAMES,
    clip_step=0.08,
)  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = videomae.HybridVideoMae(SIDE, FRAMES, **SHAPE)
    network.trunk.train()
    with torch.no_grad():
        network.trunk(torch.rand(16, 3, SIDE, SIDE) * 2 - 1)
        torch.nn.init.normal_(network.mae.classifier.weight)
    out = tmp_path_factory.mktemp("weights") / "clip.safetensors"
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, out)
    return out


@pytest.fixture(scope="module")
def model(file: Path):
    return videomae.load(SPEC, [file], "cpu")


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Two clips of a real face that moves, one of them backwards."""
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (SIDE, SIDE))
    clip = np.stack([np.roll(face, 2 * t, 1) for t in range(FRAMES)])
    return np.stack([clip, clip[::-1]])


def test_scores(model, clips):
    scores = model.score(clips)
    assert scores.shape == (2,) and scores.dtype == np.float32
    assert scores[0] != scores[1]  # the order of the frames matters
    np.testing.assert_array_equal(scores, model.score(clips))
    np.testing.assert_allclose(model.score(clips[1:]), scores[1:], rtol=1e-5)
    assert model.score(clips[:0]).shape == (0,)


def test_a_batch_of_another_shape_is_refused(model, clips):
    with pytest.raises(ValueError, match="takes uint8"):
        model.score(clips[:, :4])


def test_saliency_is_in_space_and_time(model, clips):
    maps = cam.draw(model, clips, "saliency")
    assert maps.shape == (2, FRAMES, SIDE // 16, SIDE // 16) and maps.dtype == np.float32
    assert maps.min() >= 0
    np.testing.assert_allclose(maps.reshape(2, -1).max(1), 1.0, rtol=1e-6)
    assert np.ptp(maps.mean((2, 3)), axis=1).min() > 0


def test_the_trunk_stays_as_it_is_in_training(file, clips):
    network = videomae.HybridVideoMae(SIDE, FRAMES, **SHAPE).train()
    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    x = torch.from_numpy(clips.astype(np.float32) / 127.5 - 1).permute(0, 1, 4, 2, 3)
    network(x).sum().backward()
    for name, value in network.trunk.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None for p in network.trunk.parameters())
    assert any(p.grad is not None for p in network.mae.parameters())


def test_weights_of_another_shape_are_refused(file):
    other = SPEC.model_copy(update={"options": {"hidden": 16, "layers": 2, "heads": 2}})
    with pytest.raises(WeightsError, match="do not fit"):
        videomae.load(other, [file], "cpu")


def test_the_bundled_weights_fit_and_tell_a_face_from_noise():
    ours = [s for s in registry.list_models() if s.bundled and s.kind != "audio"]
    families = {"clip_blocks", "sequence_heads", "texture", "videomae"}
    assert {shipped.family for shipped in ours} == families
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    points = [(203, 107), (244, 107), (224, 131), (207, 152), (241, 152)]
    for shipped in ours:
        crops = [
            cut(frame, (180.0, 70.0, 270.0, 190.0), shipped.crop, points)
            for frame in (skimage.data.astronaut(), noise)
        ]
        if shipped.kind == "clip":
            crops = [np.stack([crop] * shipped.clip_frames) for crop in crops]
        scores = registry.load_model(shipped.id, device="cpu").score(np.stack(crops))
        assert np.isfinite(scores).all()
        assert abs(scores[0] - scores[1]) > 0.01
