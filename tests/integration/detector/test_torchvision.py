"""The fallback for torchvision's compiled operators, and that importing the library is quick."""

import subprocess
import sys

import numpy as np
import pytest

from detector import _torchvision


def run(code, folder=None):
    if folder:
        code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def slow_nms(boxes, scores, threshold):
    """Non-maximum suppression as it is defined, box by box."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        for k in kept:
            width = min(boxes[i][2], boxes[k][2]) - max(boxes[i][0], boxes[k][0])
            height = min(boxes[i][3], boxes[k][3]) - max(boxes[i][1], boxes[k][1])
            overlap = max(0, width) * max(0, height)
            areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (boxes[i], boxes[k])]
            if overlap / (sum(areas) - overlap) > threshold:
                break
        else:
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_nms_is_what_its_definition_says(threshold):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (120, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 60, (120, 2))], 1).astype(np.float32)
    scores = rng.uniform(size=120).astype(np.float32)
    kept = _torchvision.nms(boxes, scores, threshold)
    assert kept.dtype == np.int64
    assert kept.tolist() == slow_nms(boxes, scores, threshold)
    assert 1 < len(kept) < 120


def test_nms_at_its_edges():
    none = _torchvision.nms(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0.5)
    assert none.shape == (0,) and none.dtype == np.int64
    box = np.array([0, 0, 10, 10], np.float32)
    # Equal scores: the first stays. An overlap of exactly the threshold stays too.
    assert _torchvision.nms(np.stack([box, box]), np.ones(2, np.float32), 0.5).tolist() == [0]
    half = np.stack([box, np.array([0, 0, 10, 5], np.float32)])
    assert _torchvision.nms(half, np.array([1, 0.5], np.float32), 0.5).tolist() == [0, 1]


def test_torchvision_and_those_who_need_it_can_be_imported():
    code = """
import detector
import torchvision, facenet_pytorch, pytorch_grad_cam
import torch
from torchvision.ops import batched_nms, nms
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60]])
scores = torch.tensor([0.5, 0.9, 0.1])
groups = torch.tensor([0, 1, 0])
print(nms(boxes, scores, 0.5).tolist(), batched_nms(boxes, scores, groups, 0.5).tolist())
print(detector._torchvision.active() == (not torchvision.extension._has_ops()))
"""
    assert run(code) == "[1, 2] [1, 0, 2]\nTrue"


def test_the_compiler_comes_when_it_is_asked_for():
    """Two seconds, for what torchvision asks where it runs on a GPU, and timm tells nobody."""
    code = """
import detector, sys
import timm, torchvision, facenet_pytorch
print({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules) or "none")
here = sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu")
from torch._dynamo.utils import is_compile_supported
print(here == is_compile_supported("cpu"))
"""
    assert run(code) == "none\nTrue"


FAKE = """
import torch
print("run")
{body}
"""


def fake_torchvision(folder, body):
    package = folder / "torchvision"
    (package / "ops").mkdir(parents=True)
    (package / "__init__.py").write_text(FAKE.format(body=body))
    (package / "ops" / "__init__.py").write_text("")
    (package / "ops" / "boxes.py").write_text("def _assert_has_ops():\n    raise RuntimeError\n")
    return folder


def test_nothing_is_changed_where_torchvision_works(tmp_path):
    folder = fake_torchvision(tmp_path, "from torchvision.ops import boxes")
    code = """
import detector, torchvision
print(detector._torchvision.active())
try:
    torchvision.ops.boxes._assert_has_ops()
except RuntimeError:
    print("untouched")
"""
    assert run(code, folder) == "run\nFalse\nuntouched"


def test_missing_operators_are_declared_and_the_import_goes_on(tmp_path):
    body = """
from torchvision.ops import boxes
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda *a: None)
"""
    code = """
import detector, torchvision
print(detector._torchvision.active(), torchvision.ops.boxes._assert_has_ops())
print(torch.ops.torchvision.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist())
"""
    out = run("import torch\n" + code, fake_torchvision(tmp_path, body))
    assert out == "run\nrun\nTrue None\n[0]"


def test_other_errors_of_torchvision_are_not_hidden(tmp_path):
    folder = fake_torchvision(tmp_path, "raise RuntimeError('something else')")
    code = """
import detector
try:
    import torchvision
except RuntimeError as error:
    print(error, detector._torchvision.active())
"""
    assert run(code, folder) == "run\nsomething else False"


def test_importing_the_library_is_quick():
    code = """
import sys, time
start = time.process_time()
import detector
heavy = {"torch", "torchvision", "transformers", "cv2", "av", "pydantic"} & set(sys.modules)
print(heavy or "light", "quick" if time.process_time() - start < 0.3 else "slow")
"""
    runs = [run(code) for _ in range(3)]
    assert "light quick" in runs and not any("{" in out for out in runs)


def test_the_public_api_is_there_and_nothing_else_is():
    import detector
    from detector.models import registry

    assert detector.list_models is registry.list_models
    assert set(dir(detector)) == {"Analyzer", "__version__", "analyze", "list_models", "load_model"}
    for name in detector.__all__:
        assert getattr(detector, name)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        detector.analyse  # noqa: B018
