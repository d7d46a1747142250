"""The wheel: what it carries, and that it works when it is installed."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from cli import COMMANDS
from tests.conftest import write_clip
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[3]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob("unmask-*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_the_library_the_command_and_the_weights(wheel):
    packages = {p.name for p in wheel.iterdir() if not p.name.endswith(".dist-info")}
    assert packages == {"detector", "service", "dashboard", "cli"}
    assert (wheel / "detector" / "py.typed").is_file(), "its types can't be used by others"
    (info,) = wheel.glob("*.dist-info")
    assert "unmask = cli:main" in (info / "entry_points.txt").read_text()
    carried = {p.relative_to(wheel / "detector" / "_weights") for p in wheel.rglob("_weights/**/*")}
    ours = {p.relative_to(ROOT / "weights") for p in (ROOT / "weights").rglob("*")}
    assert carried == ours


def test_installed_the_weights_are_found_and_data_goes_home(wheel, tmp_path):
    code = (
        "import json, detector; from detector import list_models, paths, weights;"
        "[weights.resolve(s) for s in list_models() if s.bundled];"
        "print(json.dumps([detector.__file__, str(paths.bundled()), str(paths.checkout()),"
        "str(paths.data())]))"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UNMASK", "XDG"))}
    env |= {"PYTHONPATH": str(wheel), "HOME": str(tmp_path)}
    done = run(sys.executable, "-c", code, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    file, bundled, checkout, data = json.loads(done.stdout)
    assert file == str(wheel / "detector" / "__init__.py")
    assert bundled == str(wheel / "detector" / "_weights")
    assert checkout == "None"
    assert not data.startswith(str(wheel)) and data.startswith(str(tmp_path))


@pytest.fixture(scope="module")
def unmask(wheel, tmp_path_factory):
    """The command of a fresh environment with the wheel, and the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # A .pth file adds the other packages; those of this environment that are editable stay out.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install += ["--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, str(next(wheel.parent.glob("unmask-*.whl")))], check=True)
    return folder / "bin" / "unmask"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a clip, its copy and labels of both, in which commands are called."""
    folder = tmp_path_factory.mktemp("place")
    write_clip(folder / "clip.mp4", seconds=2)
    (folder / "clips").mkdir()
    write_clip(folder / "clips" / "copy.mp4", seconds=2, options={"crf": "30"})
    (folder / "labels.csv").write_text("file,label\nclip.mp4,real\nclips/copy.mp4,fake\n")
    return folder


def environment(place):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UNMASK", "XDG", "PYTHON"))}
    return kept | {
        "HOME": str(place),
        "UNMASK_OFFLINE": "on",
        "UNMASK_CONVERTED": os.environ.get("UNMASK_CONVERTED", str(place / "converted")),
    }


def test_installed_every_command_tells_what_it_takes(unmask, place):
    for command in ([], *([name] for name in COMMANDS)):
        done = run(unmask, *command, "--help", cwd=place, env=environment(place))
        assert done.returncode == 0, (command, done.stderr)
        assert f"Usage: {' '.join(['unmask', *command])}" in done.stdout


CALLS = [
    ("analyze clip.mp4 --frames 4 --json result.json", 0),
    ("batch clips --out batch --frames 4 --models texture", 0),
    ("live clip.mp4 --models texture --out live.json", 0),
    ("report result.json --out report.json", 0),
    ("verify report.json", 0),
    ("robustness clip.mp4 --models texture --conditions mirror", 0),
    ("compare clips/copy.mp4 clip.mp4", 0),
    ("library add clips", 0),
    ("models --json", 0),
    ("fetch texture", 0),
    ("selfcheck texture", 0),
    ("evaluate labels.csv --models texture --frames 2", 0),
    ("train texture --data missing.csv --out trained", 2),
    ("calibrate --list", 0),
    ("config", 0),
    ("keys add somebody", 0),
    ("export-labels confirmed", 0),
    ("case list", 0),
    ("mcp clips", 0),  # its standard input ends at once
]
"""A call of each command that ends by itself, and its exit status."""


def test_every_command_is_called():
    assert {call.split()[0] for call, _ in CALLS} | {"watch", "app", "serve"} == set(COMMANDS)


@pytest.mark.parametrize(("call", "status"), CALLS)
def test_installed_every_command_works(unmask, place, call, status):
    """In the order of the list: some read what others wrote."""
    done = run(unmask, *call.split(), cwd=place, env=environment(place))
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and "our failure" not in done.stderr


@pytest.mark.parametrize(
    ("call", "shows"), [("app", "_stcore/health"), ("serve", "healthz"), ("watch", "")]
)
def test_installed_what_runs_until_it_is_stopped(unmask, place, call, shows):
    port = free_port()
    more = ["--port", str(port)] if shows else ["clips", "--out", "watched", "--models", "texture"]
    with subprocess.Popen([unmask, call, *more], cwd=place, env=environment(place)) as process:
        try:
            if shows:
                until(lambda: answers(f"http://127.0.0.1:{port}/{shows}"))
            else:
                results = place / "watched" / "results.jsonl"
                until(lambda: results.is_file() and "copy.mp4" in results.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode in (0, -signal.SIGTERM)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_command_without_its_extra_names_it():
    hidden = "import sys; sys.modules['fastapi'] = None; from cli import main"
    done = run(sys.executable, "-c", f"{hidden}; sys.exit(main(['serve']))", cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == (
        "unmask: `unmask serve` needs the extra `dashboard`: fastapi is not installed. "
        "Type: pip install 'unmask[dashboard]'\n"
    )
