"""`unmask train fuse`: two small networks become a third, which the Models page shows."""

import cv2
import pytest
import skimage.data
import torch
from safetensors.torch import load_file, save_file

from cli import main
from detector import weights
from detector.evaluation import runs
from detector.models import registry, user_models
from detector.schema.analysis import Analysis
from lab.training.fuse import slerp
from tests.support import pages
from tests.support.golden import Golden

NAME = "dfb_meso4"


@pytest.fixture
def parents(tmp_path, monkeypatch):
    """Two networks of one architecture, added as one's own."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    generator = torch.Generator().manual_seed(5)
    state = Golden(NAME).state()
    other = {
        name: tensor * (1 + 0.5 * torch.rand(tensor.shape, generator=generator))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in state.items()
    }
    for id, tensors in (("one", state), ("two", other)):
        save_file({n: t.contiguous() for n, t in tensors.items()}, tmp_path / f"{id}.safetensors")
        user_models.add(tmp_path / f"{id}.safetensors", NAME, id=id, fake_index=1)
    return ["one", "two"]


@pytest.fixture
def labelled(tmp_path):
    """Four originals and four blurred fakes."""
    for number in range(4):
        picture = skimage.data.astronaut()[0:280, 80 + number : 400 + number, ::-1]
        for label, made in (("real", picture), ("fake", cv2.GaussianBlur(picture, (0, 0), 3))):
            (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "set" / label / f"{number}.png"), made)
    return tmp_path / "set"


def test_two_networks_are_fused_judged_and_offered(parents, labelled, tmp_path, capsys):
    out = tmp_path / "both"
    given = ["--data", str(labelled), "--out", str(out), "--runs", str(tmp_path / "runs")]
    assert main(["train", "fuse", *parents, "--at", "0.3", *given, "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == "both"
    told = [line.split()[0] for line in said.err.splitlines() if "AUC" in line]
    assert told == ["0", "0.25", "0.3", "0.5", "0.75", "1"]
    assert [spec.id for spec in user_models.own_models()] == ["one", "two", "both"]
    spec = registry.get_spec("both")
    ours, *others = spec.measured
    assert (ours.metric, ours.clips, ours.left_out) == ("AUC", 8, True) and len(others) == 5
    assert spec.calibration.clips == 8 and spec.label_order == "documented"
    for id in parents:
        (file,) = registry.get_spec(id).files
        assert f"{id} (sha256 {file.sha256})" in spec.source

    first, fused, second = (
        load_file(weights.resolve(registry.get_spec(id))[0]) for id in ("one", "both", "two")
    )
    assert fused.keys() == first.keys()
    for name, tensor in first.items():
        expected = slerp(tensor, second[name], 0.3) if tensor.is_floating_point() else tensor
        assert torch.equal(fused[name], expected)
    (run,) = (tmp_path / "runs").glob("*/*/")
    assert float((run / "metrics" / "auc.at_0.3").read_text().split()[1]) == ours.value
    assert list(runs.reports(tmp_path / "runs")) == [], "no evaluation"

    with pages.quiet(tmp_path / "data"):
        at = pages.page("models")
        at.button_group(key="models-state").set_value("own")
        text = pages.texts(pages.run(at))
    assert spec.title in text and "AUC on sources left out of training" in text
    picture = str(labelled / "real" / "0.png")
    assert main(["analyze", picture, "--models", "both", "--json", "-"]) == 0
    (model,) = Analysis.model_validate_json(capsys.readouterr().out).models
    assert model.counted and model.probability is not None


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fuse", "one", "texture"], "only weights of one architecture"),
        (["fuse", "one"], "unmask train fuse A B"),
        (["fuse", "one", "two", "--patience", "3"], "The recipe fuse takes --at alone"),
        (["own", "one", "two"], "The recipe own takes"),
        (["fuse", "one", "nobody"], "no model 'nobody'"),
    ],
)
def test_what_can_t_be_fused_is_refused(parents, labelled, tmp_path, capsys, arguments, complaint):
    given = ["--data", str(labelled), "--out", str(tmp_path / "x")]
    assert main(["train", *arguments, *given]) == 2
    assert complaint in capsys.readouterr().err.replace("\n", " ")
    assert len(user_models.own_models()) == 2 and not (tmp_path / "x").exists()


def test_too_few_files_are_refused(parents, labelled, tmp_path, capsys):
    (labelled / "fake" / "0.png").unlink()
    given = ["--data", str(labelled), "--out", str(tmp_path / "x")]
    assert main(["train", "fuse", *parents, *given]) == 2
    assert "needs 4 originals and 4 fakes" in capsys.readouterr().err
