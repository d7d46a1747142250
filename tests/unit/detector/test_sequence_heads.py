"""The sequence models against plain implementations, on made weights and features."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from detector.models.base import CropRecipe
from detector.models.families import sequence_heads
from detector.models.families.sequence_heads import (
    FEATURES,
    FRAMES,
    GRID,
    HEADS,
    PATCH,
    REDUCED,
    AttentionGru,
    ConvLstm,
    FrameSequence,
    FrameTransformer,
    FusedLrcn,
    Lrcn,
    RealAutoencoder,
    SequenceModel,
    SequenceNetwork,
)
from detector.vision import cut
from detector.weights import load_state, load_strict
from lab.training.fit import save_halves
from tests.support.specs import spec

CROP = CropRecipe(kind="upright", scale=1.25, size=224, border="mirror")
POINTS = [(203, 107), (244, 107), (224, 131), (207, 152), (241, 152)]


@pytest.fixture(scope="module")
def sequence():
    torch.manual_seed(1)
    shapes = (FEATURES,), (FEATURES,), (GRID, GRID, REDUCED)
    return FrameSequence(*(torch.randn(3, FRAMES, *shape) for shape in shapes))


def made(name, sequence):
    """A head with drawn weights and the statistics of the windows."""
    torch.manual_seed(2)
    head = HEADS[name]()
    head.standardize(sequence)
    return head.eval().requires_grad_(False)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_gives_a_logit_a_window_and_is_small(name, sequence, tmp_path):
    head = made(name, sequence)
    whole = head(sequence)
    assert whole.shape == (3,) and torch.isfinite(whole).all()
    first = FrameSequence(*(part[:1] for part in sequence if part is not None))
    torch.testing.assert_close(head(first), whole[:1])
    backwards = FrameSequence(*(part.flip(1) for part in sequence if part is not None))
    ordered = not torch.allclose(head(backwards), whole, atol=1e-5)
    assert ordered is (name != "real-autoencoder")
    save_halves(head, tmp_path / "head.safetensors")
    assert (tmp_path / "head.safetensors").stat().st_size <= 3_000_000
    again = HEADS[name]().eval()
    load_strict(again, load_state(tmp_path / "head.safetensors"), name)
    torch.testing.assert_close(again(sequence), whole, atol=5e-3, rtol=5e-3)


def reduced(head, features):
    """What the reducing layers make of features, written out."""
    linear, norm = head.reduce.layers[0], head.reduce.layers[1]
    x = ((features - head.mean) / head.std) @ linear.weight.T + linear.bias
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return F.gelu(x * norm.weight + norm.bias)


def test_the_lrcn_averages_the_states_of_an_lstm(sequence):
    head = made("lrcn", sequence)
    assert isinstance(head, Lrcn)
    wanted = states(head, sequence.face) @ head.classify.weight.T + head.classify.bias
    torch.testing.assert_close(head(sequence), wanted[:, 0], atol=1e-5, rtol=1e-4)


def states(head, features):
    """Mean state of the LSTM, gate by gate."""
    lstm = head.lstm
    state = cell = torch.zeros(len(features), lstm.hidden_size)
    every = []
    for x in reduced(head, features).unbind(1):
        gates = x @ lstm.weight_ih_l0.T + lstm.bias_ih_l0
        gates = gates + state @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
        enter, forget, new, leave = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        state = leave.sigmoid() * cell.tanh()
        every.append(state)
    return torch.stack(every).mean(0)


def test_the_fused_lrcn_joins_the_states_of_both_crops(sequence):
    head = made("lrcn-fused", sequence)
    assert isinstance(head, FusedLrcn) and sequence.around is not None
    both = torch.cat([states(head.face, sequence.face), states(head.around, sequence.around)], 1)
    wanted = both @ head.classify.weight.T + head.classify.bias
    torch.testing.assert_close(head(sequence), wanted[:, 0], atol=1e-5, rtol=1e-4)


def test_the_convlstm_is_that_of_shi_et_al_without_peepholes(sequence):
    head = made("convlstm", sequence)
    assert isinstance(head, ConvLstm) and sequence.grid is not None
    weight = head.gates.weight.flatten(1)
    state = cell = torch.zeros(3, head.width, GRID * GRID)
    for grid in sequence.grid.unbind(1):
        x = ((grid - head.mean) / head.std).permute(0, 3, 1, 2)
        seen = torch.cat([x, state.unflatten(2, (GRID, GRID))], 1)
        gates = weight @ F.unfold(seen, 3, padding=1) + head.gates.bias[:, None]
        enter, forget, leave, new = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        state = leave.sigmoid() * cell.tanh()
    last = head.classify[1]
    wanted = state.mean(2) @ last.weight.T + last.bias
    torch.testing.assert_close(head(sequence), wanted[:, 0], atol=1e-5, rtol=1e-4)


def test_the_gru_weighs_its_states_by_attention(sequence):
    head = made("gru-attention", sequence)
    assert isinstance(head, AttentionGru)
    ways = []
    for suffix in ("", "_reverse"):
        weights = (getattr(head.gru, f"{part}_l0{suffix}") for part in ("weight_ih", "weight_hh"))
        biases = (getattr(head.gru, f"{part}_l0{suffix}") for part in ("bias_ih", "bias_hh"))
        (w_in, w_state), (b_in, b_state) = weights, biases
        frames = list(reduced(head, sequence.face).unbind(1))
        state, every = torch.zeros(3, head.gru.hidden_size), []
        for x in frames[::-1] if suffix else frames:
            a, b = (x @ w_in.T + b_in).chunk(3, 1), (state @ w_state.T + b_state).chunk(3, 1)
            reset, update = (a[0] + b[0]).sigmoid(), (a[1] + b[1]).sigmoid()
            state = (1 - update) * (a[2] + reset * b[2]).tanh() + update * state
            every.append(state)
        ways.append(torch.stack(every[::-1] if suffix else every, 1))
    states = torch.cat(ways, 2)
    share = torch.exp(states.tanh() @ head.attend.weight.T + head.attend.bias)
    pooled = (share / share.sum(1, keepdim=True) * states).sum(1)
    wanted = pooled @ head.classify.weight.T + head.classify.bias
    torch.testing.assert_close(head(sequence), wanted[:, 0], atol=1e-5, rtol=1e-4)


def test_the_transformer_needs_its_positions_to_know_an_order(sequence):
    head = made("frame-transformer", sequence)
    assert isinstance(head, FrameTransformer)
    tokens = reduced(head, sequence.face) + head.position
    for layer in head.encoder.layers:
        x = F.layer_norm(tokens, tokens.shape[-1:], layer.norm1.weight, layer.norm1.bias)
        q, k, v = (
            part.unflatten(2, (4, -1)).transpose(1, 2)
            for part in F.linear(
                x, layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
            ).chunk(3, 2)
        )
        share = (q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5).softmax(-1)
        tokens = tokens + layer.self_attn.out_proj((share @ v).transpose(1, 2).flatten(2))
        x = F.layer_norm(tokens, tokens.shape[-1:], layer.norm2.weight, layer.norm2.bias)
        tokens = tokens + layer.linear2(F.gelu(layer.linear1(x)))
    torch.testing.assert_close(
        head(sequence), head.classify(tokens.mean(1))[:, 0], atol=1e-4, rtol=1e-3
    )
    head.position.zero_()
    torch.testing.assert_close(head(sequence), head(FrameSequence(sequence.face.flip(1))))


def test_the_autoencoders_score_is_its_error(sequence):
    head = made("real-autoencoder", sequence)
    assert isinstance(head, RealAutoencoder)
    head.usual.fill_(0.5)
    head.spread.fill_(2.0)
    x = ((sequence.face - head.mean) / head.std).double().numpy()
    hidden = torch.from_numpy(x @ head.encode.weight.double().numpy().T).float()
    hidden = F.gelu(hidden + head.encode.bias)
    back = (hidden @ head.decode.weight.T + head.decode.bias).numpy()
    wanted = (np.log(((back - x) ** 2).mean((1, 2))) - 0.5) / 2
    np.testing.assert_allclose(head(sequence).numpy(), wanted, atol=1e-4)


class _Colors(torch.nn.Module):
    """In place of the trunk: colors of a crop."""

    passes = 0

    def forward(self, crops):
        self.passes += 1
        colors = F.adaptive_avg_pool2d(crops, 32).flatten(1)
        grid = F.adaptive_avg_pool2d(crops, GRID).permute(0, 2, 3, 1)
        return F.normalize(colors, dim=1), grid.repeat(1, 1, 1, PATCH // 3)


@pytest.mark.parametrize("name", HEADS)
def test_a_model_scores_windows_of_crops(name, sequence):
    crop = CROP.model_copy(update={"around": 2.0 if name == "lrcn-fused" else 0.0})
    entry = spec("sequence_heads", id=name, kind="video", crop=crop, clip_frames=FRAMES)
    trunk = _Colors()
    model = SequenceModel(entry, SequenceNetwork(trunk, made(name, sequence)), "cpu", trunk)
    frame = np.random.default_rng(0).integers(0, 256, (400, 420, 3), np.uint8)
    crops = [cut(np.roll(frame, n, 1), (180, 70, 270, 190), crop, POINTS) for n in range(FRAMES)]
    assert crops[0].shape == (224, 448 if crop.around else 224, 3)
    window = np.stack(crops)
    scores = model.score(np.stack([window, window[:, :, ::-1]]))
    assert scores.shape == (2,) and np.isfinite(scores).all()
    whole = model.forward(model.preprocess(list(window))[None])
    np.testing.assert_allclose(float(whole[0]), scores[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="takes uint8"):
        model.score(window[None, :4])


def test_the_second_crop_shows_the_face_in_its_surroundings():
    frame = np.random.default_rng(0).integers(0, 256, (300, 320, 3), np.uint8)
    box = (180.0, 70.0, 270.0, 190.0)
    pair = cut(frame, box, CROP.model_copy(update={"around": 2.0}), POINTS)
    around = CropRecipe(scale=2.0, size=224, border="inside", resize="area-cubic")
    np.testing.assert_array_equal(pair[:, :224], cut(frame, box, CROP, POINTS))
    np.testing.assert_array_equal(pair[:, 224:], cut(frame, box, around))


def test_heads_of_one_crop_share_a_pass_of_the_trunk(monkeypatch):
    passes = []

    def compiled(*args, **settings):
        def run(batch):
            passes.append(len(batch))
            return batch[:, 0, 0], batch[:, 0]

        return run

    monkeypatch.setattr(sequence_heads.runtime, "compile", compiled)
    shared = sequence_heads.SharedTrunk(_Colors(), "cpu")
    crops = torch.rand(8, 3, 4, 4)
    first, second, other = shared(crops), shared(crops.clone()), shared(crops + 1)
    assert passes == [8, 8] and torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])
    for number in range(sequence_heads.MOST_STORED + 1):
        shared(crops + number + 2)
    shared(crops)
    assert len(passes) == 2 + sequence_heads.MOST_STORED + 2  # the oldest made room
