"""Seals under results: whose result is ours, and what breaks one."""

import json
import sqlite3
import stat

import pytest

from cli import main as unmask
from detector import seals
from detector.schema.comparison import Comparison, ComparisonFinding, TimeAlignment
from detector.schema.origin import Fact, GeoLocation, Provenance
from detector.schema.seal import ResultSeal
from service import exports
from service.records.database import FILE
from service.records.model import LOCAL, Query, RecordsError, ResultOrigin
from service.records.seals import FILE as KEY
from service.records.seals import Keyring, origin, origin_of
from service.records.seals import main as keys
from service.records.sql import open_store
from tests.support.kept import rewrite
from tests.support.pdf import text_of
from tests.support.records_contract import NOON, SAMPLE, TTL, make, result

PLACE = Provenance(
    facts=[Fact(group="camera", name="Model", value="X100", source="EXIF")],
    place=GeoLocation(latitude=48.85, longitude=2.35, source="EXIF"),
)


def opened(data):
    store = open_store(data / FILE)
    store.seals = Keyring.open(data, store.database)
    return store


def kept(store, analysis=SAMPLE):
    """A finished record, as the pipeline leaves it."""
    record = make(LOCAL)
    store.add(record, store.seals.seal(record, analysis))
    return store.get(LOCAL, record.id)


@pytest.fixture
def store(tmp_path):
    return opened(tmp_path)


@pytest.fixture
def record(store):
    return kept(store)


def who(store, record):
    """Who made it, as its page, the list and a link say."""
    analysis = store.analysis(record.owner, record.id)
    (listed,) = (r for r in store.search(record.owner, Query()).records if r.id == record.id)
    link = store.share(record.owner, record.id, TTL, NOON)
    shared = store.shared(link.token, NOON)
    return origin(analysis.seal, record.owner), origin_of(listed), shared.origin


def test_what_the_pipeline_writes_is_ours_wherever_it_is_shown(record, store, tmp_path):
    assert set(who(store, record)) == {ResultOrigin.HERE}
    again = opened(tmp_path)  # the key is the same, and so is what it signed
    assert again.seals.own == store.seals.own
    assert set(who(again, record)) == {ResultOrigin.HERE}


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["verdict"].update(probability=0.02),
        lambda tree: tree["models"][0].update(probability=0.5),
        lambda tree: tree.update(created="2020-01-01T00:00:00Z"),
        lambda tree: tree["media"].update(sha256="1" * 64),
        lambda tree: tree["seal"].update(media="1" * 64),
        lambda tree: tree["seal"].update(signature="AAAA"),
        lambda tree: tree["seal"].update(key="AAAA"),
    ],
)
def test_a_changed_score_breaks_the_seal(record, store, tmp_path, change):
    rewrite(tmp_path, record.id, change)
    page, _list, link = who(store, record)
    assert page is link is ResultOrigin.ELSEWHERE


@pytest.mark.parametrize(
    ("column", "value"),
    [("probability", 0.01), ("verdict", "REAL"), ("analyzed", "2020-01-01T00:00:00.000000Z"),
     ("models", ["other"]), ("sha256", "1" * 64)],
)  # fmt: skip
def test_what_a_list_shows_is_sealed_too(record, store, tmp_path, column, value):
    new = (
        "sha256 = ?1"
        if column == "sha256"
        else f"result = json_set(result, '$.{column}', json(?1))"
    )
    value = value if column == "sha256" else json.dumps(value)
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(f"UPDATE records SET {new} WHERE id = ?2", [value, record.id])
    assert who(store, record)[1] is ResultOrigin.ELSEWHERE


def test_a_seal_is_of_one_record(record, store):
    analysis = store.analysis(LOCAL, record.id)
    other = make(LOCAL, sha256=record.sha256)
    store.add(other, analysis)
    assert set(who(store, other)) == {ResultOrigin.ELSEWHERE}


def test_the_finding_of_a_comparison_is_sealed(store, tmp_path):
    found = Comparison(
        copy_media=SAMPLE.media,
        original_media=SAMPLE.media.model_copy(update={"name": "press.mp4"}),
        finding=ComparisonFinding.NOTHING_DIFFERS,
        time=TimeAlignment(compared=3, matched=3),
    )
    record = kept(store, SAMPLE.model_copy(update={"comparison": found}))
    assert set(who(store, record)) == {ResultOrigin.HERE}
    analysis = store.analysis(LOCAL, record.id)
    sent = analysis.model_dump(mode="json")
    assert seals.holds(analysis.seal, sent, [store.seals.own])
    changed = {"finding": ComparisonFinding.FACE_DIFFERS}
    rewrite(tmp_path, record.id, lambda tree: tree["comparison"].update(changed))
    assert who(store, record)[0] is ResultOrigin.ELSEWHERE


def test_the_place_is_sealed_and_left_out_without_breaking_it(store, tmp_path):
    record = kept(store, SAMPLE.model_copy(update={"provenance": PLACE}))
    assert set(who(store, record)) == {ResultOrigin.HERE}
    shared = store.shared(store.share(LOCAL, record.id, TTL, NOON).token, NOON)
    assert shared.analysis.seal.place is None  # by it a place could be guessed
    assert record.id not in shared.analysis.model_dump_json()  # it opens more than reading
    rewrite(tmp_path, record.id, lambda tree: tree["provenance"]["place"].update(latitude=0.0))
    assert who(store, record)[0] is ResultOrigin.ELSEWHERE


def test_what_nobody_sealed_is_ours_only_where_nobody_else_writes(store):
    assert origin(None, LOCAL) is origin(None, "guest:x") is ResultOrigin.BEFORE
    assert origin(None, "0b9cf7a6-6a0e-4a3b-8d7d-7a2b2f8f2f10") is ResultOrigin.ELSEWHERE
    record = make(LOCAL)
    store.add(record, SAMPLE)
    assert set(who(store, record)) == {ResultOrigin.BEFORE}


def test_the_key_is_this_users_alone(tmp_path):
    opened(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_new_key_leaves_what_the_old_one_signed(record, store, tmp_path):
    (tmp_path / KEY).unlink()
    again = opened(tmp_path)
    assert again.seals.own != store.seals.own
    assert set(who(again, record)) == {ResultOrigin.HERE}


def test_a_revoked_key_is_believed_no_more_and_stops_its_server(
    record, store, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    assert keys([]) == 0 and store.seals.own in capsys.readouterr().out
    assert keys(["revoke", "unknown"]) == 1
    assert keys(["revoke", store.seals.own]) == 0
    with pytest.raises(RecordsError, match="revoked"):
        opened(tmp_path)
    (tmp_path / KEY).unlink()
    assert set(who(opened(tmp_path), record)) == {ResultOrigin.ELSEWHERE}


def test_servers_with_one_secret_have_one_key(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_SECRET_KEY", "correct horse battery staple " * 2)
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    assert one.seals.own == other.seals.own
    assert not (tmp_path / "one" / KEY).exists()


def test_servers_of_one_database_know_each_others_keys(tmp_path):
    one = opened(tmp_path)
    record = kept(one)
    assert set(who(one, record)) == {ResultOrigin.HERE}
    (tmp_path / "elsewhere").mkdir()
    other = open_store(tmp_path / FILE)
    other.seals = Keyring.open(tmp_path / "elsewhere", other.database)
    late = kept(other)
    one.seals._looked = -1e9  # a moment later
    assert set(who(one, late)) == set(who(other, record)) == {ResultOrigin.HERE}


def test_keys_of_others_are_believed_where_the_operator_says_so(tmp_path, monkeypatch):
    stranger, store = opened(tmp_path / "stranger"), opened(tmp_path / "ours")
    record = make(LOCAL)
    store.add(record, stranger.seals.seal(record, SAMPLE))
    assert set(who(store, record)) == {ResultOrigin.ELSEWHERE}
    monkeypatch.setenv("UNMASK_SEAL_KEYS", stranger.seals.own)
    assert set(who(opened(tmp_path / "ours"), record)) == {ResultOrigin.HERE}


def test_a_key_that_is_none_stops_the_server_in_words(tmp_path):
    (tmp_path / KEY).write_text("something else")
    with pytest.raises(RecordsError, match="holds no key"):
        opened(tmp_path)
    assert (tmp_path / KEY).read_text() == "something else"


@pytest.fixture
def operators_key(tmp_path, monkeypatch):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / "operator.pem").write_bytes(pem)
    monkeypatch.setenv("UNMASK_SIGNING_KEY", str(tmp_path / "operator.pem"))


@pytest.mark.usefixtures("operators_key")
def test_the_operator_signs_no_report_of_what_is_not_ours(tmp_path):
    gone = tmp_path / "gone.mp4"
    ours = json.loads(exports.report("json", gone, SAMPLE, ResultOrigin.HERE))
    assert ours["seal"]["signature"] and "origin" not in ours
    other = json.loads(exports.report("json", gone, SAMPLE, ResultOrigin.ELSEWHERE))
    assert other["seal"]["signature"] is None
    assert other["origin"].startswith("Not made by this server")


def test_the_pdf_says_so_in_words(tmp_path):
    def first_page(made):
        return text_of(exports.report("pdf", tmp_path / "gone.mp4", SAMPLE, made), 1)

    assert "Not made by this server" in first_page(ResultOrigin.ELSEWHERE)
    assert "Made before this server" in first_page(ResultOrigin.BEFORE)
    assert "Not made by" not in first_page(ResultOrigin.HERE)


def test_moved_thresholds_take_the_seal_from_the_report(store, tmp_path):
    analysis = store.analysis(LOCAL, kept(store).id)
    same = json.loads(exports.report("json", tmp_path / "gone", analysis, ResultOrigin.HERE))
    assert seals.holds(ResultSeal.model_validate(same["analysis"]["seal"]), same["analysis"],
                       {store.seals.own})  # fmt: skip
    moved = analysis.model_copy(update={"verdict": result(probability=0.1).verdict})
    changed = json.loads(exports.report("json", tmp_path / "gone", moved, ResultOrigin.HERE))
    assert changed["analysis"]["seal"] is None


def test_a_stranger_can_check_a_result(store, tmp_path, capsys):
    analysis = store.analysis(LOCAL, kept(store).id)
    other = opened(tmp_path / "other").seals.own
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"id": "x", "result": analysis.model_dump(mode="json")}))
    assert unmask(["verify", str(file), "--key", store.seals.own]) == 0
    assert "Intact" in capsys.readouterr().out
    assert unmask(["verify", str(file), "--key", other]) == 2
    assert "ANOTHER key" in capsys.readouterr().out
    tree = analysis.model_dump(mode="json")
    tree["verdict"]["probability"] = 0.01
    file.write_text(json.dumps(tree))
    assert unmask(["verify", str(file), "--key", store.seals.own]) == 2
    assert "CHANGED" in capsys.readouterr().out
    file.write_text(json.dumps(SAMPLE.model_dump(mode="json")))
    assert unmask(["verify", str(file)]) == 2


def test_what_is_added_to_our_own_is_sealed_again_and_to_no_others(record, store):
    ours = store.analysis(LOCAL, record.id)
    again = store.seals.seal_again(record, ours, ours.model_copy(update={"partial": True}))
    assert store.update_result(LOCAL, record.id, again)
    assert set(who(store, record)) == {ResultOrigin.HERE}
    broken = ours.model_copy(update={"seal": ours.seal.broken()})
    added = store.seals.seal_again(record, broken, broken.model_copy(update={"partial": True}))
    assert store.update_result(LOCAL, record.id, added)
    assert set(who(store, record)) == {ResultOrigin.ELSEWHERE}
