"""AntiDeepfake on made files with the published names, against fairseq written out."""

import pytest
import torch
from torch.nn import functional as F

from detector.errors import WeightsError
from detector.models import registry
from detector.models.families import antideepfake, ssl_aasist
from detector.models.names import rename
from tests.integration.detector.test_ssl_aasist import (
    SMALL,
    STRIDES,
    attended,
    front,
    heard,
    linear,
    norm,
    placed,
)

IDS = ("antideepfake", "antideepfake:small")


def spec_of(id):
    return next(s for s in registry.list_models() if s.id == id)


def published(id, width, layers, inner, conv):
    """Random weights under the published names."""
    shapes = front(width, layers, inner, conv)
    if id.endswith("small"):  # one norm after the first convolution, and no biases
        parts = ("0.bias", "2.1.weight", "2.1.bias")
        for n in range(7):
            for part in parts:
                del shapes[f"feature_extractor.conv_layers.{n}.{part}"]
        start = "feature_extractor.conv_layers.0.2"
        shapes |= {f"{start}.weight": (conv,), f"{start}.bias": (conv,)}
    state = {f"m_ssl.model.{n}": 0.3 * torch.randn(s) for n, s in shapes.items()}
    return state | {"proj_fc.weight": torch.randn(2, width), "proj_fc.bias": torch.randn(2)}


def base_heard(x, w):
    """fairseq's base kind with `features_only`: norms after each part. [N, T, width]"""
    x = x[:, None]
    for n, stride in enumerate(STRIDES):
        start = f"feature_extractor.conv_layers.{n}"
        x = F.conv1d(x, w[f"{start}.0.weight"], stride=stride)
        if n == 0:
            x = F.group_norm(x, x.shape[1], w[f"{start}.2.weight"], w[f"{start}.2.bias"])
        x = F.gelu(x)
    x = linear(norm(x.transpose(1, 2), w, "layer_norm"), w, "post_extract_proj")
    x = norm(placed(x, w), w, "encoder.layer_norm")
    for n in range(2):
        start = f"encoder.layers.{n}"
        x = norm(x + attended(x, w, f"{start}.self_attn"), w, f"{start}.self_attn_layer_norm")
        y = linear(F.gelu(linear(x, w, f"{start}.fc1")), w, f"{start}.fc2")
        x = norm(x + y, w, f"{start}.final_layer_norm")
    return x


@pytest.mark.parametrize("id", IDS)
def test_a_published_file_gives_what_fairseq_gives(id, tmp_path):
    torch.manual_seed(0)
    state = published(id, 16, 2, 32, 8)
    torch.save(state, tmp_path / "made.pth")
    spec = spec_of(id)
    model = antideepfake.load(
        spec.model_copy(update={"options": spec.options | SMALL}), [tmp_path / "made.pth"], "cpu"
    )
    sound = 0.1 * torch.randn(2, 64_600) + 0.02
    plain = {n.removeprefix("m_ssl.model."): t for n, t in state.items()}
    even = (sound - sound.mean(1, keepdim=True)) / (
        sound.var(1, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    last = (base_heard if id.endswith("small") else heard)(even, plain)
    logits = linear(last.mean(1), state, "proj_fc")
    assert logits.std() > 0.1
    torch.testing.assert_close(model.forward(sound), logits, atol=1e-4, rtol=1e-4)
    odds = float(logits[0, 0] - logits[0, 1])
    assert model.score(sound[:1].numpy())[0] == pytest.approx(odds, abs=1e-3), "fake is the first"


@pytest.mark.parametrize(("id", "millions"), [(IDS[0], 317), (IDS[1], 95)])
def test_the_published_names_fill_the_whole_network(id, millions):
    sizes = ssl_aasist.sizes_of(spec_of(id))
    with torch.device("meta"):
        network = antideepfake.AntiDeepfake(
            sizes, norm_first=bool(spec_of(id).options.get("norm_first", True))
        )
        width, layers = sizes["hidden_size"], sizes["num_hidden_layers"]
        state = published(id, width, layers, sizes["intermediate_size"], sizes["conv_dim"])
    named = rename(state, ssl_aasist.rules(layers, antideepfake.FRONT))
    ours = {name: tensor.shape for name, tensor in network.state_dict().items()}
    assert {name: tensor.shape for name, tensor in named.items()} == ours
    assert sum(t.numel() for t in network.parameters()) == pytest.approx(1e6 * millions, rel=0.01)


def test_what_is_missing_is_named_as_the_file_names_it(tmp_path):
    state = published(IDS[0], 16, 2, 32, 8)
    lacking = "m_ssl.model.encoder.layers.1.fc1.bias"
    del state[lacking]
    torch.save(state, tmp_path / "made.pth")
    spec = spec_of(IDS[0])
    with pytest.raises(WeightsError) as refused:
        antideepfake.load(
            spec.model_copy(update={"options": spec.options | SMALL}),
            [tmp_path / "made.pth"],
            "cpu",
        )
    assert lacking in refused.value.message
