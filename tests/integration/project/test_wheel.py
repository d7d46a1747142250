"""The wheel: what it carries, and that it works when it is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


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
    assert {p.name for p in wheel.iterdir() if not p.name.endswith(".dist-info")} == {
        "detector",
        "cli",
    }
    assert (wheel / "detector" / "py.typed").is_file(), "its types can't be used by others"
    (info,) = wheel.glob("*.dist-info")
    assert "unmask = cli:main" in (info / "entry_points.txt").read_text()
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
