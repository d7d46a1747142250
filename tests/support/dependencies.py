"""What pyproject.toml declares."""

import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.support.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OTHERS = {
    "unmask-lab": "lab",
    "unmask-cluster": "plugins/cluster",
    "unmask-mcp-server": "plugins/mcp_server",
    "unmask-published": "plugins/published",
    "unmask-s3": "plugins/s3",
    "unmask-ytdlp": "plugins/ytdlp",
}
"""Packages of the workspace with requirements of their own, and their folders."""


def declared(*extras: str) -> list[Requirement]:
    """The requirements of the core and of these extras, with those of extras and packages of ours
    that they name. The folder of a package stands for its requirements."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        project = PROJECT["project"]["optional-dependencies"]
        lines += _requirements(extra) if extra in OTHERS.values() else project[extra]
    found = [Requirement(line) for line in lines]
    named = [extra for one in found if one.name == "unmask" for extra in sorted(one.extras)]
    named += [OTHERS[one.name] for one in found if one.name in OTHERS]
    theirs = [one for one in found if one.name not in ("unmask", *OTHERS)]
    return theirs + (declared(*named) if named else [])


def _requirements(part: str) -> list[str]:
    text = (ROOT / part / "pyproject.toml").read_text("utf-8")
    return list(tomllib.loads(text)["project"]["dependencies"])
