"""Records as a person meets them: an answer given again, a file whose time is up, a link."""

import re
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY, Mock

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import labels, session
from detector.decision import decide
from service.application import Application
from service.context import Principal, PrincipalKind
from service.records.model import LOCAL, Preferences, State
from service.records.seals import Keyring
from tests.support.kept import forge, put
from tests.support.pages import button, buttons, come_as, html, page, press
from tests.support.result_sample import make_analysis, make_clip
from tests.support.scopes import local
from tests.support.waiting import PATIENT

HOUR = timedelta(hours=1)


@pytest.fixture
def key(tmp_path, jobs):
    clip = make_clip(tmp_path / "clip.webm", duration=1.0)
    return put(tmp_path, clip, make_analysis(clip), name="clip <b>.webm")


def test_an_answer_that_was_kept_says_so_and_can_be_made_anew(jobs, key, monkeypatch):
    at = page(a=key)
    assert "analyzed" in html(at) and "kept from" not in html(at)
    assert "Analyze again" not in buttons(at)
    jobs.store.record_cache_hit(LOCAL, key, datetime.now(UTC))
    at = page(a=key)
    said = r"already analyzed this file with these settings\. Result of [^<:]*:\d\d[^<:]*\.<"
    assert "kept from" in html(at) and re.search(said, html(at))
    rerun = Mock()
    monkeypatch.setattr(Application, "rerun", rerun)
    press(at, "Analyze again")
    rerun.assert_called_once_with(ANY, key, ANY)


def test_who_only_has_the_address_sees_it_and_changes_nothing(jobs, key, monkeypatch):
    jobs.store.record_cache_hit(LOCAL, key, datetime.now(UTC))
    before = jobs.store.analysis(LOCAL, key)
    owners = page(a=key)
    assert {"Analyze again", "Try it"} <= set(buttons(owners))
    come_as(monkeypatch, Principal("guest:other", PrincipalKind.GUEST))
    at = page(a=key)
    assert "Likely manipulated" in html(at) and "Compare" in buttons(at)
    assert not {"Analyze again", "Try it"} & set(buttons(at))
    for label in ("Try it", "Analyze again"):  # drawn for its owner, pressed by another
        button(owners, label).click()
    owners.run()
    assert not {"Analyze again", "Try it"} & set(buttons(owners))
    assert session.application().robustness.find(key, session.current_user()) is None
    assert jobs.store.analysis(LOCAL, key) == before
    assert jobs.store.get(LOCAL, key).state is State.DONE


def test_a_result_outlives_its_file(jobs, key):
    jobs.uploads.delete(key)
    at = page(a=key)
    text = html(at)
    assert "The file is not kept any more" in text and "Likely manipulated" in text
    assert "Without the file there is no frame to look into." in text
    assert not [b for b in buttons(at) if b in ("Try it", "Analyze again")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Application, "replicates_media", lambda self, context: True)
        assert "If your account has a copy, it is on its way" in html(page(a=key))


def test_a_link_shows_the_result_and_no_way_further(jobs, key):
    jobs.store.change(LOCAL, key, note="for us alone", tags=["secret"])
    share = jobs.store.share(LOCAL, key, HOUR, datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        reader = come_as(patch, Principal("guest:reader", PrincipalKind.GUEST))
        at = page(s=share.token)
        text = html(at)
        assert "You were sent this result to read" in text and "Likely manipulated" in text
        assert not {"Compare", "Delete", "Share", "Try it", "Analyze again"} & set(buttons(at))
        assert "clip &lt;b&gt;.webm" in text and f"until {labels.day(share.expires)}." in text
        assert "for us alone" not in text and "secret" not in text and not at.text_area
        # Not a word of the page, or of what it keeps for it, names the record.
        sent = re.sub(r"(?s)data:image[^\"']*", "", str([e.proto for e in at.main]))
        assert key not in sent + text
        theirs = session.application().scope(reader)
        theirs.store.revoke(theirs.owner, share.id)  # not theirs
        assert "You were sent" in html(page(s=share.token))
        assert jobs.store.revoke(LOCAL, share.id)
        assert "This link is not in force" in html(page(s=share.token))
    assert "This link is not in force" in html(page(s=key))


def test_a_person_may_keep_results_for_less_time(jobs, key):
    def draw():
        from dashboard.pages.settings import view

        view._preferences()

    at = AppTest.from_function(draw, default_timeout=PATIENT).run()
    (choice,) = at.selectbox
    assert choice.options[0].replace("\u00a0", " ") == "As for everybody here, 30 days"
    assert choice.options[-1].replace("\u00a0", " ") == "14 days"  # nothing beyond the server's
    choice.select(7).run()
    assert not at.exception
    assert jobs.store.preferences(LOCAL) == Preferences(keep_days=7)
    now = datetime.now(UTC)
    jobs.sweep(100 * 24 * HOUR, 30 * 24 * HOUR, now=now + 6 * 24 * HOUR)
    assert jobs.find(key, local(jobs)) is not None
    jobs.sweep(100 * 24 * HOUR, 30 * 24 * HOUR, now=now + 8 * 24 * HOUR)
    assert jobs.find(key, local(jobs)) is None and not jobs.uploads.path(key).exists()


def test_a_link_in_the_address_shows_nothing_but_what_it_leads_to(jobs, key, monkeypatch):
    """Where sign-in is required a link is let past it: nothing else may come along."""
    come_as(monkeypatch, Principal("guest:stranger", PrincipalKind.GUEST))
    for address in ({"s": ""}, {"s": "x"}, {"s": "x", "a": key}):
        at = page(**address)
        assert "This link is not in force" in html(at), address
        assert not at.file_uploader and "Likely manipulated" not in html(at)


def test_a_link_to_a_file_that_could_not_be_judged_offers_no_run(jobs, key):
    analysis = make_analysis().model_copy(update={"subjects": [], "models": []})
    assert jobs.store.update_result(LOCAL, key, decide(analysis))
    at = page(s=jobs.store.share(LOCAL, key, HOUR, datetime.now(UTC)).token)
    assert "Could not be judged" in html(at) and buttons(at) == ["Analyze a file"]


def test_what_this_server_did_not_make_is_said_on_every_page(tmp_path, jobs, key):
    """A score is changed behind the program's back: the page, a link, and History."""
    jobs.store.seals = Keyring.open(tmp_path, jobs.store.database)
    share = jobs.store.share(LOCAL, key, HOUR, datetime.now(UTC))
    said = "Not made by this server"
    assert said not in html(page(a=key)) and said not in html(page(s=share.token))
    forge(tmp_path, key)
    jobs._tasks._tasks.clear()  # as after a new start
    assert said in html(page(a=key)) and said in html(page(s=share.token))
    at = page("history")
    assert said in html(at)
    assert "Not made here" in str(at.dataframe[0].value["verdict"].tolist())


def test_compare_says_what_this_server_did_not_make(tmp_path, jobs, key):
    clip = make_clip(tmp_path / "original.webm", duration=1.0)
    other = put(tmp_path, clip, make_analysis(clip), name="original.webm")
    jobs.store.seals = Keyring.open(tmp_path, jobs.store.database)
    said = "Not made by this server"
    addresses = ({"a": key}, {"a": key, "w": "clips"}, {"a": key, "b": other, "w": "clips"},
                 {"a": other, "b": key, "w": "clips"})  # fmt: skip

    for address in addresses:
        assert said not in html(page("compare", **address)), address
    forge(tmp_path, key)
    jobs._tasks._tasks.clear()  # as after a new start
    for address in addresses:
        assert html(page("compare", **address)).count(said) == 1, address
