"""What the documents show works as they show it."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from detector.models import registry

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def keep(data: Path, entry: str, file: Path) -> None:
    """Put a document's entry into the data folder, about a file that is there."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = entry.replace('sha256 = "…"', f'sha256 = "{digest}"')
    entry = entry.replace("size = 1234567", f"size = {file.stat().st_size}")
    (data / "models.toml").write_text(entry, encoding="utf-8")


def test_the_example_of_adding_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own family and entry: read, verified, loaded and scored by the registry."""
    (code,) = blocks("adding-a-model.md", "python")
    (entry,) = blocks("adding-a-model.md", "toml")
    source = tmp_path / "tinycnn.py"
    source.write_text(code, encoding="utf-8")
    name = "detector.models.families.tinycnn"
    spec = importlib.util.spec_from_file_location(name, source)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)

    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    file = tmp_path / "weights" / "tinycnn" / "tinycnn.pth"
    file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    state = module.TinyCNN(width=16).state_dict()
    theirs = {"features": "backbone", "head": "classifier"}
    published = {".".join([theirs[(p := k.split("."))[0]], *p[1:]]): t for k, t in state.items()}
    torch.save(published, file)
    keep(tmp_path, entry, file)

    model = registry.load_model("tinycnn")
    crops = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    scores = model.score(crops)
    assert scores.shape == (3,) and scores.dtype == np.float32 and np.isfinite(scores).all()
    assert len(set(scores.tolist())) == 3


def test_links_between_documents_lead_somewhere() -> None:
    root = DOCS.parent
    for page in [
        root / "README.md",
        root / "weights" / "README.md",
        *DOCS.glob("*.md"),
    ]:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
