"""What any `Store` must do. A test class that subclasses `StoreContract` and has a fixture `store`
runs all of it; where each person has a store of their own (a signed-in client), it gives `others`
as well, and its own `owner` and `other`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from detector.errors import InputError
from detector.schema.analysis import (
    CustomEnsemble,
    ErrorDetail,
    Label,
    Proof,
    ProofKind,
    Question,
    Settings,
)
from detector.schema.comparison import ComparisonFinding
from detector.schema.origin import GeoLocation, Provenance
from detector.schema.summary import ResultSummary
from detector.seals import record_hash
from service.context import new_id
from service.records.cases import Case, CaseAction
from service.records.model import (
    MAX_LINKS,
    MAX_NOTE_LENGTH,
    MAX_PRESETS,
    MAX_SHARE_TTL,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Confirmed,
    ErrorReport,
    Preferences,
    Query,
    Record,
    RecordsError,
    State,
    Usage,
)
from service.records.thumbnails import small
from tests.support.comparisons_contract import made
from tests.support.result_sample import make_analysis

NOON = (datetime.now(UTC) - timedelta(hours=4)).replace(microsecond=123456)
"""Of today, and past: a store behind a server lets nothing lie in that one's future."""
TTL = timedelta(days=1)
"""of a link: that server judges it by its own clock as well"""
SAMPLE = make_analysis()
PICTURE = small(np.zeros((8, 8, 3), np.uint8))


def minutes(count):
    return timedelta(minutes=count)


def make(owner, number=0, **changes):
    moment = NOON + minutes(number)
    base: dict[str, object] = {
        "id": new_id(),
        "owner": owner,
        "created": moment,
        "touched": moment,
        "name": f"clip-{number}.mp4",
        "sha256": f"{number:064x}",
        "size": 1000 + number,
        "run": "server:1",
    }
    return Record.model_validate(base | changes)


def result(label=Label.FAKE, probability=0.9, **changes):
    question = Question.MANIPULATION
    answer = SAMPLE.verdict.answers[question].model_copy(
        update={"label": label, "probability": probability}
    )
    verdict = SAMPLE.verdict.model_copy(
        update={
            "label": label,
            "question": question,
            "probability": probability,
            "answers": {question: answer},
        }
    )
    return SAMPLE.model_copy(update={"verdict": verdict, **changes})


def names(store, owner, **query):
    return [r.name for r in store.search(owner, Query.model_validate(query)).records]


class StoreContract:
    """Subclass with a fixture `store`."""

    @pytest.fixture
    def owner(self):
        return "local"

    @pytest.fixture
    def other(self):
        return "guest:somebody"

    @pytest.fixture
    def others(self, store):
        """The store as the other person has it."""
        return store

    def test_a_record_is_given_back_as_it_was_kept(self, store, owner):
        record = make(owner, name="résumé <b>.mp4", settings=Settings(frames=7, models=["sbi"]))
        store.add(record)
        assert store.get(owner, record.id) == record
        assert store.get(owner, new_id()) is None
        assert store.analysis(owner, record.id) is None
        assert store.thumbnails(owner, [record.id]) == {}

    def test_a_run_ends_with_a_result(self, store, owner):
        record = make(owner)
        store.add(record)
        assert store.finish(
            owner, record.id, record.run, SAMPLE, thumbnail=PICTURE, cache_key="key"
        )
        assert not store.stop(owner, record.id, record.run, State.CANCELED), "it is too late"
        found = store.get(owner, record.id)
        assert found.state is State.DONE and found.cache_key == "key"
        assert found.result == ResultSummary.of(SAMPLE)
        assert store.analysis(owner, record.id) == SAMPLE
        assert store.thumbnails(owner, [record.id, new_id()]) == {record.id: PICTURE}

    def test_a_finished_one_can_be_kept_at_once(self, store, owner):
        record = make(owner, source="live", sha256="", size=0)
        store.add(record, SAMPLE, PICTURE)
        found = store.get(owner, record.id)
        assert found.state is State.DONE and found.source == "live"
        assert (
            found.result == ResultSummary.of(SAMPLE) and store.analysis(owner, record.id) == SAMPLE
        )

    def test_a_run_ends_without_a_result(self, store, owner):
        fault = ErrorReport(
            problem=ErrorDetail(code="truncated", message="It stops.", hint="Use the original."),
            ours=False,
            reference="12AB-34CD",
            when=NOON,
            details="a line",
        )
        failed, canceled = make(owner, 1), make(owner, 2)
        for record in (failed, canceled):
            store.add(record)
        assert store.stop(owner, failed.id, failed.run, State.FAILED, fault)
        assert store.stop(owner, canceled.id, canceled.run, State.CANCELED)
        found = store.get(owner, failed.id)
        assert found.state is State.FAILED and found.fault == fault
        found = store.get(owner, canceled.id)
        assert found.state is State.CANCELED and found.fault is None

    def test_an_older_run_can_not_write_over_a_later_one(self, store, owner):
        record = make(owner)
        store.add(record)
        store.finish(owner, record.id, record.run, SAMPLE, thumbnail=PICTURE, cache_key="a")
        later = NOON + minutes(5)
        new = store.restart(
            owner, record.id, run="server:2", settings=Settings(frames=9), cache_key="b", now=later
        )
        assert new.state is State.QUEUED and new.result is None
        assert (new.created, new.touched, new.settings.frames) == (record.created, later, 9)
        assert store.get(owner, record.id) == new
        assert store.analysis(owner, record.id) is None
        assert store.thumbnails(owner, [record.id]) == {}
        assert not store.finish(owner, record.id, record.run, SAMPLE)
        assert not store.stop(owner, record.id, record.run, State.CANCELED)
        assert store.get(owner, record.id) == new
        assert store.finish(owner, record.id, "server:2", SAMPLE)

    def test_a_result_that_says_more_takes_the_place(self, store, owner):
        record = make(owner)
        store.add(record)
        more = result(Label.INCONCLUSIVE, 0.5)
        assert not store.update_result(owner, record.id, more)  # not finished
        store.finish(owner, record.id, record.run, SAMPLE, thumbnail=PICTURE)
        assert store.update_result(owner, record.id, more)
        assert store.analysis(owner, record.id) == more
        assert store.search(owner, Query()).counts == {Label.INCONCLUSIVE: 1}
        assert store.thumbnails(owner, [record.id]) == {record.id: PICTURE}

    def test_an_id_is_given_once(self, store, others, owner, other):
        record = make(owner)
        store.add(record)
        for whose, at in ((owner, store), (other, others)):
            with pytest.raises(RecordsError):
                at.add(record.model_copy(update={"owner": whose, "name": "another"}), SAMPLE)
        assert store.get(owner, record.id) == record
        assert store.analysis(owner, record.id) is None

    def test_to_anybody_else_it_does_not_exist(self, store, others, owner, other):
        record = make(owner, cache_key="key", tags=("secret",))
        store.add(record, SAMPLE, PICTURE)
        share = store.share(owner, record.id, TTL, NOON)
        store.save_preset(owner, CustomEnsemble(name="mine", models=["sbi"]))
        store.save_preferences(owner, Preferences(keep_days=3))
        before = store.get(owner, record.id)

        id = record.id
        assert others.get(other, id) is None
        assert others.analysis(other, id) is None
        assert others.thumbnails(other, [id]) == {}
        assert others.search(other, Query()).total == 0
        assert others.search(other, Query()).counts == {}
        assert others.facets(other).tags == {} and others.facets(other).models == {}
        assert others.find_cached(other, "key") is None
        assert others.ids(other) == [] and others.usage(other) == Usage()
        assert others.change(other, id, note="x", confirmed=Confirmed.FAKE) is None
        assert others.record_cache_hit(other, id, NOON) is None
        assert others.delete(other, [id]) == []
        assert not others.update_result(other, id, result(Label.REAL))
        assert not others.finish(other, id, record.run, SAMPLE)
        assert not others.stop(other, id, record.run, State.FAILED)
        settings = Settings()
        assert others.restart(other, id, run="r", settings=settings, cache_key="", now=NOON) is None
        assert others.share(other, id, TTL, NOON) is None
        assert others.shares(other, NOON) == [] and others.shares(other, NOON, id) == []
        assert not others.revoke(other, share.id)
        assert others.presets(other) == {} and not others.delete_preset(other, "mine")
        assert others.preferences(other) == Preferences()
        others.save_preset(other, CustomEnsemble(name="mine", models=["xcep"]))

        assert store.get(owner, id) == before and store.analysis(owner, id) == SAMPLE
        assert store.presets(owner)["mine"].models == ["sbi"]
        assert [s.id for s in store.shares(owner, NOON)] == [share.id]

    def test_pages_hold_every_record_once_in_a_stable_order(self, store, owner):
        for number in range(25):
            store.add(make(owner, number // 5))  # five at each moment: ties
        seen = []
        for offset in range(0, 25, 10):
            page = store.search(owner, Query(offset=offset, limit=10))
            assert page.total == 25
            seen += page.records
        assert len({r.id for r in seen}) == 25
        assert [r.touched for r in seen] == sorted((r.touched for r in seen), reverse=True)
        assert list(store.search(owner, Query(limit=25)).records) == seen
        oldest = store.search(owner, Query(limit=25, order="oldest")).records
        assert [r.touched for r in oldest] == sorted(r.touched for r in oldest)
        assert store.search(owner, Query(offset=30)).records == ()

    def test_verdicts_are_counted_under_the_other_filters(self, store, owner):
        labels = [Label.FAKE, Label.FAKE, Label.REAL, Label.INCONCLUSIVE, Label.NOT_APPLICABLE]
        for number, label in enumerate(labels):
            store.add(make(owner, number, note="x" if number else ""), result(label, 0.1 * number))
        store.add(make(owner, 9, note="x"))  # still running
        everything = {**{label: labels.count(label) for label in labels}, None: 1}
        page = store.search(owner, Query())
        assert page.total == 6 and page.counts == everything
        page = store.search(owner, Query(verdicts=frozenset({Label.FAKE, Label.REAL})))
        assert page.total == 3 and page.counts == everything
        assert {r.result.verdict for r in page.records if r.result} == {Label.FAKE, Label.REAL}
        page = store.search(owner, Query(verdicts=frozenset({"", Label.REAL})))
        assert page.total == 2 and page.counts == everything
        assert {r.result and r.result.verdict for r in page.records} == {None, Label.REAL}
        page = store.search(owner, Query(text="x", verdicts=frozenset({Label.FAKE})))
        assert page.total == 1 and page.counts == {**everything, Label.FAKE: 1}

    def test_a_manipulated_copy_is_filtered_by_its_headline(self, store, owner):
        found = made("a" * 64, "b" * 64)
        stated = {"finding": ComparisonFinding.FACE_DIFFERS, "role_source": "stated"}
        found = found.model_copy(update=stated)
        copy, plain = make(owner, 0), make(owner, 1)
        store.add(copy, result(Label.REAL, 0.2))
        store.add(plain, result(Label.REAL, 0.2))
        assert store.update_result(owner, copy.id, result(Label.REAL, 0.2, comparison=found))
        fakes = store.search(owner, Query(verdicts=frozenset({Label.FAKE})))
        assert [record.id for record in fakes.records] == [copy.id] and fakes.total == 1
        assert fakes.counts == {Label.FAKE: 1, Label.REAL: 1}
        (summary,) = [record.result for record in fakes.records]
        assert summary.proof == Proof(kind=ProofKind.COPY, name="press.mp4")
        assert (summary.label, summary.verdict) == (Label.FAKE, Label.REAL)
        both = store.records(owner, [copy.id, plain.id, new_id()])
        assert both == {one.id: store.get(owner, one.id) for one in (copy, plain)}
        assert store.records(owner, []) == {}

    def test_a_search_finds_parts_of_words_whatever_the_case(self, store, owner):
        store.add(make(owner, 1, name="Council STATEMENT.mp4"))
        store.add(make(owner, 2, name="İstanbul Straße.mov"))
        store.add(make(owner, 3, name="100%_done.mp4", sha256="ab" * 32))
        store.add(make(owner, 4, name="a", note="from the Council", tags=("Ärger",)))
        assert names(store, owner, text="council") == ["a", "Council STATEMENT.mp4"]
        assert names(store, owner, text="  STATE council ") == ["Council STATEMENT.mp4"]
        assert names(store, owner, text="STRASSE") == ["İstanbul Straße.mov"]
        assert names(store, owner, text="ärg") == ["a"]
        assert names(store, owner, text="abABab") == ["100%_done.mp4"]
        assert names(store, owner, text="%") == names(store, owner, text="_") == ["100%_done.mp4"]
        assert names(store, owner, text="nothing") == []
        assert len(names(store, owner, text="' OR 1=1 --")) == 0

    def test_filters(self, store, owner):
        scored = [model for model in SAMPLE.models if model.scored]
        one = SAMPLE.model_copy(update={"models": scored[:1]})
        store.add(make(owner, 1, tags=("court", "paris")), SAMPLE)
        store.add(make(owner, 2, tags=("court",), confirmed=Confirmed.FAKE), one)
        store.add(make(owner, 3))
        first, second, third = "clip-1.mp4", "clip-2.mp4", "clip-3.mp4"
        assert names(store, owner, tags=["court"]) == [second, first]
        assert names(store, owner, tags=["paris", "none"]) == [first]
        assert names(store, owner, models=[scored[-1].id]) == [first]
        assert names(store, owner, models=[scored[0].id]) == [second, first]
        assert names(store, owner, confirmed=[Confirmed.FAKE]) == [second]
        assert names(store, owner, confirmed=[Confirmed.OPEN]) == [third, first]
        assert names(store, owner, since=NOON + minutes(2)) == [third, second]
        assert names(store, owner, until=NOON + minutes(2)) == [first]
        assert names(store, owner, since=NOON + minutes(2), until=NOON + minutes(3)) == [second]
        facets = store.facets(owner)
        assert facets.tags == {"court": 2, "paris": 1}
        assert facets.models[scored[0].id] == 2 and facets.models[scored[-1].id] == 1

    def test_orders(self, store, owner):
        store.add(make(owner, 1, name="b.mp4"), result(Label.FAKE, 0.95))
        store.add(make(owner, 2, name="A.mp4"))
        store.add(make(owner, 3, name="c.mp4"), result(Label.REAL, 0.05))
        assert names(store, owner, order="name") == ["A.mp4", "b.mp4", "c.mp4"]
        assert names(store, owner, order="likelihood") == ["b.mp4", "c.mp4", "A.mp4"]

    def test_the_same_question_finds_the_newest_answer(self, store, owner):
        early = SAMPLE.model_copy(update={"created": NOON})
        late = SAMPLE.model_copy(update={"created": NOON + minutes(1)})
        first, second = make(owner, 1, cache_key="key"), make(owner, 2, cache_key="key")
        store.add(second, late)
        store.add(first, early)
        store.add(make(owner, 3, cache_key="key"))  # has no result yet
        store.add(make(owner, 4), SAMPLE)  # may not be used again
        assert store.find_cached(owner, "key").id == second.id
        assert store.find_cached(owner, "other") is None and store.find_cached(owner, "") is None
        when = NOON + minutes(60)
        again = store.record_cache_hit(owner, first.id, when)
        assert (again.last_cache_hit, again.touched) == (when, when)
        assert names(store, owner)[0] == first.name

    def test_notes_tags_and_the_analysts_word(self, store, owner):
        record = make(owner)
        store.add(record, SAMPLE)
        changed = store.change(owner, record.id, note=" Source asked \n", tags=["a  b", "A B", ""])
        assert (changed.note, changed.tags) == ("Source asked", ("a b",))
        changed = store.change(owner, record.id, confirmed=Confirmed.REAL)
        assert changed.confirmed is Confirmed.REAL
        assert changed.note == "Source asked"
        assert store.get(owner, record.id) == changed
        cleared = store.change(owner, record.id, note="", tags=[], confirmed=Confirmed.OPEN)
        assert (cleared.note, cleared.tags, cleared.confirmed) == ("", (), Confirmed.OPEN)
        assert store.change(owner, new_id(), note="x") is None

    def test_what_is_too_much_changes_nothing(self, store, owner):
        record = make(owner, note="before")
        store.add(record)
        for change in (
            {"note": "x" * (MAX_NOTE_LENGTH + 1)},
            {"note": "y", "tags": ["x" * (MAX_TAG_LENGTH + 1)]},
            {"note": "y", "tags": [str(n) for n in range(MAX_TAGS + 1)]},
        ):
            with pytest.raises(InputError):
                store.change(owner, record.id, **change)
        assert store.get(owner, record.id) == record

    def test_presets_are_kept_by_name(self, store, owner):
        assert store.presets(owner) == {}
        mine = CustomEnsemble(name="mine", models=["sbi"], weights={"sbi": 2.0})
        store.save_preset(owner, mine)
        store.save_preset(owner, CustomEnsemble(name="a", models=["xcep"]))
        store.save_preset(owner, mine.model_copy(update={"min_models": 2}))
        assert list(store.presets(owner)) == ["a", "mine"]
        assert store.presets(owner)["mine"].min_models == 2
        with pytest.raises(InputError, match="name"):
            store.save_preset(owner, CustomEnsemble(name=" ", models=["sbi"]))
        for number in range(MAX_PRESETS - 2):
            store.save_preset(owner, CustomEnsemble(name=f"p{number}", models=["sbi"]))
        with pytest.raises(InputError, match=str(MAX_PRESETS)):
            store.save_preset(owner, CustomEnsemble(name="one more", models=["sbi"]))
        store.save_preset(owner, mine)  # there already
        assert store.delete_preset(owner, "mine") and not store.delete_preset(owner, "mine")

    def test_preferences(self, store, owner):
        assert store.preferences(owner) == Preferences()
        store.save_preferences(owner, Preferences(keep_days=7))
        store.save_preferences(owner, Preferences(keep_days=2.5))
        assert store.preferences(owner).keep_days == 2.5

    def test_a_case_grows_and_is_its_owners_alone(self, store, others, owner, other):
        case = Case(id=new_id(), owner=owner)
        case = case.appended("ada", CaseAction.CREATED, {"title": "Speech \x00 ☎"})
        assert store.cases.save(case, 0)
        longer = case.appended("ada", CaseAction.FILE_ADDED, {"analysis": new_id(), "name": "a"})
        assert store.cases.save(longer, 1) and not store.cases.save(longer, 1)
        assert store.cases.get(owner, case.id) == longer and longer.first_broken is None
        assert store.cases.all(owner) == [longer]
        assert others.cases.get(other, case.id) is None and others.cases.all(other) == []
        assert not others.cases.save(longer.model_copy(update={"owner": other}), 2)
        assert not others.cases.delete(other, case.id)
        assert store.cases.delete(owner, case.id) and store.cases.get(owner, case.id) is None

    def test_a_link_opens_until_it_is_over(self, store, owner):
        record = make(owner, note="private", tags=("private",), confirmed=Confirmed.FAKE)
        store.add(record, SAMPLE, PICTURE)
        share = store.share(owner, record.id, TTL, NOON)
        assert len(share.token) == 22 and share.expires == NOON + TTL
        assert share.token != record.id and record.id not in share.id
        shared = store.shared(share.token, NOON + TTL - minutes(1))
        assert shared.analysis == SAMPLE
        # A project names no record to strangers.
        assert shared.record in (record.id, record_hash(record.id)) and shared.name == record.name
        assert store.shared(share.token, NOON + TTL) is None
        assert store.shared(record.id, NOON) is None and store.shared("", NOON) is None
        assert store.shared(share.id, NOON) is None
        (listed,) = store.shares(owner, NOON, record.id)
        assert listed == share.model_copy(update={"token": ""})
        assert store.shares(owner, NOON + TTL) == []

    def test_a_link_dies_when_it_is_revoked_or_its_record_goes(self, store, owner):
        record = make(owner)
        store.add(record, SAMPLE)
        shares = [store.share(owner, record.id, TTL, NOON) for _ in range(2)]
        first, second = (share for share in shares if share is not None)
        assert store.revoke(owner, first.id) and not store.revoke(owner, first.id)
        assert store.shared(first.token, NOON) is None
        assert store.shared(second.token, NOON) is not None
        assert store.delete(owner, [record.id]) == [record.id]
        assert store.shared(second.token, NOON) is None and store.shares(owner, NOON) == []

    def test_what_can_not_be_shared(self, store, owner):
        record = make(owner)
        store.add(record)
        assert store.share(owner, record.id, TTL, NOON) is None  # no result yet
        assert store.share(owner, new_id(), TTL, NOON) is None
        for ttl in (timedelta(0), -minutes(1), MAX_SHARE_TTL + minutes(1)):
            with pytest.raises(InputError):
                store.share(owner, record.id, ttl, NOON)

    def test_a_record_has_so_many_links(self, store, owner):
        record, another = make(owner, 1), make(owner, 2)
        for one in (record, another):
            store.add(one, SAMPLE)
        links = [store.share(owner, record.id, TTL, NOON) for _ in range(MAX_LINKS)]
        assert None not in links
        with pytest.raises(RecordsError, match=str(MAX_LINKS), check=lambda e: e.code == "quota"):
            store.share(owner, record.id, TTL, NOON)
        assert len(store.shares(owner, NOON, record.id)) == MAX_LINKS
        assert store.share(owner, another.id, TTL, NOON) is not None

    def test_a_link_does_not_say_where_it_was_recorded(self, store, owner):
        place = GeoLocation(latitude=48.85, longitude=2.35, source="EXIF")
        record = make(owner)
        store.add(record, result(provenance=Provenance(place=place)))
        shared = store.shared(store.share(owner, record.id, TTL, NOON).token, NOON)
        assert shared.analysis.provenance == Provenance()
        assert store.analysis(owner, record.id).provenance == Provenance(place=place)

    def test_deleting(self, store, owner):
        records = [make(owner, number) for number in range(4)]
        for record in records:
            store.add(record, SAMPLE, PICTURE)
        wanted = [records[0].id, records[1].id]
        assert sorted(store.delete(owner, [*wanted, new_id()])) == sorted(wanted)
        assert store.delete(owner, wanted) == []
        for id in wanted:
            assert store.get(owner, id) is None and store.analysis(owner, id) is None
        assert store.thumbnails(owner, wanted) == {}
        assert not store.finish(owner, wanted[0], "server:1", SAMPLE)  # a worker may be late
        assert sorted(store.ids(owner)) == sorted(r.id for r in records[2:])

    def test_use_of_storage(self, store, owner):
        assert store.usage(owner) == Usage()
        store.add(make(owner, 1))
        none = store.usage(owner)
        store.add(make(owner, 2), SAMPLE, PICTURE)
        one = store.usage(owner)
        assert one.records == 2 and len(PICTURE) < one.bytes
        store.add(make(owner, 3), SAMPLE, PICTURE)
        two = store.usage(owner)
        assert two.records == 3 and two.bytes - one.bytes == one.bytes - none.bytes

    def test_several_threads_lose_nothing(self, store, owner):
        def work(number):
            record = make(owner, number)
            store.add(record)
            store.change(owner, record.id, tags=[f"t{number % 3}"])
            store.finish(owner, record.id, record.run, SAMPLE, thumbnail=PICTURE)
            store.search(owner, Query())

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(work, range(24)))
        page = store.search(owner, Query())
        assert page.total == 24 and {r.state for r in page.records} == {State.DONE}
        assert store.facets(owner).tags == {"t0": 8, "t1": 8, "t2": 8}
