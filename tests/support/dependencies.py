"""What pyproject.toml declares."""

import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.support.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OTHERS = ("cluster", "lab", "published")
"""Packages of the workspace with requirements of their own."""


def declared(*extras: str) -> list[Requirement]:
    """The requirements of the core and of these extras, with those of extras and packages of ours
    that they name; "cluster", "lab" and "published" stand for those of the packages."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        project = PROJECT["project"]["optional-dependencies"]
        lines += _requirements(extra) if extra in OTHERS else project[extra]
    found = [Requirement(line) for line in lines]
    named = [extra for one in found if one.name == "unmask" for extra in sorted(one.extras)]
    named += [part for part in OTHERS for one in found if one.name == f"unmask-{part}"]
    ours = {"unmask", *(f"unmask-{part}" for part in OTHERS)}
    return [one for one in found if one.name not in ours] + (declared(*named) if named else [])


def _requirements(part: str) -> list[str]:
    text = (ROOT / part / "pyproject.toml").read_text("utf-8")
    return list(tomllib.loads(text)["project"]["dependencies"])
