"""The model of whole pictures."""

import numpy as np
import pytest
import torch

from detector import vision
from detector.models import registry
from detector.models.families import clip_vit, picture
from detector.models.pictures import roughly

RECIPE = registry.get_spec("picture").crop


def photo(height: int, width: int) -> np.ndarray:
    """Return a smooth picture with a textured square at its right bottom."""
    rows, columns = np.mgrid[0:height, 0:width]
    out = np.stack([rows * 200 // height, columns * 200 // width, rows * 0 + 90], -1)
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3))
    out[height - 224 :, width - 224 :] = noise
    return out.astype(np.uint8)


def test_windows_are_where_the_texture_is() -> None:
    first, second = picture.textured(photo(480, 640))
    assert first == (640 - 224, 480 - 224)
    assert abs(second[0] - first[0]) > 50 or abs(second[1] - first[1]) > 50


@pytest.mark.parametrize("size", [(60, 900), (224, 224), (3000, 4000)])
def test_any_size_gives_the_same_views(size: tuple[int, int]) -> None:
    shape = np.zeros((*size, 3), np.uint8)
    assert picture.views(shape, RECIPE).shape == (picture.WINDOWS + 1, 224, 224, 3)


@pytest.mark.parametrize(
    ("size", "bounded"),
    [((4320, 7680), (1152, 2048)), ((60, 900), (224, 3360)), ((480, 640), (480, 640))],
)
def test_what_waits_for_it_is_no_larger_than_what_it_reads(
    size: tuple[int, int], bounded: tuple[int, int]
) -> None:
    crop = vision.cut(np.zeros((*size, 3), np.uint8), (0.0, 0.0, 1.0, 1.0), RECIPE)
    assert crop.shape[:2] == bounded
    assert roughly(crop, RECIPE) is crop


def test_windows_are_not_resized() -> None:
    shown = photo(480, 640)
    assert (picture.views(shown, RECIPE)[0] == shown[480 - 224 :, 640 - 224 :]).all()


def test_one_trunk_serves_both_models() -> None:
    model = registry.load_model("picture")
    other = registry.load_model("clip-generated")
    assert isinstance(model, picture.PictureModel)
    assert isinstance(other.network, clip_vit.ClipBlocks)
    assert other.run.runners[0] is model._tokens
    generator = np.random.default_rng(1)
    for one, size in ((model, 500), (other, 224)):
        crops = generator.integers(0, 255, (2, size, size, 3)).astype(np.uint8)
        batch = torch.stack([one.preprocess(crop) for crop in crops])
        whole = one.whole().network(batch).numpy().reshape(2, -1)
        assert one.run(batch.numpy())[0].reshape(2, -1) == pytest.approx(whole, abs=0.15)


def test_the_map_marks_windows_alone() -> None:
    model = registry.load_model("picture")
    shown = photo(1200, 1600)
    (map,) = model.explain(shown[None])
    seen = np.zeros((1200, 1600), bool)
    for left, top in picture.textured(shown):
        seen[top : top + picture.SIDE, left : left + picture.SIDE] = True
    rows, columns = (np.linspace(0, side - 1, picture.MAP).astype(int) for side in seen.shape)
    marked = map > 0
    assert map.shape == (picture.MAP, picture.MAP) and map.max() <= 1
    assert (marked & ~seen[np.ix_(rows, columns)]).mean() < 0.05
