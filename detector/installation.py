"""Commands that install missing extras in the way this copy of Unmask was installed.

The name `unmask` is not registered in the package index, where anyone could take it: no command
makes pip look for it there.
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from detector import paths
from detector.errors import UsageError
from detector.sentences import _

FOLDER = "FOLDER"  # placeholder for a folder that only the installer knows
_ALL = ["unmask-cluster", "unmask-ytdlp", "unmask-s3", "unmask-mcp-server", "unmask-published"]
_NEEDED = {
    "full": ["unmask-published"],
    "dashboard": ["unmask-published"],
    "cluster": ["unmask-cluster"],
    "links": ["unmask-ytdlp", "unmask-published"],
    "s3": ["unmask-s3", "unmask-published"],
    "mcp": ["unmask-mcp-server", "unmask-published"],
    "test": _ALL,
    "dev": _ALL,
    "unmask-s3": ["unmask-published"],
    "unmask-ytdlp": ["unmask-published"],
    "unmask-mcp-server": ["unmask-published"],
    "unmask-lab": ["unmask-published"],
}
"""Extras and other packages of this repository -> which packages of it they need as well."""


def install(extra: str) -> str:
    """Return the command that installs an extra, as "full" or "dashboard,links"."""
    return _install(f"unmask[{extra}]", *needed(extra))


def install_weights() -> str:
    """Return the command that installs the wheel of the large weights."""
    return _from_folder("unmask-weights")


def install_package(name: str) -> str:
    """Return the command that installs another package of this repository."""
    return _install(name, *needed(name))


def needed(names: str) -> list[str]:
    """Return the packages of this repository that extras, as "dashboard,links", or another package
    of it need."""
    return [*dict.fromkeys(part for name in names.split(",") for part in _NEEDED.get(name, ()))]


def folder(package: str) -> str:
    """Return the folder of a package in this repository; "" for Unmask itself."""
    part = package.removeprefix("unmask").removeprefix("-").replace("-", "_")
    return f"plugins/{part}" if part not in ("", "lab") else part


def not_installed(what: str, package: str) -> UsageError:
    """Return the error of something that needs another package of this repository."""
    text = _("{name} needs {package}, which is not installed.")
    hint = _("Type: {extra}").format(extra=install_package(package))
    return UsageError(text.format(name=what, package=package), hint=hint)


def _install(*names: str) -> str:
    """Return the command that installs packages of this repository from where this copy came."""
    places = [_place(name) for name in names]
    return f"pip install {' '.join(places)}" if all(places) else _from_folder(names[0])


def _place(name: str) -> str:
    """Return the requirement of a package by its address; "" if that is not known."""
    package, _bracket, extra = name.partition("[")
    part = folder(package)
    if root := paths.checkout():
        here = "." if root == Path.cwd() else str(root)
        place = f"{here}/{part}" if part else here
        return f"'{place}[{extra}'" if extra else place
    origin = _origin()
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        version = origin["vcs_info"]
        url = f"{version['vcs']}+{url}@{version['commit_id']}"
    if part and url.endswith(".whl"):
        url = f"{package.replace('-', '_')}-".join(url.rsplit("unmask-", 1))
    elif part and url:
        url += f"/{part}" if url.startswith("file:") else f"#subdirectory={part}"
    return f"'{name} @ {url}'" if url else ""


def _from_folder(name: str) -> str:
    """Return the command that installs a wheel from the folder of this copy's wheel."""
    url = str(_origin().get("url", ""))
    folder = FOLDER
    if url.startswith("file:") and url.endswith(".whl"):
        folder = str(Path(url2pathname(urlsplit(url).path)).parent)
    quoted = f"'{name}'" if "[" in name else name
    return f"pip install --no-index --find-links {folder} {quoted}"


def _origin() -> dict[str, Any]:
    """Return pip's record of this copy's origin (PEP 610); empty if there is none."""
    try:
        stated = metadata.distribution("unmask").read_text("direct_url.json")
        found: dict[str, Any] = json.loads(stated or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return found
