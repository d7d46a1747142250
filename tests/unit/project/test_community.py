"""The files for contributors and citations: valid, current, and with links that lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

from detector import __version__

ROOT = Path(__file__).resolve().parents[3]
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
