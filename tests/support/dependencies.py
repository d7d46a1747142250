"""What pyproject.toml declares."""

import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.support.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LAB: dict[str, Any] = tomllib.loads((ROOT / "lab" / "pyproject.toml").read_text("utf-8"))


def declared(*extras: str) -> list[Requirement]:
    """The requirements of the core and of these extras, with those of extras that they name; "lab"
    stands for those of the lab."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        others = PROJECT["project"]["optional-dependencies"]
        lines += LAB["project"]["dependencies"] if extra == "lab" else others[extra]
    found = [Requirement(line) for line in lines]
    named = [extra for one in found if one.name == "unmask" for extra in sorted(one.extras)]
    return [one for one in found if one.name != "unmask"] + (declared(*named) if named else [])
