"""The first screen's samples, encoded once for all processes of a run."""

import os
import shutil
from pathlib import Path

from detector.samples import make_samples
from tests.conftest import RUN


def samples():
    """Return the samples; nobody changes these files."""
    return make_samples(Path(os.environ[RUN]) / "samples")


def copy_samples(data):
    """Let a server on this data folder find its samples made."""
    made = samples()[0].path.parent
    shutil.copytree(made, data / made.name, dirs_exist_ok=True)
