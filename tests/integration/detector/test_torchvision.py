"""Importing torchvision without its compiled operators, and that importing the library is quick."""

import subprocess
import sys

import pytest


def run(code, folder=None):
    if folder:
        code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torchvision_and_those_who_need_it_can_be_imported():
    code = """
import detector
import torchvision, facenet_pytorch, pytorch_grad_cam, timm
print(detector._torchvision.active() == (not torchvision.extension._has_ops()))
"""
    assert run(code) == "True"


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
    package.mkdir()
    (package / "__init__.py").write_text(FAKE.format(body=body))
    return folder


def test_nothing_is_changed_where_torchvision_works(tmp_path):
    folder = fake_torchvision(tmp_path, "")
    code = "import detector, torchvision; print(detector._torchvision.active())"
    assert run(code, folder) == "run\nFalse"


def test_missing_operators_are_declared_and_the_import_goes_on(tmp_path):
    body = """
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda *a: None)
"""
    code = "import torch, detector, torchvision; print(detector._torchvision.active())"
    assert run(code, fake_torchvision(tmp_path, body)) == "run\nrun\nTrue"


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
