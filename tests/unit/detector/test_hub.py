"""Classifiers of transformers: built from settings, fed as their processor says, read strictly.

Which class means fake: names as hubs have them, and the ones that say nothing.
Classifiers of voices are read strictly and refused in words.
"""

import importlib.util
import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from detector.errors import LabelOrderError, ModelError, WeightsError
from detector.explain import cam
from detector.models import hub_import, registry, user_models
from detector.models.base import ModelSpec
from detector.models.families import hub
from detector.models.labels import fake_index, meaning, require_agreement
from detector.schema.analysis import Modality
from detector.weights.hub import HubModel
from tests.support.golden import clip, picture

TINY = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
TINY |= {"intermediate_size": 64}
VIT = {"model_type": "vit", "image_size": 64, "num_labels": 2, **TINY}
VIDEO = {"model_type": "videomae", "image_size": 32, "num_frames": 4, "num_labels": 2, **TINY}
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
LABELS = {"0": "Real", "1": "Fake"}


def saved(folder, config):
    """A repository's files, in the order in which `from_hub` keeps them."""
    torch.manual_seed(0)
    settings = transformers.AutoConfig.for_model(**config)
    of = hub._judged(config)
    made = getattr(transformers, f"AutoModelFor{of}Classification").from_config(settings)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    tensors = {
        # As files of the years before weight norm was a parametrization name it.
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor.contiguous()
        for name, tensor in made.state_dict().items()
    }
    weights = folder / "model.safetensors"
    save_file(tensors, weights)
    (folder / "config.json").write_text(json.dumps(config))
    return [folder / "config.json", weights]


def entry(config, preprocessor, **fields):
    told = {
        **{"id": "own", "title": "Own", "family": "hub", "summary": "", "files": []},
        **{"fake_output": "", "license_code": "", "license_weights": "", "source": ""},
    }
    return ModelSpec.model_validate(told | hub.recipe(config, preprocessor) | fields)


@pytest.mark.parametrize(
    ("kind", "processor"),
    [
        ("ViTImageProcessor", {"size": {"height": 64, "width": 64}, "resample": 2, **HALF}),
        ("ViTFeatureExtractor", {"size": 64, "resample": 3, **HALF}),
        (
            "CLIPImageProcessor",
            {"size": {"shortest_edge": 72}, "crop_size": 64, "resample": 3, "do_center_crop": True},
        ),
        (
            "ViTImageProcessor",
            {"size": {"height": 64, "width": 64}, "do_rescale": True, "rescale_factor": 1 / 127.5},
        ),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 64}, "crop_pct": 0.875}),
    ],
)
def test_pictures_are_prepared_as_the_processor_does(tmp_path, kind, processor):
    spec = entry(VIT, {"image_processor_type": kind, **processor})
    model = hub.load(spec, saved(tmp_path, VIT), "cpu")
    image = picture("input_odd_313x277.png")
    ours = model.preprocess(image)
    name = kind.replace("FeatureExtractor", "ImageProcessor") + "Pil"
    theirs = getattr(transformers, name, None) or getattr(transformers, name.removesuffix("Pil"))
    told = dict(processor)
    if kind == "ViTFeatureExtractor":  # written before sizes had names
        told["size"] = {"height": 64, "width": 64}
    wanted = theirs(**told)(Image.fromarray(image), return_tensors="pt")["pixel_values"][0]
    assert ours.shape == wanted.shape == (3, 64, 64)
    # Within two levels where the resize is torchvision's, to the digit where it is Pillow's.
    scale = 2 / 255 / float(torch.tensor(spec.normalization.std).min())
    assert float((ours - wanted).abs().max()) <= scale
    assert float((ours - wanted).abs().mean()) <= 0.1 * scale


def test_logits_are_transformers_own(tmp_path):
    files = saved(tmp_path, {**VIT, "id2label": LABELS})
    model = hub.load(entry(VIT, None, fake_index=1), files, "cpu")
    x = model.preprocess(picture("input_face_224.png"))[None]
    kept = transformers.AutoModelForImageClassification.from_pretrained(tmp_path)
    with torch.no_grad():
        wanted = kept(pixel_values=x).logits
    torch.testing.assert_close(model.forward(x), wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(model.p_fake(wanted), wanted.softmax(1)[:, 1])
    flipped = hub.load(entry(VIT, None, fake_index=0), saved(tmp_path, VIT), "cpu")
    torch.testing.assert_close(flipped.p_fake(wanted), wanted.softmax(1)[:, 0])
    assert cam.draw(model, picture("input_face_256.png")[None, ::4, ::4]).shape == (1, 64, 64)


def test_names_of_transformers_4_are_read(tmp_path):
    files = saved(tmp_path, VIT)
    model = hub.load(entry(VIT, None), files, "cpu")
    x = model.preprocess(picture("input_face_224.png"))[None]
    older = {}
    for name, tensor in model.network.model.state_dict().items():
        name = name.replace("vit.layers.", "vit.encoder.layer.")
        for part, long in (("q", "query"), ("k", "key"), ("v", "value")):
            name = name.replace(f"attention.{part}_proj.", f"attention.attention.{long}.")
        name = name.replace("attention.o_proj.", "attention.output.dense.")
        name = name.replace("mlp.fc1.", "intermediate.dense.").replace("mlp.fc2.", "output.dense.")
        older[name] = tensor.contiguous()
    save_file(older, files[-1])
    assert set(older) != set(model.network.model.state_dict())
    again = hub.load(entry(VIT, None), files, "cpu")
    torch.testing.assert_close(again.forward(x), model.forward(x))


def test_a_single_logit_is_of_fake(tmp_path):
    config = {**VIT, "num_labels": 1}
    model = hub.load(entry(config, None, fake_index=1), saved(tmp_path, config), "cpu")
    logits = model.forward(model.preprocess(picture("input_face_224.png"))[None])
    assert logits.shape == (1, 1)
    torch.testing.assert_close(model.p_fake(logits), logits[:, 0].sigmoid())


def test_clips_and_where_they_look(tmp_path):
    spec = entry(VIDEO, {"image_processor_type": "VideoMAEImageProcessor", **HALF})
    assert spec.kind == "video" and spec.crop.kind == "whole"
    assert (spec.clip_frames, spec.clip_stride) == (4, 4)
    model = hub.load(spec, saved(tmp_path, VIDEO), "cpu")
    assert model.preprocess(clip("input_odd_313x277.png", 4)).shape == (4, 3, 32, 32)
    batch = np.stack([picture("input_face_224.png")[i : i + 32, :32] for i in range(4)])[None]
    assert model.score(batch).shape == (1,)
    assert model.score(batch) != model.score(batch[:, ::-1])  # the order of frames matters
    for way in ("gradcam", "gradcam++"):
        maps = cam.draw(model, batch, way)
        assert maps.shape == (1, 2, 2, 2) and maps.max() == pytest.approx(1)


def test_positions_of_clips_are_those_of_transformers():
    fresh = importlib.util.find_spec("transformers.models.videomae.modeling_videomae")
    module = importlib.util.module_from_spec(fresh)
    fresh.loader.exec_module(module)
    theirs = module.get_sinusoid_encoding_table(12, 64)
    ours = hub.positions(12, 64)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape == (1, 12, 64)
    assert torch.allclose(ours, theirs, atol=1e-7)


def test_the_processor_of_videos_has_its_own_mean():
    bare = hub.recipe(VIDEO, None)
    assert bare["normalization"].mean == (0.5, 0.5, 0.5)  # its class's default
    imagenet = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    assert hub.recipe(VIDEO, imagenet)["normalization"].mean == (0.485, 0.456, 0.406)


def test_what_it_tells_decides_what_it_is_shown():
    assert hub.recipe({**VIT, "id2label": LABELS}, None)["kind"] == "frame"
    generated = hub.recipe({**VIT, "id2label": {"0": "real", "1": "ai-generated"}}, None)
    assert generated["kind"] == "image" and generated["crop"].kind == "whole"
    assert generated["task"] == "picture synthesis"


def test_the_order_beside_the_weights_must_be_the_entrys(tmp_path):
    files = saved(tmp_path, {**VIT, "id2label": {"0": "Deepfake", "1": "Real"}})
    with pytest.raises(LabelOrderError, match="output 0 means fake"):
        hub.load(entry(VIT, None, fake_index=1), files, "cpu")
    hub.load(entry(VIT, None, fake_index=0), files, "cpu")
    known = entry(VIT, None, fake_index=1, options={"label_map_override": True})
    hub.load(known, files, "cpu")  # the names are known to be wrong
    nameless = saved(tmp_path, {**VIT, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    hub.load(entry(VIT, None, fake_index=1), nameless, "cpu")


def test_maps_that_contradict_each_other_are_refused(tmp_path):
    told = {**VIT, "id2label": LABELS, "label2id": {"Real": 1, "Fake": 0}}
    files = saved(tmp_path, told)
    with pytest.raises(LabelOrderError, match="contradicts itself") as caught:
        hub.load(entry(VIT, None, fake_index=1), files, "cpu")
    assert "--fake-index NUMBER" in caught.value.hint
    hub.load(entry(VIT, None, options={"label_map_override": True}), files, "cpu")

    model = HubModel("wolf/wolf", "0" * 40, "mit", {}, told)
    for said in (None, "Fake"):
        with pytest.raises(LabelOrderError, match="wolf/wolf contradicts itself"):
            hub_import.entry(model, fake=said)
    spec = hub_import.entry(model, fake=0)
    assert spec.fake_index == 0 and spec.options["label_map_override"]
    assert (spec.operating_point, spec.label_order) == (0.5, "documented")
    assert spec.operating_point_source.startswith("The likelier of two classes")


def test_codes_of_a_quantized_model_are_no_weights(tmp_path):
    """transformers makes fractions of them and says nothing."""
    files = saved(tmp_path, VIT)
    state = load_file(files[1])
    name = next(k for k in state if k.endswith("mlp.fc1.weight"))
    save_file(state | {name: (100 * state[name]).to(torch.int8)}, files[1])
    with pytest.raises(WeightsError, match=r"whole numbers .*fc1\.weight int8") as caught:
        hub.load(entry(VIT, None), files, "cpu")
    assert caught.value.code == "weights_whole"


def test_a_dry_run_shows_a_clip_model_clips_that_move_in_different_ways(tmp_path):
    user_models.dry_run(hub.load(entry(VIDEO, None), saved(tmp_path, VIDEO), "cpu"))


def test_the_inverted_map_of_a_popular_model_is_handled(tmp_path):
    spec = registry.get_spec("hub_prithiv_v2")
    assert spec.fake_index == 0 and spec.label_order == "unverified"
    small = spec.model_copy(update={"crop": spec.crop.model_copy(update={"size": 64})})
    inverted = {**VIT, "id2label": {"0": "Realism", "1": "Deepfake"}}
    model = hub.load(small, saved(tmp_path, inverted), "cpu")
    logits = torch.tensor([[2.0, -1.0]])
    torch.testing.assert_close(model.p_fake(logits), logits.softmax(1)[:, 0])


def test_another_number_of_frames_is_refused(tmp_path):
    spec = entry(VIDEO, None, clip_frames=8)
    with pytest.raises(ModelError, match="clips of 4 frames, its entry says 8"):
        hub.load(spec, saved(tmp_path, VIDEO), "cpu")


@pytest.mark.parametrize("how", ["missing", "unexpected", "of another shape"])
def test_weights_that_do_not_fit_are_named(tmp_path, how):
    files = saved(tmp_path, VIT)
    state = hub.load(entry(VIT, None), files, "cpu").network.model.state_dict()
    if how == "missing":
        del state["classifier.bias"]
    elif how == "unexpected":
        state["classifier.more"] = torch.zeros(1)
    else:
        state["classifier.bias"] = torch.zeros(3)
    save_file({k: v.contiguous() for k, v in state.items()}, files[-1])
    with pytest.raises(WeightsError, match=rf"1 {how} \(classifier\."):
        hub.load(entry(VIT, None), files, "cpu")


@pytest.mark.parametrize(
    ("config", "processor", "words"),
    [
        ({"model_type": "bert"}, None, "no classifier of pictures"),
        ({"model_type": "made-up"}, None, "no architecture 'made-up'"),
        ({"model_type": ["vit"]}, None, "no architecture"),
        ({**VIT, "num_hidden_layers": 100_000}, None, "num_hidden_layers = 100,000"),
        (VIT, {"size": {"height": 64, "width": 32}}, "Its processor"),
        (VIT, {"resample": 1}, "Its processor"),
        (VIT, {"size": {"longest_edge": 64}}, "Its processor"),
    ],
)
def test_what_can_not_be_built_is_said(config, processor, words):
    with pytest.raises(ModelError, match=words):
        hub.recipe(config, processor)


def test_no_code_of_a_repository_is_wanted(tmp_path):
    config = {**VIT, "auto_map": {"AutoModelForImageClassification": "evil.Model"}}
    hub.load(entry(config, None), saved(tmp_path, config), "cpu")


def test_without_its_configuration_an_entry_must_hold_it(tmp_path):
    config, weights = saved(tmp_path, VIT)
    config.unlink()
    with pytest.raises(ModelError, match=r"config\.json"):
        hub.load(entry(VIT, None), [weights], "cpu")
    hub.load(entry(VIT, None, options=VIT), [weights], "cpu")


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        ({0: "Real", 1: "Fake"}, 1),  # dima806
        ({0: "Realism", 1: "Deepfake"}, 1),  # prithivMLmods v2
        ({0: "Deepfake", 1: "Real"}, 0),  # prithivMLmods Exp-02-21: the other order
        ({0: "deepfake", 1: "real"}, 0),  # shylhy
        ({"0": "fake", "1": "real"}, 0),  # keys as JSON has them
        ({0: "artificial", 1: "human"}, 0),
        ({0: "AI-Generated", 1: "authentic"}, 0),
        ({0: "not_fake", 1: "fake"}, 1),
        ({0: "non-fake image", 1: "Deep Fake image"}, 1),
        ({0: "DeepFake", 1: "BonaFide"}, 0),
        (["bona fide", "spoof"], 1),
        ({0: "real", 1: "Manipulated Face"}, 1),
        ({0: "fake"}, 1),  # one output, of fake
        ({0: "real"}, 0),  # one output, of real
    ],
)
def test_names_that_say_it(labels, index):
    assert fake_index(labels) == index


@pytest.mark.parametrize(
    "labels",
    [
        {0: "LABEL_0", 1: "LABEL_1"},
        {0: "0", 1: "1"},
        {0: "real", 1: "LABEL_1"},
        {0: "real", 1: "authentic"},
        {0: "fake", 1: "deepfake"},
        {0: "real", 1: "gan", 2: "diffusion"},
        {0: "cat", 1: "fake"},
        {0: "real fake", 1: "fake"},
        {0: "LABEL_0"},
    ],
)
def test_names_that_do_not_say_it_are_refused(labels):
    with pytest.raises(LabelOrderError, match="Wolf") as caught:
        fake_index(labels, name="Wolf")
    assert "--fake" in caught.value.hint
    # The names are shown, so that a person can choose.
    assert all(name in caught.value.message for name in labels.values())


def test_a_person_may_say_it():
    labels = {0: "LABEL_0", 1: "LABEL_1"}
    assert fake_index(labels, "label_0") == 0
    assert fake_index(labels, 1) == 1
    # Also against the names: an author has said that his own map is inverted.
    assert fake_index({0: "Realism", 1: "Deepfake"}, "Realism") == 0
    assert fake_index({0: "LABEL_0"}, 1) == 1 and fake_index({0: "LABEL_0"}, 0) == 0
    with pytest.raises(LabelOrderError, match="no class 'fake'; its classes are 0: LABEL_0"):
        fake_index(labels, "fake")


def test_meaning():
    assert meaning("Fake") is True and meaning("unaltered") is False
    assert meaning("NotReal") is True
    assert meaning("face") is None and meaning("") is None and meaning("LABEL_1") is None


NAMED = {"0": "Real", "1": "Fake"}


@pytest.mark.parametrize(
    "label2id",
    [
        {"Fake": 0, "Real": 1},
        {"real": 1, "fake": 0},
        {"deepfake": 0, "authentic": 1},  # other words for the same
        {"Real": 0, "Fake": 0},
    ],
)
def test_two_maps_that_say_different_orders_are_refused(label2id):
    config = {"id2label": NAMED, "label2id": label2id}
    with pytest.raises(
        LabelOrderError, match="Wolf contradicts itself: id2label says 0: Real"
    ) as it:
        require_agreement(config, "Wolf")
    assert "--fake NUMBER" in it.value.hint
    with pytest.raises(LabelOrderError):
        require_agreement(config, "Wolf", "Fake")  # of which number is just what is not known
    for number in (0, 1, "1"):
        require_agreement(config, "Wolf", number)


@pytest.mark.parametrize(
    "label2id",
    [
        None,
        {},
        {"Real": 0, "Fake": 1},
        {"REAL": "0", "fake": "1"},
        {"LABEL_0": 0, "LABEL_1": 1},  # what transformers writes where nobody said a word
        {"authentic": 0, "deepfake": 1},
    ],
)
def test_two_maps_that_say_the_same_pass(label2id):
    require_agreement({"id2label": NAMED, "label2id": label2id}, "Wolf")


def test_maps_that_are_none():
    with pytest.raises(LabelOrderError, match="something else than numbers"):
        require_agreement({"id2label": NAMED, "label2id": {"Fake": "one"}}, "Wolf")


HEARS = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 16, "num_labels": 2,
}  # fmt: skip
PROCESSOR = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16_000}
VOICES = {"0": "fake", "1": "real"}  # as motheecreator's and MelodyMachine's detectors have them


def voice(config, processor=PROCESSOR):
    model = HubModel(
        repo="somebody/voices", revision="0" * 40, config=config, preprocessor=processor or {},
        files={}, license="mit",
    )  # fmt: skip
    return hub_import.entry(model)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_voice_is_scored_as_transformers_does(tmp_path, kind, normalize):
    config = {"model_type": kind, "id2label": VOICES, **HEARS}
    processor = PROCESSOR | {"do_normalize": normalize}
    spec = voice(config, processor)
    assert (spec.kind, spec.task, spec.modality) == ("audio", "voice", Modality.VOICE)
    assert spec.operating_point is None  # no vote until it is calibrated
    assert spec.fake_index == 0 and spec.sound and spec.sound.seconds == 4
    model = hub.load(spec, saved(tmp_path, config), "cpu")
    samples = np.random.default_rng(3).normal(0.01, 0.1, 64_000).astype(np.float32)
    x = model.preprocess(samples)
    extract = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalize)
    wanted = extract(samples, sampling_rate=16_000, return_tensors="pt")["input_values"][0]
    torch.testing.assert_close(x, wanted, rtol=1e-4, atol=1e-5)
    kept = transformers.AutoModelForAudioClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        logits = kept(input_values=x[None]).logits
    torch.testing.assert_close(model.forward(x[None]), logits, rtol=1e-4, atol=1e-5)
    odds = float(model.score(samples[None])[0])
    assert odds == pytest.approx(float(logits[0, 0] - logits[0, 1]), abs=1e-4)
    assert user_models.dry_run(model) == 2


def test_what_hears_spectrograms_or_another_rate_is_refused():
    config = {"model_type": "wav2vec2", "id2label": VOICES, **HEARS}
    for processor in ({"feature_extractor_type": "ASTFeatureExtractor"}, {"sampling_rate": 8000}):
        with pytest.raises(ModelError, match="Its processor is") as refused:
            voice(config, PROCESSOR | processor)
        assert refused.value.code == "not_supported"
    with pytest.raises(ModelError, match="4,096 is the most"):
        voice(config | {"conv_dim": [16] * 6 + [10**9]})


def test_which_output_is_fake_is_never_guessed():
    config = {"model_type": "wav2vec2", **HEARS}
    names = ({"0": "bonafide", "1": "spoof"}, {"0": "cloned voice", "1": "human voice"})
    assert [voice(config | {"id2label": one}).fake_index for one in names] == [1, 0]
    with pytest.raises(LabelOrderError):
        voice(config | {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
