"""What training draws where fakes have no original, and what it asks of the network."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from torch.nn import functional as F

from detector.errors import UsageError
from detector.models.base import CropRecipe
from detector.training import augment, blend, fit, sample
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import Part, Recipe, read_recipe

POINTS = [(70.0, 74.0), (106.0, 74.0), (88.0, 98.0), (74.0, 116.0), (102.0, 116.0)]


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The astronaut's face, uint8 [160, 160, 3]."""
    return cv2.resize(skimage.data.astronaut()[40:220, 140:320], (160, 160))


def recipe(part: Part, **changes: object) -> Recipe:
    given: dict[str, object] = {
        "name": "made", "family": "mobilenet", "images": 160, "pairs": 8, "rate": 1e-3,
        "soften": 0.0, "crop": CropRecipe(scale=0.9, size=64), "parts": [part],
    }  # fmt: skip
    return Recipe.model_validate(given | changes)


def cache_of(folder: Path, crops: np.ndarray, rows: list[tuple[int, str, str, float]]) -> FaceCache:
    """A cache of one frame each: (label, source, person, native side of the face in px)."""
    side = crops.shape[1]
    points = [(x * side / 160, y * side / 160) for x, y in POINTS]
    entries = [
        Faces(
            name=f"{n}.png", label=label, kind="image", method="made" if label else "none",
            group=person, source=source, person=f"{source}:{person}", start=n, count=1,
            points=points, face=native,
        )
        for n, (label, source, person, native) in enumerate(rows)
    ]  # fmt: skip
    np.save(folder / "crops.npy", crops)
    (folder / "index.json").write_text(json.dumps([asdict(entry) for entry in entries]))
    return FaceCache(folder)


@pytest.fixture()
def mixed(tmp_path: Path, face: np.ndarray) -> FaceCache:
    """Source one has reals and fakes, two only reals, three only fakes."""
    rows = [(0, "one", "a", 200.0), (1, "one", "b", 90.0), (0, "two", "c", 120.0),
            (0, "two", "d", 120.0), (1, "three", "e", 300.0)]  # fmt: skip
    return cache_of(tmp_path, np.stack([face] * len(rows)), rows)


def test_unmatched_parts_pair_within_a_source_or_across(mixed: FaceCache) -> None:
    within = sample.gather(Part(name="p", kind="image", mode="source", share=1), mixed, set())
    found = {(r.source, f.source) for group in within.groups for r, f in group if f}
    assert found == {("one", "one")}
    across = sample.gather(Part(name="p", kind="image", mode="any", share=1), mixed, set())
    found = {(r.source, f.source) for group in across.groups for r, f in group if f}
    assert found == {("one", "one"), ("two", "one"), ("one", "three"), ("two", "three")}
    # A source with many fakes is not drawn more often than one with few.
    assert len(across.groups) == 2


def test_unmatched_parts_keep_held_out_people_apart(mixed: FaceCache) -> None:
    part = Part(name="p", kind="image", mode="any", share=1)
    kept = {"two:c", "three:e"}
    train = sample.gather(part, mixed, kept)
    seen = {e.person for group in train.groups for couple in group for e in couple if e}
    assert seen and not seen & kept
    held = sample.gather(part, mixed, kept, held=True)
    assert {e.person for group in held.groups for c in group for e in c if e} == kept


def test_what_has_no_original_is_brought_to_one_size(mixed: FaceCache, face: np.ndarray) -> None:
    """Faces of 200 and 90 px: the sharper one loses what the other never had."""
    part = Part(name="p", kind="image", mode="source", share=1)
    plan = recipe(part, crop=CropRecipe(scale=0.9, size=128))
    source = sample.gather(part, mixed, set())
    for n in range(6):
        real, fake = sample.one(source, plan, np.random.default_rng(n))
        # The two entries hold the same pixels, so what is drawn of them must be equal too.
        np.testing.assert_array_equal(real, fake)
    blurred, same = augment.level(face, face, 60)
    np.testing.assert_array_equal(blurred, same)
    assert cv2.Laplacian(blurred, cv2.CV_64F).var() < cv2.Laplacian(face, cv2.CV_64F).var() / 2
    assert augment.level(face, face, 400)[0] is face


def test_a_donor_lies_on_the_landmarks_it_covers(face: np.ndarray) -> None:
    """A donor that is the same face, moved, turned and grown, comes back to where it was."""
    matrix = cv2.getRotationMatrix2D((80, 80), 12, 1.15)
    matrix[:, 2] += (5, -4)
    donor = cv2.warpAffine(face, matrix, (160, 160), borderMode=cv2.BORDER_REFLECT_101)
    donor_points = [tuple(matrix @ (x, y, 1.0)) for x, y in POINTS]
    drawn = blend.draw(np.random.default_rng(0))
    still = blend.BlendParams(
        outline=drawn.outline, strength=1.0, feather=0.1, wave_seed=1,
        matrix=np.array([[1.0, 0, 0], [0, 1, 0]]), color=np.array([[1.0, 0]] * 3),
        soft=0.0, sharp=0.0, shrink=1.0, outside=False,
    )  # fmt: skip
    out = blend.of_two(face, POINTS, donor, donor_points, still)
    region = blend.mask(face.shape[:2], POINTS, still)
    np.testing.assert_array_equal(out[region == 0], face[region == 0])
    inside = np.abs(out.astype(int) - face)[region > 0.9]
    assert inside.mean() < 6  # twice interpolated, nothing displaced
    shifted = [(x + 12, y) for x, y in donor_points]
    wrong = blend.of_two(face, POINTS, donor, shifted, still)
    assert np.abs(wrong.astype(int) - face)[region > 0.9].mean() > 2 * inside.mean()


def test_the_face_most_alike_is_chosen() -> None:
    turned = [(x + (10 if i == 2 else 0), y) for i, (x, y) in enumerate(POINTS)]
    moved = [(2 * x + 7, 2 * y - 3) for x, y in POINTS]
    assert blend.nearest(POINTS, [turned, moved, []]) == 1
    assert blend.nearest(POINTS, [[]]) is None
    assert blend.nearest([], [moved]) is None


def test_two_people_are_blended_and_nobody_with_himself(tmp_path: Path, face: np.ndarray) -> None:
    other = np.ascontiguousarray(face[:, ::-1]) // 2
    rows = [(0, "s", "a", 160.0), (0, "s", "b", 160.0)]
    cache = cache_of(tmp_path, np.stack([face, other]), rows)
    part = Part(name="p", kind="image", mode="people", share=1)
    source = sample.gather(part, cache, set())
    plan = recipe(part, clean=1.0)
    changed = 0
    for n in range(12):
        real, fake = sample.one(source, plan, np.random.default_rng(n))
        changed += np.abs(real.astype(int) - fake).mean() > 0.5
    assert changed >= 10


def test_an_encoded_pair_is_encoded_alike(face: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    looks = [augment.draw_augmentation(rng, h264=1.0) for _ in range(20)]
    assert all(20 <= look.crf <= 38 for look in looks)
    assert not any(augment.draw_augmentation(rng).crf for _ in range(20))
    for look in looks[:4]:
        np.testing.assert_array_equal(augment.apply(face, look), augment.apply(face, look))


# --- losses --------------------------------------------------------------------------------------


def plan(**changes: object) -> Recipe:
    part = Part(name="p", kind="image", share=1)
    return recipe(part, smoothing=0.0, pair_weight=0.0, **changes)


def test_focal_loss_counts_the_easy_less() -> None:
    labels = torch.tensor([0.0, 1.0])
    easy, hard = torch.tensor([-4.0, 4.0]), torch.tensor([0.5, -0.5])
    plain, focal = plan(), plan(loss="focal", focus=2.0)
    share_easy = fit.loss_of(easy, labels, focal) / fit.loss_of(easy, labels, plain)
    share_hard = fit.loss_of(hard, labels, focal) / fit.loss_of(hard, labels, plain)
    assert share_easy < 0.01 < 0.3 < share_hard
    # gamma 0 is cross-entropy
    torch.testing.assert_close(
        fit.loss_of(hard, labels, plan(loss="focal", focus=0.0)), fit.loss_of(hard, labels, plain)
    )


def test_alignment_and_uniformity_against_their_formulas() -> None:
    torch.manual_seed(0)
    features, labels = torch.randn(6, 5), torch.tensor([0.0, 0, 0, 1, 1, 1])
    z = F.normalize(features, dim=1)
    same = [(i, j) for i in range(6) for j in range(6) if i != j and labels[i] == labels[j]]
    apart = [(i, j) for i in range(6) for j in range(6) if i != j]
    align = torch.stack([(z[i] - z[j]).square().sum() for i, j in same]).mean()
    uniform = torch.stack([(-2 * (z[i] - z[j]).square().sum()).exp() for i, j in apart])
    torch.testing.assert_close(fit.feature_loss(features, labels, plan(align_weight=1.0)), align)
    torch.testing.assert_close(
        fit.feature_loss(features, labels, plan(uniform_weight=1.0)), uniform.mean().log()
    )


def test_the_contrastive_loss_wants_labels_apart() -> None:
    asked = plan(contrast_weight=1.0)
    labels = torch.tensor([0.0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0], [1, 0.1], [-1, 0], [-1, 0.1]], requires_grad=True)
    mixed = torch.tensor([[1.0, 0], [-1, 0.1], [-1, 0], [1, 0.1]])
    loss = fit.feature_loss(apart, labels, asked)
    assert loss < fit.feature_loss(mixed, labels, asked) - 1
    loss.backward()
    assert apart.grad is not None and torch.isfinite(apart.grad).all()


def test_a_network_without_features_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="features"):
        network, run = torch.nn.Linear(2, 1), fit.TrainingOptions(tmp_path)
        fit.fit(network, plan(align_weight=0.1), lambda step: (np.ones(1), np.ones(1)), run)


def test_the_synthesis_recipe_learns_from_what_has_no_original() -> None:
    asked = read_recipe("synthesis")
    assert all(not part.matched for part in asked.parts)
