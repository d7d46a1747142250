"""The self-check: known answers are asked for, and a model that is upside down is found out."""

import json
import shutil

import pytest
import tomlkit
import torch
from safetensors.torch import save_file

from cli import main
from detector import paths, samples, selfcheck
from detector.models import inventory, registry
from detector.samples import Sample
from detector.selfcheck import Outcome, polarity
from tests.conftest import write_clip
from tests.support.golden import Golden

PICTURES = ("df00204", "df01254", "real00240", "real00772")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """The two clips of the gallery that are looked at, with 12 frames of each."""
    folder, scene = tmp_path_factory.mktemp("gallery"), samples._Scene()
    made = []
    for id, draw in (("untouched", scene.untouched), ("manipulated", scene.manipulated)):
        path = write_clip(
            folder / f"{id}.mp4",
            seconds=2.4,
            fps=5,
            size=(640, 360),
            picture=lambda number, draw=draw: draw(number / 5),
        )
        made.append(Sample(id, "", "", path, path, "video", 2.4, id == "manipulated", ""))
    return made


@pytest.fixture
def data(tmp_path, gallery, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    monkeypatch.setattr(selfcheck, "make_samples", lambda folder: gallery)
    monkeypatch.setattr(selfcheck, "FRAMES", 4)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_what_pairs_say():
    right = [(0.0, 2.0), (-1.0, 1.0), (1.0, 3.0)]
    wrong = [(fake, real) for real, fake in right]
    nothing = [(0.0, 0.1), (1.0, 1.2)]
    mixed = [(0.0, 3.0), (3.0, 0.0), (0.0, 3.0)]
    assert polarity([right]) == ("as stated", 2.0)
    assert polarity([wrong]) == ("looks inverted", -2.0)
    assert polarity([nothing])[0] == polarity([mixed])[0] == "not told"
    assert polarity([]) == polarity([[]]) == ("not tried", None)
    # Faces that it can't tell apart have no say beside those that it can.
    assert polarity([mixed, right])[0] == "as stated"
    assert polarity([nothing, wrong, []])[0] == "looks inverted"
    assert polarity([right, wrong])[0] == "not told"


def test_everything_stated_is_about_a_model_that_exists():
    checks = selfcheck.read_checks()
    ids = {spec.id for spec in registry.list_models()}
    assert {entry.model for entry in checks.scores} <= ids
    assert set(checks.names) & set(registry.architectures())
    for entry in checks.scores:
        if entry.picture.startswith("http"):
            assert entry.picture.startswith("https://") and entry.sha256 and entry.size


@pytest.mark.parametrize("id", ["dfb_meso4", "dfb_meso4inception"])
def test_names_are_the_originals(tmp_path, id):
    state = Golden(id).state()
    stated = selfcheck.read_checks().names[id]
    spec = registry.architectures()[id]
    torch.save({"model": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "x.pth")
    assert selfcheck.names_hash(tmp_path / "x.pth", spec) == stated
    save_file(state, tmp_path / "x.safetensors")
    assert selfcheck.names_hash(tmp_path / "x.safetensors", spec) == stated
    name = next(iter(state))
    save_file({**state, name: state[name][None]}, tmp_path / "x.safetensors")
    assert selfcheck.names_hash(tmp_path / "x.safetensors", spec) != stated


def add_copy(data, id, *, turned):
    """Our own model as if a person had brought it, perhaps with its label order turned around."""
    source = registry.get_spec("texture")
    file = source.files[0]
    target = data / "weights" / "copy.safetensors"
    target.parent.mkdir(exist_ok=True)
    shutil.copy(paths.bundled() / file.path, target)
    spec = source.model_copy(
        update={
            "id": id,
            "bundled": False,
            "default": False,
            "fake_index": 0 if turned else 1,
            "files": [file.model_copy(update={"path": target.name})],
        }
    )
    entry = spec.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude={"own"})
    (data / "models.toml").write_text(tomlkit.dumps({"models": [entry]}))


@pytest.mark.parametrize(("turned", "order"), [(False, "as stated"), (True, "looks inverted")])
def test_a_model_that_is_upside_down_is_found_out(data, turned, order):
    id = "turned" if turned else "same"
    add_copy(data, id, turned=turned)
    (outcome,) = selfcheck.selfcheck([id])
    assert outcome.order == order and outcome.files == "verified"
    assert outcome.pairs >= 2 and outcome.difference and (outcome.difference < 0) is turned
    assert outcome.passed is not turned
    assert outcome.milliseconds and outcome.milliseconds > 0


def test_a_damaged_file_fails_and_is_remembered(data):
    add_copy(data, "mine", turned=False)
    path = data / "weights" / "copy.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (outcome,) = selfcheck.selfcheck(["mine"])
    assert outcome.files == "failed" and not outcome.passed and "sha256" in outcome.notes[0]
    status = inventory.status("mine")
    assert status.state == "failed" and status.why == outcome.notes[0] and not status.ready
    assert selfcheck.table([outcome]).splitlines()[1].split()[:2] == ["mine", "failed"]
    inventory.delete("mine")
    add_copy(data, "mine", turned=False)
    assert inventory.status("mine").ready, "the next of this name is another"


def fetched(shared, data):
    (data / "checks").mkdir()
    for name in PICTURES:
        picture = shared / "weights" / "testimgs" / f"meso_{name}.jpg"
        shutil.copy(picture, data / "checks" / f"{name}.jpg")
    (data / "weights" / "mesonet").mkdir(parents=True)
    for path in (shared / "weights" / "mesonet").glob("*.h5"):
        shutil.copy(path, data / "weights" / "mesonet" / path.name)


@pytest.mark.shared
def test_published_weights_give_the_published_answers(shared, data, tmp_path, capsys):
    fetched(shared, data)
    ids = sorted({e.model for e in selfcheck.read_checks().scores if "MesoNet" in e.picture})
    assert len(ids) == 4
    target = tmp_path / "outcomes.json"
    main(["selfcheck", ids[0], ids[2], "--device", "cpu", "--json", str(target)])
    outcomes = [Outcome.model_validate(row) for row in json.loads(target.read_text())]
    assert [(o.known, o.right) for o in outcomes] == [(5, 5), (5, 5)]
    # The swaps of 2018 are what these were made for.
    assert [o.order for o in outcomes] == ["as stated", "as stated"]
    assert "5 of 5" in capsys.readouterr().out


@pytest.mark.shared
def test_another_answer_than_the_originals_is_said(shared, data, monkeypatch):
    fetched(shared, data)
    checks = selfcheck.read_checks()
    entry = next(e for e in checks.scores if e.picture == "portrait")
    wrong = entry.model_copy(update={"p_fake": 0.5})
    monkeypatch.setattr(
        selfcheck, "read_checks", lambda: checks.model_copy(update={"scores": [wrong]})
    )
    (outcome,) = selfcheck.selfcheck([entry.model])
    assert (outcome.known, outcome.right) == (1, 0) and not outcome.passed
    assert "the original says 0.5000" in outcome.notes[0]
