"""Scripts, which nobody imports."""

from tests.support.processes import ROOT, python


def test_what_nobody_imports_can_be_imported():
    """Scripts have no caller that would notice a name that is gone."""
    names = sorted(f"bench.{path.stem}" for path in (ROOT / "bench").glob("*.py"))
    assert len(names) > 5
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    run = python("-c", code, *(n for n in names if not n.endswith("__")))
    assert run.returncode == 0, run.stderr
