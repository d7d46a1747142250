"""The long test files begin first, so none may be forgotten when it is renamed."""

from pathlib import Path

from tests.conftest import LONG

TESTS = Path(__file__).parents[2]


def test_every_long_file_is_there_once():
    for name in LONG:
        assert len(list(TESTS.rglob(name))) == 1, name
