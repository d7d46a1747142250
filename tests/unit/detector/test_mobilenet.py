"""The frame network: shapes, padding, scores, heatmaps, weights that don't fit."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from detector.errors import WeightsError
from detector.explain import cam
from detector.models.base import CropRecipe
from detector.models.families import mobilenet
from tests.support.specs import spec

SIDE = 64
SPEC = spec("mobilenet", crop=CropRecipe(size=SIDE))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    face = skimage.data.astronaut()[40:220, 140:320]
    return np.stack([np.roll(cv2.resize(face, (SIDE, SIDE)), 3 * i, 1) for i in range(20)])


@pytest.fixture(scope="module")
def network(crops: np.ndarray) -> mobilenet.MobileNetV2:
    """Untrained, but with statistics and a last layer that tell one crop from another."""
    torch.manual_seed(0)
    made = mobilenet.MobileNetV2().train()
    x = torch.from_numpy(crops.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        made(x)
        torch.nn.init.normal_(made.classifier[1].weight)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model(network: mobilenet.MobileNetV2, tmp_path_factory: pytest.TempPathFactory):
    file = tmp_path_factory.mktemp("weights") / "frame.safetensors"
    save_file(network.state_dict(), file)
    return mobilenet.load(SPEC, [file], "cpu")


def test_scores_are_those_of_the_network(model, network, crops):
    x = torch.from_numpy(crops.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = network(x).numpy()
    scores = model.score(crops)
    assert scores.shape == (20,) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=5e-3)
    assert np.ptp(scores) > 1
    np.testing.assert_array_equal(scores, model.score(crops))
    assert model.score(crops[:0]).shape == (0,)


def test_a_batch_of_another_shape_is_refused(model, crops):
    with pytest.raises(ValueError, match="takes uint8"):
        model.score(crops[:, :32])
    with pytest.raises(ValueError, match="takes uint8"):
        cam.draw(model, crops.astype(np.float32))


def test_heatmaps(model, crops):
    maps = cam.draw(model, crops[:3])
    assert maps.shape == (3, SIDE, SIDE) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max() == pytest.approx(1)


def test_threads_score_and_explain_one_network(model, crops):
    x = torch.stack([model.preprocess(crop) for crop in crops])
    logits, maps = model.forward(x), cam.draw(model, crops[:8])
    with ThreadPoolExecutor(4) as pool:
        drawn = [pool.submit(cam.draw, model, crops[:8]) for _ in range(6)]
        scored = [pool.submit(model.forward, x) for _ in range(12)]
        for one in drawn:
            np.testing.assert_array_equal(one.result(), maps)
        for one in scored:
            torch.testing.assert_close(one.result(), logits, rtol=0, atol=0)
    assert not any(part._forward_hooks for part in model.network.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.network.parameters())


@pytest.mark.parametrize("side", [7, 8, 9, 160])
def test_stride_two_pads_as_tensorflow_does(side):
    """Output ceil(side / 2); the pixels left over go to the bottom and right."""
    conv = mobilenet.SameConv(1, 1)
    torch.nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, side, side)
    x[..., -1, -1] = 1
    with torch.no_grad():
        out = conv(x)
    assert out.shape[-2:] == ((side + 1) // 2,) * 2
    # TensorFlow's "SAME": max((ceil(n / 2) - 1) * 2 + 3 - n, 0) in all, the smaller half before.
    total = max(((side + 1) // 2 - 1) * 2 + 3 - side, 0)
    before, after = total // 2, total - total // 2
    padded = torch.nn.functional.pad(x, (before, after, before, after))
    torch.testing.assert_close(
        out, torch.nn.functional.conv2d(padded, torch.ones(1, 1, 3, 3), stride=2)
    )


def test_names_and_shapes_are_torchvisions(network):
    from torchvision.models import mobilenet_v2

    theirs = {k: v.shape for k, v in mobilenet_v2().state_dict().items() if "classifier" not in k}
    ours = {k: v.shape for k, v in network.state_dict().items() if "classifier" not in k}
    assert ours == theirs


def test_weights_that_do_not_fit_are_refused(network, tmp_path):
    state = dict(network.state_dict())
    del state["features.3.conv.0.0.weight"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(WeightsError, match="do not fit"):
        mobilenet.load(SPEC, [tmp_path / "short.safetensors"], "cpu")


def test_maps_in_the_middle_are_a_sixteenth(network):
    maps = network.features[: mobilenet.MIDDLE](torch.zeros(1, 3, 160, 160))
    assert maps.shape == (1, mobilenet.MIDDLE_CHANNELS, 10, 10)
