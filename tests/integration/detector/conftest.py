"""Fixtures that tests of whole analyses share."""

import pytest

from detector.pipeline import Analyzer


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(device="cpu")
