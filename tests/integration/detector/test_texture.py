"""Texture of a face and of its surroundings: what is described, how the layer is fitted."""

from unittest.mock import Mock

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from detector.errors import WeightsError
from detector.explain import cam
from detector.models import registry
from detector.models.base import CropRecipe
from detector.models.families import texture_cnn
from detector.models.graphs import texture
from detector.models.graphs.texture import face_square
from detector.models.network import TorchFrameModel
from lab.training import texture as training
from lab.training.fit import TrainingOptions
from lab.training.recipe import TextureRecipe
from tests.support.shelf import CACHED, shelf  # noqa: F401
from tests.support.specs import SIDE, spec


@pytest.fixture(scope="module")
def trunk(tmp_path_factory):
    """An untrained trunk, with statistics under which pictures differ."""
    torch.manual_seed(0)
    network = texture_cnn.TextureNet(SIDE).train()
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (SIDE, SIDE))
    x = training.batch([np.roll(face, 3 * i, 1) for i in range(12)])
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        network(x)
    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    kept = {n: t for n, t in network.state_dict().items() if n.startswith("features.")}
    save_file(kept, file)
    return file


def test_face_and_surroundings_are_described_apart():
    maps = np.random.default_rng(1).normal(5, 1, size=(2, 3, 10, 10)).astype(np.float32)
    inside = np.zeros((10, 10), bool)
    inside[2:8, 2:8] = True  # 0.6 of the side

    def told(mask):
        return np.concatenate([f(maps[:, :, mask], -1) for f in (np.mean, np.std)], 1)

    found = texture_cnn._statistics(torch.from_numpy(maps), face_square(10))
    np.testing.assert_allclose(found[0].numpy(), told(inside), atol=1e-5)
    np.testing.assert_allclose(found[1].numpy(), told(~inside), atol=1e-5)
    (everything,) = texture_cnn._statistics(torch.from_numpy(maps))
    np.testing.assert_allclose(everything.numpy(), told(np.ones((10, 10), bool)), atol=1e-5)


def by_definition(network, x):
    """Logits by timm's trunk, masks, and one filter and color at a time."""
    import timm

    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    trunk.load_state_dict(network.features.state_dict(), strict=False)

    def mask(side):
        near = ((torch.arange(side) + 0.5) / side - 0.5).abs() <= texture.FACE / 2
        return (near[:, None] & near).flatten()

    def stages(x):
        x = trunk.bn1(trunk.conv_stem(x))
        said = [x := stage(x) for stage in trunk.blocks[:5]]
        return [said[depth].flatten(2) for depth in texture_cnn.DEPTHS]

    def told(values):
        return torch.cat([values.mean(2), values.std(2, correction=0)], 1)

    side, edge = x.shape[-1], network.middle
    middle = x[..., edge : side - edge, edge : side - edge]
    described = []
    for maps in stages(x):
        face = mask(round(maps.shape[-1] ** 0.5))
        described += [told(maps[..., face]), told(maps[..., ~face])]
    described += [told(m) for m in stages(F.interpolate(middle, (side, side), mode="bilinear"))]
    colors = torch.einsum("oc,nchw->nohw", torch.tensor(texture.YCC), (x + 1) * 127.5)
    for scale in texture_cnn.SCALES:
        smaller = F.avg_pool2d(colors, scale)
        left = []
        for color in range(3):
            for values in texture_cnn.FILTERS:
                kernel = F.pad(torch.tensor(values).float(), [(5 - len(values)) // 2] * 4)
                left.append(F.conv2d(smaller[:, color, None], kernel[None, None]).abs())
        grain = torch.cat(left, 1).flatten(2)
        face = mask(side // scale - 4)
        for part in (grain[..., face], grain[..., ~face]):
            mean = part.mean(2) + texture_cnn.FAINT
            rms = (part**2).mean(2).sqrt() + texture_cnn.FAINT
            described += [mean.log(), (rms / mean).log()]
    return network.judge(torch.cat(described, 1))


def test_what_is_far_from_usual_counts_little_more_than_the_bound():
    """A score moves with one number of a description as far as the bound, and not beyond."""
    network = texture_cnn.TextureNet(SIDE).eval().requires_grad_(False)
    weights = torch.zeros(texture_cnn.FEATURES)
    weights[7] = 0.5
    usual = torch.full_like(weights, 3.0)
    layer = training.Layer(usual, torch.full_like(weights, 4.0), 2.0, weights, 0.1)
    layer.load_into(network)
    deviations = torch.tensor([-80.0, -4.0, -0.1, 0.0, 0.1, 4.0, 80.0])
    described = usual.repeat(len(deviations), 1)
    described[:, 7] += deviations / 4
    logits = network.judge(described)
    torch.testing.assert_close(logits, layer.deviations(described) @ weights + layer.offset)
    torch.testing.assert_close(logits[[0, 3, 6]], torch.tensor([-0.9, 0.1, 1.1]))
    torch.testing.assert_close(logits[4] - logits[3], torch.tensor(0.05), rtol=0.01, atol=0)
    assert (logits.diff() > 0).all() and logits[6] - logits[5] < 0.05


def test_what_ships_says_what_its_definition_says():
    """At its own size, where the convolution computes four pixels at once at two of three scales;
    through OpenVINO too. Half the test's time is timm's import: its trunk is the definition."""
    model = registry.load_model("texture", device="cpu").whole()
    assert isinstance(model, TorchFrameModel) and isinstance(model.network, texture_cnn.TextureNet)
    side = model.spec.crop.size
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (side, side))
    crops = np.stack([face, face[:, ::-1], np.roll(face, 9, 0)])
    with torch.no_grad():
        x = training.batch(list(crops))
        expected = by_definition(model.network, x).numpy()
        np.testing.assert_allclose(model.network(x).numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(model.score(crops), expected, atol=1e-4)
    assert np.ptp(expected) > 0.01


def test_grain_is_what_filters_leave_of_each_scale():
    """Grain on the face is seen there, and not around it; most at the scale of its pixels."""
    side = 256
    network = texture_cnn.TextureNet(side)
    smooth = torch.linspace(-0.5, 0.5, side).expand(1, 3, side, side).clone()
    rough = smooth.clone()
    inside = slice(round(side * 0.25), round(side * 0.75))
    checker = torch.from_numpy(np.indices((side, side)).sum(0) % 2 * 0.2 - 0.1).float()
    rough[..., inside, inside] += checker[inside, inside]
    none, some = (torch.stack(network._grain(x)).reshape(3, 2, 2, 3, 5) for x in (smooth, rough))
    face, around = (some - none)[:, :, 0, 0].unbind(1)  # [scale, filter]: means of luma
    assert (face[0, 1:] > 2).all() and (around[0] < 1e-3).all()
    assert (face[1:, 1:] < face[0, 1:] / 2).all()


def test_scores_are_those_of_the_network_and_heatmaps_a_sixteenth(trunk, tmp_path):
    network = texture_cnn.TextureNet(SIDE).eval()
    training._begin(network, trunk)
    torch.manual_seed(1)
    torch.nn.init.normal_(network.classifier.weight, std=0.1)
    file = tmp_path / "texture.safetensors"
    save_file(network.state_dict(), file)
    model = texture_cnn.load(spec("texture_cnn"), [file], "cpu")
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (SIDE, SIDE))
    crops = np.stack([np.roll(face, 5 * i, 0) for i in range(5)])
    with torch.no_grad():
        expected = network(training.batch(list(crops))).numpy()
    np.testing.assert_allclose(model.score(crops), expected, atol=5e-3)
    assert np.ptp(expected) > 0.1
    maps = cam.draw(model, crops[:2])
    assert maps.shape == (2, SIDE, SIDE) and maps.max() == pytest.approx(1)

    whole = network.state_dict()
    for lacking in ("features.blocks.2.0.conv_pw.weight", "bound"):
        save_file({name: one for name, one in whole.items() if name != lacking}, file)
        with pytest.raises(WeightsError, match="do not fit"):
            texture_cnn.load(spec("texture_cnn"), [file], "cpu")


def test_a_worse_copy_is_drawn_alike_for_one_footage():
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (96, 96))
    crop = CropRecipe(size=96, scale=1.5, resize="area")
    for copy in ("smaller", "compressed"):
        first = training.worse(face, crop, copy, "a page g1 0")
        assert first.shape == face.shape and first.dtype == np.uint8
        np.testing.assert_array_equal(first, training.worse(face, crop, copy, "a page g1 0"))
        assert (first != training.worse(face, crop, copy, "a page g2 0")).any()
        assert 1 < np.abs(first.astype(int) - face).mean() < 20  # the same picture, worse
    grain = [cv2.Laplacian(p, cv2.CV_64F).var() for p in (first, face)]
    small = cv2.Laplacian(training.worse(face, crop, "smaller", "x"), cv2.CV_64F).var()
    assert small < min(grain)


def test_the_layer_is_learned_and_tells_a_fold_it_never_saw(
    shelf,  # noqa: F811
    trunk,
    monkeypatch,
):
    torch.set_num_threads(1)
    plan = TextureRecipe()
    small = plan.model_copy(update={"crop": plan.crop.model_copy(update={"size": SIDE})})
    made = training.train(
        small,
        shelf / "labels.csv",
        TrainingOptions(shelf / "run"),
        cache=shelf / "faces",
        begin=trunk,
        folds=["live-swaps", "face-edits", "heads"],
    )
    network = texture_cnn.build(load_file(made), side=SIDE)
    # The trunk is the one it began with, but for the fp16 of the file.
    first, own = load_file(trunk), network.state_dict()
    torch.testing.assert_close(
        own["features.conv_stem.weight"], first["features.conv_stem.weight"].half().float()
    )
    scores = pd.read_csv(shelf / "run" / "left_out.csv")
    assert set(scores["fold"]) == {"live-swaps", "face-edits", "heads"}
    pairs = scores.assign(person=scores["file"].str[:-6]).pivot(
        index="person", columns="label", values="logit"
    )
    assert len(pairs) == 24 and (pairs["fake"] > pairs["real"]).all()
    # What it learned from has mean 0 and deviation 1.
    folder = shelf / "faces" / f"video-1.8-{CACHED}-mirror"
    cuts = [load_file(file)["crops"][0].numpy() for file in folder.glob("*.faces.safetensors")]
    logits = network(training.batch([training.seen(crop, small.crop) for crop in cuts]))
    assert abs(float(logits.mean())) < 0.1 and abs(float(logits.std()) - 1) < 0.1
    # What it described is kept, and makes the same layer.
    described = list(folder.glob("texture-*/*.described.safetensors"))
    assert len({file.parent for file in described}) == 2  # as they are, and with a face pasted in
    for describes in ("describe", "describe_made"):
        monkeypatch.setattr(
            training, describes, Mock(side_effect=AssertionError("it was described"))
        )
    again = training.train(
        small,
        shelf / "labels.csv",
        TrainingOptions(shelf / "again"),
        cache=shelf / "faces",
        begin=trunk,
    )
    torch.testing.assert_close(load_file(again), load_file(made))


def test_without_a_trunk_or_with_another_it_does_not_begin(
    shelf,  # noqa: F811
    tmp_path,
):
    plan = TextureRecipe()
    small = plan.model_copy(update={"crop": plan.crop.model_copy(update={"size": SIDE})})
    labels, faces, out = shelf / "labels.csv", shelf / "faces", TrainingOptions(shelf / "run")
    with pytest.raises(WeightsError, match="needs a trunk"):
        training.train(small, labels, out, cache=faces)
    save_file({"features.conv_stem.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="does not fit"):
        training.train(small, labels, out, cache=faces, begin=tmp_path / "other.safetensors")
