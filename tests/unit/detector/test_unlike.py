"""Measures of inputs that are unlike all that was tested: mosaics, and distances of features."""

import cv2
import numpy as np
import pytest

from detector.decision.material import PIXELATED
from detector.models import unlike
from detector.models.unlike import Gaussian, Reference
from detector.vision.lattice import lattice
from lab.training.augment import jpeg

BOX = (60.0, 50.0, 200.0, 230.0)


def portrait(seed=0):
    """Something with the smooth and the fine structure of a face in its surroundings."""
    random = np.random.default_rng(seed)
    rgb = np.zeros((280, 260, 3), np.float32)
    for scale, strength in ((30, 4000), (8, 700), (2, 60), (0.8, 8)):
        noise = random.standard_normal(rgb.shape).astype(np.float32)
        rgb += strength * cv2.GaussianBlur(noise, (0, 0), scale)
    return np.uint8(np.clip(128 + rgb, 0, 255))


def pixelated(rgb, box, cells):
    x0, y0, x1, y1 = map(int, box)
    part, out = rgb[y0:y1, x0:x1], rgb.copy()
    high = round(cells * (y1 - y0) / (x1 - x0))
    small = cv2.resize(part, (cells, high), interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
    return out


@pytest.mark.parametrize("cells", [8, 12, 16, 20])
def test_a_mosaic_over_a_face_is_a_lattice(cells):
    covered = pixelated(portrait(cells), BOX, cells)
    assert lattice(covered, BOX) > PIXELATED
    assert lattice(jpeg(covered, 70), BOX) > PIXELATED


@pytest.mark.parametrize("seed", range(4))
def test_a_face_is_no_lattice_whatever_is_pixelated_beside_it(seed):
    rgb = portrait(seed)
    plate = pixelated(rgb, (60, 235, 200, 275), 12)
    around = pixelated(rgb, (0, 0, 260, 280), 24)
    around[50:230, 60:200] = rgb[50:230, 60:200]
    for shown in (rgb, jpeg(rgb, 50), plate, around):
        assert lattice(shown, BOX) < PIXELATED


def test_a_box_too_small_or_outside_the_picture_has_no_lattice():
    rgb = portrait()
    assert lattice(rgb, (10, 10, 25, 30)) is None
    assert lattice(rgb, (300, 300, 400, 400)) is None
    assert lattice(rgb, (-80, -60, 120, 150)) is not None


def reference(random, graphic=None):
    spread = np.linspace(3, 0.2, 12)
    taught = random.standard_normal((400, 12)) * spread + 5
    mean = taught.mean(0)
    _, lengths, axes = np.linalg.svd(taught - mean, full_matrices=False)
    variances = lengths**2 / len(taught)
    along = axes[:4] / np.sqrt(variances[:4, None])
    block = Gaussian(2, mean, np.ones(12), along, variances[4:].sum(), 0.0, 1.0)
    far = np.log(block._replace(start=0).distance(taught))
    block = block._replace(center=far.mean(), spread=far.std())
    known = Reference(
        (block,), float(np.quantile((far - far.mean()) / far.std(), 0.98)), graphic, 1
    )
    return known, np.column_stack([np.zeros((400, 2)), taught])


def test_what_is_far_from_the_material_along_or_beyond_its_axes_is_unlike(tmp_path):
    known, taught = reference(np.random.default_rng(0))
    stored = unlike.parse(unlike.store({"any": known}))["any"]
    assert np.mean(stored.unlike(taught) > 0) == pytest.approx(0.02, abs=0.01)
    along, beyond = taught[:1].copy(), taught[:1].copy()
    along[0, 2] += 30
    beyond[0, -1] += 30
    assert stored.unlike(along)[0] > 0 and stored.unlike(beyond)[0] > 0
    # What no block reads changes nothing.
    assert stored.unlike(taught + np.eye(14)[0])[0] == pytest.approx(stored.unlike(taught)[0])


def test_a_model_without_reference_or_features_measures_nothing(monkeypatch):
    known, taught = reference(np.random.default_rng(1), np.array([-1.0, 0, 0.5, 0]))
    monkeypatch.setattr(unlike, "_references", lambda: {"any": known})
    assert unlike.measure("other", taught) == []
    assert unlike.measure("any", np.zeros((3, 0))) == []
    (far, graphic), *_ = unlike.measure("any", taught)
    assert far == pytest.approx(known.unlike(taught)[0], abs=1e-3)
    assert graphic == pytest.approx(0.5 * taught[0, 2] - 1, abs=2e-3)
