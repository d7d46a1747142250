"""What the documents show works, what they name is there, and their links lead somewhere."""

import importlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import published
from detector import __version__, plugins
from detector.errors import UsageError
from detector.models import registry
from detector.weights import accept_license, digest
from lab.training.recipe import read_recipe

DOCS = Path(__file__).resolve().parents[3] / "docs"


def blocks(document, language):
    """The code blocks of a document in one language."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_the_example_of_adding_a_model(tmp_path, monkeypatch):
    """A family and an entry, in a copy of the package of published detectors."""
    (code,) = blocks("adding-a-model.md", "python")
    (entry,) = blocks("adding-a-model.md", "toml")
    room = tmp_path / "published"
    shutil.copytree(
        ROOT / "plugins" / "published", room, ignore=shutil.ignore_patterns("__pycache__")
    )
    (room / "tinycnn.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(published, "__path__", [str(room)])
    monkeypatch.setattr(plugins, "detectors", lambda: {"published": room})
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    file = tmp_path / "weights" / "tinycnn" / "tinycnn.pth"
    file.parent.mkdir(parents=True)
    torch.manual_seed(0)
    state = importlib.import_module("published.tinycnn").TinyCNN(width=16).state_dict()
    theirs = {"features": "backbone", "head": "classifier"}
    original = {".".join([theirs[(p := k.split("."))[0]], *p[1:]]): t for k, t in state.items()}
    torch.save(original, file)
    entry = entry.replace('sha256 = "…"', f'sha256 = "{digest(file)}"')
    entry = entry.replace("size = 1234567", f"size = {file.stat().st_size}")
    (room / "catalog" / "tinycnn.toml").write_text(entry, encoding="utf-8")
    # Else the catalog is read once.
    monkeypatch.setattr(registry, "_catalog", registry._catalog.__wrapped__)

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


ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_what_it_names_is_there():
    quoted = set(re.findall(r"`([\w./-]+/[\w./-]*)`", PAGE))
    named = {name for name in quoted if name.split("/")[0] not in (".venv", ".ci")}
    named |= {f"docs/{page}" for page in re.findall(r"\]\(([\w-]+\.md)\)", PAGE)}
    assert len(named) > 40
    assert not {name for name in named if not (ROOT / name).exists()}


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_the_citation_is_of_this_version_and_license():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert cited["title"] and cited["message"] and cited["authors"]
    assert (cited["version"], cited["license"]) == (__version__, "Apache-2.0")


def test_workflows_call_make_and_only_actions_of_github():
    jobs = {}
    for file in WORKFLOWS:
        jobs |= yaml.safe_load(file.read_text("utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    runs = "\n".join(step.get("run", "") for step in steps)
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    called = set(re.findall(r"\bmake ([\w-]+)", runs))
    assert {"test", "test-all", "audit", "sbom"} <= called <= targets
    assert all(step["uses"].startswith("actions/") for step in steps if "uses" in step)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.stem)
def test_an_issue_template_has_what_github_asks_for(file):
    form = yaml.safe_load(file.read_text("utf-8"))
    assert form["name"] and form["description"] and form["body"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["id"] and field["attributes"]["label"] for field in fields)


def test_the_readme_is_short():
    assert len((DOCS.parent / "README.md").read_text("utf-8").split()) <= 750


def test_cards_that_the_lists_of_models_name_are_there():
    weights = ROOT / "weights"
    catalogs = (weights / "catalog", ROOT / "plugins" / "published" / "catalog")
    lists = [weights / "manifest.toml", *(f for folder in catalogs for f in folder.glob("*.toml"))]
    named = {card for file in lists for card in re.findall(r"[\w-]+\.md", file.read_text("utf-8"))}
    there = {page.name for folder in (weights, *catalogs, DOCS) for page in folder.glob("*.md")}
    assert named and named <= there


def test_the_hint_about_recipes_names_all_of_them():
    page = (DOCS / "training.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))
    with pytest.raises(UsageError) as refused:
        read_recipe("nonsense")
    assert set(re.findall(r"[\w-]+", refused.value.hint)) - {"Known"} == listed
