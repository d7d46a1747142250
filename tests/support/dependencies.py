"""What pyproject.toml declares."""

import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.support.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def declared(*extras: str) -> list[Requirement]:
    """The requirements of the core and of these extras, with those of extras that they name."""
    lines = list(PROJECT["project"]["dependencies"])
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    named = [extra for one in found if one.name == "unmask" for extra in sorted(one.extras)]
    return [one for one in found if one.name != "unmask"] + (declared(*named) if named else [])
