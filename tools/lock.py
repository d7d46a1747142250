"""Writes requirements.lock and requirements.hashes: the exact version of everything Unmask brings
along, and the sha256 of each file that the index has of it.

    make lock

The versions are those installed in the environment that belong to Unmask's dependencies; `uv` asks
the index for the hashes, for every system and Python that we support. The lock is used as a
constraint, so a line for a package that another platform doesn't need does no harm. The hashes are
in groups, one for each extra, so that who wants the pages alone installs no test tool.
"""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a file, from anywhere

from tools import setup  # noqa: E402

LOCK = ROOT / "requirements.lock"
HASHES = ROOT / "requirements.hashes"
EXTRAS = ("dashboard", "postgres", "ray", "s3", "test")
GROUPS = (*EXTRAS, "ytdlp")
BUILD = ("hatchling", "editables")
"""what makes the editable install; pip would fetch it unseen"""
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
HEAD = """\
# The exact versions that Unmask is tested and shipped with. Written by `make lock`.
# torch is named without its build, so that the CPU and the CUDA wheel both fit.
"""
HASHES_HEAD = """\
# The sha256 of each file of each package of requirements.lock. Written by `make lock`. Before each
# package: the extras that need it ("base": all do; "build": what installs our own code; "torch":
# with its builds for processors; "cuda": what its builds for GPUs bring), for tools/setup.py.
"""


def closure(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Normalized names of the installed packages that `name` needs, directly or not."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    queue = [(name, extras)]
    seen = set()
    while queue:
        name, extras = item = queue.pop()
        if item in seen:
            continue
        seen.add(item)
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            found.add(normalize(requirement.name))
            queue.append((requirement.name, tuple(sorted(requirement.extras))))
    return found


def normalize(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolved(*options: str, build: bool = False) -> str:
    """What `uv` makes of the lock: a requirement and its hashes after the other."""
    with tempfile.TemporaryDirectory() as folder:
        more = Path(folder) / "build.in"
        more.write_text("\n".join(BUILD if build else ()) + "\n")
        command = [sys.executable, "-m", "uv", "pip", "compile", str(ROOT / "pyproject.toml")]
        command += [str(more), "--universal", "--python-version", "3.11", "--quiet"]
        command += ["--constraint", str(LOCK), "--no-header", "--no-annotate", *options]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=folder
        ).stdout


def hashes() -> str:
    """The file of hashes, for the lock as it is written."""
    groups: dict[str, set[str]] = {"base": _names(resolved())}
    groups["build"] = _names(resolved(build=True)) - groups["base"]
    for extra in GROUPS:
        groups[extra] = _names(resolved("--extra", extra)) - groups["base"]
    extras = [part for extra in GROUPS for part in ("--extra", extra)]
    blocks = re.split(r"\n(?=[a-z0-9])", resolved(*extras, "--generate-hashes", build=True).strip())
    out = []
    for block in blocks:
        name = block.split("==")[0]
        if name == "pip":
            continue
        needed = [group for group, names in groups.items() if name in names]
        if name in setup.TORCH:
            needed, block = ["torch"], with_processors(block)
        elif setup.CUDA.match(name):
            needed = ["cuda"]
        out.append(f"# {' '.join(needed)}\n{block}\n")
    return HASHES_HEAD + "".join(out)


def with_processors(block: str) -> str:
    """A package of PyTorch's with the hashes of its builds for processors as well, which are on an
    index of their own.

    Where that can't be reached, those of the same release that are in the file already.
    """
    pin = block.split()[0]
    name, version = pin.split("==")
    hashes = set(HASH.findall(block))
    try:
        with urllib.request.urlopen(f"{setup.CPU_INDEX}/{name}/", timeout=30) as answer:
            page = unquote(answer.read().decode())
    except OSError as error:
        kept = re.search(rf"^{re.escape(pin)} .*\n(?: .*\n)+", HASHES.read_text("utf-8"), re.M)
        more = set(HASH.findall(kept[0])) - hashes if kept else set()
        if not more:
            sys.exit(f"unmask: {setup.CPU_INDEX} knows {pin}, and is out of reach: {error}")
        print(f"unmask: {setup.CPU_INDEX} is out of reach; the hashes of {pin} stay as they are")
    else:
        found = rf"/{name}-{re.escape(version)}(?:\+cpu)?-[^\"#]+\.whl#sha256=([0-9a-f]{{64}})"
        more = set(re.findall(found, page))
    return " \\\n    ".join([pin, *(f"--hash=sha256:{one}" for one in sorted(hashes | more))])


def _names(text: str) -> set[str]:
    return {line.split("==")[0] for line in text.splitlines() if "==" in line}


def main() -> None:
    """Write both beside pyproject.toml."""
    if importlib.util.find_spec("uv") is None:
        sys.exit("unmask: to write the lock needs uv: pip install uv")
    names = sorted(closure("unmask", EXTRAS) - {"pip"})  # what installs is not what is installed
    lines = [f"{name}=={metadata.version(name).split('+')[0]}" for name in names]
    LOCK.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"unmask: {len(lines)} packages in {LOCK.name}")
    HASHES.write_text(hashes(), encoding="utf-8")
    print(f"unmask: their files in {HASHES.name}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--hashes"]:  # after a line of the lock was written by hand
        HASHES.write_text(hashes(), encoding="utf-8")
    else:
        main()
