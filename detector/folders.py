"""Where things are kept on this computer: the bundled weights, and the data folder.

Nothing is created here; who writes makes its own folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def bundled() -> Path:
    """Folder of the manifest, the bundled weights and their cards.

    `weights/` in a checkout; in an installed package the copy that the wheel carries.
    """
    carried = _PACKAGE / "_weights"
    return carried if carried.is_dir() else _CHECKOUT / "weights"


def checkout() -> Path | None:
    """The checkout this code runs from, or None when it is an installed package."""
    return _CHECKOUT if (_CHECKOUT / "weights" / "manifest.toml").is_file() else None


def data() -> Path:
    """Folder for what is downloaded or made at run time.

    The environment variable UNMASK_DATA, else `data/` in a checkout, else the platform's folder for
    a program's data.
    """
    if chosen := os.environ.get("UNMASK_DATA"):
        return Path(chosen).expanduser().resolve()
    if root := checkout():
        return root / "data"
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "unmask"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "unmask"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "unmask"
