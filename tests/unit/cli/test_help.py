"""The help of every command where no extra is installed, and how this copy is said to be added
to."""

import json

import pytest

from cli import COMMANDS, main, packages
from detector import installation, paths, plugins
from detector.errors import UsageError
from detector.pipeline import join_remote
from tests.support.processes import ROOT, python

EXTRAS = [
    "aiortc",
    "alembic",
    "anyio",
    "babel",
    "c2pa",
    "cryptography",
    "fastapi",
    "fontTools",
    "fpdf",
    "h5py",
    "httpx",
    "matplotlib",
    "mcp",
    "openvino",
    "pillow_heif",
    "plotly",
    "psycopg",
    "pyhanko",
    "pypdf",
    "pytorch_grad_cam",
    "ray",
    "skimage",
    "sqlalchemy",
    "starlette",
    "streamlit",
    "supabase",
    "tomlkit",
    "uharfbuzz",
    "uvicorn",
    "yt_dlp",
]


def test_every_command_helps_without_its_extra():
    code = f"""if True:
        import sys
        sys.modules.update(dict.fromkeys({EXTRAS}))
        from cli import main
        failed = [name for name in {[*COMMANDS]} if main([name, "--help"])]
        sys.exit(", ".join(failed) or 0)"""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "needs", "folder"),
    [
        ("train texture --data labels.csv -o out", "train", "lab"),
        ("benchmark labels.csv --out ranked", "benchmark", "lab"),
        ("data unseen labels.csv out.csv", "data", "lab"),
        ("calibrate --scores left_out.csv", "calibrate --scores", "lab"),
        ("calibrate labels.csv", "calibrate LABELS.csv", "lab"),
        ("mcp clips --http", "mcp", "plugins/mcp_server"),
    ],
)
def test_a_command_of_a_missing_package_says_how_to_install_it(
    call, needs, folder, monkeypatch, capsys
):
    monkeypatch.setattr(packages, "entry_points", lambda **_: ())
    monkeypatch.chdir(ROOT)
    assert main(call.split()) == 2
    package = f"unmask-{folder.removeprefix('plugins/').replace('_', '-')}"
    told = f"`unmask {needs}` needs {package}, which is not installed. Type: "
    told += f"pip install ./{folder} ./plugins/published"
    assert capsys.readouterr().err == f"unmask: {told}\n"
    assert main([call.split()[0], "--help"]) == 0
    page = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"Usage: unmask {call.split()[0]}" in page
    assert call.startswith("calibrate") or told in page


def test_without_its_package_a_cluster_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(plugins, "executors", dict)
    monkeypatch.chdir(ROOT)
    (tmp_path / "clip.mp4").touch()
    told = "A Ray cluster needs unmask-cluster, which is not installed. Type: "
    told += "pip install ./plugins/cluster"
    assert main(f"batch {tmp_path} --out {tmp_path}/out --ray local".split()) == 2
    assert capsys.readouterr().err == f"unmask: {told}\n"
    monkeypatch.setenv("UNMASK_RAY_ADDRESS", "10.0.0.4:6379")
    with pytest.raises(UsageError) as error:
        join_remote()
    assert error.value.advice == told


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (
            {"url": "file:///dist/unmask-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install 'unmask[postgres] @ file:///dist/unmask-0.1.0-py3-none-any.whl'",
        ),
        (
            {"url": "https://a.org/u", "vcs_info": {"vcs": "git", "commit_id": "ab"}},
            "pip install 'unmask[postgres] @ git+https://a.org/u@ab'",
        ),
        ({}, "pip install --no-index --find-links FOLDER 'unmask[postgres]'"),
    ],
)
def test_an_extra_is_installed_as_the_copy_was(monkeypatch, origin, command):
    class Distribution:
        def read_text(self, name):
            assert name == "direct_url.json"
            return json.dumps(origin) if origin else None

    monkeypatch.setattr(installation.metadata, "distribution", lambda name: Distribution())
    monkeypatch.setattr(paths, "checkout", lambda: None)
    assert installation.install("postgres") == command


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (
            {"url": "file:///d/unmask-1-py3-none-any.whl"},
            "'unmask-NAME @ file:///d/unmask_NAME-1-py3-none-any.whl'",
        ),
        ({"url": "file:///d/unmask"}, "'unmask-NAME @ file:///d/unmask/PART'"),
        (
            {"url": "https://a.org/u", "vcs_info": {"vcs": "git", "commit_id": "ab"}},
            "'unmask-NAME @ git+https://a.org/u@ab#subdirectory=PART'",
        ),
        ({}, "--no-index --find-links FOLDER unmask-NAME"),
    ],
)
def test_the_other_packages_are_installed_from_where_the_copy_came(monkeypatch, origin, command):
    monkeypatch.setattr(installation, "_origin", lambda: origin)
    monkeypatch.setattr(paths, "checkout", lambda: None)
    published = command.replace("PART", "plugins/published").replace("NAME", "published")
    assert installation.install_package("unmask-published") == f"pip install {published}"
    more = f" {published}" if origin else ""  # which pip finds in the folder
    lab = command.replace("PART", "lab").replace("NAME", "lab")
    assert installation.install_package("unmask-lab") == f"pip install {lab}{more}"
    assert installation.install("dashboard,postgres").endswith(more)


def test_in_a_checkout_the_checkout_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert installation.install("postgres") == "pip install '.[postgres]'"
    assert installation.install("full") == "pip install '.[full]' ./plugins/published"
    monkeypatch.chdir(tmp_path)
    assert installation.install("postgres") == f"pip install '{ROOT}[postgres]'"


def test_nobody_is_told_to_install_our_name_from_an_index():
    texts = [*ROOT.glob("docs/*.md"), ROOT / "README.md"]
    for name in ("cli", "dashboard", "detector", "service"):
        texts += ROOT.glob(f"{name}/**/*.py")
    told = [p.name for p in texts if "pip install 'unmask[" in p.read_text(encoding="utf-8")]
    assert set(told) <= {"installation.py"}
