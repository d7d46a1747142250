"""The model of whole pictures: one more layer over the trunk of *CLIP, generated head*."""

import numpy as np
import pytest
import torch

from detector import explain, vision
from detector.explain import ways
from detector.models import registry
from detector.models.ready import ReadyModel
from detector.runtime import Chain

SPEC = registry.get_spec("picture")


@pytest.mark.parametrize("size", [(60, 900), (224, 224), (3000, 4000)])
def test_any_size_is_cut_to_its_middle_square(size: tuple[int, int]) -> None:
    height, width = size
    shown = np.zeros((height, width, 3), np.uint8)
    side = min(size)
    left = (width - side) // 2
    shown[:, left : left + side] = 200
    crop = vision.cut(shown, (0.0, 0.0, float(width), float(height)), SPEC.crop)
    assert crop.shape == (224, 224, 3)
    assert crop[:, 4:-4].mean() > 195


def test_one_trunk_serves_both_models() -> None:
    models = [registry.load_model(id) for id in ("picture", "clip-generated")]
    trunks = []
    for one in models:
        assert isinstance(one, ReadyModel) and isinstance(one.run, Chain)
        trunks.append(one.run.runners[0])
    assert trunks[0] is trunks[1]
    crops = np.random.default_rng(1).integers(0, 255, (2, 224, 224, 3)).astype(np.uint8)
    for one in models:
        assert isinstance(one, ReadyModel)
        batch = torch.stack([one.preprocess(crop) for crop in crops])
        whole = one.forward(batch).numpy().reshape(2, -1)
        assert one.run(batch.numpy())[0].reshape(2, -1) == pytest.approx(whole, abs=0.15)


def test_a_map_lies_on_the_square_that_was_seen() -> None:
    model = registry.load_model("picture")
    shown = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    box = (0.0, 0.0, 640.0, 480.0)
    crop = vision.cut(shown, box, SPEC.crop)
    maps = ways.draw(ways.methods(model)[0], model, crop[None])
    assert maps is not None and maps.min() >= 0 and 0 < maps.max() <= 1
    place = explain.place_of(shown.shape, box, SPEC.crop, ())
    assert place is not None
    assert place @ (0, 0, 1) == pytest.approx((80, 0), abs=3)
    assert place @ (224, 224, 1) == pytest.approx((560, 480), abs=3)
