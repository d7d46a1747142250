"""Whose records go where when accounts are configured."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import Mock

import pytest

from detector.errors import InputError
from detector.schema.analysis import Settings
from service import auth
from service.application import Application
from service.auth.caller import Accounts
from service.context import Principal, PrincipalKind, RequestContext, Role
from service.records.model import Query, Record, RecordsError, ResultOrigin, State
from service.records.supabase.store import SupabaseStore
from tests.support import applications
from tests.support.gateway import Account
from tests.support.waiting import PATIENT, until
from tests.unit.service.test_jobs import Analyzer

GUEST = Principal("guest:somebody", PrincipalKind.GUEST)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Browser:
    """Who is here, as the edge would say."""

    def __init__(self):
        self.person = GUEST
        self.account: Account | None = None
        self.guest: Principal | None = None
        self.app: Application

    def sign_in(self, account):
        self.person, self.account = Principal(account.id, PrincipalKind.USER), account
        return account

    def sign_out(self):
        self.person, self.account = GUEST, None

    def __getattr__(self, name):
        """What the application of the running server does, for whoever is here."""
        return partial(getattr(self.app, name), self.context)

    @property
    def store(self):
        return self.scope().store

    @property
    def context(self):
        account = self.account
        connect = (lambda: account.client) if account else None
        return RequestContext(self.person, guest=self.guest, connect=connect)


@pytest.fixture
def here(project, monkeypatch):
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(project.url, project.key))
    for variable in ("UNMASK_GUEST_FILES_PER_HOUR", "UNMASK_ADDRESS_FILES_PER_HOUR"):
        monkeypatch.setenv(variable, "0")
    return Browser()


@pytest.fixture
def server(tmp_path, here):
    made: list[Application] = []

    def start(name):
        made.append(Application(tmp_path / name, Analyzer()))
        here.app = made[-1]
        here.app.jobs._check = None  # these files are none
        return here.app.jobs

    yield start
    for thread in threading.enumerate():
        if thread.name == "tidy":
            thread.join(PATIENT)
    for app in made:
        app.jobs.close()
        app.jobs.store.close()


def analyze(here, text="bytes of a clip"):
    return applications.analyze(here.app, here.context, text.encode())


def test_an_accounts_records_are_in_the_project_and_nobody_elses_are(project, here, server):
    ada, bob, jobs = project.person(), project.person(), server("one")
    here.sign_in(ada)
    job = analyze(here)
    assert here.store.ids(ada.id) == [job.key]
    assert jobs.store.ids(ada.id) == [] == jobs.store.ids(GUEST.id)
    here.sign_in(bob)
    assert here.find(job.key) is None and here.rerun(job.key, Settings()) is None
    assert here.delete(job.key) == [] and here.store.search(bob.id, Query()).total == 0
    here.sign_out()
    assert here.find(job.key) is None
    assert analyze(here, "of a guest").record.owner == GUEST.id
    assert len(jobs.store.ids(GUEST.id)) == 1
    here.sign_in(ada)
    found = here.find(job.key)
    assert found.state is State.DONE and found.analysis is not None
    assert here.delete(job.key) == [job.key] and here.find(job.key) is None


def test_a_guests_analyses_are_moved_when_the_account_asks_for_it(
    project, here, server, monkeypatch
):
    here.guest = GUEST
    jobs = server("one")
    noted, other = analyze(here, "one"), analyze(here, "another")
    jobs.store.change(GUEST.id, noted.key, note="seen", tags=["desk"])
    link = jobs.store.share(GUEST.id, noted.key, HOUR, datetime.now(UTC))
    assert link and here.app.shared(link.token)
    # What came to nothing, and what somebody else brought.
    jobs.store.add(Record(id="n" * 22, owner=GUEST.id, created=NOW, touched=NOW, name="x"))
    stranger = Principal("guest:another", PrincipalKind.GUEST)
    here.person = stranger
    theirs = analyze(here, "a third")
    ada = here.sign_in(project.person())
    assert here.store.ids(ada.id) == [] and here.count_guest_analyses() == 2
    before = jobs.store.get(GUEST.id, noted.key)

    assert here.claim_guest_analyses() == 2
    assert set(here.store.ids(ada.id)) == {noted.key, other.key}
    assert jobs.store.ids(GUEST.id) == ["n" * 22] and jobs.store.ids(stranger.id) == [theirs.key]
    assert here.store.get(ada.id, noted.key) == before.model_copy(update={"owner": ada.id})
    found = here.find(noted.key)
    assert found.analysis == noted.analysis and found.has_media
    assert here.app.shared(link.token) is None
    assert here.count_guest_analyses() == 0 == here.claim_guest_analyses()
    here.sign_out()
    assert here.find(noted.key) is None
    here.sign_in(project.person())
    assert here.find(noted.key) is None and here.count_guest_analyses() == 0


def test_a_move_that_is_cut_off_goes_on_and_loses_nothing(project, here, server, monkeypatch):
    here.guest = GUEST
    jobs = server("one")
    keys = {analyze(here, text).key for text in ("one", "two")}
    ada = here.sign_in(project.person())
    with project.sql() as database:
        database.run("insert into quotas (owner, max_records) values (%s, 1)", [ada.id])
    with pytest.raises(InputError):
        here.claim_guest_analyses()
    kept, left = set(here.store.ids(ada.id)), set(jobs.store.ids(GUEST.id))
    assert len(kept) == len(left) == 1 and kept | left == keys and here.count_guest_analyses() == 1

    with project.sql() as database:
        database.run("update quotas set max_records = 9 where owner = %s", [ada.id])

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.store, "delete", Mock(side_effect=KeyboardInterrupt))
        here.claim_guest_analyses()
    assert set(here.store.ids(ada.id)) == keys and set(jobs.store.ids(GUEST.id)) == left
    assert here.claim_guest_analyses() == 1
    assert set(here.store.ids(ada.id)) == keys and jobs.store.ids(GUEST.id) == []


def test_only_an_account_that_may_analyze_is_offered_it(project, here, server, monkeypatch):
    here.guest = GUEST
    server("one")
    analyze(here)
    assert here.count_guest_analyses() == 0 == here.claim_guest_analyses()
    viewer = project.person("viewer")
    here.sign_in(viewer)
    here.person = Principal(viewer.id, PrincipalKind.USER, Role.VIEWER)
    assert here.count_guest_analyses() == 0 == here.claim_guest_analyses()
    here.guest = None
    here.sign_in(project.person())
    assert here.count_guest_analyses() == 0 == here.claim_guest_analyses()


@pytest.mark.parametrize("secret", ["the same on both, as docs/hosting.md says", ""])
def test_another_server_with_an_empty_disk_has_an_accounts_results(
    project, here, server, monkeypatch, secret
):
    if secret:
        monkeypatch.setenv("UNMASK_SECRET_KEY", secret)
    here.sign_in(project.person())
    server("one")
    job = analyze(here)
    server("two")
    found = here.find(job.key)
    assert found.state is State.DONE and not found.has_media
    plain = {"seal": None}
    assert found.analysis.model_copy(update=plain) == job.analysis.model_copy(update=plain)
    # It has another key: what the first one sealed is not this one's.
    assert found.origin is (ResultOrigin.HERE if secret else ResultOrigin.ELSEWHERE)


def test_the_same_file_gets_the_answer_it_had_but_never_anothers(project, here, server):
    ada, bob, jobs = project.person(), project.person(), server("one")
    analyzer = jobs._analyzer
    here.sign_in(ada)
    first = analyze(here)
    assert analyze(here).key == first.key and len(analyzer.begun) == 1
    here.sign_in(bob)
    assert analyze(here).key != first.key and len(analyzer.begun) == 2


def test_a_link_opens_for_anybody_wherever_its_record_is(project, here, server):
    server("one")
    for account in (None, project.person()):
        if account:
            here.sign_in(account)
        job, now = analyze(here, f"of {account}"), datetime.now(UTC)
        owner = here.person.id
        share = here.store.share(owner, job.key, HOUR, now)
        here.sign_out()
        assert here.app.shared(share.token).record == job.key
        if account:
            here.sign_in(account)
        assert here.store.revoke(owner, share.id)
        here.sign_out()
        assert here.app.shared(share.token) is None
    assert here.app.shared("x" * 22) is None


def test_who_was_signed_out_meanwhile_is_told_and_nothing_goes_elsewhere(project, here, server):
    jobs, ada = server("one"), project.person()
    here.sign_in(ada)
    here.account = None
    with pytest.raises(RecordsError, check=lambda e: e.code == "signed_out"):
        analyze(here)
    assert jobs.store.ids(ada.id) == [] and not any(jobs.uploads.root.iterdir())


def test_what_was_kept_long_enough_goes_when_its_owner_comes_by(project, here, server):
    server("one")
    ada = here.sign_in(project.person())
    job = analyze(here)
    with project.sql() as database:
        database.run("update records set touched = now() - interval '31 days'")
    assert here.find(job.key) is not None  # looked at some hours ago
    here.app._swept.clear()
    here.scope()
    until(lambda: SupabaseStore(lambda: ada.client).ids(ada.id) == [])


def test_copies_of_media_come_back_on_another_server_where_the_host_wants_them(
    project, here, server, monkeypatch
):
    ada = here.sign_in(project.person())
    server("one")
    analyze(here, "not copied")
    assert not here.replicates_media() and not any(ada.id in path for path in project.files)

    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "on")
    assert here.replicates_media()
    job = analyze(here, "copied")
    path = f"{ada.id}/{job.key}/media.mp4"
    until(lambda: path in project.files)
    server("two")
    found = here.find(job.key)
    until(lambda: found.has_media)
    assert found.path.read_text() == "copied"
    assert here.delete(job.key) == [job.key]
    assert path not in project.files and not found.has_media

    here.sign_out()  # a guest's stay where they are
    assert not here.replicates_media()
    analyze(here, "of a guest")
    assert not any(text == b"of a guest" for text in project.files.values())


def test_a_copy_that_can_not_be_made_costs_nothing_else(project, here, server, monkeypatch, caplog):
    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "on")
    monkeypatch.setattr(project, "broken", lambda method, path: 500 if "/object/" in path else None)
    here.sign_in(project.person())
    server("one")
    job = analyze(here)
    until(lambda: "a copy of media failed" in caplog.text)
    assert here.find(job.key) is not None and "clip" not in caplog.text
    monkeypatch.setattr(project, "broken", lambda method, path: None)
    server("two")
    assert here.find(job.key).state is State.DONE
