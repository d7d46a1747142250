"""Graphs of the bundled networks compute what their families do in PyTorch."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from detector import converted, runtime
from detector.models import graphs, registry
from detector.models.families import clip_vit
from detector.models.sounds import spectra
from detector.vision import mtcnn_graphs, mtcnn_networks
from detector.weights import resolve

SHAPES = {
    "clip": (3, 3, 224, 224),
    "clip-generated": (3, 3, 224, 224),
    "picture": (3, 3, 224, 224),
    "texture": (3, 3, 256, 256),
    "videomae": (2, 16, 3, 112, 112),
}


@pytest.fixture
def exact(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_PRECISION", "f32")
    monkeypatch.setenv("UNMASK_CONVERTED", str(tmp_path / "converted"))
    return tmp_path / "converted"


def given(id):
    random = np.random.default_rng(0)
    if id == "timbre":
        time = np.arange(64_000)
        sounds = [np.sin(time * step) + random.normal(0, 0.05, len(time)) for step in (0.01, 0.05)]
        return np.stack([spectra(sound) for sound in sounds]).astype(np.float32)
    return random.uniform(-1, 1, SHAPES[id]).astype(np.float32)


@pytest.mark.parametrize("id", [*SHAPES, "timbre"])
def test_a_graph_gives_the_logits_of_the_network_in_pytorch(exact, id):
    spec = registry.get_spec(id)
    files = resolve(spec)
    made = graphs.of(spec, files)
    with runtime.uncompiled():
        network = registry.load_family(spec, files, "cpu").whole().network
    x = given(id)
    with torch.inference_mode():
        expected = network(torch.from_numpy(x)).numpy()
    found = made.opened()(x)[0]
    assert found.shape == expected.shape and np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(made.opened()(x[:1])[0], expected[:1], rtol=1e-4, atol=1e-4)


def test_models_on_the_trunk_share_its_blocks(exact):
    specs = [registry.get_spec(id) for id in ("clip-generated", "picture", "videomae")]
    first, second, clips = (graphs.of(spec, resolve(spec)).opened().runners for spec in specs)
    assert first[0] is second[0] and first[1] is second[1] is clips[1]
    path, spec = resolve(specs[0])[0], specs[0]
    tokens = clip_vit.shared_tokens(path, spec.files[0].sha256, "cpu")
    assert tokens.runners == first[:2]


@pytest.mark.parametrize("name", mtcnn_networks.NAMES)
def test_faces_are_searched_by_graphs_that_give_what_pytorch_does(name):
    networks = dict(zip(mtcnn_networks.NAMES, mtcnn_networks._built("cpu"), strict=True))
    run = runtime.of_graph(mtcnn_graphs.graph(name))
    side = mtcnn_graphs.SIDES[name]
    for size in [(48, 48), (61, 83), (13, 20)] if side < 0 else [(side, side)]:
        pictures = np.random.default_rng(1).uniform(0, 255, (3, *size, 3)).astype(np.float32)
        for found, expected in zip(run(pictures), networks[name](pictures), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_weights_that_call_anything_are_not_read(tmp_path):
    with (tmp_path / "pnet.pt").open("wb") as file:
        for part in (1, 2, 3, print):
            pickle.dump(part, file)
    with pytest.raises(pickle.UnpicklingError, match="print is no part"):
        mtcnn_graphs.weights(tmp_path / "pnet.pt")


STORE = """
import sys
from detector.models import graphs, registry
from detector.weights import resolve
spec = registry.get_spec("texture")
sys.stdin.readline()
graphs.of(spec, resolve(spec)).remember("k" * 64)
"""


def test_processes_that_write_a_graph_at_once_leave_a_whole_one(exact):
    command = [sys.executable, "-c", STORE]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for process in running:
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert [process.wait(120) for process in running] == [0, 0, 0]
    (folder,) = [kept for kept in exact.iterdir() if kept.name != converted.KEYS]
    assert converted.read(runtime._openvino()[1], folder) is not None
    run, about = runtime.known("k" * 64)
    assert about == {"batch": 2} and run(given("texture"))[0].shape == (3,)


def test_a_graph_is_made_in_memory_where_nothing_can_be_written(exact, monkeypatch):
    exact.write_text("no folder")
    spec = registry.get_spec("texture")
    found = graphs.of(spec, resolve(spec)).opened()(given("texture"))[0]
    exact.unlink()
    np.testing.assert_array_equal(
        graphs.of(spec, resolve(spec)).opened()(given("texture"))[0], found
    )


def test_other_weights_have_another_key(exact, monkeypatch):
    spec = registry.get_spec("texture")
    (one,) = graphs.of(spec, resolve(spec)).graphs
    file = spec.files[0].model_copy(update={"sha256": "0" * 64})
    (other,) = graphs.of(spec.model_copy(update={"files": [file]}), resolve(spec)).graphs
    assert one.key != other.key
    assert graphs.of(spec.model_copy(update={"bundled": False}), resolve(spec)) is None
