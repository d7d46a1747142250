"""Ways of looking into a network: on made ones with a known spot, and on the bundled ones."""

import copy
from dataclasses import replace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

from detector import explain, vision
from detector.audio.sound import SAMPLE_RATE
from detector.errors import ModelError, UsageError
from detector.explain import cam, occlusion, ways
from detector.explain import sound as explained
from detector.models import registry
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.models.network import TokenModel, TorchFrameModel, TorchVideoModel
from detector.pipeline import Analyzer
from detector.schema.analysis import Label, Modality, ModelResult, Settings
from tests.integration.detector.test_torchvision import run
from tests.support.voice_sample import write_clip

SIDE = 64
SPOT = (44, 20)  # Row and column of what the made networks look for


def spec(**changes):
    return ModelSpec(
        id="made", title="Made", family="made", kind="frame", summary="-", files=[],
        fake_output="made", crop=CropRecipe(size=SIDE), license_code="-",
        license_weights="-", source="-", **changes,
    )  # fmt: skip


def spotted():
    """A grey picture with a red spot and a green one that means nothing."""
    rgb = np.full((SIDE, SIDE, 3), 100, np.uint8)
    cv2.circle(rgb, SPOT[::-1], 6, (230, 60, 60), -1)
    cv2.circle(rgb, (50, 12), 6, (60, 230, 60), -1)
    return rgb


class Reds(nn.Module):
    """Says fake by how much red there is beyond green, through maps at half the size."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False)
        with torch.no_grad():
            self.maps.weight.zero_()
            self.maps.weight[0, 0, 1, 1], self.maps.weight[0, 1, 1, 1] = 1.0, -1.0
            self.maps.weight[1, 1, 1, 1], self.maps.weight[1, 0, 1, 1] = 1.0, -1.0
        self.after = nn.ReLU(inplace=True)  # a leaf would not bear it

    def forward(self, x):
        red, green = self.after(self.maps(x)).mean((2, 3)).unbind(1)
        return 100 * (red - 0.1 * green)


class Patches(nn.Module):
    """Red beyond green and green beyond red of patches of 8 x 8, behind a class token."""

    def forward(self, x):
        colors = F.avg_pool2d(x, 8)
        apart = torch.stack([colors[:, 0] - colors[:, 1], colors[:, 1] - colors[:, 0]], 1).relu()
        tokens = apart.flatten(2).transpose(1, 2)
        return torch.cat([torch.zeros(len(x), 1, 2), tokens], 1)


class RedTokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.maps = Patches()

    def forward(self, x):
        red, green = self.maps(x)[:, 1:].mean(1).unbind(1)
        return 100 * (red - 0.1 * green)


class RedClips(nn.Module):
    def __init__(self):
        super().__init__()
        self.frames = Reds()

    def forward(self, x):
        return self.frames(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)


class ClassTokens(nn.Module):
    """A head over the class tokens after the last two of three blocks of a CLIP, random weights."""

    def __init__(self):
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        torch.manual_seed(0)
        config = CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
            image_size=SIDE, patch_size=16,
        )  # fmt: skip
        self.clip = CLIPVisionModel(config)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        tokens = self.clip.pre_layrnorm(self.clip.embeddings(x))
        seen = []
        for block in self.clip.encoder.layers:
            tokens = block(tokens, attention_mask=None)
            seen.append(tokens[:, 0])
        return self.head(torch.cat(seen[-2:], 1))


class Attentive(nn.Module):
    """Two layers in which every token attends to the patch of the spot alone."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Identity()

    def forward(self, x):
        tokens = torch.zeros(len(x), 1 + 64, 4)
        place = 1 + SPOT[0] // 8 * 8 + SPOT[1] // 8
        tokens[:, place, 0] = 1.0
        for _ in range(2):
            query = torch.zeros_like(tokens)
            query[..., 0] = 60.0
            key = torch.zeros_like(tokens)
            key[:, place, 0] = 1.0
            tokens = tokens + F.scaled_dot_product_attention(
                query[:, None], key[:, None], tokens[:, None]
            ).squeeze(1)
        return tokens[:, 0, 0]


def made():
    network = Reds()
    return TorchFrameModel(spec(), network, "cpu", network.maps)


def transformer(network):
    return TokenModel(spec(), network, "cpu", network.maps)


def hottest(values):
    values = cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    row, column = np.unravel_index(values.argmax(), values.shape)
    return int(row), int(column)


def near(place, far):
    return max(abs(place[0] - SPOT[0]), abs(place[1] - SPOT[1])) <= far


@pytest.mark.parametrize("way", ["gradcam", "gradcam++"])
def test_grad_cam_finds_the_spot(way):
    batch = np.stack([spotted(), np.full((SIDE, SIDE, 3), 100, np.uint8)])
    maps = cam.draw(made(), batch, way)
    assert maps.shape == (2, SIDE, SIDE) and maps.dtype == np.float32
    assert near(hottest(maps[0]), 7)
    assert maps[0].max() == pytest.approx(1, abs=1e-3) and maps[0][12, 50] < 0.2
    assert not maps[1].any()  # nothing spoke for fake


@pytest.mark.parametrize("way", ["gradcam", "gradcam++"])
def test_grad_cam_reshapes_the_tokens_of_a_transformer(way):
    maps = cam.draw(transformer(RedTokens()), spotted()[None], way)
    assert near(hottest(maps[0]), 8)


@pytest.mark.parametrize("way", ["gradcam", "gradcam++"])
def test_a_clip_is_hot_where_and_when_the_spot_is_there(way):
    network = RedClips()
    told = spec().model_copy(update={"kind": "video", "clip_frames": 4})
    model = TorchVideoModel(told, network, "cpu", network.frames.maps)
    clip = np.full((4, SIDE, SIDE, 3), 100, np.uint8)
    clip[2] = spotted()
    maps = cam.draw(model, clip[None], way)
    assert maps.shape == (1, 4, SIDE // 2, SIDE // 2) and maps.dtype == np.float32
    assert near(hottest(maps[0, 2]), 7) and maps[0, 2].max() == pytest.approx(1, abs=1e-3)
    assert not maps[0, [0, 1, 3]].any()


def test_class_tokens_are_explained_before_the_last_block_they_are_read_after():
    network = ClassTokens()
    _, before, last = network.clip.encoder.layers
    batch = np.stack([spotted(), spotted()[::-1]])
    maps = cam.draw(TokenModel(spec(), network, "cpu", before), batch)
    assert maps.shape == (2, SIDE, SIDE)
    assert maps.reshape(2, -1).max(1) == pytest.approx(1, abs=1e-3)
    assert not np.allclose(maps[0], maps[1])
    assert not cam.draw(TokenModel(spec(), network, "cpu", last), batch).any()


def test_relevance_is_where_attention_to_a_patch_raised_the_answer():
    maps = ways.relevance(transformer(Attentive()), spotted()[None])
    assert maps.shape == (1, 8, 8)
    assert np.unravel_index(maps[0].argmax(), (8, 8)) == (SPOT[0] // 8, SPOT[1] // 8)
    assert np.median(maps[0]) < 0.05
    lowers = transformer(Attentive())
    lowers.log_odds = lambda outputs: -outputs
    assert not ways.relevance(lowers, spotted()[None])[0][SPOT[0] // 8, SPOT[1] // 8]


def test_a_transformer_without_attention_in_reach_is_shown_by_the_next_way():
    assert ways.relevance(transformer(RedTokens()), spotted()[None]) is None


def test_occlusion_finds_the_spot_with_a_fixed_number_of_runs():
    model = made()
    runs: list[int] = []
    score = model.score
    model.score = lambda batch: (runs.append(len(batch)), score(batch))[1]
    told: list[float] = []
    maps = occlusion.occlude(model, spotted()[None], told.append)
    assert maps.shape == (1, 7, 7)
    assert near(hottest(maps[0]), 10)
    assert sum(runs) == explain.METHODS["occlusion"].forwards
    assert told == sorted(told) and told[-1] == 1.0


def test_a_check_that_is_stopped_stops():
    class Enough(Exception):
        pass

    def tell(share):
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        occlusion.occlude(made(), spotted()[None], tell)


def test_nothing_stays_on_a_network_that_was_looked_into(monkeypatch):
    model = made()
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    for way in cam.METHODS:
        cam.draw(model, spotted()[None], way)
    ways.relevance(transformer(Attentive()), spotted()[None])
    for part in model.network.modules():
        assert not part._forward_hooks and not part._backward_hooks
        assert not part._forward_pre_hooks
    for name, tensor in model.network.named_parameters():
        assert tensor.grad is None and not tensor.requires_grad, name
    assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())
    with pytest.raises(ValueError, match="takes uint8"):
        cam.draw(model, spotted()[None].astype(np.float32))
    fails = Mock(side_effect=IndexError("no such class"))  # an error lets go too
    monkeypatch.setattr(model, "log_odds", fails)
    with pytest.raises(IndexError, match="no such class"):
        cam.draw(model, spotted()[None])
    assert not any(part._forward_hooks for part in model.network.modules())


class Own(TorchFrameModel):
    def explain(self, batch):
        return np.ones((len(batch), 4, 4), np.float32)


class Closed(Model):
    def preprocess(self, picture):
        raise NotImplementedError

    def forward(self, batch):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (made(), "gradcam"),
        (transformer(RedTokens()), "relevance"),
        (Own(spec(), Reds(), "cpu"), "own"),
        (Closed(spec()), "occlusion"),
    ],
    ids=["convolutions", "tokens", "own map", "closed"],
)
def test_what_a_model_is_made_of_decides(model, first):
    known = ways.methods(model)
    assert known[0] == first
    assert known[-1] == "occlusion"  # of use for every model
    assert known == ways.KINDS[ways.kind_of(model)]


def test_every_method_of_the_table_is_known_and_cited():
    for ids in ways.KINDS.values():
        assert set(ids) <= set(explain.METHODS)
    for id, method in explain.METHODS.items():
        assert (method.id, bool(method.source)) == (id, True)
        assert "Made" in method.what.format(model="Made")


@pytest.fixture(scope="module")
def face(astronaut):
    found = vision.load_detector().detect(astronaut, 40)
    return astronaut, max(found, key=lambda f: f.confidence)


def bundled():
    return [s.id for s in registry.list_models() if s.bundled and s.kind == "frame"]


def whole(id):
    return registry.load_model(id).whole()


def suiting(model):
    return set(ways.methods(model))


def crop_for(model, face):
    rgb, found = face
    return vision.cut(rgb, found.box, model.spec.crop, found.landmarks)


def randomized(model, seed):
    """The same network with random weights of the same spread, layer by layer."""
    other = copy.copy(model)
    other.network = copy.deepcopy(model.network)
    layers = dict(other.network.named_modules())
    other.target_layer = layers[
        next(name for name, part in model.network.named_modules() if part is model.target_layer)
    ]
    draw = torch.Generator().manual_seed(seed)
    for tensor in other.network.parameters():
        tensor.copy_(torch.randn(tensor.shape, generator=draw) * tensor.std(correction=0))
    return other


@pytest.mark.parametrize("way", ["gradcam", "gradcam++"])
def test_random_weights_draw_another_map(face, way):
    looked_into = [m for m in map(whole, bundled()) if way in suiting(m)]
    assert looked_into
    for model in looked_into:
        crop = crop_for(model, face)[None]
        drawn, *others = (
            ways.draw(way, one, crop)[0]
            for one in (model, *(randomized(model, seed) for seed in range(3)))
        )
        alike = [abs(spearmanr(drawn.ravel(), o.ravel()).statistic) for o in others if o.std() > 0]
        assert not alike or np.mean(alike) < 0.6, (model.spec.id, alike)


def redrawn(rgb, box, share):
    """The picture with its face drawn at a share of its size and enlarged again, as swaps are."""
    x0, y0, x1, y1 = (int(edge) for edge in box)
    out = rgb.copy()
    small = cv2.resize(out[y0:y1, x0:x1], None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC)
    return out


def test_hiding_what_is_hot_lowers_the_score_faster_than_hiding_anything(face):
    """Deletion (Petsiuk et al. 2018), on a face drawn smaller and pasted back."""
    rgb, found = face
    rng = np.random.default_rng(0)
    shown = [(redrawn(rgb, found.box, share), found) for share in (0.3, 0.45, 0.6)]
    shares = (0.1, 0.2, 0.3)
    hot, anywhere = [], []
    for model in map(registry.load_model, bundled()):
        quick = ways.methods(model)[0]
        # Occlusion has the network run once for each place it hides: half of them are enough.
        asked = {quick: shown, "occlusion": shown[:1]}
        for one in shown:
            crop = crop_for(model, one)
            heats = [
                explain.Heatmap(crop, explain.fit(drawn, crop), "")
                for way in asked
                if any(one is other for other in asked[way])
                for drawn in explain._draw(way, model, crop[None], bool)
            ]
            hidden = [[explain.without(heat, share).crop for share in shares] for heat in heats]
            random = [explain.without(heats[0], s, rng).crop for s in shares for _ in range(2)]
            whole = float(model.score(crop[None])[0])
            other = whole - float(model.score(np.stack(random)).mean())
            for one_heat in hidden:
                hot.append(whole - float(model.score(np.stack(one_heat)).mean()))
                anywhere.append(other)
    assert np.mean(hot) > np.mean(anywhere) + 0.2, (hot, anywhere)
    assert np.mean(np.array(hot) > np.array(anywhere)) > 2 / 3, (hot, anywhere)


@pytest.mark.parametrize(
    "recipe",
    [
        CropRecipe(scale=1.3, size=96),
        CropRecipe(scale=0.9, size=160, border="replicate"),
        CropRecipe(kind="whole", size=128),
        CropRecipe(
            kind="points", size=112, template="arcface",
        ),
    ],
    ids=["square", "tight", "whole", "aligned"],
)  # fmt: skip
def test_a_place_in_the_crop_is_the_same_place_in_the_frame(face, recipe):
    rgb, found = face
    marked = rgb.copy()
    x, y = (round(v) for v in found.landmarks[2])  # the nose
    cv2.circle(marked, (x, y), 3, (0, 255, 0), -1)
    crop = vision.cut(marked, found.box, recipe, found.landmarks).astype(int)
    green = (crop[..., 1] - crop[..., 0] - crop[..., 2]).clip(0)
    rows, columns = np.nonzero(green > 0.5 * green.max())
    place = explain.place_of(rgb.shape, found.box, recipe, found.landmarks)
    seen = place @ (columns.mean() + 0.5, rows.mean() + 0.5, 1)
    assert np.allclose(seen, (x + 0.5, y + 0.5), atol=1.5)


def test_the_heatmap_lies_over_the_face_in_the_frame(face):
    rgb, found = face
    recipe = CropRecipe(scale=1.3, size=96)
    crop = vision.cut(rgb, found.box, recipe)
    place = explain.place_of(rgb.shape, found.box, recipe, [])
    heat = explain.Heatmap(crop, np.ones(crop.shape[:2], np.float32), "", place=place)
    over = explain.on_frame(rgb, heat, 1.0)
    x, y = (int((found.box[i] + found.box[i + 2]) / 2) for i in (0, 1))
    assert over.shape == rgb.shape
    assert over[y, x].tolist() != (rgb[y, x] // 2).tolist()
    assert np.allclose(over[500, 500], rgb[500, 500] * 0.5, atol=1)  # darkened, not colored
    assert np.array_equal(explain.on_frame(rgb, heat, 0.0), rgb)


def test_the_difference_is_told_beside_hiding_as_much_elsewhere(monkeypatch):
    model = made()
    monkeypatch.setattr(registry, "load_model", lambda id, **_: model)
    drawn = cam.draw(model, spotted()[None])[0]
    heat = explain.Heatmap(spotted(), drawn, "", "gradcam")
    result = ModelResult(
        id="made", title="Made", kind="frame", task="face manipulation", label=Label.FAKE
    )
    found = explain.effect(heat, result)
    assert found.after < min(found.at_random, found.before)
    assert abs(found.crop[SPOT].astype(int) - spotted()[SPOT]).max() > 40
    assert np.array_equal(found.crop[12, 50], spotted()[12, 50])


def test_a_map_of_nothing_hides_nothing():
    heat = explain.Heatmap(spotted(), np.zeros((SIDE, SIDE), np.float32), "")
    assert np.array_equal(explain.without(heat).crop, spotted())


def test_a_window_says_when_it_mattered():
    run = np.zeros((4, 8, 8, 3), np.uint8)
    maps = np.zeros((4, 2, 2), np.float32)
    maps[2] = 1.0
    maps[1, 0, 0] = 1.0
    heat = explain.Heatmap(run[0], maps[0], "", "gradcam", None, run, maps, (0.0, 0.1, 0.2, 0.3))
    assert np.allclose(heat.over_time, [0, 0.25, 1, 0])


def test_reading_explanations_loads_no_network():
    code = "import sys, detector.explain, detector.signals; print('torch' in sys.modules)"
    assert run(code) == "False"


@pytest.fixture(scope="module")
def analysis(clip):
    models = [spec.id for spec in registry.list_models() if spec.bundled]
    return Analyzer(device="cpu").analyze(clip, Settings(frames=8, models=models))


@pytest.mark.parametrize("kind", ["frame", "video"])
def test_a_heatmap_lies_on_the_crop_the_model_saw(clip, analysis, kind):
    spec = next(s for s in registry.list_models() if s.bundled and s.kind == kind)
    heat = explain.heatmap(clip, analysis, "A", 1.0, spec.id)
    assert heat.crop.shape == (spec.crop.size, spec.crop.size, 3)
    assert heat.map.shape == heat.crop.shape[:2]
    assert heat.map.dtype == np.float32
    assert 0.0 <= heat.map.min() < heat.map.max() <= 1.0
    assert (spec.plain or spec.title) in heat.caption
    assert np.array_equal(explain.heatmap(clip, analysis, "A", 1.0, spec.id).map, heat.map)


def test_a_heatmap_of_the_helper_process_is_the_same(clip, analysis, monkeypatch):
    here = explain.heatmap(clip, analysis, "A", 1.0, "texture", "gradcam")
    monkeypatch.setattr(explain, "_apart", lambda model: True)
    there = explain.heatmap(clip, analysis, "A", 1.0, "texture")
    np.testing.assert_allclose(there.map, here.map, atol=1e-5)
    assert (there.method, there.caption) == (here.method, here.caption)
    monkeypatch.setattr(explain, "WAYS", "nowhere")
    with pytest.raises(ModelError, match="ModuleNotFoundError"):
        explain.heatmap(clip, analysis, "A", 1.0, "texture")


def test_the_moment_chosen_is_the_looked_at_one_that_is_nearest(analysis):
    track = explain.find_track(analysis, "A")
    for face in track.frames:
        assert explain.face_at(track, face.time + 0.01) == face
    assert explain.face_at(track, 1e9) == track.frames[-1]


def test_a_person_who_is_not_there_and_a_way_that_does_not_suit_are_refused(clip, analysis):
    with pytest.raises(UsageError, match="no person Z"):
        explain.heatmap(clip, analysis, "Z", 0.0, "texture")
    with pytest.raises(UsageError, match="can't be looked into"):
        explain.heatmap(clip, analysis, "A", 0.0, "texture", "relevance")


def test_a_clip_model_without_a_window_shows_nothing(clip, analysis):
    spec = registry.get_spec("videomae")
    without = analysis.model_copy(deep=True)
    without.judged[0].spans = []
    assert explain.heatmap(clip, without, "A", 1.0, spec.id) is None


def test_a_model_of_faces_is_not_shown_a_voice_or_a_full_frame(clip, analysis):
    spec = next(s for s in registry.choose() if s.kind == "frame")
    for modality in (Modality.FULL_FRAME, Modality.VOICE):
        other = analysis.model_copy(deep=True)
        other.judged[0].modality = modality
        assert explain.heatmap(clip, other, "A", 1.0, spec.id) is None


@pytest.mark.parametrize(
    ("left", "border", "mirrors"),
    [(40, "mirror", False), (-40, "mirror", True), (120, "mirror", True), (-40, "black", False)],
)
def test_what_lies_beyond_the_edge_is_a_mirror_image(left, border, mirrors):
    crop, none = np.zeros((256, 256, 3), np.uint8), np.zeros((256, 256), np.float32)
    place = np.array([[0.9, 0, left], [0, 0.9, 40.0]])
    heat = explain.Heatmap(crop, none, "", place=place, border=border)
    assert heat.mirrors(320, 320) is mirrors
    assert not replace(heat, place=None).mirrors(320, 320)


def test_a_heatmap_knows_what_stands_beyond_the_edge(clip, analysis):
    found = {id: explain.heatmap(clip, analysis, "A", 0.0, id) for id in ("texture", "videomae")}
    borders = {id: heat.border for id, heat in found.items() if heat is not None}
    assert borders == {"texture": "mirror", "videomae": "black"}


def test_the_overlay_goes_from_the_crop_to_the_map():
    crop = np.full((20, 20, 3), 200, np.uint8)
    values = np.zeros((20, 20), np.float32)
    values[:, 10:] = 1.0
    heat = explain.Heatmap(crop, values, "")
    assert np.array_equal(explain.overlay(heat, 0.0), crop)
    mixed = explain.overlay(heat, 0.6)
    cold, hot = mixed[0, 0], mixed[0, 19]
    assert len(set(cold.tolist())) == 1 and cold[0] < 200  # darkened, not colored
    assert hot[0] > hot[2]  # inferno ends in yellow: more red than blue


SECONDS = 4.0
TIME = np.arange(int(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE


class Tone:
    """A model that hears one thing: a tone of 3 kHz between 1 and 1.5 s."""

    spec = registry.get_spec("timbre")

    def score(self, batch):
        part = batch[:, SAMPLE_RATE : SAMPLE_RATE * 3 // 2]
        wave = np.exp(-2j * np.pi * 3000 * TIME[: part.shape[1]])
        return np.abs((part * wave).mean(1)).astype(np.float32) * 100


def test_what_is_found_is_what_the_model_hears():
    samples = 0.05 * np.random.default_rng(1).standard_normal(len(TIME))
    samples[SAMPLE_RATE : SAMPLE_RATE * 3 // 2] += 0.3 * np.sin(
        2 * np.pi * 3000 * TIME[: SAMPLE_RATE // 2]
    )
    drawn, again = (
        explained.sound_map(samples.astype(np.float32), (10.0, 14.0), Tone()) for _ in range(2)
    )
    assert np.array_equal(again.falls, drawn.falls)
    row, column = drawn.strongest
    assert drawn.bands[row] < 3000 < drawn.bands[row + 1]
    assert (drawn.times[column], drawn.times[column + 1]) == (11.0, 11.5)
    assert drawn.falls[row, column] > 0.5 * drawn.before
    assert drawn.map.max() == 1 and np.sum(drawn.map > 0.3) == 1


def test_hiding_keeps_the_loudness(monkeypatch):
    heard: list[np.ndarray] = []

    class Listens(Tone):
        def score(self, batch):
            heard.extend(batch)
            return super().score(batch)

    samples = np.random.default_rng(2).standard_normal(len(TIME)).astype(np.float32) * 0.1
    explained.sound_map(samples, (0.0, SECONDS), Listens())
    assert len(heard) == 1 + explained.ROWS * explained.COLUMNS
    level = [float(np.sqrt(np.mean(one**2))) for one in heard]
    assert max(level) < 1.05 * level[0] and min(level) > 0.95 * level[0]
    assert all(not np.array_equal(one, heard[0]) for one in heard[1:])


def test_a_window_of_a_file_is_looked_into(tmp_path):
    message = write_clip(tmp_path / "message.wav")
    done: list[float] = []
    drawn = explained.window_map(message, (1.0, 5.0), "timbre", done.append)
    assert drawn.falls.shape == (5, 8) and np.isfinite(drawn.falls).all()
    assert done[-1] == 1 and done == sorted(done)


def test_a_caption_says_that_most_of_the_heat_lies_outside_the_face():
    """A crop of 8 px at twice its size in the frame, and a face in its left half."""
    place, face = np.array([[2.0, 0.0, 10.0], [0.0, 2.0, 20.0]]), (10.0, 20.0, 18.0, 36.0)
    left, right = np.zeros((2, 8, 8), np.float32)
    left[:, :4] = right[:, 4:] = 1
    assert explain.share_in(left, place, face) == 1.0
    assert explain.share_in(right, place, face) == 0.0
    assert explain.share_in(left + 3 * right, place, face) == pytest.approx(0.25)
    assert explain.share_in(0 * left, place, face) is None
    assert explain.share_in(left, None, face) is None
    what = explain.METHODS["gradcam"].what.format(model="M")
    assert explain._located(what, left, place, face) == what
    said = explain._located(what, right, place, face)
    assert said == "what raised the score of M; mostly outside the face"
    spot = 0.4 * right  # the glow around a spot on the face is not what one sees
    spot[3, 3] = 1
    assert explain._located(what, spot, place, face) == what
