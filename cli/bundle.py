"""`unmask bundle`: collection of all wheels for a computer without internet."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cli.common import tell, user_files
from cli.options import arg, opt
from detector import installation, paths
from detector._version import __version__
from detector.errors import UnmaskError, UsageError
from detector.sentences import _, numeral
from detector.weights import digest

_TORCH = "https://download.pytorch.org/whl/cpu"
_SCRIPT = """\
#!/bin/sh
# Installs Unmask {version} without internet: sh install.sh [FOLDER]
# It needs the same system and Python {python} (PYTHON=…). On Windows:
#     py -m venv unmask && unmask\\Scripts\\pip install --no-index --find-links wheels {names}
set -e
here=$(dirname "$0") venv=${{1:-unmask}}
(cd "$here" && sha256sum --check --quiet SHA256SUMS)
"${{PYTHON:-python{python}}}" -m venv "$venv"
"$venv/bin/python" -m pip install --no-index --find-links "$here/wheels" {names}
echo "Type: $venv/bin/unmask --help"
"""


def bundle(
    folder: Annotated[Path, arg("new or empty", "DIR")],
    extras: Annotated[str, opt("of `pip install`", "NAME,…")] = "dashboard",
) -> int:
    """Collect the wheels that install Unmask on a computer without internet: Unmask, its weights
    and all dependencies, in the versions installed here.

    pip collects them, so its variables apply (PIP_INDEX_URL, PIP_FIND_LINKS). PyTorch is its CPU
    build; TORCH_INDEX names a mirror of that, or is empty where PIP_FIND_LINKS has it.
    """
    wheels = folder / "wheels"
    with user_files():
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(_("{folder} is not empty.").format(folder=folder))
        _collect(wheels, extras)
        script = _SCRIPT.format(
            version=__version__,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            names=f"'unmask[{extras}]' unmask-weights",
        )
        (folder / "install.sh").write_text(script, encoding="utf-8")
        files = sorted(wheels.iterdir())
        sums = [f"{digest(file)}  wheels/{file.name}\n" for file in files]
        (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    size = sum(file.stat().st_size for file in files)
    text = _("{folder}: {files} wheels, {size} MB. There: sh install.sh")
    tell(text.format(folder=folder, files=len(files), size=numeral(size / 1000000.0, ",.0f")))
    return 0


def _collect(wheels: Path, extras: str) -> None:
    """Let pip download or build all wheels; its output goes to standard error."""
    wanted = [f"unmask[{extras}]=={__version__}", "unmask-weights"]
    if root := paths.checkout():
        parts = [str(root / installation.folder(name)) for name in installation.needed(extras)]
        wanted = [f"{root}[{extras}]", *parts, str(root / "deploy" / "weights")]
    command = [sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(wheels), *wanted]
    if index := os.environ.get("TORCH_INDEX", _TORCH):
        command += ["--extra-index-url", index]
    # Without local labels: of torch==2.13.0, pip takes 2.13.0+cpu where there is one.
    versions = {d.name: d.version.partition("+")[0] for d in metadata.distributions()}
    lines = [f"{name}=={v}\n" for name, v in versions.items() if not name.startswith("unmask")]
    with TemporaryDirectory() as temporary:
        constraints = Path(temporary) / "constraints.txt"
        constraints.write_text("".join(lines), encoding="utf-8")
        command += ["--constraint", str(constraints)]
        status = subprocess.run(command, stdout=sys.stderr).returncode
    if status:
        shutil.rmtree(wheels, ignore_errors=True)
        raise UnmaskError(_("pip could not collect the wheels; its output says why."))
