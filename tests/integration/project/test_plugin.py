"""The template of docs/plugin-template, installed beside Unmask and run."""

import os
import subprocess
import sys

import pytest

from detector.schema.analysis import Analysis
from tests.conftest import write_clip
from tests.support.browser import ROOT


@pytest.fixture(scope="module")
def unmask(tmp_path_factory):
    """Runs a command where the plugin is installed."""
    place = tmp_path_factory.mktemp("plugin")
    template, installed = ROOT / "docs" / "plugin-template", place / "installed"
    install = ["--quiet", "--no-deps", "--no-build-isolation", "--target", installed, template]
    subprocess.run([sys.executable, "-m", "pip", "install", *install], check=True)
    environment = os.environ | {"PYTHONPATH": str(installed), "UNMASK_DATA": str(place / "data")}

    def run(*arguments):
        command = [sys.executable, "-m", "cli", *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_model_and_a_signal_of_a_plugin_are_used(unmask, tmp_path):
    status, listed, said = unmask("models")
    assert status == 0, said
    assert "mean-color" in listed and "An example that detects nothing." in listed
    clip = write_clip(tmp_path / "clip.mp4")
    models = ["--models", "texture,mean-color"]
    status, result, said = unmask("analyze", clip, *models, "--frames", "4", "--json", "-")
    assert status == 0, said
    analysis = Analysis.model_validate_json(result)
    model = next(m for m in analysis.models if m.id == "mean-color")
    assert model.scored == 4 and model.not_counted_because == "label order unverified"
    signal = next(s for s in analysis.signals if s.id == "brightness")
    assert 0 < signal.number < 255 and signal.value == f"{signal.number:.0f} of 255"


def test_the_files_of_a_plugin_are_its_package_s(unmask):
    status, _, said = unmask("models", "delete", "mean-color")
    assert status != 0 and "comes with the package in" in said
