"""Makes the virtual environment that `make run` and `make test` work in.

    python3 tools/setup.py [dashboard] [test]
    python3 tools/setup.py --hashed [dashboard] …     prints what pip is to install, with hashes
    python3 tools/setup.py --sources [dashboard] …    the same of what has no wheel
    python3 tools/setup.py --torch cpu|cuda           the same of PyTorch

Only the standard library, and only syntax that an old Python can read far enough to be told that it
is too old. When everything is in place it returns at once. Whatever stands in the way is said in
one line.

What is installed
    Each file that pip fetches has to have a sha256 of requirements.hashes (`--require-hashes`), and
    is a wheel, but for `SOURCES`.

Which PyTorch is installed
    Where there is no NVIDIA GPU, one without CUDA: the wheels on PyPI for Linux bring gigabytes of
    it. In order: PyTorch's own index of CPU wheels, when it answers within a few seconds; else what
    pip finds by its own configuration, if that brings no CUDA (macOS, a local wheel, a mirror);
    else nothing is installed, and one line says what to do. The environment variable TORCH decides
    instead: `any` takes what pip finds; an address is used as the index, by version, as the lock
    has no hashes of its builds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK = ROOT / "requirements.lock"
HASHES = ROOT / "requirements.hashes"
HASHED = ["--require-hashes", "--no-deps"]
SOURCES = ("grad-cam",)
"""The index has no wheel of these. The setuptools that was installed by its hash builds them."""
AT_ONCE = 4
"""pips that fetch and unpack: one by itself waits for the index most of the time"""
STAMP = VENV / "unmask-setup.json"

CPU_INDEX = os.environ.get("TORCH_CPU_INDEX") or "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5
# Any of these in what pip would install means gigabytes for a GPU that isn't there.
CUDA = re.compile(r"^(nvidia|cuda|triton)\b")
TORCH = ("torch", "torchvision")
PROBE = """
import os, ssl, sys, urllib.request
trust = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE") or None
context = ssl.create_default_context(cafile=trust)
urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2]), context=context).read(1)
"""


def main(extras: list[str]) -> None:
    """Bring the environment to what pyproject.toml and the lock say. Quick when it is there."""
    if sys.version_info < (3, 11):  # noqa: UP036 -- the reason this is said here
        found = ".".join(map(str, sys.version_info[:2]))
        stop(f"Unmask needs Python 3.11 or newer, this is {found}: {apt('python3')}, or set PYTHON")
    (ROOT / "data").mkdir(exist_ok=True)
    done = read_stamp()
    torch = os.environ.get("TORCH", "")
    key = fingerprint()
    moved = bool(torch) and torch != done.get("torch", "")
    if done.get("key") == key and set(extras) <= set(done["extras"]) and not moved and works():
        return
    say(f"Setting up {VENV} (the first time takes a few minutes)")
    make_venv()
    source = torch_source(torch)
    if moved and done:
        pip("uninstall", "--yes", "--quiet", *TORCH)
    extras = sorted({*extras, *done.get("extras", [])})
    say("Installing what Unmask needs, each file by its hash")
    install_hashed(hashed(["build", *extras]))
    sources = VENV / "unmask-sources.txt"
    sources.write_text(hashed(extras, sources=True), encoding="utf-8")
    pip("install", "--quiet", *HASHED, "--no-build-isolation", "--requirement", str(sources))
    if source is not None:
        install_torch(*source)
    ours = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ours)
    STAMP.write_text(
        json.dumps({"key": key, "extras": extras, "torch": torch or done.get("torch", "")})
    )
    say("Ready")


def make_venv() -> None:
    """Create the environment, or create it anew when its Python or its pip is gone."""
    if works():
        return
    try:
        import ensurepip
        import venv
    except ImportError:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        stop(f"Python's venv module is missing: {apt(package)}")
    del ensurepip
    try:
        venv.create(VENV, with_pip=True, clear=VENV.exists(), symlinks=os.name != "nt")
    except (OSError, subprocess.CalledProcessError) as error:
        stop(f"{VENV} can't be made: {error}")


def hashed(extras: list[str], sources: bool = False) -> str:
    """The requirements of these extras with the hashes of their files, as pip reads them: those
    that come as wheels, or as source."""
    return of_groups({"base", *extras}, lambda name: (name in SOURCES) is sources)


def hashed_torch(build: str = "cpu", exact: dict[str, str] | None = None) -> str:
    """The same of torch and torchvision, of `exact` versions where given: `cpu` without CUDA,
    `cuda` with the packages that brings.

    Exact to the build: of those that fit, pip prefers the one whose hash it knows beforehand, and
    of one release the build for processors counts as newer than the one with CUDA.
    """
    text = of_groups({"torch", "cuda"} if build == "cuda" else {"torch"})
    if exact is None:
        exact = dict(pin(name).split("==") for name in TORCH)
        if build == "cpu":
            del exact["torchvision"]  # with CUDA or without, it is small
            exact["torch"] += "+cpu" if sys.platform == "linux" else ""
    for name, version in exact.items():
        text = re.sub(rf"^{name}==\S+", f"{name}==={version}", text, flags=re.M)
    return text


def of_groups(wanted: set[str], want=lambda name: True) -> str:
    """The packages of these groups of the file of hashes whose name is wanted."""
    out, take = [], False
    for line in HASHES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            group, take = not wanted.isdisjoint(line[1:].split()), False
            continue
        if "==" in line:
            take = group and want(line.split("==")[0])
        if take:
            out.append(line)
    return "\n".join(out) + "\n"


def install_hashed(text: str) -> None:
    """Install wheels by their hashes, several at a time: none needs another to be installed."""
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    running = []
    for number in range(min(AT_ONCE, len(blocks))):
        wanted = VENV / f"unmask-wanted-{number}.txt"
        wanted.write_text("\n".join(blocks[number::AT_ONCE]) + "\n", encoding="utf-8")
        options = ["--quiet", *HASHED, "--only-binary", ":all:", "--requirement", str(wanted)]
        running.append(subprocess.Popen(pip_command("install", *options), env=pip_environment()))
    codes = [process.wait() for process in running]
    if any(codes):
        stop("pip install failed (its own words are above)")


def torch_source(choice: str) -> tuple[str, list[str]] | None:
    """What pip is to install of torch, by hash (else empty), and its options; without CUDA unless
    that is wanted or of use. None where it is there."""
    pins = [pin(name) for name in TORCH]
    if installed(pins):
        return None
    if choice and choice != "any":
        return "", ["--extra-index-url", choice]
    wanted = choice == "any" or has_gpu()
    if not wanted and answers(CPU_INDEX):
        return hashed_torch("cpu"), ["--extra-index-url", CPU_INDEX]
    found = would_install(pins)
    cuda = [name for name in found if CUDA.match(name)]
    if cuda and not wanted:
        stop(
            f"{CPU_INDEX} can't be reached, and without it pip would install {len(cuda)} CUDA "
            "packages (gigabytes) for a GPU that isn't here: try again when it can be "
            f"reached, or accept them with: make {goal()} TORCH=any"
        )
    exact = {name: found[name] for name in TORCH}
    return hashed_torch("cuda" if cuda else "cpu", exact), []


def install_torch(wanted: str, options: list[str]) -> None:
    """Install the locked torch and torchvision; all else that they need is there."""
    origin = f"from {options[1]}" if options else "as pip is configured"
    if not wanted:
        say(f"Installing PyTorch ({origin}, by version: the lock has no hashes of its builds)")
        pip("install", "--quiet", *options, *(pin(name) for name in TORCH))
        return
    say(f"Installing PyTorch ({origin})")
    file = VENV / "unmask-torch.txt"
    file.write_text(wanted, encoding="utf-8")
    strict = [*HASHED, "--only-binary", ":all:", "--requirement", str(file)]
    pip("install", "--quiet", *options, *strict)


def has_gpu() -> bool:
    """Whether the NVIDIA driver lists a GPU."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return False
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU" in listed.stdout


def answers(index: str) -> bool:
    """Whether a package index answers soon. Its own process: name lookups know no time limit."""
    command = [sys.executable, "-c", PROBE, f"{index.rstrip('/')}/torch/", str(PROBE_SECONDS)]
    try:
        return not subprocess.run(command, capture_output=True, timeout=PROBE_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return False


def would_install(pins: list[str]) -> dict[str, str]:
    """Names and versions of all that pip would install, as it is configured; installs nothing."""
    options = ["--dry-run", "--quiet", "--ignore-installed", "--report", "-"]
    asked = subprocess.run(
        [str(PYTHON), "-m", "pip", "install", *options, *pins], capture_output=True, text=True
    )
    if asked.returncode:
        stop(f"pip can't find {' and '.join(pins)}: {last_line(asked.stderr)}")
    told = [item["metadata"] for item in json.loads(asked.stdout)["install"]]
    return {item["name"].lower(): item["version"] for item in told}


def installed(pins: list[str]) -> bool:
    """Whether exactly these versions are in the environment (whatever their local build)."""
    names = [p.split("==")[0] for p in pins]
    code = "import sys, importlib.metadata as m; print(*[m.version(n) for n in sys.argv[1:]])"
    asked = subprocess.run([str(PYTHON), "-c", code, *names], capture_output=True, text=True)
    found = [version.split("+")[0] for version in asked.stdout.split()]
    return found == [p.split("==")[1] for p in pins]


def works() -> bool:
    """Whether the environment's Python starts and has pip."""
    try:
        return not subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True).returncode
    except OSError:  # not there, or made for a Python that is gone
        return False


def pip(*arguments: str) -> None:
    """Run pip in the environment; its own words are shown, and a failure ends the set-up."""
    if subprocess.run(pip_command(*arguments), env=pip_environment()).returncode:
        stop(f"pip {arguments[0]} failed (its own words are above)")


def pip_command(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", *arguments]


def pip_environment() -> dict[str, str]:
    return dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")


def pin(name: str) -> str:
    """The line of the lock for one package."""
    found = re.search(rf"^{name}==\S+", LOCK.read_text(encoding="utf-8"), re.M)
    if not found:
        stop(f"{LOCK.name} does not name {name}")
    return found[0]


def fingerprint() -> str:
    """Changes when what should be installed changes."""
    files = (ROOT / "pyproject.toml", LOCK, HASHES)
    parts = [*(file.read_bytes() for file in files), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_stamp() -> dict:
    """What the last set-up of this environment installed; empty when there was none."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def goal() -> str:
    """The make target that called, for a hint to repeat."""
    return os.environ.get("GOAL") or "run"


def apt(package: str) -> str:
    """How to install a system package, as a command where we know the system's."""
    sudo = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    if shutil.which("apt-get"):
        return f"{sudo}apt-get install {package}"
    return f"install {package} with your system's package manager"


def last_line(text: str) -> str:
    """The last line that says something; pip puts the reason there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def say(text: str) -> None:
    """Tell the person what is going on."""
    print(f"unmask: {text}", flush=True)


def stop(text: str):  # -> NoReturn, which an old Python's typing may lack
    """End with one line."""
    sys.exit(f"unmask: {text}")


if __name__ == "__main__":
    if sys.argv[1:2] in (["--hashed"], ["--sources"]):
        print(hashed(sys.argv[2:], sources=sys.argv[1] == "--sources"), end="")
    elif sys.argv[1:2] == ["--torch"]:
        print(hashed_torch(sys.argv[2]), end="")
    else:
        main(sys.argv[1:])
