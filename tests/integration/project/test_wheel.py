"""The wheels: what they carry, and that they work when they are installed."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from cli import COMMANDS
from detector import __version__
from tests.conftest import portrait, write_clip
from tests.support.dependencies import OTHERS
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.waiting import until


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, the wheel of it and the wheel of the large weights."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), "--target"]
    subprocess.run([*build, "sdist"], cwd=ROOT, check=True)
    subprocess.run([*build, "wheel"], cwd=ROOT / "deploy" / "weights", check=True)
    pip_wheel(next(folder.glob("*.tar.gz")), folder)
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of the other packages of the workspace."""
    folder = tmp_path_factory.mktemp("others")
    for name in OTHERS.values():
        pip_wheel(ROOT / name, folder)
    return {file.name.split("-")[0].removeprefix("unmask_"): file for file in folder.iterdir()}


def pip_wheel(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """Both wheels, unpacked."""
    for file in built.glob("*.whl"):
        with zipfile.ZipFile(file) as archive:
            archive.extractall(built / "site")
    return built / "site"


def test_the_wheel_of_the_source_archive_is_that_of_the_checkout(built, tmp_path):
    pip_wheel(ROOT, tmp_path)
    (checkout,) = tmp_path.iterdir()
    assert content(built / checkout.name) == content(checkout)


def test_the_wheel_has_the_library_the_command_and_the_weights(built, wheel):
    packages = {p.name for p in wheel.iterdir() if not p.name.endswith(".dist-info")}
    assert packages == {"detector", "service", "dashboard", "cli", "unmask_weights"}
    assert not list(wheel.rglob("training")), "the wheel of the lab carries it"
    assert not list(wheel.rglob("xception.py")), "the wheel of published detectors carries it"
    assert (wheel / "detector" / "py.typed").is_file(), "its types can't be used by others"
    (info,) = wheel.glob("unmask-*.dist-info")
    assert "unmask = cli:main" in (info / "entry_points.txt").read_text()
    carried = {p.relative_to(wheel / "detector" / "_weights") for p in wheel.rglob("_weights/**/*")}
    carried |= {Path(p.name) for p in (wheel / "unmask_weights").glob("*.safetensors")}
    ours = {p.relative_to(ROOT / "weights") for p in (ROOT / "weights").rglob("*")}
    assert carried == ours
    compiled = {p.relative_to(wheel / "service" / "_locale") for p in wheel.rglob("*.[mp]o")}
    catalogs = (p.relative_to(ROOT / "locale") for p in (ROOT / "locale").rglob("*.po"))
    assert compiled == {name.with_suffix(".mo") for name in catalogs}
    large = {p.name for p in (wheel / "detector" / "_weights").iterdir() if p.stat().st_size > 60e6}
    assert not large, "a wheel of its own carries these: deploy/weights"
    assert all(file.stat().st_size < 100e6 for file in built.iterdir() if file.is_file())


@pytest.mark.parametrize("part", OTHERS.values())
def test_the_wheel_of_another_package_has_all_of_it(others, part):
    room = ROOT / part
    names = {name for name in content(others[room.name]) if not name.startswith("unmask_")}
    apart = {"__pycache__", "bench"}  # benches run in a checkout
    files = (path for path in room.rglob("*.*") if apart.isdisjoint(path.parts))
    paths = {path.relative_to(room.parent).as_posix() for path in files}
    assert names == paths - {f"{room.name}/pyproject.toml"}


def test_without_the_large_weights_the_others_work_and_a_command_is_named(wheel, tmp_path):
    (tmp_path / "site").mkdir()
    for name in ("detector", "cli"):
        (tmp_path / "site" / name).symlink_to(wheel / name)
    write_clip(tmp_path / "clip.mp4", seconds=1)
    env = environment(tmp_path) | {"PYTHONPATH": str(tmp_path / "site")}
    call = [sys.executable, "-P", "-m", "cli", "analyze", "clip.mp4", "--frames", "4"]
    done = run(*call, "--models", "texture,clip", "--json", "-", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    models = {model["id"]: model for model in json.loads(done.stdout)["models"]}
    assert models["texture"]["scored"] == 4
    assert said(models["clip"]["error"]) == (
        "The weights of CLIP are not installed; type: "
        "pip install --no-index --find-links FOLDER unmask-weights"
    )


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
def unmask(built: Path, others: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment with all wheels, and the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    add_others(folder)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install += ["--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, *map(str, [*built.glob("*.whl"), *others.values()])], check=True)
    return folder / "bin" / "unmask"


def add_others(environment: Path) -> None:
    """Add this environment's packages by a .pth file; those that are editable stay out."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")


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
    ("models card clip", 0),
    ("fetch texture", 0),
    ("selfcheck texture", 0),
    ("evaluate labels.csv --models texture --frames 2", 0),
    ("benchmark labels.csv --out ranked --models texture --frames 2", 0),
    ("benchmark labels.csv --check ranked/submission.json", 0),
    ("train texture --data missing.csv --out trained", 2),
    ("data unseen labels.csv unseen.csv", 0),
    ("calibrate --list", 0),
    ("config", 0),
    ("keys add somebody", 0),
    ("export-labels confirmed", 0),
    ("case list", 0),
    ("mcp clips", 0),  # its standard input ends at once
]
"""A call of each command that ends by itself, and its exit status."""


def test_every_command_is_called():
    assert {call.split()[0] for call, _ in CALLS} | {"watch", "app", "serve", "bundle"} == set(
        COMMANDS
    )


@pytest.mark.parametrize(("call", "status"), CALLS)
def test_installed_every_command_works(unmask, place, call, status):
    """In the order of the list: some read what others wrote."""
    done = run(unmask, *call.split(), cwd=place, env=environment(place))
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr and "our failure" not in done.stderr


def test_installed_a_bundle_installs_it_without_an_index(unmask, built, tmp_path):
    """Without dependencies, which an index would have to bring."""
    alone = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    env = environment(tmp_path) | alone | {"PIP_FIND_LINKS": str(built)}
    done = run(unmask, "bundle", "offline", cwd=tmp_path, env=env)
    assert done.returncode == 0 and done.stdout.startswith("offline: 2 wheels, "), done.stderr
    wheels = {file.name: file.read_bytes() for file in (tmp_path / "offline/wheels").iterdir()}
    assert wheels == {file.name: file.read_bytes() for file in built.glob("*.whl")}
    env = environment(tmp_path) | alone | {"PYTHON": sys.executable}
    done = run("sh", "offline/install.sh", "new", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    add_others(tmp_path / "new")
    done = run(tmp_path / "new/bin/unmask", "--version", cwd=tmp_path, env=env)
    assert done.stdout == f"unmask {__version__}\n", done.stderr
    code = "from detector import paths; print(paths.bundled_file('clip_b16.safetensors').is_file())"
    done = run(tmp_path / "new/bin/python", "-P", "-c", code, cwd=tmp_path, env=env)
    assert done.stdout == "True\n", done.stderr
    assert run(unmask, "bundle", "offline", cwd=tmp_path, env=env).returncode == 2
    (tmp_path / "offline/wheels" / min(wheels)).write_bytes(b"changed")
    assert run("sh", "offline/install.sh", "again", cwd=tmp_path, env=env).returncode != 0
    assert not (tmp_path / "again").exists()


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


REPORT = "fpdf fontTools pypdf uharfbuzz pytorch_grad_cam"
"""Modules of the extra `report`."""


def without(modules: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where these modules are not installed."""
    code = f"""if True:
        import sys
        from importlib import metadata
        hidden, version = {modules.split()}, metadata.version
        def known(name):
            if name in hidden:
                raise metadata.PackageNotFoundError(name)
            return version(name)
        sys.modules.update(dict.fromkeys(hidden))
        metadata.version = known
        from cli import main
        sys.exit(main({[*arguments]}))"""
    return run(sys.executable, "-c", code, cwd=ROOT)


@pytest.mark.parametrize(
    ("call", "module", "extra"),
    [
        ("serve", "fastapi", "dashboard"),
        ("app", "streamlit", "dashboard"),
        ("selfcheck texture", "skimage", "samples"),
        ("selfcheck texture", "matplotlib", "full"),
        ("analyze missing.mp4 --report report.pdf", "fpdf", "report"),
        ("batch {place} --out {place}/batch --report", "fpdf", "report"),
        ("compare copy.mp4 original.mp4 --report report.pdf", "fpdf", "report"),
    ],
)
def test_a_command_without_its_extra_names_it(call, module, extra, tmp_path):
    (tmp_path / "clip.mp4").touch()
    arguments = call.format(place=tmp_path).split()
    done = without(module, *arguments)
    assert done.returncode == 2
    more = " ./plugins/published" if extra in ("dashboard", "full") else ""
    assert done.stderr == (
        f"unmask: `unmask {arguments[0]}` needs the extra `{extra}`: {module} is not installed. "
        f"Type: pip install '.[{extra}]'{more}\n"
    )


def test_without_the_extra_report_files_are_analyzed_but_no_pdfs_are_read(place):
    clip, result = str(place / "clip.mp4"), str(place / "without.json")
    call = ("analyze", clip, "--frames", "4", "--models", "texture", "--json", result)
    done = without(REPORT, *call)
    assert done.returncode == 0 and Path(result).is_file(), done.stderr
    done = without(
        "fpdf fontTools pypdf pytorch_grad_cam", "report", result, "-o", f"{place}/report.json"
    )
    assert done.returncode == 0, done.stderr
    (place / "pictures.pdf").write_bytes(b"%PDF-1.7\n")
    done = without("pypdf", "analyze", str(place / "pictures.pdf"))
    assert done.returncode == 2
    assert "PDFs are read by the extra `report`. Type: pip install '.[report]'" in done.stderr


@pytest.fixture(scope="module")
def core(built):
    """The direct requirements of the wheel alone."""
    (wheel,) = built.glob("unmask-[0-9]*.whl")
    (text,) = [data for name, data in content(wheel).items() if name.endswith("/METADATA")]
    return re.findall(r"^Requires-Dist: ([^;\n]+)$", text.decode(), re.M)


def test_the_core_needs_few_packages(core):
    assert len(core) <= 12


def said(message):
    """A message of a result in English: a text alone, or one with what fills it."""
    return message if isinstance(message, str) else message["text"].format(**message["params"])


def installed_with(requirements):
    """The names of all packages that come with these."""
    found, left = set(), [Requirement(text) for text in requirements]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        with suppress(metadata.PackageNotFoundError):
            left += map(Requirement, metadata.requires(name) or ())
    return found


def test_the_core_alone_analyzes_and_says_what_it_left_out(core, tmp_path):
    there = installed_with(core) | {"unmask", "pip", "setuptools"}
    others = [
        module
        for module, packages in metadata.packages_distributions().items()
        if module.isidentifier() and there.isdisjoint(map(canonicalize_name, packages))
    ]
    assert {"openvino", "babel", "streamlit", "matplotlib", "cryptography"} <= set(others)
    clip = write_clip(tmp_path / "clip.mp4", seconds=2, size=(640, 360), audio=True)
    Image.fromarray(portrait()).save(tmp_path / "portrait.png")
    call = ("analyze", str(clip), str(tmp_path / "portrait.png"), "--frames", "4", "--json", "-")
    alone, whole = without(" ".join(others), *call), without("", *call)
    assert alone.returncode == whole.returncode == 0, alone.stderr
    results = (map(json.loads, done.stdout.splitlines()) for done in (alone, whole))
    for ours, theirs in zip(*results, strict=True):
        likely = pytest.approx(theirs["verdict"]["probability"], abs=0.01)
        assert ours["verdict"]["probability"] == likely, "of the same models"
        notes = map(said, ours["media"]["notes"])
        left_out = [note for note in notes if "'.[full]'" in note]
        assert ("Speech" in left_out[0]) == (ours["media"]["kind"] == "video")
        assert "Marks of generators" in left_out[-1]
