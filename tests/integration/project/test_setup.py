"""`tools/setup.py`, `make` and the wheel: real processes, with stand-ins for what they call.

The stand-in for the environment's Python writes down how it was called and answers as pip would.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools import lock, setup

ROOT = Path(__file__).resolve().parents[3]
CUDA = ["nvidia-cublas", "nvidia-cudnn-cu13", "cuda-toolkit", "triton"]
CUDA_REPORT = ["torch", "torchvision", "sympy", *CUDA]

STRICT = "--require-hashes --no-deps --only-binary :all:"

FAKE_PYTHON = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    *importlib.metadata*) echo "$INSTALLED" ;;
    *--dry-run*) cat "$REPORT" ;;
    *"$FAIL_ON"*) echo "pip's own words" >&2; exit 1 ;;
esac
"""


class Place:
    """A copy of the project's set-up with a made-up environment in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.bin = root / "bin"
        self.env = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(root),
            "LOG": str(self.log),
            "REPORT": str(root / "report.json"),
            "INSTALLED": "",
            "FAIL_ON": "nothing at all",
            # Nobody listens on the discard port.
            "TORCH_CPU_INDEX": "http://127.0.0.1:9/cpu",
        }
        (root / "tools").mkdir()
        self.bin.mkdir()
        for name in (
            "tools/setup.py",
            "Makefile",
            "pyproject.toml",
            "requirements.lock",
            "requirements.hashes",
        ):
            shutil.copy(ROOT / name, root / name)
        self.script("bin/nvidia-smi", "#!/bin/sh\nexit 9\n")  # driver there, no GPU
        self.report(["torch", "torchvision", "sympy"], "+cpu")

    def script(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def report(self, names: list[str], build: str = "") -> None:
        """What pip would install if it were asked: torch in this build."""
        versions = dict(pin.split("==") for pin in pins().split())
        versions["torch"] += build
        told = [{"name": name, "version": versions.get(name, "1.0")} for name in names]
        text = json.dumps({"install": [{"metadata": package} for package in told]})
        (self.root / "report.json").write_text(text)

    def fake_venv(self) -> None:
        self.script(".venv/bin/python", FAKE_PYTHON)

    def setup(self, *extras: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(self.root / "tools" / "setup.py"), *extras],
            env=self.env | env,
            capture_output=True,
            text=True,
        )

    def installs(self) -> list[str]:
        """The pip commands that changed something, since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line for line in lines if line.startswith("-m pip") and "--dry-run" not in line]


def pins() -> str:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return " ".join(
        next(x for x in lines if x.startswith(f"{n}==")) for n in ("torch", "torchvision")
    )


def torch_by_hash(place: Place, *options: str) -> str:
    """The command that installs torch and torchvision by hash."""
    file = place.root / ".venv" / "unmask-torch.txt"
    words = ["-m pip install --quiet", *options, STRICT, "--requirement", str(file)]
    return " ".join(words)


def named(place: Place) -> set[str]:
    """What that command was given: names and versions."""
    text = (place.root / ".venv" / "unmask-torch.txt").read_text()
    assert text.count("--hash=sha256:") > 20
    return set(re.findall(r"^([a-z0-9-]+=[^ ]+)", text, re.M))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.fake_venv()
    return place


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index that answers."""
    (tmp_path / "www" / "torch").mkdir(parents=True)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"), **kwargs)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_cpu_index_is_used_when_it_answers(place: Place, index: str) -> None:
    run = place.setup("dashboard", TORCH_CPU_INDEX=index)
    assert run.returncode == 0, run.stderr
    *packages, sources, torch, ours = place.installs()
    wanted = place.root / ".venv" / "unmask-wanted-"
    assert sorted(packages) == [
        f"-m pip install --quiet {STRICT} --requirement {wanted}{number}.txt"
        for number in range(setup.AT_ONCE)
    ]
    words = "--require-hashes --no-deps --no-build-isolation --requirement"
    file = place.root / ".venv" / "unmask-sources.txt"
    assert sources == f"-m pip install --quiet {words} {file}"
    assert torch == torch_by_hash(place, "--extra-index-url", index)
    first, second = pins().split()
    # By its build: with an unknown file there, pip would turn to the one with CUDA.
    build = "+cpu" if sys.platform == "linux" else ""
    assert named(place) == {f"{first.replace('==', '===')}{build}", second}
    assert ours.endswith(f"--no-deps --no-build-isolation --editable {place.root}[dashboard]")


def test_without_it_what_pip_finds_is_used_if_that_brings_no_cuda(place: Place) -> None:
    run = place.setup()
    assert run.returncode == 0, run.stderr
    assert place.installs()[-2] == torch_by_hash(place)
    first, second = pins().replace("==", "===").split()
    assert named(place) == {f"{first}+cpu", second}  # what it finds, not what fits as well


def test_an_index_that_never_answers_does_not_hang(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = place.setup(TORCH_CPU_INDEX=address)
    assert run.returncode == 0, run.stderr
    assert place.installs()[-2] == torch_by_hash(place)


def test_cuda_is_not_pulled_for_nothing(place: Place) -> None:
    place.report(CUDA_REPORT)
    run = place.setup("dashboard", GOAL="test")
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert "4 CUDA packages" in line and line.endswith("make test TORCH=any")
    assert place.installs() == []
    # Nothing is taken for done.
    assert place.setup("dashboard").returncode == 1


@pytest.mark.parametrize("extras", [[], ["dashboard"], ["dashboard", "test"]])
def test_each_package_that_is_installed_has_its_hashes(place: Place, extras: list[str]) -> None:
    assert place.setup(*extras).returncode == 0
    parts = (place.root / ".venv").glob("unmask-wanted-*.txt")
    blocks = [b for part in parts for b in re.split(r"\n(?=[a-z0-9])", part.read_text().strip())]
    assert len(blocks) == len(set(blocks))
    hashes = {block.split("==")[0]: block.count("--hash=sha256:") for block in blocks}
    assert all(hashes.values()) and "numpy" in hashes
    assert "grad-cam" not in hashes and "setuptools" in hashes  # it has no wheel and is built
    sources = (place.root / ".venv" / "unmask-sources.txt").read_text()
    assert re.findall("^([a-z-]+)==", sources, re.M) == ["grad-cam"]
    assert sources.count("--hash=sha256:") == 1
    assert ("streamlit" in hashes) is bool(extras) and ("pytest" in hashes) is ("test" in extras)


def test_the_hashes_are_of_the_lock() -> None:
    """Whoever writes a line of the lock by hand runs `python tools/lock.py --hashes` after it."""
    text = (ROOT / "requirements.hashes").read_text()
    hashed = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", text, re.M))
    lock = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", lock, re.M))
    assert {name: hashed.get(name) for name in locked} == locked
    assert "pip" not in hashed  # it is there before anything can be installed


def make_wheel(folder: Path, version: str) -> str:
    """A package under the name of one of ours; returns its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"filelock-{version}.dist-info"
    file = folder / f"filelock-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("filelock.py", f"version = {version!r}")
        told = f"Metadata-Version: 2.1\nName: filelock\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", told)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def pip_installs(tmp_path: Path, wanted: str, **env: str) -> subprocess.CompletedProcess[str]:
    """With pip itself, as it is called, into tmp_path/site."""
    file = tmp_path / "wanted.txt"
    file.write_text(wanted)
    command = [sys.executable, "-m", "pip", "install", "--target", str(tmp_path / "site")]
    command += [*setup.HASHED, "--only-binary", ":all:", "--requirement", str(file)]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True)


def test_a_file_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    make_wheel(tmp_path / "files", "9.9")
    alone = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "files")}
    run = pip_installs(tmp_path, f"filelock==9.9 \\\n    --hash=sha256:{'0' * 64}\n", **alone)
    assert run.returncode == 1 and "DO NOT MATCH THE HASHES" in run.stderr
    assert not (tmp_path / "site" / "filelock.py").exists()


def test_of_two_builds_the_one_that_pip_would_take_is_installed(tmp_path: Path, index: str) -> None:
    """With hashes pip prefers a file whose hash an index tells over a newer one in a folder: with
    torch, the gigabytes for a GPU over the build for processors. Hence the exact build."""
    plain = make_wheel(tmp_path / "www" / "filelock", "9.9")
    cpu = make_wheel(tmp_path / "files", "9.9+cpu")
    link = (
        f'<a href="filelock-9.9-py3-none-any.whl#sha256={plain}">filelock-9.9-py3-none-any.whl</a>'
    )
    (tmp_path / "www" / "filelock" / "index.html").write_text(link)
    both = f" \\\n    --hash=sha256:{plain} \\\n    --hash=sha256:{cpu}\n"
    config = {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    config |= {"PIP_FIND_LINKS": str(tmp_path / "files")}
    for pin, version in (("filelock===9.9+cpu", "9.9+cpu"), ("filelock===9.9", "9.9")):
        run = pip_installs(tmp_path, pin + both, **config)
        assert run.returncode == 0, run.stderr
        assert (tmp_path / "site" / "filelock.py").read_text() == f"version = {version!r}"
        shutil.rmtree(tmp_path / "site")


def test_a_gpu_gets_what_pip_finds(place: Place) -> None:
    place.report(CUDA_REPORT)
    place.script("bin/nvidia-smi", "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\n")
    run = place.setup()
    assert run.returncode == 0, run.stderr
    assert place.installs()[-2] == torch_by_hash(place)
    # All by hash, CUDA's packages too.
    assert {pin.replace("==", "===") for pin in pins().split()} < named(place)
    assert {pin.split("==")[0] for pin in named(place)} >= {*CUDA}


def test_torch_any_takes_what_pip_finds(place: Place) -> None:
    place.report(CUDA_REPORT)
    run = place.setup(TORCH="any")
    assert run.returncode == 0, run.stderr
    assert place.installs()[-2] == torch_by_hash(place)
    assert len(named(place)) > len(CUDA)


def test_torch_any_brings_no_cuda_that_pip_does_not_ask_for(place: Place) -> None:
    run = place.setup(TORCH="any")
    assert run.returncode == 0, run.stderr
    assert place.installs()[-2] == torch_by_hash(place)
    assert len(named(place)) == 2


def test_torch_as_an_address_is_the_index_and_has_no_hashes(place: Place) -> None:
    run = place.setup(TORCH="https://example.invalid/cu130")
    assert run.returncode == 0, run.stderr
    options = "--extra-index-url https://example.invalid/cu130"
    assert place.installs()[-2] == f"-m pip install --quiet {options} {pins()}"
    assert "by version: the lock has no hashes of its builds" in run.stdout


def test_the_torch_that_tests_run_with_is_one_of_the_lock(place: Place) -> None:
    """The wheel that this environment was made from, where pip kept it: its sha256 is there."""
    release = setup.pin("torch").replace("==", "-")
    kept = [
        file
        for folder in os.environ.get("PIP_FIND_LINKS", "").split()
        for file in Path(folder).glob(f"{release}*.whl")
    ]
    for file in kept:
        with file.open("rb") as opened:
            assert hashlib.file_digest(opened, "sha256").hexdigest() in setup.hashed_torch()
    assert len(re.findall("[0-9a-f]{64}", setup.hashed_torch())) > 40


def test_the_lock_takes_the_hashes_of_builds_for_processors_from_their_index(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup, "CPU_INDEX", index)
    block = f"torch==9.1 \\\n    --hash=sha256:{'1' * 64}"
    page = tmp_path / "www" / "torch" / "index.html"
    links = (
        f"torch-9.1%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl#sha256={'2' * 64}",
        f"torch-9.1-cp311-cp311-macosx_14_0_arm64.whl#sha256={'1' * 64}",
        f"torch-9.10%2Bcpu-cp311-cp311-win_amd64.whl#sha256={'3' * 64}",
        "torch-9.1%2Bcpu-cp311-cp311-win_amd64.whl",
    )
    page.write_text("".join(f'<a href="/whl/cpu/{link}">' for link in links))
    said = lock.with_processors(block)
    assert lock.HASH.findall(said) == ["1" * 64, "2" * 64]
    # Out of reach: those of the same release that are in the file stay, and none are made up.
    page.unlink()
    monkeypatch.setattr(setup, "CPU_INDEX", f"{index}/nowhere")
    monkeypatch.setattr(lock, "HASHES", file := tmp_path / "hashes")
    file.write_text(f"# torch\n{said}\n# base\ntqdm==1 \\\n    --hash=sha256:{'4' * 64}\n")
    assert lock.with_processors(block) == said
    assert "stay as they are" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"torch==9.2, and is out of reach"):
        lock.with_processors(block.replace("9.1", "9.2"))


def test_torch_that_is_there_is_kept(place: Place) -> None:
    versions = [pin.split("==")[1] for pin in pins().split()]
    run = place.setup(INSTALLED=f"{versions[0]}+cpu {versions[1]}")
    assert run.returncode == 0, run.stderr
    *packages, ours = place.installs()
    assert all("--require-hashes" in line for line in packages) and "--editable" in ours
    assert len(packages) == setup.AT_ONCE + 1


def test_the_second_time_nothing_is_done(place: Place) -> None:
    assert place.setup("dashboard").returncode == 0
    assert len(place.installs()) == setup.AT_ONCE + 3
    run = place.setup("dashboard")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert place.installs() == []
    # `make test` adds to it, and `make run` after that finds all it needs.
    assert place.setup("dashboard", "test").returncode == 0
    assert place.installs()[-1].endswith("[dashboard,test]")
    assert place.setup("dashboard").returncode == 0
    assert place.installs() == []


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock", "requirements.hashes"])
def test_a_change_is_installed_with_all_that_was_asked_before(place: Place, name: str) -> None:
    place.setup("dashboard", "test")
    place.installs()
    with (place.root / name).open("a") as file:
        file.write("\n# changed\n")
    assert place.setup("dashboard").returncode == 0
    assert place.installs()[-1].endswith("[dashboard,test]")


def test_another_torch_replaces_the_first_and_stays(place: Place) -> None:
    place.setup()
    place.installs()
    assert place.setup(TORCH="any").returncode == 0
    assert "uninstall --yes --quiet torch torchvision" in place.installs()[0]
    assert place.setup().returncode == 0
    assert place.setup(TORCH="any").returncode == 0
    assert place.installs() == []


@pytest.mark.parametrize("step", ["wanted-2", "unmask-sources", "unmask-torch", "--editable"])
def test_a_failed_install_is_tried_again(place: Place, step: str) -> None:
    run = place.setup(FAIL_ON=step)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("unmask: pip install failed")
    place.installs()
    assert place.setup().returncode == 0
    assert len(place.installs()) == setup.AT_ONCE + 3


def test_a_broken_environment_is_made_anew_and_no_package_is_one_line(tmp_path: Path) -> None:
    """A real environment, real pip, and nothing to install from."""
    place = Place(tmp_path)
    place.script(".venv/bin/python", "#!/nowhere/python\n")
    run = place.setup(PIP_NO_INDEX="1", PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    assert run.returncode == 1
    assert (place.root / ".venv" / "bin" / "pip").exists()
    (line,) = run.stderr.splitlines()
    assert line.startswith("unmask: pip can't find torch==")
    assert "No matching distribution" in line


def test_without_ensurepip_the_package_is_named(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.script("bin/apt-get", "#!/bin/sh\n")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "ensurepip.py").write_text("raise ImportError")
    run = place.setup(PYTHONPATH=str(tmp_path / "path"))
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert line.endswith(f"apt-get install python{version}-venv")
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_is_told(place: Place) -> None:
    source = (ROOT / "tools" / "setup.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 2); "
        f"runpy.run_path({str(place.root / 'tools' / 'setup.py')!r}, run_name='__main__')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env=place.env, capture_output=True, text=True
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("unmask: Unmask needs Python 3.11 or newer, this is 3.9: ")


def make(place: Place, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(place.root), "--no-print-directory", *arguments],
        env=place.env | env,
        capture_output=True,
        text=True,
    )


def test_make_run_serves_on_the_port(place: Place) -> None:
    run = make(place, "run", f"PYTHON={sys.executable}")
    assert run.returncode == 0, run.stderr
    last = place.log.read_text().splitlines()[-1]
    assert last.startswith("-m streamlit run app.py --server.port 8501")
    make(place, f"PYTHON={sys.executable}", "PORT=8601")  # `make` alone is `make run`
    assert "--server.port 8601" in place.log.read_text().splitlines()[-1]
    assert "--server.address" not in place.log.read_text()
    make(place, f"PYTHON={sys.executable}", "ADDRESS=0.0.0.0")
    assert "--server.address 0.0.0.0" in place.log.read_text().splitlines()[-1]


def test_make_without_a_python_is_one_line(place: Place) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        place.script(f"bin/{name}", "#!/bin/sh\nexit 1\n")
    run = make(place, "run")
    assert run.returncode != 0
    assert run.stderr.splitlines()[0].startswith("unmask: Python 3.11 or newer is missing: ")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (built,) = folder.glob("unmask-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_the_library_the_command_and_the_weights(wheel: Path) -> None:
    assert {p.name for p in wheel.iterdir() if not p.name.endswith(".dist-info")} == {"detector"}
    assert (wheel / "detector" / "py.typed").is_file(), "its types can't be used by others"
    (info,) = wheel.glob("*.dist-info")
    assert "unmask = detector.cli:main" in (info / "entry_points.txt").read_text()
    carried = {p.relative_to(wheel / "detector" / "_weights") for p in wheel.rglob("_weights/**/*")}
    ours = {p.relative_to(ROOT / "weights") for p in (ROOT / "weights").rglob("*")}
    assert carried == ours


def test_installed_the_weights_are_found_and_data_goes_home(wheel: Path, tmp_path: Path) -> None:
    code = (
        "import json, detector; from detector import list_models, paths, weights;"
        "[weights.resolve(s) for s in list_models() if s.bundled];"
        "print(json.dumps([detector.__file__, str(paths.bundled()), str(paths.checkout()),"
        "str(paths.data())]))"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNMASK", "XDG"))}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=env | {"PYTHONPATH": str(wheel), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    file, bundled, checkout, data = json.loads(run.stdout)
    assert file == str(wheel / "detector" / "__init__.py")
    assert bundled == str(wheel / "detector" / "_weights")
    assert checkout == "None"
    assert not data.startswith(str(wheel)) and data.startswith(str(tmp_path))
