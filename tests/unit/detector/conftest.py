"""What tests of reports share."""

import pytest


@pytest.fixture
def save(tmp_path):
    """Write a report to a file of its form."""

    def write(data, form):
        path = tmp_path / f"report.{form}"
        path.write_bytes(data)
        return path

    return write
