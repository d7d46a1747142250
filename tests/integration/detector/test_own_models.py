"""Bring your own file: strictly checked, copied once, named in words when it does not fit."""

import io
import os
import pickle
import shutil
import sys
import warnings
from argparse import Namespace

import numpy as np
import pytest
import torch

import detector
from cli import main
from detector import weights
from detector.errors import ModelError, UsageError, WeightsError
from detector.models import inventory, registry, user_models
from detector.schema.analysis import Settings
from tests.conftest import write_clip
from tests.support.golden import Golden

NAME = "dfb_meso4"  # small, and of a repository with several networks of the same kind
OTHER = "dfb_meso4inception"
ALL = registry.architectures
pytestmark = pytest.mark.usefixtures("data")


@pytest.fixture(scope="module")
def state():
    """Made weights under the published names, as the goldens fill them."""
    return Golden(NAME).state()


@pytest.fixture(autouse=True)
def few(monkeypatch, request):
    """Looking through every architecture takes seconds; one test does it."""
    if "all_architectures" not in request.fixturenames:
        known = {name: spec for name, spec in ALL().items() if name in {NAME, OTHER, "meso4-df"}}
        monkeypatch.setattr(registry, "architectures", lambda: known)


@pytest.fixture
def all_architectures():
    """Asks for what `few` takes away."""


def write(path, content):
    torch.save(content, path)
    return path


def refused(path, says=None, **options):
    with pytest.raises(WeightsError, match=says) as caught:
        user_models.add(path, NAME, **options)
    return caught.value


def kept(data):
    return sorted(p.name for p in data.rglob("*") if p.is_file() and p.suffix != ".lock")


def logits(model):
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    return model.forward(model.preprocess(picture)[None])


def test_a_file_is_checked_copied_and_scores_as_it_is(state, tmp_path, data):
    path = write(tmp_path / "My Best.pth", state)
    spec = user_models.add(path, NAME)
    expected = logits(detector.load_model(NAME, weights=path))
    path.unlink()
    assert (spec.id, spec.own, spec.architecture) == ("my-best", True, NAME)
    assert kept(data) == ["My Best.safetensors", "models.toml"]
    (file,) = spec.files
    assert file.sha256 == weights.digest(weights.locate(spec, file))
    assert file.original_sha256 and file.original_sha256 != file.sha256
    assert torch.equal(logits(registry.load_model("my-best")), expected)
    assert user_models.own_models() == [spec]
    # Nobody has shown which output means fake, and nothing that was published of others holds.
    assert spec.label_order == "unverified" and not spec.published and spec.calibration is None
    assert spec.operating_point is None and not spec.operating_point_source
    assert inventory.status("my-best").state == "ready"
    assert user_models.remove("my-best") == file.size
    assert kept(data) == []
    with pytest.raises(UsageError, match="There is no model 'my-best'"):
        registry.load_model("my-best")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3, "args": Namespace(lr=0.1)},
        lambda s: {"model": {f"module.{k}": v for k, v in s.items()}, "best": np.float64(0.9)},
        lambda s: {"net": s, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        lambda s: {"network": {"state_dict": {f"module.module.{k}": v for k, v in s.items()}}},
        lambda s: {k: v.to(torch.float16) if v.is_floating_point() else v for k, v in s.items()},
    ],
)
def test_wrappings_of_training_scripts(state, tmp_path, wrap):
    spec = user_models.add(write(tmp_path / "x.pth", wrap(state)), NAME, id="mine")
    given = logits(detector.load_model(NAME, weights=write(tmp_path / "bare.pth", state)))
    torch.testing.assert_close(logits(registry.load_model(spec.id)), given, rtol=1e-2, atol=1e-2)


def test_an_old_file_that_is_no_archive(state, tmp_path):
    path = tmp_path / "old.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert user_models.add(path, NAME).files[0].path.endswith("old.safetensors")


def test_a_person_says_which_output_means_fake(state, tmp_path):
    path = write(tmp_path / "x.pth", state)
    same = user_models.add(path, NAME, id="same", fake_index=1)
    assert same.label_order == "documented" and "said which output" in same.fake_output
    flipped = user_models.add(path, NAME, id="turned", fake_index=0)
    # The authors' point is for their weights: that this file is one of them nobody can know, and
    # one that was trained the other way round is none.
    theirs = registry.architectures()[NAME]
    assert same.operating_point == theirs.operating_point == 0.5
    assert same.operating_point_source.endswith(theirs.operating_point_source)
    assert "is not known" in same.operating_point_source
    assert flipped.operating_point == 0.5
    assert flipped.operating_point_source.startswith("None is stated for this file")
    one, other = registry.load_model(same.id), registry.load_model(flipped.id)
    total = one.p_fake(logits(one)) + other.p_fake(logits(other))
    assert float(total) == pytest.approx(1)
    with pytest.raises(UsageError, match="no output 5"):
        user_models.add(path, NAME, id="third", fake_index=5)


def test_the_same_file_is_not_added_twice(state, tmp_path):
    path = write(tmp_path / "x.pth", state)
    assert user_models.add(path, NAME) == user_models.add(path, NAME, id="again")
    assert len(user_models.own_models()) == 1


def test_names_are_made_and_kept_apart(state, tmp_path):
    write(tmp_path / "x.pth", state)
    user_models.add(tmp_path / "x.pth", NAME)
    altered = {k: v + 1 if k.endswith("fc2.bias") else v for k, v in state.items()}
    write(tmp_path / "X!.pth", altered)
    assert user_models.add(tmp_path / "X!.pth", NAME).id == "x-2"
    for taken in ("texture", NAME, "x"):
        with pytest.raises(UsageError, match="is taken"):
            user_models.new_id(taken)
    with pytest.raises(UsageError, match="may only have"):
        user_models.new_id("Über")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: {k: s[k] for k in s if k != "backbone.fc1.weight"},
            r"1 missing \(.*fc1\.weight\)",
        ),
        (lambda s: s | {"backbone.fc9.weight": torch.ones(1)}, r"1 unexpected \(.*fc9\.weight\)"),
        (
            lambda s: s | {"backbone.fc2.weight": torch.ones(3, 16)},
            r"fc2\.weight \[3, 16\] instead of \[2, 16\]",
        ),
        (lambda s: {"epoch": 3}, "more than tensors: epoch"),
        (lambda s: {"state_dict": {"a": torch.ones(1), "b": 2}}, "more than tensors: b"),
        (lambda s: {}, "no tensors"),
        (lambda s: [1], "holds a list"),
    ],
)
def test_what_does_not_fit_is_named_and_not_kept(state, tmp_path, data, change, says):
    path = write(tmp_path / "x.pth", change(state))
    refused(path, says)
    with pytest.raises(WeightsError, match=says):
        detector.load_model(NAME, weights=path)
    assert kept(data) == [] and user_models.own_models() == []


@pytest.mark.timeout(600)  # 8 s of computing; more on a machine that is busy
def test_every_architecture_is_looked_through(tmp_path, all_architectures):
    path = write(tmp_path / "x.pth", Golden(OTHER).state())
    assert user_models.matching_architectures([path]) == [OTHER]


def test_another_architecture_is_recognized(tmp_path, data):
    path = write(tmp_path / "x.pth", Golden(OTHER).state())
    error = refused(path)
    assert error.code == "weights_misfit" and "missing" in error.message
    assert f"This looks like {OTHER}: add it with --as {OTHER}." in error.hint
    assert user_models.matching_architectures([path]) == [OTHER]
    path = write(tmp_path / "y.pth", {"a": torch.ones(1)})
    error = refused(path)
    assert error.hint == "It fits no architecture that Unmask knows."
    assert kept(data) == []


class Trap:
    """What a pickle calls when it is opened."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_hostile_pickle_is_not_opened(state, tmp_path, data):
    path = write(tmp_path / "x.pth", {"model": state, "extra": Trap(tmp_path / "sprung")})
    assert "\n" not in refused(path, r"opening it would call \w+\.mkdir").message
    assert not (tmp_path / "sprung").exists() and kept(data) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lambda whole: whole[: len(whole) // 2], "truncated or damaged"),
        (lambda whole: b"", "is empty"),
        (lambda whole: b"<!DOCTYPE html><html>Too many requests", "it is text, not weights"),
        (lambda whole: b"\x89HDF\r\n\x1a\n" + bytes(100), "it is an HDF5 file"),
        (lambda whole: bytes(1000), "damaged, or no weight file"),
        (lambda whole: b"PK\x03\x04", "x.pth"),
        (lambda whole: b"\x80\x02", "x.pth"),
    ],
)
def test_files_that_are_none(state, tmp_path, data, body, says, capfd):
    path = write(tmp_path / "x.pth", state)
    path.write_bytes(body(path.read_bytes()))
    assert "\n" not in refused(path, says).message and kept(data) == []
    assert main(["models", "add", str(path), "--as", NAME]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_weights_that_are_no_numbers(state, tmp_path, data):
    broken = state | {"backbone.fc2.bias": torch.tensor([0.0, torch.nan])}
    with pytest.raises(ModelError, match="its scores are not numbers"):
        user_models.add(write(tmp_path / "x.pth", broken), NAME)
    assert kept(data) == []


def test_what_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        user_models.add(tmp_path / "none.pth", NAME)
    (tmp_path / "x.pth").write_bytes(b"x")
    with pytest.raises(UsageError, match="no architecture 'dfb_meso5'") as caught:
        user_models.add(tmp_path / "x.pth", "dfb_meso5")
    assert NAME in caught.value.hint
    with pytest.raises(UsageError, match="no architecture 'texture'"):
        user_models.add(tmp_path / "x.pth", "texture")
    with pytest.raises(UsageError, match="not one of your own"):
        user_models.remove("texture")


def test_a_persons_own_text_is_left_alone(state, tmp_path, data):
    data.mkdir()
    (data / "models.toml").write_text("# my notes\n")
    one = user_models.add(write(tmp_path / "a.pth", state), NAME)
    altered = {k: v + 1 if k.endswith("fc2.bias") else v for k, v in state.items()}
    two = user_models.add(
        write(tmp_path / "b.pth", altered), NAME, title='A "title" \\ with\ttrouble: ü'
    )
    assert two.title == 'A "title" \\ with\ttrouble: ü'
    user_models.remove(one.id)
    assert user_models.own_models() == [two]
    user_models.remove(two.id)
    assert (data / "models.toml").read_text().strip() == "# my notes"


@pytest.mark.shared
def test_a_published_file_is_installed_under_its_own_name(shared, tmp_path, capsys):
    path = shutil.copy(shared / "weights" / "mesonet" / "Meso4_DF.h5", tmp_path / "some.h5")
    assert not inventory.status("meso4-df").ready
    assert main(["models", "add", str(path), "--as", "meso4-df"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == registry.get_spec("meso4-df").id and "published" in said.err
    assert inventory.status("meso4-df").ready and user_models.own_models() == []
    assert main(["models", "delete", "meso4-df"]) == 0
    assert not inventory.status("meso4-df").ready


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("name", ["x.pth", "x.bin", "x.safetensors"])
def test_a_pickle_is_refused_in_one_line(tmp_path, capfd, protocol, name):
    path, ran = tmp_path / name, tmp_path / "ran"
    path.write_bytes(pickle.dumps({"state_dict": Trap(ran)}, protocol))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as a shell shows them
        assert main(["models", "add", str(path), "--as", NAME]) == 2
    said = capfd.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and said.err.startswith("unmask: ")
    assert not ran.exists() and user_models.own_models() == []


def test_which_output_means_fake_is_asked_once(state, tmp_path, capsys, monkeypatch):
    path = write(tmp_path / "x.pth", state)
    terminal = io.StringIO("0\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["models", "add", str(path), "--as", NAME, "--id", "mine"]) == 0
    said = capsys.readouterr()
    assert said.out == "mine\n" and "Which output means fake" in said.err
    spec = registry.get_spec("mine")
    assert (spec.fake_index, spec.label_order, spec.operating_point) == (0, "documented", 0.5)
    analysis = detector.analyze(write_clip(tmp_path / "clip.mp4"), Settings(models=["mine"]))
    (model,) = analysis.models
    assert model.scored and model.skill is not None and model.counted is model.skill.passed


def test_on_the_command_line(state, tmp_path, capsys):
    path = write(tmp_path / "x.pth", state)
    assert main(["models", "add", str(path), "--as", NAME, "--id", "mine"]) == 0
    said = capsys.readouterr()
    assert said.out == "mine\n" and "takes no part in the verdict" in said.err
    assert main(["models"]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("mine"))
    assert "ready" in line and "Label order unverified." in line
    assert main(["models", "list", "--own"]) == 0
    assert capsys.readouterr().out.startswith("mine")
    assert main(["models", "add", str(path), "--as", OTHER]) == 2
    assert f"This looks like {NAME}" in capsys.readouterr().err
    assert main(["models", "architectures"]) == 0
    assert NAME in capsys.readouterr().out
    assert main(["models", "delete", "texture"]) == 1
    assert "comes with Unmask" in capsys.readouterr().err
    assert main(["models", "remove", "mine"]) == 0
    assert main(["models", "remove", "mine"]) == 2


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.uint8, torch.bool])
def test_whole_numbers_are_no_weights(state, tmp_path, data, kind):
    """torch's own strict load takes them silently, and the network then says nonsense."""
    name = "backbone.fc1.weight"
    path = write(tmp_path / "x.pth", state | {name: (100 * state[name]).to(kind)})
    error = refused(path, r"1 tensors .* whole numbers .*fc1\.weight \w+\)")
    assert error.code == "weights_whole" and "before it was quantized" in error.hint
    assert kept(data) == []
    # Counters are whole in the network too, and half precision is a fraction.
    counters = {k for k in state if k.endswith("num_batches_tracked")}
    assert counters and all(not state[k].is_floating_point() for k in counters)
    half = {k: v.to(torch.bfloat16) if k not in counters else v for k, v in state.items()}
    assert user_models.add(write(tmp_path / "half.pth", half), NAME).own


@pytest.mark.parametrize("how", ["nothing learned", "dead from the start"])
def test_one_answer_to_everything_is_none(state, tmp_path, data, how):
    zeros = {"nothing learned": "backbone.fc2.weight", "dead from the start": "backbone.bn1.weight"}
    name = zeros[how]
    dead = state | {name: torch.zeros_like(state[name])}
    with pytest.raises(ModelError, match="same answer to everything") as caught:
        user_models.add(write(tmp_path / "x.pth", dead), NAME, fake_index=1)
    assert caught.value.code == "weights_constant" and "another checkpoint" in caught.value.hint
    assert kept(data) == [] and user_models.own_models() == []
    # One that was hardly trained still tells pictures apart, if only a little.
    faint = state | {"backbone.fc2.weight": 0.01 * state["backbone.fc2.weight"]}
    assert user_models.add(write(tmp_path / "faint.pth", faint), NAME).own


def moved(state):
    """As an average over a training is: the same names, other values."""
    return {k: v * 0.5 if k.endswith("fc2.weight") else v for k, v in state.items()}


@pytest.mark.parametrize(
    "names", [("model", "model_ema"), ("student", "teacher"), ("net", "model")]
)
def test_of_several_sets_of_weights_the_person_says_which(state, tmp_path, data, names):
    first, second = names
    prefixed = {f"module.{k}": v for k, v in moved(state).items()}
    path = write(tmp_path / "x.pth", {first: state, second: prefixed, "epoch": 9})
    error = refused(path, "holds several sets of weights: ")
    assert error.code == "weights_several" and "--state" in error.hint
    assert first in error.message and second in error.message
    with pytest.raises(WeightsError, match="several sets"):
        detector.load_model(NAME, weights=path)
    error = refused(path, "no set of weights called 'ema'", state="ema")
    assert second in error.hint and kept(data) == []

    for name, content in ((first, state), (second, moved(state))):
        spec = user_models.add(path, NAME, id=f"own-{name}".replace("_", "-"), state=name)
        bare = detector.load_model(NAME, weights=write(tmp_path / f"{name}.pth", content))
        assert torch.equal(logits(registry.load_model(spec.id)), logits(bare))
        assert (
            user_models.add(path, NAME, state=name) == spec
        )  # each is known again, and not the other
    assert len(user_models.own_models()) == 2


def test_company_that_is_no_second_set(state, tmp_path):
    company = {
        "hyper_parameters": {"class_weights": torch.tensor([0.3, 0.7])},
        "best": {"accuracy": torch.tensor(0.9)},
        "ema": state,  # the same once more
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{}]},
    }
    assert user_models.add(write(tmp_path / "x.pth", {"state_dict": state, **company}), NAME).own
    # Under a name that nobody uses: it is not guessed.
    path = write(tmp_path / "y.pth", {"detector": moved(state), "epoch": 3})
    assert "--state detector" in refused(path, "more than tensors").hint
    assert main(["models", "add", str(path), "--as", NAME, "--state", "detector"]) == 0


def scripted(state, path):
    """A TorchScript file whose module holds these tensors under these names."""
    root = torch.nn.Module()
    for name, tensor in state.items():
        *parents, leaf = name.split(".")
        at = root
        for part in parents:
            if not hasattr(at, part):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        at.register_buffer(leaf, tensor.clone())
    torch.jit.script(root).save(path)
    return path


@pytest.mark.filterwarnings("ignore")  # torch would rather have other formats written
def test_torchscript_is_read_for_its_tensors(state, tmp_path, data):
    spec = user_models.add(scripted(state, tmp_path / "net.torchscript"), NAME, id="script")
    assert kept(data) == ["models.toml", "net.safetensors"]  # the program in it is not kept
    bare = detector.load_model(NAME, weights=write(tmp_path / "bare.pth", state))
    assert torch.equal(logits(registry.load_model(spec.id)), logits(bare))
    other = scripted(Golden(OTHER).state(), tmp_path / "other.pt")
    error = refused(other)
    assert f"--as {OTHER}" in error.hint
    coded = {k: v.to(torch.int8) if k.endswith("fc1.weight") else v for k, v in state.items()}
    error = refused(scripted(coded, tmp_path / "coded.pt"), "whole numbers")
    assert error.code == "weights_whole"
    broken = tmp_path / "broken.pt"
    broken.write_bytes((tmp_path / "net.torchscript").read_bytes()[:-100])
    refused(broken, "truncated or damaged")


@pytest.mark.filterwarnings("ignore")  # torch would rather have other formats written
def test_a_quantized_torchscript_is_named(tmp_path):
    net = torch.ao.quantization.quantize_dynamic(
        torch.nn.Sequential(torch.nn.Linear(4, 2)), {torch.nn.Linear}, dtype=torch.qint8
    )
    torch.jit.script(net).save(tmp_path / "q.pt")
    refused(tmp_path / "q.pt", "quantized")
