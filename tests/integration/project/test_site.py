"""The documentation site builds without a warning and loads nothing from other servers."""

import re

import pytest

from detector.config import table
from service.api.app import create_app
from service.config import get_config
from tests.support.processes import ROOT, python

FALLBACKS = {"mermaid", "resize-observer-polyfill"}
"""What the theme's script loads: for diagrams in Mermaid, and in browsers before 2020."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = ("mkdocs", "build", "--strict", "--site-dir", folder)
    build = python("-m", *words, variables={"NO_MKDOCS_2_WARNING": "1"})
    assert build.returncode == 0, build.stdout + build.stderr
    return folder


def test_it_builds_with_a_reference_of_the_public_api(site):
    names = {
        "python": ["detector.pipeline.analyze", "detector.client.UnmaskClient"],
        "schema": ["detector.schema.analysis.Analysis", "detector.schema.verdict.Verdict.label"],
        "extend": ["detector.models.base.ModelSpec.operating_point", "detector.questions"],
        "api": ["service.api.schemas.AnalysisView"],
    }
    for page, expected in names.items():
        text = (site / "reference" / f"{page}.html").read_text("utf-8")
        assert [name for name in expected if f'id="{name}"' not in text] == []


def test_pages_have_the_tables_of_settings_and_routes(site):
    text = "".join((site / f"{page}.html").read_text("utf-8") for page in ("hosting", "api"))
    described = create_app(lambda: None).openapi()["paths"]
    names = [variable.name for variable in table(get_config())]
    names += [f"{verb.upper()} {path}" for path, verbs in described.items() for verb in verbs]
    assert [name for name in names if f"<td><code>{name}</code></td>" not in text] == []


def test_every_page_is_in_the_navigation(site):
    text = (site / "index.html").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 20
    assert [page for page in pages if f'href="{page.with_suffix(".html")}"' not in text] == []


def test_it_loads_nothing_from_other_servers(site):
    loads = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?(?:https?:)?//"
        r"|<link\b[^>]*\bhref=\"?(?:https?:)?//"
        r"|url\([\"']?(?:https?:)?//|@import"
    )
    files = [file for file in site.rglob("*") if file.suffix in {".html", ".css"}]
    assert len(files) > 25
    assert [file.name for file in files if loads.search(file.read_text("utf-8"))] == []
    scripts = "".join(file.read_text("utf-8") for file in site.rglob("*.js"))
    assert set(re.findall(r"//unpkg\.com/([\w-]+)", scripts)) == FALLBACKS
    assert not [p for p in (ROOT / "docs").rglob("*.md") if "```mermaid" in p.read_text("utf-8")]
