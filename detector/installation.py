"""How to add to this copy of Unmask what it lacks: the way it was installed itself.

The name is not registered in the package index, where anybody could take it: no command here makes
pip look there for it.
"""

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from detector import paths

FOLDER = "FOLDER"  # stands for one that nobody knows but who installed it


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
    url = str(_origin().get("url", ""))
    folder = FOLDER
    if url.startswith("file:") and url.endswith(".whl"):
        folder = str(Path(url2pathname(urlsplit(url).path)).parent)
    return f"pip install --no-index --find-links {folder} unmask-weights"


def _origin() -> dict[str, dict[str, str]]:
    """Return what pip wrote down of where this copy came from (PEP 610); empty where nothing."""
    try:
        stated = metadata.distribution("unmask").read_text("direct_url.json")
        found: dict[str, dict[str, str]] = json.loads(stated or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return found
