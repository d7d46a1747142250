"""A question is one entry: a fourth one needs five files, and everything renders with it."""

import os
import subprocess
import sys

from tests.support.fourth_question import tree


def test_a_fourth_question_takes_five_files(tmp_path):
    made = tree.make(tmp_path)
    assert len(tree.ADDED) + 1 == 5
    checks = "tests/support/fourth_question/checks.py"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", checks],
        cwd=made,
        env=os.environ | {"PYTHONPATH": str(made), "UNMASK_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
