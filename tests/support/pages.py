"""What the tests of pages share: the app as Streamlit draws it without a browser, and a server that
does nothing by itself."""

import functools
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard import session
from detector.pipeline import Analyzer
from service.application import Application
from service.context import LOCAL, RequestContext
from service.records.model import ResultOrigin
from tests.support.waiting import PATIENT

OWNER = RequestContext(LOCAL, loopback=True)
"""Who sits at this computer."""
ANALYZER = Analyzer()
"""Of all tests in this process: models are loaded once."""
APP = str(Path(__file__).parents[2] / "app.py")

# Each AppTest reads the metadata of every installed package in search of components, a third of a
# second each time; nothing is installed while tests run.
manifest_scanner.scan_component_manifests = functools.cache(
    manifest_scanner.scan_component_manifests
)

_make_manager = PagesManager.__init__


def _without_folder(manager, *given, **named):
    """Each AppTest would take the folder pages/ for the pages, which `dashboard._compat` forbids a
    server: a page would be drawn without app.py."""
    _make_manager(manager, *given, **named)
    PagesManager.uses_pages_directory = False


PagesManager.__init__ = _without_folder


@contextmanager
def quiet(data):
    """The server's queue on a data folder, with no background work but its jobs, and no samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_DATA", str(data))
        patch.delenv("UNMASK_RETENTION_HOURS", raising=False)
        app = Application(data, ANALYZER)
        app.gallery.samples = []
        patch.setattr(app, "start", lambda: None)
        patch.setattr(session, "application", lambda: app)
        yield app.jobs
        app.jobs.close()
        app.jobs.store.close()


def come_as(patch, principal, *, loopback=False):
    """Have the pages drawn for somebody from now on."""
    context = RequestContext(principal, loopback=loopback)
    patch.setattr(session, "request_context", lambda: context)
    return context


def run(at):
    """Draw a page anew, without an error."""
    at.run()
    assert not at.exception, [e.message for e in at.exception]
    return at


def page(name="", **address):
    """A page of the app by its name, the first one without, with this in the address."""
    at = AppTest.from_file(APP, default_timeout=PATIENT)
    at.session_state[f"result.{address.get('a')}.widget.details"] = True
    if name:
        turn_to(at, name)
    for key, value in address.items():
        at.query_params[key] = value
    return run(at)


def buttons(at):
    """What the buttons of a page say."""
    return [button.label for button in at.button]


def button(at, label):
    """The button that says this."""
    return next(one for one in at.button if one.label == label)


def press(at, label):
    """Press a button, and draw the page anew."""
    button(at, label).click()
    return run(at)


def html(at):
    """All own HTML of a page."""
    return "\n".join(block.proto.body for block in at.get("html"))


def texts(at):
    """The same, its entities' hard spaces made plain."""
    return " ".join(block.proto.body for block in at.get("html")).replace("\u00a0", " ")


def result(path, analysis, name="a.webm", key="k", *, details=True):
    """The result page of one file, whose record has the id `key`, with Details open."""
    at = AppTest.from_function(_result, default_timeout=PATIENT)
    at.session_state[f"result.{key}.widget.details"] = details
    at.session_state["record"] = SimpleNamespace(
        analysis=analysis, path=path, name=name, key=key, address=f"file/{key}",
        last_cache_hit=None, read_only=False, origin=ResultOrigin.HERE, picture=None,
    )  # fmt: skip
    return run(at)


def _result():
    import streamlit as st

    from dashboard import result

    result.render(st.session_state["record"])


def turn_to(at, name):
    """Have the next run draw another page."""
    at._page_hash = calc_hash(name)
    return at
