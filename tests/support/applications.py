"""Applications on a data folder of a test, and comparisons whose finding a test chooses."""

import io
from contextlib import contextmanager

import pytest

from detector.schema.analysis import Settings
from detector.schema.comparison import Comparison, TimeAlignment
from service import originals
from service.application import Application
from service.records.model import State
from tests.support.waiting import until


@contextmanager
def application(data, analyzer, *, probes=False):
    """Open an application; only with `probes` must its uploads be real media."""
    app = Application(data, analyzer)
    if not probes:
        app.jobs._check = None
    try:
        yield app
    finally:
        close(app)


def close(app):
    app.stop()
    app.jobs.close()
    app.jobs.store.close()


def analyze(app, context, text=b"bytes of a clip", name="clip.mp4", frames=32):
    """Upload a file and wait until it is analyzed."""
    job = app.submit(context, io.BytesIO(text), name, Settings(frames=frames))
    until(lambda: not job.active)
    assert job.state is State.DONE
    return job


def compared(media, finding, **more):
    """A comparison of the files that a comparison was called with."""
    return Comparison(
        copy_media=media["copy_media"], original_media=media["original_media"], finding=finding,
        role_source=media["roles"], **{"time": TimeAlignment(compared=3, matched=3), **more},
    )  # fmt: skip


@pytest.fixture
def finds(monkeypatch):
    """Have every comparison come to a finding, without a look at the files."""

    def find(finding, **more):
        monkeypatch.setattr(
            originals, "compare", lambda *files, **given: compared(given, finding, **more)
        )

    return find
