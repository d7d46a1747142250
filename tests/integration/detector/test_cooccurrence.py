"""Runs of differences: what is counted, what a table says of them, how the layer is fitted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import save_file

from detector.errors import WeightsError
from detector.explain import ways
from detector.models.families import cooccurrence
from detector.models.families.cooccurrence import CooccurrenceNet
from detector.models.layer import Layer
from detector.training import input_transform
from tests.support.shelf import SIDE, spec


def faces(side: int = SIDE) -> np.ndarray:
    """Three views of a face, uint8 [3, side, side, 3]."""
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (side, side))
    return np.stack([face, face[:, ::-1], np.roll(face, 9, 0)])


def layer() -> Layer:
    rng = torch.Generator().manual_seed(0)
    center, scale, weights = (
        torch.rand(cooccurrence.FEATURES, generator=rng, dtype=torch.float64) for _ in range(3)
    )
    return Layer(center, scale, None, weights - 0.5, 0.3)


def settled(layer: Layer) -> CooccurrenceNet:
    network = CooccurrenceNet().eval()
    network.settle(layer)
    return network


def by_definition(picture: np.ndarray) -> np.ndarray:
    """Shares of the classes of one picture, counted run by run from OpenCV's luma."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 0].astype(np.float64)
    shares = []
    for size in cooccurrence.SIZES:
        side = len(luma) // size
        smaller = luma.reshape(side, size, side, size).mean((1, 3))
        near = np.abs((np.arange(side) + 0.5) / side - 0.5) < cooccurrence.FACE / 2
        for order in cooccurrence.ORDERS:
            counts: tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]] = Counter(), Counter()
            length = len(order) + cooccurrence.RUN - 1
            for picture_of, turned in ((smaller, False), (smaller.T, True)):
                for row in range(side):
                    for first in range(side - length + 1):
                        pixels = picture_of[row, first : first + length]
                        steps = np.correlate(pixels, order) / cooccurrence.STEP
                        run = tuple(int(s) for s in np.round(steps).clip(-2, 2))
                        # The pixel that a run belongs to is its middle one.
                        middle = first + (length - 1) // 2
                        y, x = (middle, row) if turned else (row, middle)
                        counts[0 if near[y] and near[x] else 1][run] += 1
            for part in counts:
                of_class = np.zeros(cooccurrence.CLASSES)
                for run, count in part.items():
                    code = int(np.dot(np.array(run) + 2, [125, 25, 5, 1]))
                    of_class[cooccurrence.classes()[code]] += count
                shares.append(of_class / of_class.sum())
    return np.concatenate(shares)


def test_runs_are_counted_by_their_definition() -> None:
    picture = faces(32)[0]
    with torch.no_grad():
        found = CooccurrenceNet().embed(torch.from_numpy(input_transform.batch_to_array([picture])))
    np.testing.assert_allclose(found[0].numpy(), by_definition(picture), atol=1e-6)


def test_a_run_backwards_and_in_the_negative_is_of_the_same_class() -> None:
    same = cooccurrence.classes().reshape(5, 5, 5, 5)
    assert same.max() + 1 == cooccurrence.CLASSES == len(same.unique())
    torch.testing.assert_close(same, same.permute(3, 2, 1, 0))
    torch.testing.assert_close(same, same.flip(0, 1, 2, 3))
    assert same[2, 2, 2, 2] != same[2, 2, 2, 3] != same[2, 2, 3, 2]


def test_a_logit_is_the_layer_over_the_description_and_the_sum_of_its_evidence() -> None:
    made = layer()
    network = settled(made)
    x = torch.from_numpy(input_transform.batch_to_array(list(faces(96))))
    with torch.no_grad():
        described = network.embed(x).double()
        expected = ((described - made.center) * made.scale) @ made.weights + made.offset
        logits, evidence = network(x), network.evidence(x)
    assert np.ptp(expected.numpy()) > 1e-3
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(evidence.sum((1, 2)) + network.offset, logits, atol=1e-4)


def test_its_heatmap_lies_where_the_evidence_is() -> None:
    """A table that knows one class of runs alone: steps up and down, which only a square has."""
    side = 64
    up_and_down = cooccurrence.classes()[int(np.dot([4, 0, 4, 0], [125, 25, 5, 1]))]
    weights = torch.zeros(2 * 3, 2, cooccurrence.CLASSES, dtype=torch.float64)
    weights[0, :, up_and_down] = 1.0
    plain = torch.ones(cooccurrence.FEATURES, dtype=torch.float64)
    network = settled(Layer(0 * plain, plain, None, weights.flatten(), 0.0))
    picture = np.full((side, side, 3), 100, np.uint8)
    checker = (np.indices((12, 12)).sum(0) % 2 * 40).astype(np.uint8)
    picture[20:32, 36:48] += checker[..., None]
    model = cooccurrence.CooccurrenceModel(spec("cooccurrence"), network)
    (shown,) = model.explain(picture[None])
    assert shown.shape == (16, 16) and shown.max() == 1
    inside = np.zeros((16, 16), bool)
    inside[5:8, 9:12] = True
    assert shown[inside].min() > 0.3 and shown[~inside].max() == 0
    assert [way.id for way in ways.methods(model)] == ["own", "occlusion"]


def test_what_is_loaded_says_what_was_kept(tmp_path: Path) -> None:
    network = settled(layer())
    file = tmp_path / "model.safetensors"
    save_file(network.state_dict(), file)
    model = cooccurrence.load(spec("cooccurrence"), [file], "cpu")
    with torch.no_grad():
        expected = network(torch.from_numpy(input_transform.batch_to_array(list(faces())))).numpy()
    np.testing.assert_allclose(model.score(faces()), expected, atol=1e-5)
    save_file({"table": network.table}, file)
    with pytest.raises(WeightsError, match="do not fit"):
        cooccurrence.load(spec("cooccurrence"), [file], "cpu")
