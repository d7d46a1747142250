"""Seals on a real PostgreSQL with row-level security."""

import json
from datetime import timedelta

import pytest

from detector.schema.origin import GeoLocation, Provenance
from service.context import new_id
from service.records.database import FILE
from service.records.model import Query, ResultOrigin
from service.records.seals import Keyring, origin, origin_of
from service.records.sql import open_store
from service.records.supabase.store import SupabaseStore
from tests.support.records_contract import NOON, SAMPLE, TTL, make

PLACE = Provenance(place=GeoLocation(latitude=48.85, longitude=2.35, source="EXIF"))


@pytest.fixture
def ada(project):
    return project.person()


@pytest.fixture
def seals(tmp_path):
    return Keyring.open(tmp_path, open_store(tmp_path / FILE).database)


@pytest.fixture
def store(ada, seals):
    return SupabaseStore(lambda: ada.client, seals)


@pytest.fixture
def ours(ada, store):
    """A finished analysis of hers, as the server's pipeline leaves it."""
    record = make(ada.id)
    analysis = SAMPLE.model_copy(update={"provenance": PLACE})
    store.add(record)
    assert store.finish(ada.id, record.id, record.run, store.seals.seal(record, analysis))
    return record


def who(project, store, owner, id):
    """Who made it, as its page, its card, the list and a stranger with a link are told."""
    analysis, record = store.analysis(owner, id), store.get(owner, id)
    (listed,) = (r for r in store.search(owner, Query()).records if r.id == id)
    link = store.share(owner, id, TTL, NOON)
    shared = SupabaseStore(project.client, store.seals).shared(link.token, NOON)
    assert shared.analysis.provenance.place is None
    assert shared.analysis.seal is None or shared.analysis.seal.place is None
    return [origin(analysis.seal, owner), origin_of(record), origin_of(listed), shared.origin]


def row_of(ada, id):
    """Her row as she reads it, less what the database computes."""
    (row,) = ada.client.table("records").select("*").eq("id", id).execute().data
    return {k: v for k, v in row.items() if k not in ("headline", "probability", "stored")}


def test_the_servers_own_are_ours(project, ada, store, ours):
    assert set(who(project, store, ada.id, ours.id)) == {ResultOrigin.HERE}


@pytest.mark.parametrize("sealed", [True, False])
def test_an_inserted_row_is_not(project, ada, store, ours, sealed):
    row = row_of(ada, ours.id) | {"id": new_id(), "name": "another.mp4"}
    if not sealed:
        document = json.loads(row["document"]) | {"seal": None}
        row |= {"document": json.dumps(document), "result": row["result"] | {"seal": None}}
    ada.client.table("records").insert(row).execute()
    assert set(who(project, store, ada.id, row["id"])) == {ResultOrigin.ELSEWHERE}


def test_a_back_dated_result_is_not(project, ada, store, ours):
    row = row_of(ada, ours.id)
    ada.client.table("records").delete().eq("id", ours.id).execute()
    early = (NOON - timedelta(days=700)).isoformat()
    document = json.loads(row["document"]) | {"created": early}
    row |= {"document": json.dumps(document), "result": row["result"] | {"analyzed": early},
            "analyzed": early, "created": early, "touched": early}  # fmt: skip
    ada.client.table("records").insert(row).execute()
    assert set(who(project, store, ada.id, ours.id)) == {ResultOrigin.ELSEWHERE}


@pytest.mark.parametrize("what", ["score", "summary", "place"])
def test_a_changed_result_is_not(project, ada, store, ours, what):
    row = row_of(ada, ours.id)
    document = json.loads(row["document"])
    document["verdict"]["probability"] = 0.01
    new = {
        "score": {"document": json.dumps(document)},
        "summary": {"result": row["result"] | {"probability": 0.01}},
        "place": {"place": row["place"].replace("48.85", "-33.9")},
    }[what]
    ada.client.table("records").update(new).eq("id", ours.id).execute()
    page, card, listed, link = who(project, store, ada.id, ours.id)
    here, not_here = ResultOrigin.HERE, ResultOrigin.ELSEWHERE
    expected = {
        "score": [not_here, here, here, not_here],
        "summary": [here, not_here, not_here, here],
        "place": [not_here, here, here, here],
    }[what]
    assert [page, card, listed, link] == expected
