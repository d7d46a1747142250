"""The manifest that ships, a person's own models, and one loaded copy of each model."""

from __future__ import annotations

import hashlib
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest

from detector import folders, weights
from detector.errors import ModelError, UsageError, WeightsError
from detector.models import registry
from detector.models.base import FrameModel

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
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mine.bin").write_bytes(b"mine")
    return tmp_path


def write_own(data: Path, id: str = "mine", family: str = "mesonet", more: str = "") -> None:
    text = OWN.format(id=id, family=family, more=more, sha256=SHA256)
    (data / "models.toml").write_text(text)


def test_the_manifest_that_ships_is_whole() -> None:
    manifest = registry.manifest()
    defaults = [spec.id for spec in manifest.models if spec.default]
    # The ensemble's calibration and thresholds hold for exactly the models they were fitted with.
    assert manifest.ensemble.models == defaults
    assert manifest.ensemble.thresholds.low < manifest.ensemble.thresholds.high
    for spec in manifest.models:
        assert (Path(registry.__file__).parent / f"{spec.family}.py").is_file(), spec.id
        assert spec.fake_output and spec.weak_on, spec.id
        assert (spec.kind == "clip") == (spec.clip_frames > 0) == (spec.clip_step > 0), spec.id
        assert not spec.default or (spec.bundled and spec.calibration), spec.id
        if spec.bundled:
            assert spec.card and (folders.bundled() / spec.card).is_file(), spec.id
        else:
            assert all(file.url and file.url.startswith("https://") for file in spec.files), spec.id


def test_bundled_weights_are_the_ones_stated_and_nothing_else_is_bundled() -> None:
    stated = set()
    for spec in registry.list_models():
        if spec.bundled:
            for file, path in zip(spec.files, weights.resolve(spec), strict=True):
                assert path.stat().st_size == file.size
                stated.add(path)
    kinds = {".safetensors", ".pth", ".pt", ".h5", ".onnx", ".bin", ".xml"}
    found = {p for p in folders.bundled().rglob("*") if p.suffix in kinds}
    assert found == stated


def test_choose() -> None:
    defaults = [spec for spec in registry.list_models() if spec.default]
    assert registry.choose() == defaults
    picked = registry.choose(["mesoinception4-df", "meso4-df", "mesoinception4-df"])
    assert [spec.id for spec in picked] == ["mesoinception4-df", "meso4-df"]
    with pytest.raises(UsageError, match="No model was named"):
        registry.choose([])


def test_an_unknown_id_names_the_close_ones() -> None:
    with pytest.raises(UsageError, match="'meso4_df'") as caught:
        registry.get_spec("meso4_df")
    assert "meso4-df" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        registry.get_spec("zzz")
    assert all(spec.id in caught.value.hint for spec in registry.list_models())


def test_own_models_come_after_and_are_seen_at_once(data: Path) -> None:
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
def test_own_models_with_a_mistake_are_named(data: Path, change: dict, says: str) -> None:
    write_own(data, **change)
    with pytest.raises(ModelError, match=says) as caught:
        registry.manifest()
    assert str(data / "models.toml") in caught.value.message


def test_own_models_may_not_replace_the_ensemble(data: Path) -> None:
    (data / "models.toml").write_text("[ensemble]\nmodels = []\n")
    with pytest.raises(ModelError, match="not ensemble"):
        registry.manifest()


@pytest.mark.parametrize("family", ["nothing", "base", "../base", "os.path"])
def test_a_family_that_is_none(data: Path, family: str) -> None:
    write_own(data, family=family)
    with pytest.raises(ModelError, match="family"):
        registry.load_model("mine")


def test_weights_that_are_not_the_stated_ones_are_never_loaded(data: Path) -> None:
    write_own(data)
    (data / "weights" / "mine.bin").write_bytes(b"evil")
    with pytest.raises(WeightsError, match=SHA256) as caught:
        registry.load_model("mine")
    assert caught.value.code == "weights_corrupted"


class Slow(FrameModel):
    """Counts how often it is made."""

    made = 0

    def score(self, batch: np.ndarray) -> np.ndarray:
        return np.zeros(len(batch), np.float32)


def test_each_model_is_loaded_once_for_all_threads(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detector.models import mesonet

    def load(spec, files, device):
        assert files == [data / "weights" / "mine.bin"]
        Slow.made += 1
        threading.Event().wait(0.05)
        return Slow(spec)

    monkeypatch.setattr(mesonet, "load", load)
    write_own(data)
    models: list = []
    threads = [
        threading.Thread(target=lambda: models.append(registry.load_model("mine")))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 5 and all(model is models[0] for model in models)
    assert Slow.made == 1


def test_a_family_that_fails_says_which_model(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from detector.models import mesonet

    def load(spec, files, device):
        raise ValueError("no such variant")

    monkeypatch.setattr(mesonet, "load", load)
    write_own(data, id="mine-2")
    with pytest.raises(ModelError, match="Mine can't be loaded: no such variant"):
        registry.load_model("mine-2")


def test_the_data_folder(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.data() == data.resolve()
    monkeypatch.delenv("UNMASK_DATA")
    root = folders.checkout()
    assert root is not None and (root / "pyproject.toml").is_file()
    assert folders.data() == root / "data"
    # Installed, there is no checkout around the package.
    monkeypatch.setattr(folders, "_CHECKOUT", data)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert folders.data() == Path("/somewhere/unmask")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert folders.data() == Path.home() / ".local" / "share" / "unmask"


def test_the_manifest_says_what_an_entry_is_made_of() -> None:
    # Entries are shown in the order of the file; a key that is no field would have been refused.
    tables = tomllib.loads((folders.bundled() / "manifest.toml").read_text(encoding="utf-8"))
    assert [t["id"] for t in tables["models"]] == [s.id for s in registry.list_models()]
