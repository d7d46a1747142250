"""Classifiers of voices from the hub: read strictly, refused in words."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from detector.errors import LabelOrderError, ModelError
from detector.models import hub_import, user_models
from detector.models.families import hub
from detector.schema.analysis import Modality
from detector.weights.hub import HubModel

TINY = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "conv_dim": [16] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 16, "num_labels": 2,
}  # fmt: skip
PROCESSOR = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16_000}
LABELS = {"0": "fake", "1": "real"}
"""as motheecreator's and MelodyMachine's detectors have them"""


def saved(folder, config):
    torch.manual_seed(0)
    settings = transformers.AutoConfig.for_model(**config)
    made = transformers.AutoModelForAudioClassification.from_config(settings)
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
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return [folder / "config.json", folder / "model.safetensors"]


def entry(config, processor=PROCESSOR):
    model = HubModel(
        repo="somebody/voices", revision="0" * 40, config=config, preprocessor=processor or {},
        files={}, license="mit",
    )  # fmt: skip
    return hub_import.entry(model)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
@pytest.mark.parametrize("normalize", [True, False])
def test_a_voice_is_scored_as_transformers_does(tmp_path, kind, normalize):
    config = {"model_type": kind, "id2label": LABELS, **TINY}
    processor = PROCESSOR | {"do_normalize": normalize}
    spec = entry(config, processor)
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
    config = {"model_type": "wav2vec2", "id2label": LABELS, **TINY}
    for processor in ({"feature_extractor_type": "ASTFeatureExtractor"}, {"sampling_rate": 8000}):
        with pytest.raises(ModelError, match="Its processor is") as refused:
            entry(config, PROCESSOR | processor)
        assert refused.value.code == "not_supported"
    with pytest.raises(ModelError, match="4,096 is the most"):
        entry(config | {"conv_dim": [16] * 6 + [10**9]})


def test_which_output_is_fake_is_never_guessed():
    config = {"model_type": "wav2vec2", **TINY}
    names = ({"0": "bonafide", "1": "spoof"}, {"0": "cloned voice", "1": "human voice"})
    assert [entry(config | {"id2label": one}).fake_index for one in names] == [1, 0]
    with pytest.raises(LabelOrderError):
        entry(config | {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
