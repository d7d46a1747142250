"""Timbre's parts against independent ones: transformers' Whisper, and plain numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from detector.models import registry
from detector.models.families import timbre
from detector.weights import whole_numbers
from tests.support.speech import speech


def waves():
    """Two voices of 4 s, of peak 1."""
    made = [speech(4.0, pitch=pitch, seed=seed) for seed, pitch in enumerate((110.0, 190.0))]
    return torch.from_numpy(np.stack([x / np.abs(x).max() for x in made]))


def test_the_encoder_is_whispers():
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=384, encoder_layers=3, encoder_attention_heads=6, encoder_ffn_dim=1536,
        max_source_positions=200, decoder_layers=1, decoder_attention_heads=6, decoder_ffn_dim=8,
        vocab_size=60_000,
    )  # fmt: skip
    theirs = WhisperModel(config).encoder.eval()
    theirs.layer_norm = nn.Identity()  # ours stops before it
    ours = timbre.WhisperEncoder().eval()
    ours.load_state_dict(_renamed(theirs.state_dict()))
    samples = waves()
    mels = WhisperFeatureExtractor(feature_size=80, chunk_length=4)(
        list(samples.numpy()), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        wanted = theirs(mels.input_features).last_hidden_state
        found = ours(ours.mels(samples))[-1]
    assert found.shape == (2, 200, 384)
    assert float((found - wanted).abs().max()) < 2e-3 * float(wanted.abs().max())


def _renamed(state):
    """transformers' names by ours; their keys have no bias."""
    found = {"positions": state["embed_positions.weight"]}
    for theirs, ours in (("conv1", "first"), ("conv2", "second")):
        found |= {f"{ours}.{p}": state[f"{theirs}.{p}"] for p in ("weight", "bias")}
    names = {
        "self_attn_layer_norm": "attention_norm", "final_layer_norm": "linear_norm",
        "self_attn.out_proj": "outwards", "fc1": "wide", "fc2": "narrow",
    }  # fmt: skip
    for layer in range(3):
        prefix = f"layers.{layer}."
        for theirs, ours in names.items():
            for part in ("weight", "bias"):
                found[f"{prefix}{ours}.{part}"] = state[f"{prefix}{theirs}.{part}"]
        query, key, value = (state[f"{prefix}self_attn.{p}_proj.weight"] for p in "qkv")
        biases = [state[f"{prefix}self_attn.{p}_proj.bias"] for p in "qv"]
        found[f"{prefix}inwards.weight"] = torch.cat([query, key, value])
        found[f"{prefix}inwards.bias"] = torch.cat([biases[0], torch.zeros(384), biases[1]])
    return found


def test_modulation_finds_how_fast_a_level_changes():
    t = torch.arange(64_000) / 16_000
    noise = torch.randn(64_000, generator=torch.Generator().manual_seed(0))
    slow, fast = ((1 + 0.9 * torch.sin(2 * torch.pi * rate * t)) * noise for rate in (3.0, 20.0))
    with torch.inference_mode():
        shares = timbre.Modulation()(torch.stack([slow, fast])).view(2, 7, timbre.BANDS)
    assert shares[0].mean(1).argmax() == 2  # 2 to 4 Hz
    assert shares[1].mean(1).argmax() == 5  # 16 to 29 Hz


@pytest.mark.parametrize(("number", "shape"), [(0, (256, 400)), (1, (128, 1000)), (2, (64, 2000))])
def test_a_microphone_hardly_changes_the_picture(number, shape):
    picture, samples = timbre.Timbre().pictures()[number].picture, waves()
    dull = (samples + samples.roll(1, 1)) / 2
    with torch.inference_mode():
        before, after, other = picture(samples), picture(dull), picture(samples.flip(0))
    assert before.shape == (2, *shape)
    assert (after - before).abs().mean() < 0.2 * (other - before).abs().mean()


def test_loudness_does_not_count():
    torch.manual_seed(0)
    network = timbre.Timbre().eval()
    nn.init.normal_(network.head.weight)
    with torch.inference_mode():
        whole = network(waves())
        assert torch.allclose(network(0.1 * waves()), whole, rtol=1e-3, atol=1e-2)
        assert network(torch.zeros(1, 64_000)).isfinite().all()
    assert whole.shape == (2, 1)


def test_bytes_are_numbers_again():
    stored = {
        "a": torch.tensor([[1, -127], [2, 0]], dtype=torch.int8),
        "a_scale": torch.tensor([0.5, 2.0]),
        "b": torch.ones(2),
    }
    found = whole_numbers(stored)
    assert found.keys() == {"a", "b"}
    assert found["a"].tolist() == [[0.5, -63.5], [4.0, 0.0]]


def test_it_is_run_faster_and_says_the_same():
    model = registry.load_model("timbre")
    assert isinstance(model, timbre.TimbreModel)
    quiet = 0.05 * speech(4.0, pitch=150, seed=3)
    batch = np.concatenate([waves().numpy(), quiet[None]])
    plain = model.forward(torch.from_numpy(batch)).flatten().numpy()
    np.testing.assert_allclose(model.score(batch), plain, atol=1e-3)
    assert model.score(batch[:0]).shape == (0,)
