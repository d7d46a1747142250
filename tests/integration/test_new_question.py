"""A question is one entry: a new one needs five files, and everything renders with it."""

from tests.support.new_question import tree
from tests.support.processes import python


def test_a_new_question_takes_five_files(tmp_path):
    made = tree.make(tmp_path)
    assert len(tree.ADDED) + 1 == 5
    checks = "tests/support/new_question/checks.py"
    variables = {"PYTHONPATH": str(made), "UNMASK_DATA": str(tmp_path / "data")}
    run = python("-m", "pytest", "-q", "-p", "no:cacheprovider", checks, cwd=made,
                 variables=variables, timeout=None)  # fmt: skip
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
