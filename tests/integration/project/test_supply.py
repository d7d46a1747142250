"""What Unmask is built from: under which licenses, listed whole, and how to report a weakness."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import licenses

ROOT = Path(__file__).resolve().parents[3]


def test_every_license_of_what_is_shipped_is_known_and_said() -> None:
    names = licenses.shipped()
    assert {"numpy", "streamlit", "torch", "psycopg", "boto3", "fpdf2", "grad-cam"} <= set(names)
    assert "pytest" not in names
    more = {name for name in names if licenses.asks_more(licenses.license_of(name))}
    assert more == set(licenses.SAID), (
        "say in tools/licenses.py why it may be shipped, or not any more"
    )
    assert licenses.PAGE.read_text("utf-8") == licenses.page(), "python tools/licenses.py"


def test_a_license_that_asks_for_more_is_seen() -> None:
    for license in ("GPL-3.0-only", "AGPL-3.0", "MIT AND GPL-2.0-or-later", "Proprietary", ""):
        assert licenses.asks_more(license), license
    for license in ("MIT", "Apache-2.0 OR BSD-2-Clause", "BSD; Apache-2.0"):
        assert not licenses.asks_more(license), license


def test_the_page_names_the_encoders_that_wheels_carry() -> None:
    """Not in any metadata: the files themselves."""
    import av

    said = licenses.CARRIED.partition("\n\n")[2].replace(";", "\n-").split("\n-")
    carriers = set()
    for folder in Path(av.__file__).parents[1].glob("*.libs"):
        name = folder.name.removesuffix(".libs").replace("_", "-")
        encoders = {p.name.split("-")[0] for p in folder.iterdir()} & {"libx264", "libx265"}
        told = " ".join(part for part in said if f"**{name}**" in part)
        assert all(encoder in told for encoder in encoders), name
        carriers |= {name} if encoders else set()
    assert carriers == {"av", "pillow-heif"}


def test_the_bill_of_materials_is_valid_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "bom.json"
    command = [sys.executable, str(ROOT / "tools" / "sbom.py"), str(file)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    text = file.read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    tree = json.loads(text)
    components = {c["name"]: c for c in tree["components"]}
    weights = {p.name for p in (ROOT / "weights").glob("*.safetensors")}
    assert components.keys() == {*licenses.shipped(), *weights}
    assert all(components[name]["hashes"] for name in weights)
    fpdf = components["fpdf2"]
    assert fpdf["licenses"][0]["license"]["id"] == "LGPL-3.0-only"
    needs = {d["ref"]: d.get("dependsOn", []) for d in tree["dependencies"]}
    assert any(ref.startswith("pkg:pypi/fpdf2@") for ref in needs["unmask"])


def test_who_finds_a_weakness_knows_where_to_go() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    assert "Report a vulnerability" in text
    assert "SECURITY.md" in (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / target).is_file(), target


def test_updates_are_looked_for_everywhere_something_is_pinned() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    asked = {(u["package-ecosystem"], u["directory"]) for u in updates}
    assert asked == {("pip", "/"), ("docker", "/"), ("npm", "/tests/supabase_standin")}
    for _, folder in asked:
        assert (ROOT / folder.lstrip("/")).is_dir()
