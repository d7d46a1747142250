"""Make the virtual environment of `make run` and `make test` from uv.lock.

    python3 tools/setup.py [--packages-only] [dashboard] [postgres] [s3] [test] [lab] ...
    .venv/bin/python tools/setup.py --list [dashboard] ...      print the requirements with hashes

Each file is installed by its sha256: by uv, or by pip where uv is missing or fails. On Linux
without an NVIDIA GPU, PyTorch is its CPU build (tools/requirements-cpu.txt). TORCH=cpu or
TORCH=cuda overrides that, and TORCH_INDEX names a mirror of the CPU builds. Returns at once when
nothing changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VENV") or ROOT / ".venv").absolute()
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "unmask-setup.json"
LOCK = ROOT / "uv.lock"
CPU_BUILD = ROOT / "tools" / "requirements-cpu.txt"
CPU_INDEX = os.environ.get("TORCH_INDEX") or "https://download.pytorch.org/whl/cpu"
TORCH = ("torch", "torchvision")
CUDA = re.compile(r"triton$|nvidia-|cuda-")
SOURCE = "grad-cam"
"""The only package without a wheel on PyPI."""
PIP_SETTINGS = {"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "UV_FIND_LINKS": "PIP_FIND_LINKS"}


def main(arguments: list[str]) -> None:
    """Return if the environment is up to date; else create it, and install into it."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- the reason is reported here
        sys.exit("unmask: Python 3.11 or newer is needed: install it, or set PYTHON")
    options = {argument for argument in arguments if argument.startswith("-")}
    done = json.loads(STAMP.read_text()) if STAMP.exists() and (BIN / "python").exists() else {}
    parts = sorted([*ROOT.glob("*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")])
    projects = (ROOT / "pyproject.toml", *parts)
    files = (file.read_bytes() for file in (*projects, LOCK, CPU_BUILD))
    new = {
        "files": hashlib.sha256(b"\0".join(files)).hexdigest(),
        "root": str(ROOT),
        "torch": os.environ.get("TORCH") or done.get("torch") or ("cuda" if has_gpu() else "cpu"),
        "extras": sorted({*arguments, *done.get("extras", [])} - options),
    }
    cpu = new["torch"] == "cpu" and sys.platform == "linux"
    if "--list" in options:
        lines = requirements(["base", *sorted({*arguments} - options)], cpu=cpu)
        print(*lines.values(), CPU_BUILD.read_text("utf-8") if cpu else "", sep="\n")
        return
    if new == done:
        return
    if Path(sys.prefix).resolve() != VENV.resolve():
        # Go on in the environment, whose pip evaluates markers.
        if not done and subprocess.run([sys.executable, "-m", "venv", "--clear", VENV]).returncode:
            sys.exit("unmask: the virtual environment can't be made: the reason is above")
        sys.exit(subprocess.run([BIN / "python", __file__, *arguments]).returncode)
    print(f"unmask: installing into {VENV}; the first time takes a few minutes", flush=True)
    if done.get("torch", new["torch"]) != new["torch"]:
        subprocess.run([BIN / "pip", "uninstall", "--yes", "--quiet", *TORCH], check=True)
    build = requirements(["build"])
    if not shutil.which("uv"):
        install_locked([build.pop("uv")])
    packages = requirements(["base", *new["extras"]], cpu=cpu)
    ready = install_locked(build.values()) and install_locked(packages.values())
    if ready and cpu:
        torch, index = CPU_BUILD.read_text("utf-8").splitlines(), ("--extra-index-url", CPU_INDEX)
        ready = install_locked(torch, report=False) or install_locked(torch, *index)
    if ready and "--packages-only" not in options:
        ours = [ROOT, *folders(["base", *new["extras"]])]
        editable = [word for folder in ours for word in ("--editable", str(folder))]
        ready = install("--no-deps", "--no-build-isolation", *editable)
    if not ready:
        sys.exit(
            "unmask: some packages can't be installed: the reason is above. If it is PyTorch, set "
            "TORCH_INDEX to a mirror of its CPU builds, or TORCH=cuda to get it from PyPI"
        )
    STAMP.write_text(json.dumps(new))


def requirements(groups: list[str], *, cpu: bool = False) -> dict[str, str]:
    """Return what extras ("base": what all need), "lab" or "build" need on this system:
    requirements with hashes, by package. With `cpu`, without PyTorch and the packages of CUDA."""
    lines: dict[str, str] = {}
    for package in needed(groups, cpu=cpu):
        if "registry" in package["source"]:
            hashes = [file["hash"] for file in package.get("wheels") or [package["sdist"]]]
            pin = f"{package['name']}=={package['version']}"
            lines[package["name"]] = " ".join([pin, *(f"--hash={value}" for value in hashes)])
    return {name: line for name, line in lines.items() if not (cpu and name in TORCH)}


def folders(groups: list[str]) -> list[Path]:
    """Return the folders of the other packages of the workspace that these extras need."""
    found = (package["source"].get("editable", ".") for package in needed(groups))
    return [ROOT / folder for folder in sorted(found) if folder != "."]


def needed(groups: list[str], *, cpu: bool = False) -> Iterator[dict]:
    """Yield the entries of uv.lock that these extras need, each once; with `cpu`, without the
    packages of CUDA."""
    import tomllib

    from pip._vendor.packaging.markers import Marker

    packages: dict[tuple[str, str | None], dict] = {}
    for package in tomllib.loads(LOCK.read_text("utf-8"))["package"]:
        name, version = package["name"], package.get("version")
        packages[name, None] = packages[name, version] = package
    ours = packages["unmask", None]
    known = {"base": ours["dependencies"], **ours["optional-dependencies"]}
    known |= ours["dev-dependencies"]
    known["lab"] = [{"name": "unmask-lab"}]
    queue = [dependency for group in groups for dependency in known[group]]
    seen = {"unmask"}
    for item in queue:  # grows in the loop
        name, marker = item["name"], item.get("marker")
        if (cpu and CUDA.match(name)) or (marker and not Marker(marker).evaluate()):
            continue
        package = packages[name, item.get("version")]
        for extra in item.get("extra", ()):
            queue += [d for d in package["optional-dependencies"][extra] if d not in queue]
        if name not in seen:
            seen.add(name)
            yield package
            queue += [d for d in package.get("dependencies", ()) if d not in queue]


def install_locked(lines: Iterable[str], *more: str, report: bool = True) -> bool:
    """Install exactly these requirements by their hashes; return whether that succeeded."""
    file = VENV / "unmask-requirements.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    strict = ("--require-hashes", "--no-deps", "--no-build-isolation")
    wheels = ("--only-binary", ":all:", "--no-binary", SOURCE)
    return install(*strict, *wheels, "--requirement", str(file), *more, report=report)


def install(*arguments: str, report: bool = True) -> bool:
    """Install with uv if there is one, and with pip if there is none or it fails."""
    commands = [[str(BIN / "python"), "-m", "pip", "install"]]
    if uv := shutil.which("uv") or shutil.which("uv", path=BIN):
        commands.insert(0, [uv, "pip", "install", "--python", str(BIN / "python")])
    settings = {name: os.environ[pip] for name, pip in PIP_SETTINGS.items() if pip in os.environ}
    for command in commands:
        run = subprocess.run(
            [*command, "--quiet", *arguments],
            env=settings | os.environ,
            stderr=None if report else subprocess.DEVNULL,
        )
        if run.returncode == 0:
            return True
    return False


def has_gpu() -> bool:
    """Return whether NVIDIA's driver lists a GPU."""
    listed = subprocess.run("nvidia-smi -L", shell=True, capture_output=True, text=True)
    return "GPU " in listed.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
