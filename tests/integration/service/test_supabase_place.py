"""Whose records go where when accounts are configured: the dashboard's own functions, for two
accounts, a guest and a stranger with a link, over a real PostgreSQL."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.schema.analysis import Settings
from service import auth, backend
from service.auth import Kind, Role, User
from service.auth.config import Accounts
from service.records import media_replicator
from service.records.model import Query, Record, RecordsError
from service.records.supabase.store import SupabaseStore
from service.tasks.jobs import Job, Jobs, State
from tests.support.gateway import Account, Project, postgres, project
from tests.support.waiting import until
from tests.unit.service.test_jobs import Analyzer, open_jobs

__all__ = ["postgres", "project"]

GUEST = User("guest:somebody", Kind.GUEST)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Browser:
    """Who is here, as `auth` would say."""

    def __init__(self) -> None:
        self.person = GUEST
        self.account: Account | None = None

    def sign_in(self, account: Account) -> None:
        self.person, self.account = User(account.id, Kind.USER), account

    def sign_out(self) -> None:
        self.person, self.account = GUEST, None

    def connection(self) -> object:
        account = self.account
        return (lambda: account.client) if account else None


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Browser:
    browser = Browser()
    monkeypatch.setattr(auth, "who", lambda: browser.person)
    monkeypatch.setattr(auth, "connection", browser.connection)
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(project.url, project.key))
    monkeypatch.setattr(backend, "_tidied", {})
    for variable in ("UNMASK_GUEST_FILES_PER_HOUR", "UNMASK_ADDRESS_FILES_PER_HOUR"):
        monkeypatch.setenv(variable, "0")
    return browser


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Jobs]]:
    """Start a server on a data folder of this name; it is what `backend` speaks to from then on."""
    made: list[Jobs] = []

    def start(name: str) -> Jobs:
        made.append(open_jobs(tmp_path / name, Analyzer(), workers=1))
        monkeypatch.setattr(backend, "jobs", lambda: made[-1])
        return made[-1]

    yield start
    for jobs in made:
        jobs.close()


def analyze(text: str = "bytes of a clip") -> Job:
    job = backend.submit(io.BytesIO(text.encode()), "clip.mp4", Settings())
    until(lambda: not job.active)
    assert job.state is State.DONE
    return job


def test_an_accounts_records_are_in_the_project_and_nobody_elses_are(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    ada, bob, jobs = project.person(), project.person(), server("one")
    here.sign_in(ada)
    job = analyze()
    assert backend.records().ids(ada.id) == [job.key]
    assert jobs.store.ids(ada.id) == [] == jobs.store.ids(GUEST.id)
    here.sign_in(bob)
    assert backend.find(job.key) is None and backend.again(job.key, Settings()) is None
    assert backend.forget(job.key) == [] and backend.records().search(bob.id, Query()).total == 0
    here.sign_out()
    assert backend.find(job.key) is None
    assert analyze("of a guest").record.owner == GUEST.id
    assert len(jobs.store.ids(GUEST.id)) == 1
    here.sign_in(ada)
    found = backend.find(job.key)
    assert found is not None and found.state is State.DONE and found.analysis is not None
    assert backend.forget(job.key) == [job.key] and backend.find(job.key) is None


def test_a_guests_analyses_are_moved_when_the_account_asks_for_it(
    project: Project, here: Browser, server: Callable[[str], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "guest", lambda: GUEST)
    jobs = server("one")
    noted, other = analyze("one"), analyze("another")
    jobs.store.change(GUEST.id, noted.key, note="seen", tags=["desk"])
    link = jobs.store.share(GUEST.id, noted.key, HOUR, datetime.now(UTC))
    assert link and backend.shared(link.token)
    # What came to nothing, and what somebody else brought.
    jobs.store.add(Record(id="n" * 22, owner=GUEST.id, created=NOW, touched=NOW, name="x"))
    stranger = User("guest:another", Kind.GUEST)
    here.person = stranger
    theirs = analyze("a third")
    ada = project.person()
    here.sign_in(ada)
    assert backend.records().ids(ada.id) == [] and backend.left_as_guest() == 2
    before = jobs.store.get(GUEST.id, noted.key)

    assert backend.keep_from_guest() == 2
    assert set(backend.records().ids(ada.id)) == {noted.key, other.key}
    assert jobs.store.ids(GUEST.id) == ["n" * 22] and jobs.store.ids(stranger.id) == [theirs.key]
    assert before is not None
    assert backend.records().get(ada.id, noted.key) == before.model_copy(update={"owner": ada.id})
    found = backend.find(noted.key)
    assert found is not None and found.analysis == noted.analysis and found.has_media
    assert backend.shared(link.token) is None
    assert backend.left_as_guest() == 0 == backend.keep_from_guest()
    here.sign_out()
    assert backend.find(noted.key) is None
    here.sign_in(project.person())
    assert backend.find(noted.key) is None and backend.left_as_guest() == 0


def test_a_move_that_is_cut_off_goes_on_and_loses_nothing(
    project: Project, here: Browser, server: Callable[[str], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the account has room for one alone; then the server dies between keeping and
    deleting."""
    monkeypatch.setattr(auth, "guest", lambda: GUEST)
    jobs = server("one")
    keys = {analyze(text).key for text in ("one", "two")}
    ada = project.person()
    here.sign_in(ada)
    with project.sql() as database:
        database.run("insert into quotas (owner, max_records) values (%s, 1)", [ada.id])
    with pytest.raises(InputError):
        backend.keep_from_guest()
    kept, left = set(backend.records().ids(ada.id)), set(jobs.store.ids(GUEST.id))
    assert len(kept) == len(left) == 1 and kept | left == keys and backend.left_as_guest() == 1

    with project.sql() as database:
        database.run("update quotas set max_records = 9 where owner = %s", [ada.id])

    def dies(*_: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(jobs.store, "delete", dies)
        backend.keep_from_guest()
    assert set(backend.records().ids(ada.id)) == keys and set(jobs.store.ids(GUEST.id)) == left
    assert backend.keep_from_guest() == 1
    assert set(backend.records().ids(ada.id)) == keys and jobs.store.ids(GUEST.id) == []


def test_only_an_account_that_may_analyze_is_offered_it(
    project: Project, here: Browser, server: Callable[[str], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "guest", lambda: GUEST)
    server("one")
    analyze()
    assert backend.left_as_guest() == 0 == backend.keep_from_guest()
    viewer = project.person("viewer")
    here.sign_in(viewer)
    here.person = User(viewer.id, Kind.USER, Role.VIEWER)
    assert backend.left_as_guest() == 0 == backend.keep_from_guest()
    monkeypatch.setattr(auth, "guest", lambda: None)
    here.sign_in(project.person())
    assert backend.left_as_guest() == 0 == backend.keep_from_guest()


def test_another_server_with_an_empty_disk_has_an_accounts_results(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    here.sign_in(project.person())
    server("one")
    job = analyze()
    server("two")
    found = backend.find(job.key)
    assert found is not None and found.state is State.DONE and not found.has_media
    assert found.analysis == job.analysis


def test_the_same_file_gets_the_answer_it_had_but_never_anothers(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    ada, bob, jobs = project.person(), project.person(), server("one")
    analyzer = jobs._analyzer
    assert isinstance(analyzer, Analyzer)
    here.sign_in(ada)
    first = analyze()
    assert analyze().key == first.key and len(analyzer.begun) == 1
    here.sign_in(bob)
    assert analyze().key != first.key and len(analyzer.begun) == 2


def test_a_link_opens_for_anybody_wherever_its_record_is(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    server("one")
    for account in (None, project.person()):
        if account:
            here.sign_in(account)
        job, now = analyze(f"of {account}"), datetime.now(UTC)
        owner = backend.owner()
        share = backend.records().share(owner, job.key, HOUR, now)
        assert share is not None
        here.sign_out()
        shared = backend.shared(share.token)
        assert shared is not None and shared.record == job.key
        if account:
            here.sign_in(account)
        assert backend.records().revoke(owner, share.id)
        here.sign_out()
        assert backend.shared(share.token) is None
    assert backend.shared("x" * 22) is None


def test_who_was_signed_out_meanwhile_is_told_and_nothing_goes_elsewhere(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    jobs, ada = server("one"), project.person()
    here.sign_in(ada)
    here.account = None
    with pytest.raises(RecordsError) as over:
        analyze()
    assert over.value.code == "signed_out"
    assert jobs.store.ids(ada.id) == [] and not any(jobs.uploads.root.iterdir())


def test_what_was_kept_long_enough_goes_when_its_owner_comes_by(
    project: Project, here: Browser, server: Callable[[str], Jobs]
) -> None:
    server("one")
    ada = project.person()
    here.sign_in(ada)
    job = analyze()
    with project.sql() as database:
        database.run("update analyses set touched = now() - interval '31 days'")
    assert backend.find(job.key) is not None  # looked at some hours ago
    backend._tidied.clear()
    backend.records()
    until(lambda: SupabaseStore(lambda: ada.client).ids(ada.id) == [])


def test_copies_of_media_come_back_on_another_server_where_the_host_wants_them(
    project: Project,
    here: Browser,
    server: Callable[[str], Jobs],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ada = project.person()
    here.sign_in(ada)
    server("one")
    analyze("not copied")
    assert not backend.keeps_copies() and not any(ada.id in path for path in project.files)

    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "on")
    assert backend.keeps_copies()
    job = analyze("copied")
    path = f"{ada.id}/{job.key}/media.mp4"
    until(lambda: path in project.files)
    server("two")
    found = backend.find(job.key)
    assert found is not None
    until(lambda: found.has_media)
    assert found.path.read_text() == "copied"
    assert backend.forget(job.key) == [job.key]
    assert path not in project.files and not found.has_media

    here.sign_out()  # a guest's stay where they are
    assert not backend.keeps_copies()
    analyze("of a guest")
    assert not any(text == b"of a guest" for text in project.files.values())


def test_a_copy_that_can_not_be_made_costs_nothing_else(
    project: Project,
    here: Browser,
    server: Callable[[str], Jobs],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "on")
    monkeypatch.setattr(project, "broken", lambda method, path: 500 if "/object/" in path else None)
    here.sign_in(project.person())
    server("one")
    job = analyze()
    until(lambda: "a copy of media failed" in caplog.text)
    assert backend.find(job.key) is not None and "clip" not in caplog.text
    monkeypatch.setattr(project, "broken", lambda method, path: None)
    server("two")
    found = backend.find(job.key)
    assert found is not None and found.state is State.DONE


def test_a_typo_about_private_files_stops_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "yes please")
    with pytest.raises(SystemExit, match="UNMASK_SUPABASE_MEDIA"):
        media_replicator.copies_enabled()
