"""Timbre's parts against independent ones: transformers' Whisper, and plain numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from detector import samples as shipped
from detector.models import registry, sounds
from detector.models.base import repeated
from detector.models.families import timbre
from detector.models.network import TorchSoundModel
from detector.models.ready import ReadyModel
from detector.perturbation.sounds import decoded
from detector.weights import dequantized
from tests.support.speech import speech

SPOKEN = Path(shipped.__file__).with_name("spoken.mp3")


def waves():
    """Two voices of 4 s, of peak 1: float32 [2, 64000]."""
    made = [speech(4.0, pitch=pitch, seed=seed) for seed, pitch in enumerate((110.0, 190.0))]
    return np.stack([x / np.abs(x).max() for x in made])


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
    heard = torch.from_numpy(np.stack([sounds.log_mels(x) for x in samples])).float()
    mels = WhisperFeatureExtractor(feature_size=80, chunk_length=4)(
        list(samples), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        wanted = theirs(mels.input_features).last_hidden_state
        found = ours(heard)[-1]
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
    t = np.arange(64_000) / 16_000
    noise = np.random.default_rng(0).standard_normal(64_000)
    slow, fast = (
        sounds.modulation((1 + 0.9 * np.sin(2 * np.pi * rate * t)) * noise) for rate in (3.0, 20.0)
    )
    assert slow.shape == (7, sounds.BANDS)
    assert slow.mean(1).argmax() == 2  # 2 to 4 Hz
    assert fast.mean(1).argmax() == 5  # 16 to 29 Hz


@pytest.mark.parametrize(("number", "shape"), [(0, (256, 400)), (1, (128, 1000)), (2, (64, 2000))])
def test_a_microphone_hardly_changes_the_picture(number, shape):
    one, other = waves()
    dull = (one + np.roll(one, 1)) / 2
    before, after, another = (
        sounds.picture(x, sounds.SPECTROGRAMS[number]) for x in (one, dull, other)
    )
    assert before.shape == shape
    assert np.abs(after - before).mean() < 0.2 * np.abs(another - before).mean()


def test_loudness_does_not_count():
    loud = sounds.spectra(waves()[0])
    np.testing.assert_allclose(sounds.spectra(0.125 * waves()[0]), loud, rtol=1e-9, atol=1e-9)
    assert np.isfinite(sounds.spectra(np.zeros(64_000, np.float32))).all()
    assert len(loud) == sum(np.prod(shape) for shape in sounds.SHAPES)


def test_bytes_are_numbers_again():
    stored = {
        "a": torch.tensor([[1, -127], [2, 0]], dtype=torch.int8),
        "a_scale": torch.tensor([0.5, 2.0]),
        "b": torch.ones(2),
    }
    found = dequantized(stored)
    assert found.keys() == {"a", "b"}
    assert found["a"].tolist() == [[0.5, -63.5], [4.0, 0.0]]


def by_torch(samples, frame, hop, points=0):
    """The power spectrum by torch in float64; `sounds` mirrors ends itself."""
    x = torch.from_numpy(np.ascontiguousarray(samples)).double()
    frames = x.unfold(0, frame, hop) * torch.hann_window(frame, dtype=x.dtype)
    return (torch.fft.rfft(frames, points or frame).abs() ** 2).T.numpy()


def test_it_says_without_torch_what_torch_does(monkeypatch):
    """Of recordings, of which a quiet one."""
    model = registry.load_model("timbre")
    whole = model.whole()
    assert isinstance(model, ReadyModel) and isinstance(whole, TorchSoundModel)
    spoken = decoded(str(SPOKEN))[:64_000]
    batch = np.stack([*waves(), repeated(0.05 * spoken, 64_000)])
    logits = model.score(batch)
    monkeypatch.setattr(sounds, "_power", by_torch)
    plain = whole.forward(torch.stack([whole.preprocess(x) for x in batch])).flatten().numpy()
    np.testing.assert_allclose(logits, plain, atol=1e-4)
    assert model.score(batch[:0]).shape == (0,)
