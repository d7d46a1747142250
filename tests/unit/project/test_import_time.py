"""What is imported only where it is used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NETWORKS = {"torch", "torchvision", "transformers", "timm", "openvino", "facenet_pytorch"}
REPORTS = {"fpdf", "fontTools", "matplotlib", "pypdf", "c2pa"}
NUMBERS = {"scipy.stats", "scipy.optimize", "scipy.fft", "scipy.ndimage", "sklearn", "h5py"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
OTHERS = {
    "pandas", "alembic", "supabase", "streamlit_webrtc", "aiortc", "huggingface_hub", "ray",
    "pytorch_grad_cam",
}  # fmt: skip
COMMANDS = (
    "import cli.analyze, cli.batch, cli.live, cli.report, cli.verify, cli.robustness, "
    "cli.compare, cli.models, cli.fetch, cli.selfcheck, cli.evaluate, cli.calibrate"
)
SERVER = "import dashboard.shell, dashboard.server, dashboard.pages.analyze.view"


def imported(code):
    """The modules that a fresh Python has after running some code."""
    code += "; import sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import detector", NETWORKS | REPORTS | NUMBERS | OTHERS | {"numpy", "pydantic", "av"}),
        ("import cli", NETWORKS | REPORTS | NUMBERS | OTHERS | {"pydantic", "numpy", "av"}),
        (COMMANDS, NETWORKS | REPORTS | OTHERS),
        ("import detector.pipeline", NETWORKS | REPORTS | OTHERS | NUMBERS | COMPILER),
        (
            "import detector.models.network, detector.vision.mtcnn, detector.signals.watching",
            REPORTS | OTHERS | {"scipy.signal", "scipy.stats"} | COMPILER,
        ),
        (
            "import detector; detector.Analyzer(device='cpu').warm_up(voices=False)",
            REPORTS | OTHERS | NUMBERS | COMPILER | {"timm"},
        ),
        (
            "import detector.signals.frequency as f, numpy; f.bands(numpy.ones((96, 96)))",
            NETWORKS | REPORTS | NUMBERS | OTHERS,
        ),
        (SERVER, NETWORKS | REPORTS | NUMBERS | OTHERS | {"dashboard.charts"}),
    ],
    ids=[
        "library",
        "command",
        "commands",
        "pipeline",
        "networks",
        "models",
        "signals",
        "first page",
    ],
)
def test_an_import_brings_only_what_it_needs(code, unwanted):
    if "warm_up" in code:
        imported(code)  # the first start converts the networks
    found = imported(code)
    assert code.split()[1].strip(",;") in found
    assert not found & unwanted


def test_charts_do_without_pandas():
    """It takes a second, of those that the first verdict waits for."""
    assert "pandas" not in imported("import dashboard.result, dashboard.pages.analyze.running")
