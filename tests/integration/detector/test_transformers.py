"""Vision transformers on a processor: what they compute in, and two batches at a time."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from detector import runtime
from detector.errors import CancellationToken
from detector.models import registry
from detector.models.network import TokenModel, TorchFrameModel
from detector.pipeline import scoring
from detector.pipeline.scoring import BATCH, ScoreItem, ScoreStage
from detector.schema.analysis import Modality
from detector.schema.subject import Segment
from tests.support.specs import SIDE, spec


class Wide(nn.Module):
    """Two large layers, whose sums bf16 rounds; says what they were computed in."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(3 * SIDE, 256), nn.GELU(), nn.Linear(256, 1))
        self.seen: list[torch.dtype] = []

    def forward(self, x):
        hidden = self.layers[0](x.mean(3).flatten(1))
        self.seen.append(hidden.dtype)
        return self.layers[2](self.layers[1](hidden))[:, 0]


@pytest.fixture
def crops():
    return np.random.default_rng(0).integers(0, 256, (2 * BATCH, SIDE, SIDE, 3), np.uint8)


def test_transformers_score_in_bf16_where_the_processor_has_it(crops, monkeypatch):
    network = Wide()
    model = TokenModel(spec("gend"), network, "cpu")
    exact = model.forward(torch.stack([model.preprocess(crop) for crop in crops])).numpy()
    assert network.seen.pop() is torch.float32
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    scores = model.score(crops)
    assert set(network.seen) == {torch.bfloat16} and scores.dtype == np.float32
    assert 0 < np.abs(scores - exact).max() < 0.02 * np.ptp(exact) + 0.01
    assert "bf16" in runtime.backend("cpu") and "bf16" not in runtime.backend("cuda:0")


@pytest.mark.parametrize("why", ["asked for", "an older processor"])
def test_in_float32_scores_are_the_authors(why, crops, monkeypatch):
    if why == "asked for":
        monkeypatch.setenv("UNMASK_PRECISION", "f32")
    else:
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda: False)
    model = TokenModel(spec("gend"), Wide(), "cpu")
    exact = model.forward(torch.stack([model.preprocess(crop) for crop in crops])).numpy()
    np.testing.assert_allclose(model.score(crops), exact, atol=1e-6)
    assert "bf16" not in runtime.backend("cpu")


class Meeting(nn.Module):
    """Waits, in each pass, for another that goes on at the same time."""

    def __init__(self):
        super().__init__()
        self.door = threading.Barrier(2)

    def forward(self, x):
        self.door.wait(20)
        return x.mean((1, 2, 3))


def test_two_batches_of_a_torch_network_go_side_by_side(crops, monkeypatch):
    entry = spec("gend")
    model = TorchFrameModel(entry, Meeting(), "cpu")
    monkeypatch.setattr(registry, "load_model", lambda *_, **__: model)
    monkeypatch.setattr(scoring, "usable_cores", lambda: 2)
    result = SimpleNamespace(error=None, seconds=None, scored=0, title="Own")
    stop = CancellationToken(threading.Event())
    stage = ScoreStage([entry], {entry.id: result}, "cpu", threading.Lock(), stop)
    segments = [Segment() for _ in crops]
    for segment, crop in zip(segments, crops, strict=True):
        stage.submit(ScoreItem(Modality.FACE, (entry.id,), segment, crop, batch="crops"))
    stage.end()
    stage.work()
    assert result.error is None and result.scored == len(crops)
    expected = [float(model.preprocess(crop).mean()) for crop in crops]
    assert [s.logits[entry.id] for s in segments] == pytest.approx(expected, abs=1e-4)
