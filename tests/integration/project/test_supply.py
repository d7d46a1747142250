"""What Unmask is built from: under which licenses, listed whole, and how to report a weakness."""

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.processes import ROOT, python
from tools import setup

PAGE = ROOT / "docs" / "licenses.md"
SHIPPED = [
    *setup.requirements(["base", "dashboard", "postgres", "s3", "links"], cpu=True),
    *setup.TORCH,
]
# Licenses that ask for no more than attribution, as packages write them.
FREE = re.compile(
    r"((Apache|BSD|MIT|ISC|PSF|Zlib|CC0|BSL|CNRI|LLVM|Python Software Foundation|Software|"
    r"License|[0-9]-Clause|0BSD|-?[0-9]\.[0-9]|-0|-CMU|-Python|-exception|\(ISCL\)|"
    r"AND|OR|WITH)[ ;-]*)+"
)


def licenses():
    command = [Path(sys.executable).with_name("pip-licenses"), "--format", "json", "--packages"]
    run = subprocess.run([*command, *SHIPPED], capture_output=True, text=True, check=True)
    return {row["Name"]: row["License"] for row in json.loads(run.stdout)}


def test_every_license_of_what_is_shipped_is_listed_and_free_or_explained():
    found, page = licenses(), PAGE.read_text("utf-8")
    assert len(found) > 100 and {"numpy", "streamlit", "torch", "psycopg", "boto3"} <= set(found)
    rows = re.findall(r"^- \*\*(.+)\*\*: (.+)$", page.partition("## Packages")[2], re.M)
    assert {n: text for text, names in rows for n in names.split(", ")} == found, "make lock"
    explained = re.findall(r"\*\*([\w-]+)\*\*", page.partition("## What wheels carry")[0])
    assert sorted(n for n, text in found.items() if not FREE.fullmatch(text)) == sorted(explained)


def test_a_license_that_asks_for_more_is_seen():
    for text in ("GPL-3.0-only", "AGPL-3.0", "MIT AND GPL-2.0-or-later", "Proprietary", "UNKNOWN"):
        assert not FREE.fullmatch(text), text


def test_the_page_names_the_encoders_that_wheels_carry():
    import av

    part = PAGE.read_text("utf-8").partition("## What wheels carry")[2].partition("## Packages")[0]
    said = part.partition("\n\n")[2].replace(";", "\n-").split("\n-")
    carriers = set()
    for folder in Path(av.__file__).parents[1].glob("*.libs"):
        name = folder.name.removesuffix(".libs").replace("_", "-")
        encoders = {p.name.split("-")[0] for p in folder.iterdir()} & {"libx264", "libx265"}
        told = " ".join(part for part in said if f"**{name}**" in part)
        assert all(encoder in told for encoder in encoders), name
        carriers |= {name} if encoders else set()
    assert carriers == {"av", "pillow-heif"}


def test_the_bill_of_materials_names_what_is_shipped():
    """As `make sbom` makes it; cyclonedx-py checks it against the schema."""
    extras = ["dashboard", "postgres", "s3", "links"]
    listed = python("tools/setup.py", "--list", *extras, variables={"TORCH": "cpu"}, check=True)
    program = Path(sys.executable).with_name("cyclonedx-py")
    command = [program, "requirements", "--pyproject", "pyproject.toml", "-"]
    made = subprocess.run(
        command, cwd=ROOT, input=listed.stdout, capture_output=True, text=True, check=True
    )
    tree = json.loads(made.stdout)
    components = {c["name"]: c for c in tree["components"]}
    assert components.keys() == set(SHIPPED) and tree["metadata"]["component"]["name"] == "unmask"
    assert components["torch"]["version"].endswith("+cpu") or sys.platform != "linux"
    assert all(c["externalReferences"][0]["hashes"] for c in components.values())


def test_who_finds_a_weakness_knows_where_to_go():
    text = (ROOT / ".github/SECURITY.md").read_text("utf-8")
    assert "Report a vulnerability" in text
    assert "SECURITY.md" in (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / ".github" / target).is_file(), target


def test_updates_are_looked_for_everywhere_something_is_pinned():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    asked = {(u["package-ecosystem"], u["directory"]) for u in updates}
    pinned = {("uv", "/"), ("docker", "/deploy"), ("github-actions", "/")}
    assert asked == pinned | {("npm", "/tests/supabase_standin")}
    for _, folder in asked:
        assert (ROOT / folder.lstrip("/")).is_dir()
