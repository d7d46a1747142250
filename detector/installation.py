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

FOLDER = "FOLDER"  # placeholder for a folder that only the installer knows


def install(extra: str) -> str:
    """Return the command that installs an extra, as "full" or "dashboard,mcp"."""
    if root := paths.checkout():
        here = "." if root == Path.cwd() else str(root)
        return f"pip install '{here}[{extra}]'"
    origin = _origin()
    url = str(origin.get("url", ""))
    if url.startswith("file:"):
        return f"pip install '{url2pathname(urlsplit(url).path)}[{extra}]'"
    if "vcs_info" in origin:
        version = origin["vcs_info"]
        return f"pip install 'unmask[{extra}] @ {version['vcs']}+{url}@{version['commit_id']}'"
    if url:
        return f"pip install 'unmask[{extra}] @ {url}'"
    return f"pip install --no-index --find-links {FOLDER} 'unmask[{extra}]'"


def install_weights() -> str:
    """Return the command that installs the wheel of the large weights."""
    return _install_wheel("unmask-weights")


def install_lab() -> str:
    """Return the command that installs the package of training and benchmarks."""
    if root := paths.checkout():
        return f"pip install {'./lab' if root == Path.cwd() else root / 'lab'}"
    origin = _origin()
    if "vcs_info" in origin:
        version, url = origin["vcs_info"], origin["url"]
        address = f"{version['vcs']}+{url}@{version['commit_id']}#subdirectory=lab"
        return f"pip install 'unmask-lab @ {address}'"
    return _install_wheel("unmask-lab")


def _install_wheel(name: str) -> str:
    """Return the command that installs another wheel from the folder of this copy's wheel."""
    url = str(_origin().get("url", ""))
    folder = FOLDER
    if url.startswith("file:") and url.endswith(".whl"):
        folder = str(Path(url2pathname(urlsplit(url).path)).parent)
    return f"pip install --no-index --find-links {folder} {name}"


def _origin() -> dict[str, Any]:
    """Return pip's record of this copy's origin (PEP 610); empty if there is none."""
    try:
        stated = metadata.distribution("unmask").read_text("direct_url.json")
        found: dict[str, Any] = json.loads(stated or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return found
