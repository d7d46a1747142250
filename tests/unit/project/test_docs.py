"""What the documents show works as they show it."""

import importlib
import re
import shutil
from pathlib import Path

import numpy as np
import torch

from detector import paths
from detector.models import families, registry
from detector.weights import accept_license, digest

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(document, language):
    """The code blocks of a document in one language."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_the_example_of_adding_a_model(tmp_path, monkeypatch):
    (code,) = blocks("adding-a-model.md", "python")
    (entry,) = blocks("adding-a-model.md", "toml")
    (tmp_path / "families").mkdir()
    (tmp_path / "families" / "tinycnn.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path / "families")])
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    file = tmp_path / "weights" / "tinycnn" / "tinycnn.pth"
    file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    module = importlib.import_module(f"{families.__name__}.tinycnn")
    state = module.TinyCNN(width=16).state_dict()
    theirs = {"features": "backbone", "head": "classifier"}
    published = {".".join([theirs[(p := k.split("."))[0]], *p[1:]]): t for k, t in state.items()}
    torch.save(published, file)
    house = tmp_path / "bundled"
    shutil.copytree(paths.bundled(), house)
    monkeypatch.setattr(paths, "bundled", lambda: house)
    entry = entry.replace('sha256 = "…"', f'sha256 = "{digest(file)}"')
    entry = entry.replace("size = 1234567", f"size = {file.stat().st_size}")
    (house / "catalog" / "tinycnn.toml").write_text(entry, encoding="utf-8")

    assert "tinycnn" in {spec.id for spec in registry.list_models()}
    accept_license(registry.get_spec("tinycnn"))
    model = registry.load_model("tinycnn")
    crops = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    scores = model.score(crops)
    assert scores.shape == (3,) and scores.dtype == np.float32 and np.isfinite(scores).all()
    assert len(set(scores.tolist())) == 3


def test_links_between_documents_lead_somewhere():
    root = DOCS.parent
    for page in [*root.glob("*.md"), root / "weights" / "README.md", *DOCS.glob("*.md")]:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
