"""The help of every command where no extra is installed, and how this copy is said to be added
to."""

import json

import pytest

from cli import COMMANDS
from detector import installation, paths
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
    ("origin", "command"),
    [
        (
            {"url": "file:///dist/unmask-0.1.0-py3-none-any.whl", "archive_info": {}},
            "pip install '/dist/unmask-0.1.0-py3-none-any.whl[mcp]'",
        ),
        (
            {"url": "https://a.org/u", "vcs_info": {"vcs": "git", "commit_id": "ab"}},
            "pip install 'unmask[mcp] @ git+https://a.org/u@ab'",
        ),
        ({}, "pip install --no-index --find-links FOLDER 'unmask[mcp]'"),
    ],
)
def test_an_extra_is_installed_as_the_copy_was(monkeypatch, origin, command):
    class Distribution:
        def read_text(self, name):
            assert name == "direct_url.json"
            return json.dumps(origin) if origin else None

    monkeypatch.setattr(installation.metadata, "distribution", lambda name: Distribution())
    monkeypatch.setattr(paths, "checkout", lambda: None)
    assert installation.install("mcp") == command


def test_in_a_checkout_the_checkout_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert installation.install("mcp") == "pip install '.[mcp]'"
    monkeypatch.chdir(tmp_path)
    assert installation.install("mcp") == f"pip install '{ROOT}[mcp]'"


def test_nobody_is_told_to_install_our_name_from_an_index():
    texts = [*ROOT.glob("docs/*.md"), ROOT / "README.md"]
    for name in ("cli", "dashboard", "detector", "service"):
        texts += ROOT.glob(f"{name}/**/*.py")
    told = [p.name for p in texts if "pip install 'unmask[" in p.read_text(encoding="utf-8")]
    assert set(told) <= {"installation.py"}
