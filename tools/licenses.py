"""Lists what is shipped with Unmask and under which license, in docs/licenses.md.

    python tools/licenses.py          writes it, from what the installed packages say of themselves

Shipped is what the image holds: the extras dashboard, postgres and s3 with all that they need.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from tools.setup import hashed  # noqa: E402

PAGE = ROOT / "docs" / "licenses.md"
SHIPPED = ["dashboard", "postgres", "s3"]
SHORT = {
    "Apache Software License": "Apache-2.0", "Apache License 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0", "BSD License": "BSD", "BSD": "BSD",
    "3-Clause BSD License": "BSD-3-Clause", "2-clause BSD License": "BSD-2-Clause",
    "MIT License": "MIT", "ISC License (ISCL)": "ISC", "Python Software Foundation License": "PSF",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}  # fmt: skip
FREE = re.compile(
    r"(Apache-2\.0|BSD(-[23]-Clause)?|0BSD|MIT(-0|-CMU)?|ISC|PSF(-2\.0)?|Zlib|CC0-1\.0|BSL-1\.0|"
    r"CNRI-Python|LLVM-exception|AND|OR|WITH|[ ;])+"
)
"""Licenses that ask for no more than to be named."""
SAID = {
    "certifi": "MPL-2.0: a list of certificates, unchanged",
    "fpdf2": "LGPL-3.0: loaded by Python as it is, and another version can be put in its place",
    "psycopg": "LGPL-3.0, as fpdf2; only for UNMASK_DATABASE",
    "psycopg-binary": "LGPL-3.0, as fpdf2; only for UNMASK_DATABASE",
    "tqdm": "MPL-2.0 in part, unchanged",
}
"""Those that ask for more, and why that is no hindrance."""
CARRIED = """\
## What wheels carry beside Python

- **av** carries FFmpeg and its encoders, libx264 and libx265 among them, which are GPL-2.0 or
  later; **pillow-heif** carries libheif and libde265 (LGPL-3.0) and libx265 (GPL-2.0 or later)
  too. Unmask's own code is Apache-2.0 and is not changed by it, but whoever passes an *image* or
  an installation on passes these files on as well, and has to offer their source as those
  licenses say.
- **opencv-python-headless** carries its own FFmpeg (LGPL-2.1), **psycopg-binary** libpq
  (PostgreSQL's license) and OpenSSL (Apache-2.0).
- **torch** in its builds with CUDA brings NVIDIA's libraries under NVIDIA's terms; the build for
  processors does not.

Weights have licenses of their own, each in the catalog and on the Models page; those in
`weights/` are Unmask's, under Apache-2.0 ([models.md](models.md)). The fonts of reports are
DejaVu (a free license of its own), from matplotlib.
"""


def shipped() -> list[str]:
    """The names of the packages that are shipped and installed here."""
    from packaging.markers import Marker

    named = ["torch", "torchvision"]
    pinned = re.compile(r"^([a-z0-9][a-z0-9.-]*)==\S+(?: ; ([^\\\n]+))?", re.M)
    for name, marker in pinned.findall(hashed(SHIPPED) + hashed(SHIPPED, sources=True)):
        if not marker or Marker(marker).evaluate():  # else of another system
            named.append(name)
    return sorted(filter(_here, named))


def license_of(name: str) -> str:
    """A package's license as it says itself, in the short form; empty where it says nothing."""
    found = metadata.metadata(name)
    if expression := found.get("License-Expression"):
        return str(expression)
    kinds = [
        c for c in found.get_all("Classifier") or [] if c.startswith("License :: OSI Approved ::")
    ]
    words = [c.rpartition(" :: ")[2] for c in kinds] or (found.get("License") or "").splitlines()[
        :1
    ]
    return "; ".join(SHORT.get(word.strip(), word.strip()) for word in words)


def asks_more(license: str) -> bool:
    """Whether a license asks for more than to be named, or is not known."""
    return not FREE.fullmatch(license)


def page() -> str:
    """The page, whole."""
    rows = [f"| {name} | {license_of(name)} | {SAID.get(name, '')} |" for name in shipped()]
    return (
        "# Licenses of what is shipped\n\n"
        "What the image holds beside Unmask itself (Apache-2.0), as each package says. Written by "
        "`python tools/licenses.py`; a test compares it with what is installed, and stops at a "
        "license that asks for more than to be named unless the reason stands here.\n\n"
        "| package | license | |\n|---|---|---|\n" + "\n".join(rows) + "\n\n" + CARRIED
    )


def _here(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"unmask: {len(shipped())} packages in {PAGE.relative_to(ROOT)}")
