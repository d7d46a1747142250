"""LRNet with its published weights: what its authors' code gave on a made sequence of landmarks."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch

from detector.errors import ModelError, WeightsError
from detector.models import registry, user_models
from detector.models.mesh import load_mesh
from detector.weights import load_state
from published import lrnet

FILES = {"deeperforensics": ("g1", "g2"), "ffpp": ("ffpp_g1", "ffpp_g2")}


def landmarks(frames=97):
    """The sequence of the golden: [T, 136]."""
    t, k = np.arange(frames)[:, None], np.arange(136)[None]
    return np.round(0.6 * np.sin(0.37 * k + 0.05 * t) + 0.05 * np.cos(0.13 * k + 0.9 * t), 5)


@pytest.mark.shared
@pytest.mark.parametrize("variant", FILES)
def test_published_weights_give_the_published_scores(shared, tmp_path, monkeypatch, variant):
    """Through the registry, from the cache folder."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "weights" / "lrnet").mkdir(parents=True)
    for here, there in zip(FILES[variant], ("g1", "g2"), strict=True):
        target = tmp_path / "weights" / "lrnet" / f"{variant}_{there}.pth"
        shutil.copy(shared / "weights" / "lrnet" / f"{here}.pth", target)
    golden = json.loads((shared / "goldens" / "lrnet.json").read_text())
    wanted = golden["variants"]["+".join(FILES[variant])]
    model = registry.load_model(f"lrnet:{variant}")

    points = landmarks()
    # As the original cuts them: a clip of exactly n x 30 frames loses its last block.
    blocks = [points[start : start + 30] for start in range(0, len(points) - 30, 30)]
    batch = torch.stack([model.preprocess(block) for block in blocks])
    said = model.forward(batch)
    np.testing.assert_allclose(said[:, 0], wanted["g1 output"], atol=1e-5)
    np.testing.assert_allclose(said[:, 1], wanted["g2 output"], atol=1e-5)
    scores = model.p_fake(said)
    np.testing.assert_allclose(scores, wanted["block P(fake)"], atol=1e-5)
    assert float((scores >= 0.5).float().mean()) == pytest.approx(wanted["video score"][0])
    assert float((model.forward(batch.flip(1)) - said).abs().max()) > 0.05


def made(folder):
    paths = [folder / "g1.pth", folder / "g2.pth"]
    for path in paths:
        torch.save(lrnet.LandmarkGru().state_dict(), path)
    return paths


def moving(portrait, frames=30):
    """A face that drifts to the right by half a px a frame: uint8 [T, 480, 480, 3]."""
    face = cv2.resize(portrait[20:240, 112:332], (480, 480), interpolation=cv2.INTER_CUBIC)
    shifts = [np.array([[1, 0, n / 2], [0, 1, 0]], np.float32) for n in range(frames)]
    return np.stack(
        [cv2.warpAffine(face, m, (480, 480), borderMode=cv2.BORDER_REPLICATE) for m in shifts]
    )


def test_points_that_tremble_are_led_by_what_moves_in_the_picture(astronaut):
    """Points on the corners of a moving face, found with an error of some px in every frame."""
    crops = moving(astronaut)
    gray = cv2.cvtColor(crops[0], cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(gray[80:400, 80:400], 68, 0.01, 12)
    assert corners is not None and len(corners) == 68
    true = corners[:, 0] + 80 + np.arange(30)[:, None, None] * (0.5, 0)
    found = true + np.random.default_rng(3).normal(0, 3, true.shape)
    pictures, places = lrnet._squares(crops, found)
    assert len(pictures) == 30
    assert pictures[0].shape == (400, 400, 3)

    def tremble(points):
        """px of a step that isn't the face's own, which all points share."""
        steps = np.diff(points, axis=0)
        return float(np.abs(steps - steps.mean(1, keepdims=True)).mean())

    sequence = lrnet.track_landmarks(crops, found)
    assert sequence.shape == (30, 136)
    assert np.abs(sequence).max() < 1.2
    led = (sequence.reshape(30, 68, 2) + 1) * 200
    assert tremble(led) < 0.6 * tremble(np.stack(places))


def test_the_points_lie_where_those_of_dlib_do(astronaut):
    """And a face that lies on its side keeps them, since it's turned before it's looked at."""
    mesh = load_mesh()
    crops = moving(astronaut, 3)
    points = lrnet.landmarks(mesh, crops)
    assert points.shape == (3, 68, 2)
    jaw, brows, nose, eyes, mouth = np.split(points[0], [17, 27, 36, 48])
    assert jaw[8, 1] == points[0, :, 1].max()  # the chin
    assert jaw[0, 0] < jaw[8, 0] < jaw[16, 0]
    assert brows[:, 1].max() < eyes[:, 1].min() < nose[-3, 1] < mouth[:, 1].min()
    assert eyes[:6, 0].max() < nose[3, 0] < eyes[6:, 0].min()
    np.testing.assert_allclose(points[2] - points[0], np.tile((1.0, 0.0), (68, 1)), atol=1.5)
    turn = cv2.getRotationMatrix2D((240, 240), 25, 1)
    turned = [cv2.warpAffine(c, turn, (480, 480), borderMode=cv2.BORDER_REPLICATE) for c in crops]
    again = lrnet.landmarks(mesh, np.stack(turned))
    moved = points[0] @ turn[:, :2].T + turn[:, 2]
    assert float(np.abs(again[0] - moved).mean()) < 6


def test_crops_get_a_score_and_walls_none(tmp_path, astronaut):
    model = registry.load_model("lrnet", weights=made(tmp_path))
    assert np.isfinite(model.score(moving(astronaut)[None])).all()
    with pytest.raises(ModelError, match="No points of a face"):
        model.score(np.full((1, 30, 480, 480, 3), 90, np.uint8))


def test_a_file_of_another_network_is_refused(tmp_path):
    first, second = made(tmp_path)
    torch.save({"dense.3.weight": torch.zeros(2, 64)}, second)
    with pytest.raises(WeightsError, match="missing"):
        registry.load_model("lrnet", weights=[first, second])


@pytest.mark.shared
def test_a_persons_own_training_can_be_added(shared, tmp_path, monkeypatch):
    """It is tried on landmarks: on pictures without a face it gives no score, and was refused."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    files = []
    for name in ("g1", "g2"):
        state = load_state(shared / "weights" / "lrnet" / f"{name}.pth")
        files.append(tmp_path / f"{name}.pth")
        torch.save({key: 1.01 * tensor for key, tensor in state.items()}, files[-1])
    spec = user_models.add(files, "lrnet", id="mine", fake_index=1)
    assert spec.own and registry.load_model("mine")
    dead = {key: torch.zeros_like(tensor) for key, tensor in load_state(files[0]).items()}
    torch.save(dead, files[0])
    torch.save({k: torch.zeros_like(t) for k, t in load_state(files[1]).items()}, files[1])
    with pytest.raises(ModelError, match="same answer to everything"):
        user_models.add(files, "lrnet", id="dead")
