"""The manifest that ships, a person's own models, and one loaded copy of each model.

Loaded models are shared, and go by turns when the budget is used up, never while they score.
"""

import gc
import hashlib
import shutil
import threading
import tomllib
import weakref
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import save_file
from torch import nn

import published
from cli import main
from dashboard.pages.models import card
from detector import paths as folders
from detector import weights
from detector.errors import ModelError, UsageError, WeightsError
from detector.models import inventory, memory, registry
from detector.models.base import CropRecipe, Model
from detector.models.memory import ModelCache
from detector.pipeline import initial_results
from detector.schema.analysis import QUESTION_OF, Ensemble, FileKind, Question
from tests.support import specs
from tests.support.waiting import at_once

OWN = """
[[models]]
id = "{id}"
title = "Mine"
family = "{family}"
kind = "frame"
summary = "Made up for a test."
fake_output = "the only one"
crop = {{ size = 32 }}
license_code = "MIT"
license_weights = "MIT"
source = "a test"
{more}

[[models.files]]
path = "mine.bin"
sha256 = "{sha256}"
size = 4
"""
SHA256 = hashlib.sha256(b"mine").hexdigest()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.bin").write_bytes(b"mine")
    return tmp_path


def write_own(data, id="mine", family="mesonet", more=""):
    (data / "models.toml").write_text(OWN.format(id=id, family=family, more=more, sha256=SHA256))


def test_the_manifest_that_ships_is_whole():
    manifest = registry.manifest()
    for question in Question:
        defaults = [s.id for s in manifest.models if s.default and QUESTION_OF[s.task] is question]
        # Calibration and thresholds hold for exactly the models they were fitted with.
        ensemble = manifest.ensembles.get(question, Ensemble())
        # One whose evidence came out as nothing runs beside them and does not vote.
        assert ensemble.models == [id for id in defaults if registry.get_spec(id).weight > 0]
    for kind in FileKind:
        limits = manifest.likelihoods[kind].thresholds
        assert limits.unsuspicious < limits.suspect < 1, "every kind of file gets answers"
    plain = [spec.plain for spec in manifest.models if spec.plain]
    assert len(plain) == len(set(plain))
    assert {entry.id for entry in manifest.recommended} <= {spec.id for spec in manifest.models}
    for spec in manifest.models:
        home = Path(spec.folder) if spec.folder else Path(registry.__file__).parent / "families"
        assert (home / f"{spec.family}.py").is_file(), spec.id
        assert not spec.card or inventory.card_text(spec).startswith("# "), spec.id
        assert spec.fake_output, spec.id
        assert spec.weak_on or not any(file.url for file in spec.files), spec.id
        steps = spec.clip_step > 0 or spec.clip_stride > 0
        assert (spec.kind == "video") == (spec.clip_frames > 0) == steps, spec.id
        assert not spec.default or (spec.bundled and spec.calibration), spec.id
        if spec.bundled:
            assert spec.card and (folders.bundled() / spec.card).is_file(), spec.id
            assert spec.plain and initial_results.result(spec).plain == spec.plain, spec.id
        else:
            assert spec.license_code and spec.license_weights and spec.source, spec.id
            for file in spec.files:
                assert file.url is None or file.url.startswith("https://"), spec.id
                # An address is for downloads, and those are verified; or for a person to open.
                assert file.sha256 or not weights.fetchable(spec), spec.id


def test_our_cards_are_read_by_the_hub():
    for spec in registry.list_models():
        if not spec.bundled:
            with pytest.raises(UsageError, match="not one of ours"):
                inventory.card_for_hub(spec)
            continue
        card = ModelCard(inventory.card_for_hub(spec))
        assert card.text.strip() == inventory.card_text(spec).strip() != ""
        told = {(found.dataset_name, found.metric_value) for found in card.data.eval_results}
        assert told == {(figure.data, figure.value) for figure in spec.measured if figure.left_out}


def test_a_model_is_known_by_one_auc_in_results_and_in_lists():
    bundled = [spec for spec in registry.list_models() if spec.bundled]
    for spec in bundled:
        assert spec.left_out and initial_results.result(spec).auc == spec.left_out.value, spec.id
        assert card.overall(spec)[0] is spec.left_out


def test_every_known_label_order_has_a_point_with_its_source():
    for spec in registry.list_models():
        said = (spec.operating_point, bool(spec.operating_point_source))
        if spec.bundled or spec.label_order == "unverified" or spec.kind == "audio":
            # Ours are calibrated; a point on a scale that may be upside down would be none. A model
            # of voices votes where it is calibrated, never by its authors' point: those of 2019
            # have an AUC of 0.59 on ours.
            assert said == (None, False), spec.id
        else:
            point = {"sieve": 0.6033, "fev": 0.65, "detectra": 0.65}.get(spec.id, 0.5)
            assert said == (point, True) and spec.operating_point_source.endswith("."), spec.id
            assert spec.calibration is None, spec.id  # nothing was fitted here
            made = initial_results.result(spec)
            assert made.operating_point == spec.operating_point
            assert made.operating_point_source == spec.operating_point_source


def test_bundled_weights_are_the_ones_stated_and_nothing_else_is_bundled():
    stated = set()
    for spec in (*registry.list_models(), *weights.auxiliary().values()):
        if spec.bundled:
            for file, path in zip(spec.files, weights.resolve(spec), strict=True):
                assert path.stat().st_size == file.size
                stated.add(path)
    kinds = {".safetensors", ".pth", ".pt", ".h5", ".onnx", ".bin", ".xml", ".tflite"}
    assert {p for p in folders.bundled().rglob("*") if p.suffix in kinds} == stated


def test_choose():
    assert registry.choose() == [spec for spec in registry.list_models() if spec.default]
    picked = registry.choose(["mesoinception4-df", "meso4-df", "mesoinception4-df"])
    assert [spec.id for spec in picked] == ["mesoinception4-df", "meso4-df"]
    with pytest.raises(UsageError, match="No model was named"):
        registry.choose([])


def test_an_unknown_id_names_the_close_ones():
    with pytest.raises(UsageError, match="'meso4_df'") as caught:
        registry.get_spec("meso4_df")
    assert "meso4-df" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        registry.get_spec("zzz")
    assert caught.value.hint.startswith("The nearest are ")
    assert caught.value.hint.endswith("; `unmask models` lists all.")
    assert sum(spec.id in caught.value.hint.split() for spec in registry.list_models()) <= 3


@pytest.fixture
def bare(monkeypatch):
    """A library without the package of published detectors."""
    monkeypatch.setattr(registry.plugins, "detectors", dict)
    monkeypatch.setattr(registry, "_catalog", registry._catalog.__wrapped__)
    monkeypatch.chdir(folders.checkout())


WITHOUT = (
    "Published models are in unmask-published, which is not installed. "
    "Type: pip install ./plugins/published"
)


def test_without_published_models_the_others_are_there(bare, data, capsys):
    families = {spec.family for spec in registry.list_models()}
    assert {"clip_vit", "timbre", "hub"} <= families and not {"gend", "xception"} & families
    assert {spec.id for spec in registry.choose()} >= {"clip", "texture"}
    assert main(["models"]) == 0 and inventory.offered() == []
    capsys.readouterr()
    for call in ("fetch recommended", "analyze a.mp4 --models gend_clip_l14", "models delete npr"):
        assert main(call.split()) == 2, call
        assert WITHOUT in capsys.readouterr().err, call
    write_own(data)
    with pytest.raises(ModelError, match="of the family 'mesonet'") as caught:
        registry.load_model("mine")
    assert caught.value.hint == WITHOUT


def test_an_architecture_means_its_first_weights_that_are_here(data):
    assert registry.get_spec("ispl_efficientnetb4").id == "ispl_efficientnetb4:dfdc"
    second = registry.get_spec("ispl_efficientnetb4:ffpp")
    path = weights.locate(second, second.files[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"here")
    assert registry.get_spec("ispl_efficientnetb4") == second
    assert registry.architectures()["ispl_efficientnetb4"].id == "ispl_efficientnetb4:dfdc"
    assert "clip" not in registry.architectures()
    # An architecture may have another name than its weights.
    assert registry.get_spec("mesonet_keras").id == "meso4-df"


def test_a_persons_own_file_goes_through_the_same_door(tmp_path):
    path = tmp_path / "mine.safetensors"
    save_file({"bias": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"mine\.safetensors"):
        registry.load_model("meso4-df", weights=path)
    with pytest.raises(UsageError, match="There is no file"):
        registry.load_model("meso4-df", weights=tmp_path / "none.h5")


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A folder in the place of the bundled one, whose manifest is empty."""
    folder = tmp_path / "bundled"
    (folder / "catalog").mkdir(parents=True)
    (folder / "manifest.toml").write_text("models = []\n")
    monkeypatch.setattr(folders, "bundled", lambda: folder)
    return folder


RECOMMENDS = """
[ensembles.manipulation]
models = []

[[recommended]]
id = "strong"
adds = "What it adds."
"""


def test_the_short_list_leads_once_it_is_here(data, bundled):
    more = "operating_point = 0.8\nresearch_only = true"
    strong = OWN.format(id="strong", family="mesonet", more=more, sha256=SHA256)
    (bundled / "manifest.toml").write_text("models = []\n" + RECOMMENDS)
    (bundled / "catalog" / "one.toml").write_text(strong)
    spec = registry.get_spec("strong")
    assert spec.operating_point == 0.8 and spec.calibration is None
    # Its license has to be accepted before it takes part.
    assert registry.choose() == []
    with pytest.raises(ModelError, match="not free for every use") as caught:
        registry.load_model("strong")
    assert caught.value.code == "license" and "--accept-license" in caught.value.hint
    weights.accept_license(spec)
    assert registry.choose() == [spec]
    (data / "weights" / "mine.bin").unlink()
    assert registry.choose() == []


def test_what_the_host_names_takes_part(data, monkeypatch):
    write_own(data, more='label_order = "unverified"\noperating_point = 0.5')
    before = [spec.id for spec in registry.choose()]
    monkeypatch.setenv("UNMASK_MODELS", " mine, recommended")
    assert registry.ids_of_host()[0] == "mine"
    assert set(registry.ids_of_host()[1:]) == {e.id for e in registry.manifest().recommended}
    assert [spec.id for spec in registry.choose()] == [*before, "mine"]
    # Of an order that nobody showed no operating point is taken.
    assert registry.get_spec("mine").calibration is None


def test_a_catalog_entry_with_a_mistake_is_named(bundled):
    (bundled / "catalog" / "one.toml").write_text("[[models]]\nid = 'x'\n")
    with pytest.raises(ModelError, match=r"one\.toml, x → title: Field required"):
        registry.manifest()


def test_the_catalog_of_a_plugin_is_read_as_ours(data, bundled, tmp_path, monkeypatch):
    plugin = tmp_path / "plugin"
    monkeypatch.setattr(registry.plugins, "detectors", lambda: {"plugin": plugin})
    entry = {"family": "one", "sha256": SHA256}
    for folder, id in ((bundled, "ours"), (plugin, "theirs"), (plugin, "carried")):
        (folder / "catalog").mkdir(parents=True, exist_ok=True)
        more = f"card = 'catalog/{id}.md'"
        (folder / "catalog" / f"{id}.toml").write_text(OWN.format(id=id, more=more, **entry))
        (folder / "catalog" / f"{id}.md").write_text(f"# {id}")
    specs = {spec.id: spec for spec in registry.list_models()}
    assert [*specs] == ["ours", "carried", "theirs"]
    assert [inventory.card_text(spec) for spec in specs.values()] == [f"# {id}" for id in specs]
    (file,) = specs["theirs"].files
    assert weights.locate(specs["theirs"], file) == data / "weights" / "mine.bin"
    assert weights.delete(specs["theirs"]) == 4
    (plugin / "mine.bin").write_bytes(b"mine")
    assert weights.locate(specs["carried"], file) == plugin / "mine.bin"
    with pytest.raises(WeightsError, match="comes with the package in"):
        weights.delete(specs["carried"])


def test_own_models_come_after_and_are_seen_at_once(data):
    before = [spec.id for spec in registry.list_models()]
    write_own(data)
    assert [spec.id for spec in registry.list_models()] == [*before, "mine"]
    (data / "models.toml").unlink()
    assert [spec.id for spec in registry.list_models()] == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "meso4-df"}, "there already is a model 'meso4-df'"),
        ({"more": "bundled = true"}, "'mine' can't be bundled"),
        ({"more": "bunled = true"}, r"mine → bunled: Extra inputs are not permitted"),
        ({"id": "Mine!"}, r"Mine! → id"),
        ({"more": "["}, "can't be read"),
    ],
)
def test_own_models_with_a_mistake_are_named(data, change, says):
    write_own(data, **change)
    with pytest.raises(ModelError, match=says) as caught:
        registry.manifest()
    assert str(data / "models.toml") in caught.value.message


def test_own_models_may_not_replace_the_ensemble(data):
    (data / "models.toml").write_text("[ensemble]\nmodels = []\n")
    with pytest.raises(ModelError, match="not ensemble"):
        registry.manifest()


@pytest.mark.parametrize("family", ["nothing", "base", "../base", "os.path"])
def test_a_family_that_is_none(data, family):
    write_own(data, family=family)
    with pytest.raises(ModelError, match="family"):
        registry.load_model("mine")


def test_weights_that_are_not_the_stated_ones_are_never_loaded(data):
    write_own(data)
    (data / "weights" / "mine.bin").write_bytes(b"evil")
    with pytest.raises(WeightsError, match=SHA256, check=lambda e: e.code == "weights_corrupted"):
        registry.load_model("mine")


class Slow(Model):
    """Counts how often it is made."""

    made = 0

    def preprocess(self, picture):
        return torch.zeros(1)

    def forward(self, batch):
        return torch.zeros(len(batch))


def test_each_model_is_loaded_once_for_all_threads(data, monkeypatch):
    from published import mesonet

    def load(spec, files, device):
        assert files == [data / "weights" / "mine.bin"]
        Slow.made += 1
        threading.Event().wait(0.05)
        return Slow(spec)

    monkeypatch.setattr(mesonet, "load", load)
    write_own(data)
    models = at_once(lambda _: registry.load_model("mine"), range(5))
    assert all(model is models[0] for model in models)
    assert Slow.made == 1


def test_a_family_that_fails_says_which_model(data, monkeypatch):
    from published import mesonet

    monkeypatch.setattr(mesonet, "load", Mock(side_effect=ValueError("no such variant")))
    write_own(data, id="mine-2")
    with pytest.raises(ModelError, match="Mine can't be loaded: no such variant"):
        registry.load_model("mine-2")


def test_the_data_folder(data, monkeypatch):
    assert folders.data() == data.resolve()
    monkeypatch.delenv("UNMASK_DATA")
    root = folders.checkout()
    assert (root / "pyproject.toml").is_file()
    assert folders.data() == root / "data"
    # Installed, there is no checkout around the package.
    monkeypatch.setattr(folders, "_CHECKOUT", data)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert folders.data() == Path("/somewhere/unmask")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert folders.data() == Path.home() / ".local" / "share" / "unmask"


def test_the_manifest_says_what_an_entry_is_made_of():
    # Entries are shown in the order of the files; a key that is no field would have been refused.
    bundled = folders.bundled()
    catalogs = (bundled / "catalog", Path(published.__file__).parent / "catalog")
    lists = [file for folder in catalogs for file in sorted(folder.glob("*.toml"))]
    paths = [bundled / "manifest.toml", *lists]
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in paths]
    ids = [entry["id"] for table in tables for entry in table["models"]]
    assert ids == [spec.id for spec in registry.list_models()] and len(set(ids)) == len(ids)


@pytest.mark.shared
def test_the_command_that_a_failed_download_names_installs_a_file(shared, data, tmp_path, capsys):
    spec, file = registry.get_spec("meso4-df"), tmp_path / "Meso4_DF (1).h5"
    shutil.copy(shared / "weights" / "mesonet" / "Meso4_DF.h5", file)
    assert not weights.available(spec)
    assert main(["fetch", spec.id, "--from", str(file)]) == 0 and weights.available(spec)
    other = shared / "weights" / "mesonet" / "Meso4_F2F.h5"
    assert main(["fetch", spec.id, "--from", str(other)]) == 1
    assert "sha256" in capsys.readouterr().err


def test_fetching_on_the_command_line(capsys, monkeypatch):
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert main(["fetch", "genconvit_ed"]) == 1
    assert "not free for every use: its license is CC-BY-NC-4.0" in capsys.readouterr().err
    assert main(["fetch", "genconvit_ed", "--accept-license"]) == 1
    assert "this installation is offline" in capsys.readouterr().err
    assert weights.accepted_license(registry.get_spec("genconvit_ed"))
    assert main(["fetch", "recommended"]) == 1
    said = capsys.readouterr().err
    short = registry.manifest().recommended
    assert short and short[0].adds in said and "MB" in said and "offline" in said
    assert main(["fetch", "gend_clip_l14", "--fake", "x"]) == 2
    assert main(["models", "accept", "dfb_xception"]) == 0
    assert "CC BY-NC 4.0, accepted 20" in capsys.readouterr().err


SIZE = 4_000_000  # bytes of a toy


class Toy(Model):
    def __init__(self, id):
        super().__init__(specs.spec("toy", id=id, title=id, crop=CropRecipe(size=8)))
        self.network = nn.Linear(1000, 1000, bias=False)

    def preprocess(self, picture):
        return torch.zeros(1000)

    def forward(self, batch):
        return self.network(batch)[:, :1].detach()


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setenv("UNMASK_MEMORY", "10MB")  # two toys and a half
    return ModelCache()


def get(shelf, id, device="cpu"):
    return shelf.get((id, device), SIZE, lambda: Toy(id))


def here(shelf):
    return {key[0] for key in shelf.sizes()}


def test_one_copy_for_all(shelf):
    assert get(shelf, "a") is get(shelf, "a")
    assert shelf.sizes() == {("a", "cpu"): SIZE}


def test_the_least_recently_asked_for_goes(shelf):
    gone = weakref.ref(get(shelf, "a"))
    get(shelf, "b")
    get(shelf, "a")
    get(shelf, "c")
    assert here(shelf) == {"a", "c"} and gone() is not None
    get(shelf, "b")
    assert here(shelf) == {"b", "c"}
    assert gone() is None, "its memory is not given back"


def test_what_is_in_use_stays(shelf):
    a = get(shelf, "a")
    get(shelf, "b")
    get(shelf, "c")  # "b" goes, though "a" was asked for longer ago
    assert here(shelf) == {"a", "c"} and get(shelf, "a") is a
    c = get(shelf, "c")
    with pytest.raises(
        ModelError, match=r"the models in use leave 2\.0 MB of the 10\.0 MB"
    ) as caught:
        get(shelf, "b")
    assert caught.value.code == "memory" and "UNMASK_MEMORY" in caught.value.hint
    assert here(shelf) == {"a", "c"} and c is get(shelf, "c")
    del a
    get(shelf, "b")
    assert here(shelf) == {"b", "c"}


def test_never_while_scoring(shelf):
    scoring: dict[str, int] = {}
    wrong: list[str] = []

    def run(ids):
        for id in ids:
            while True:
                try:
                    model = get(shelf, id)
                    break
                except ModelError:  # the other thread holds what there is
                    threading.Event().wait(0.001)
            alive = weakref.ref(model)
            scoring[id] = scoring.get(id, 0) + 1
            scores = model.score(np.zeros((2, 8, 8, 3), np.uint8))
            if alive() is None or scores.shape != (2,) or (id, "cpu") not in shelf.sizes():
                wrong.append(id)
            del model

    at_once(run, ("abcabc", "cbacba"))
    assert not wrong and scoring == {"a": 4, "b": 4, "c": 4}
    assert sum(shelf.sizes().values()) <= 10_000_000


def test_one_that_is_larger_than_the_budget_is_refused_before_it_is_read(shelf):
    load = Mock()
    with pytest.raises(ModelError, match=r"big needs 20\.0 MB"):
        shelf.get(("big", "cpu"), 20_000_000, load)
    load.assert_not_called()


def test_devices_have_their_own_budgets(shelf):
    for device in ("cpu", "meta"):
        for id in "ab":
            get(shelf, id, device)
    assert len(shelf.sizes()) == 4


def test_a_model_that_fails_to_load_leaves_nothing(shelf):
    with pytest.raises(ModelError, match="broken"):
        shelf.get(("a", "cpu"), SIZE, Mock(side_effect=ModelError("broken")))
    assert shelf.sizes() == {} and get(shelf, "a")


def test_dropped_models_are_freed(shelf):
    gone = weakref.ref(get(shelf, "a"))
    get(shelf, "b")
    shelf.drop(lambda key: key[0] == "a")
    gc.collect()
    assert gone() is None and here(shelf) == {"b"}


def test_what_a_model_takes():
    toy = Toy("a")
    assert memory.footprint(toy) == SIZE
    toy.run = object()
    assert memory.footprint(toy) == 2 * SIZE  # the runtime keeps a copy
    toy.other = nn.Sequential(toy.network)
    assert memory.footprint(toy) == 2 * SIZE  # shared tensors are there once


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("1500 mb", 1500 * 10**6), ("2GiB", 2 << 30), ("1000000", 10**6)],
)
def test_amounts(monkeypatch, text, size):
    monkeypatch.setenv("UNMASK_MEMORY", text)
    assert memory.budget("cpu") == size


def test_shares(monkeypatch):
    monkeypatch.setattr(memory, "total", lambda device: 1000)
    monkeypatch.setenv("UNMASK_MEMORY", "25%")
    assert memory.budget("cpu") == 250
    monkeypatch.delenv("UNMASK_MEMORY")
    assert memory.budget("cpu") == 500 and memory.budget("cuda:0") == 800
    monkeypatch.setenv("UNMASK_MEMORY", "much")
    with pytest.raises(UsageError, match=r"must be an amount of memory .*, not 'much'"):
        memory.budget("cpu")


def test_this_machine_has_memory():
    assert 1 << 28 < memory.total("cpu") < 1 << 44


def test_the_bundled_models_that_vote_run_by_default():
    usual = {spec.id: spec.weight for spec in registry.choose()}
    assert {"clip", "clip-generated", "texture", "timbre"} <= set(usual)
    assert min(usual["clip"], usual["texture"]) > 0
    assert usual["videomae"] == 0, "it scores each clip, and counts in none"
