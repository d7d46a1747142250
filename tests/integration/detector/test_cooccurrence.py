"""Runs of steps in a picture, and in what one frame leaves of the next: what is counted, what a
table says of it, how the layer is fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file

from detector.errors import WeightsError
from detector.explain import ways
from detector.models import runs
from detector.models.families import cooccurrence, flicker
from detector.models.families.cooccurrence import CooccurrenceNet
from detector.models.families.flicker import FlickerNet
from detector.models.layer import FACE, Layer
from detector.models.runs import RunTables
from detector.training import augment
from detector.training.cache import FaceCache
from detector.training.input_transform import OwnInput
from detector.training.recipe import read_recipe
from detector.training.run import train
from tests.support.shelf import CACHED, FRAMES, SIDE, shelf, spec  # noqa: F401

WINDOW = {"kind": "clip", "clip_frames": FRAMES, "clip_step": 0.08}


def faces(side: int = SIDE) -> np.ndarray:
    """Three views of a face, uint8 [3, side, side, 3]."""
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (side, side))
    return np.stack([face, face[:, ::-1], np.roll(face, 9, 0)])


def windows(side: int = SIDE) -> np.ndarray:
    """Return each view as it moves and is redrawn, uint8 [3, FRAMES, side, side, 3]."""
    rng = np.random.default_rng(0)
    moved = np.stack([np.roll(faces(side), 2 * number, 2) for number in range(FRAMES)], 1)
    return (moved + rng.normal(0, 2, moved.shape)).clip(0, 255).astype(np.uint8)


def shown(network: RunTables, side: int = SIDE) -> torch.Tensor:
    """Return what a network takes: three views of a face, as pictures or windows."""
    if not isinstance(network, FlickerNet):
        return torch.from_numpy(augment.batch_to_array(list(faces(side))))
    return torch.stack(
        [torch.from_numpy(augment.batch_to_array(list(window))) for window in windows(side)]
    )


def layer(features: int) -> Layer:
    rng = torch.Generator().manual_seed(0)
    center, scale, weights = (
        torch.rand(features, generator=rng, dtype=torch.float64) for _ in range(3)
    )
    return Layer(center, scale, weights - 0.5, 0.3)


def settled(network: RunTables, layer: Layer) -> RunTables:
    network.eval().settle(layer)
    return network


def by_definition(plane: np.ndarray, network: RunTables) -> np.ndarray:
    """Shares of the classes of one plane, counted run by run."""
    shares = []
    for size in network.SIZES:
        side = len(plane) // size
        smaller = plane.reshape(side, size, side, size).mean((1, 3))
        near = np.abs((np.arange(side) + 0.5) / side - 0.5) < FACE / 2
        for order in network.ORDERS:
            counts: tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]] = Counter(), Counter()
            length = len(order) + runs.RUN - 1
            for plane_of, turned in ((smaller, False), (smaller.T, True)):
                for row in range(side):
                    for first in range(side - length + 1):
                        values = plane_of[row, first : first + length]
                        steps = np.correlate(values, order) / network.STEP
                        run = tuple(int(s) for s in np.round(steps).clip(-2, 2))
                        # The pixel that a run belongs to is its middle one.
                        middle = first + (length - 1) // 2
                        y, x = (middle, row) if turned else (row, middle)
                        counts[0 if near[y] and near[x] else 1][run] += 1
            for part in counts:
                of_class = np.zeros(runs.CLASSES)
                for run, count in part.items():
                    code = int(np.dot(np.array(run) + 2, [125, 25, 5, 1]))
                    of_class[runs.classes()[code]] += count
                shares.append(of_class / of_class.sum())
    return np.concatenate(shares)


def test_runs_of_a_picture_are_counted_by_their_definition() -> None:
    network = CooccurrenceNet()
    picture = faces(32)[0]
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb)[..., 0].astype(np.float64)
    with torch.no_grad():
        found = network.embed(shown(network, 32))
    np.testing.assert_allclose(found[0].numpy(), by_definition(luma, network), atol=1e-6)


def test_runs_of_changes_are_counted_by_their_definition() -> None:
    network = FlickerNet()
    gray = [cv2.cvtColor(p, cv2.COLOR_RGB2YCrCb)[..., 0] for p in windows(32)[0]]
    left = [flicker.unexplained(*pair).astype(np.float64) for pair in pairwise(gray)]
    with torch.no_grad():
        found = network.embed(shown(network, 32))
    expected = np.mean([by_definition(plane, network) for plane in left], axis=0)
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-6)


def test_what_only_moved_is_explained_and_what_was_redrawn_is_not() -> None:
    rng = np.random.default_rng(0)
    before = cv2.cvtColor(faces(128)[0], cv2.COLOR_RGB2GRAY)
    moved = np.roll(before, 3, 1)
    redrawn = (moved + rng.normal(0, 4, moved.shape)).clip(0, 255).astype(np.uint8)
    inner = (slice(16, -16), slice(16, -16))
    left = [float(np.abs(flicker.unexplained(before, p)[inner]).mean()) for p in (moved, redrawn)]
    assert left[0] < 0.5 * left[1]
    assert left[0] < 0.2 * np.abs(moved.astype(int) - before)[inner].mean()


def test_a_frame_that_repeats_the_one_before_is_not_counted() -> None:
    first, second, _ = windows()[0]
    x = [
        torch.from_numpy(augment.batch_to_array(frames))[None]
        for frames in ([first, first, second], [first, second, second], [first, second])
    ]
    with torch.no_grad():
        *repeated, alone = (FlickerNet().embed(one) for one in x)
    for one in repeated:
        torch.testing.assert_close(one, alone)


def test_a_run_backwards_and_in_the_negative_is_of_the_same_class() -> None:
    same = runs.classes().reshape(5, 5, 5, 5)
    assert same.max() + 1 == runs.CLASSES == len(same.unique())
    torch.testing.assert_close(same, same.permute(3, 2, 1, 0))
    torch.testing.assert_close(same, same.flip(0, 1, 2, 3))
    assert same[2, 2, 2, 2] != same[2, 2, 2, 3] != same[2, 2, 3, 2]


@pytest.mark.parametrize("made", [CooccurrenceNet, FlickerNet])
def test_a_logit_is_the_layer_over_the_description_and_the_sum_of_its_evidence(
    made: type[RunTables],
) -> None:
    weighed = layer(made().features)
    network = settled(made(), weighed)
    x = shown(network, 96)
    with torch.no_grad():
        described = network.embed(x).double()
        expected = ((described - weighed.center) * weighed.scale) @ weighed.weights + weighed.offset
        logits, evidence = network(x), network.evidence(x)
    assert np.ptp(expected.numpy()) > 1e-3
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    whole = evidence.sum((2, 3)).mean(1) + network.offset
    np.testing.assert_allclose(whole, logits, atol=1e-4)


def test_its_heatmap_lies_where_the_evidence_is() -> None:
    """A table that knows one class of runs alone: steps up and down, which only a square has."""
    side = 64
    up_and_down = runs.classes()[int(np.dot([4, 0, 4, 0], [125, 25, 5, 1]))]
    weights = torch.zeros(2 * 3, 2, runs.CLASSES, dtype=torch.float64)
    weights[0, :, up_and_down] = 1.0
    plain = torch.ones(weights.numel(), dtype=torch.float64)
    network = settled(CooccurrenceNet(), Layer(0 * plain, plain, weights.flatten(), 0.0))
    picture = np.full((side, side, 3), 100, np.uint8)
    checker = (np.indices((12, 12)).sum(0) % 2 * 40).astype(np.uint8)
    picture[20:32, 36:48] += checker[..., None]
    model = cooccurrence.CooccurrenceModel(spec("cooccurrence"), network)
    (heat,) = model.explain(picture[None])
    assert heat.shape == (16, 16) and heat.max() == 1
    inside = np.zeros((16, 16), bool)
    inside[5:8, 9:12] = True
    assert heat[inside].min() > 0.3 and heat[~inside].max() == 0
    assert [way.id for way in ways.methods(model)] == ["own", "occlusion"]


def test_a_heatmap_of_changes_lies_where_something_is_redrawn() -> None:
    """A table that speaks for every run but of nothing, and a square that flickers once."""
    weights = torch.zeros(len(FlickerNet.ORDERS), 2, runs.CLASSES, dtype=torch.float64)
    weights[0] = 1.0
    weights[0, :, runs.classes()[runs.CODES // 2]] = 0.0
    plain = torch.ones(weights.numel(), dtype=torch.float64)
    network = settled(FlickerNet(), Layer(0 * plain, plain, weights.flatten(), 0.0))
    window = np.full((FRAMES, 64, 64, 3), 100, np.uint8)
    noise = np.random.default_rng(0).integers(0, 40, (12, 12, 1), np.uint8)
    window[1, 20:32, 36:48] += noise
    model = flicker.FlickerModel(spec("flicker", **WINDOW), network)
    (heat,) = model.explain(window[None])
    assert heat.shape == (FRAMES, 16, 16) and (heat.max((1, 2)) == 1).all()
    inside = np.zeros((16, 16), bool)
    inside[4:9, 8:13] = True
    assert heat[:, ~inside].max() < 0.2 < heat[:, 5:8, 9:12].mean()
    assert [way.id for way in ways.methods(model)] == ["own", "occlusion"]


@pytest.mark.parametrize(
    ("family", "network", "batch", "changes"),
    [
        (cooccurrence, CooccurrenceNet, faces, {}),
        (flicker, FlickerNet, windows, WINDOW),
    ],
    ids=["pictures", "windows"],
)
def test_what_is_loaded_says_what_was_kept(
    family: ModuleType,
    network: type[RunTables],
    batch: Callable[[], np.ndarray],
    changes: dict[str, object],
    tmp_path: Path,
) -> None:
    made = settled(network(), layer(network().features))
    file = tmp_path / "model.safetensors"
    save_file(made.state_dict(), file)
    entry = spec(family.__name__.rpartition(".")[2], **changes)
    model = family.load(entry, [file], "cpu")
    with torch.no_grad():
        expected = made(shown(made)).numpy()
    np.testing.assert_allclose(model.score(batch()), expected, atol=1e-5)
    save_file({"table": made.table}, file)
    with pytest.raises(WeightsError, match="do not fit"):
        family.load(entry, [file], "cpu")


@pytest.mark.parametrize(
    ("recipe", "network"), [("grain", CooccurrenceNet), ("flicker", FlickerNet)]
)
def test_the_layer_is_learned_and_tells_a_fold_it_never_saw(
    recipe: str,
    network: type[RunTables],
    shelf: Path,  # noqa: F811
) -> None:
    torch.set_num_threads(1)
    plan = read_recipe(recipe)
    crop = plan.crop.model_copy(update={"size": SIDE})
    small = plan.model_copy(update={"crop": crop, "leave_out": "face-edits"})
    made = train(small, shelf / "labels.csv", shelf / "run", cache=shelf / "faces")
    assert made is not None
    learned = network().eval()
    learned.load_state_dict({name: t.float() for name, t in load_file(made).items()})
    cache = FaceCache(shelf / "faces" / f"video-1.8-{CACHED}")
    sees, said = OwnInput(small.crop), dict[str, dict[int, float]]()
    for entry in cache.entries:
        frames = cache.frames(entry)[: plan.clip_frames]
        x = torch.from_numpy(sees.batch([sees.plain(frame, entry, 0) for frame in frames]))
        with torch.no_grad():
            logit = learned(x[None] if plan.clip_frames > 1 else x)
        said.setdefault(entry.person, {})[entry.label] = float(logit)
    assert len(said) == 24
    assert all(pair[1] > pair[0] for pair in said.values())
    kept = (shelf / "faces" / f"video-1.8-{CACHED}").glob("*.npz")
    assert [file.name.partition("-")[0] for file in kept] == [plan.family]
