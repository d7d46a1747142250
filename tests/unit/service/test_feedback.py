"""What people found out: how often the verdicts were right, and a labelled set of it."""

import io
from datetime import UTC, datetime

import pytest

from cli import main
from detector.errors import InputError
from detector.evaluation.labels import read_labels
from detector.schema.analysis import Label
from service import feedback
from service.records.database import FILE
from service.records.model import Confirmed, Record, State
from service.records.sql import open_store
from service.records.store import RecordScope
from service.storage.uploads import Uploads
from tests.support.result_sample import make_analysis

SAMPLE = make_analysis()


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / FILE)


def keep(
    store, uploads, says, so, text, *,
    owner = "local", month = 5
):  # fmt: skip
    upload = uploads.add(io.BytesIO(text.encode()), f"{text}.mp4")
    when = datetime(2026, month, 7, tzinfo=UTC)
    verdict = SAMPLE.verdict.model_copy(update={"label": says})
    record = Record(
        id=upload.token, owner=owner, created=when, touched=when, name=f"{text}.mp4",
        sha256=upload.sha256, state=State.DONE, run="x:1",
    )  # fmt: skip
    store.add(record, SAMPLE.model_copy(update={"verdict": verdict, "created": when}))
    return store.change(owner, record.id, confirmed=so)


def test_what_was_right_is_counted_by_month_and_only_of_what_was_confirmed(store, tmp_path):
    uploads = Uploads(tmp_path)
    keep(store, uploads, Label.FAKE, Confirmed.FAKE, "a")
    keep(store, uploads, Label.REAL, Confirmed.FAKE, "b")
    keep(store, uploads, Label.INCONCLUSIVE, Confirmed.REAL, "c", month=6)
    keep(store, uploads, Label.FAKE, Confirmed.OPEN, "d", month=6)
    keep(store, uploads, Label.REAL, Confirmed.REAL, "e", owner="guest:x", month=6)
    mine = feedback.confirmed(RecordScope("local", store))
    assert [sum(of) for of in zip(*feedback.by_month(mine).values(), strict=True)] == [1, 1, 1]
    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    assert feedback.by_month(store.confirmed()) == {may: (1, 1, 0), june: (1, 0, 1)}


def test_a_labelled_set_has_each_kept_file_once_and_is_read_as_one(store, tmp_path):
    uploads = Uploads(tmp_path)
    keep(store, uploads, Label.FAKE, Confirmed.FAKE, "fake")
    keep(store, uploads, Label.FAKE, Confirmed.REAL, "real")
    keep(store, uploads, Label.FAKE, Confirmed.REAL, "real", owner="guest:x")
    keep(store, uploads, Label.FAKE, Confirmed.REAL, "both")
    keep(store, uploads, Label.FAKE, Confirmed.FAKE, "both", owner="guest:x")
    lost = keep(store, uploads, Label.FAKE, Confirmed.FAKE, "lost")
    uploads.delete(lost.id)
    keep(store, uploads, Label.FAKE, Confirmed.OPEN, "open")
    out = tmp_path / "out"
    written = feedback.write_labels(store.confirmed(), uploads, out)
    assert written == feedback.LabelSet(real=1, fake=1, gone=1, contradicted=1)
    items = read_labels(out / "labels.csv")
    assert sorted((item.label, item.file.read_text()) for item in items) == [
        (0, "real"),
        (1, "fake"),
    ]
    with pytest.raises(InputError, match="already"):
        feedback.write_labels(store.confirmed(), uploads, out)


def test_the_command_writes_it(store, tmp_path, monkeypatch, capsys):
    keep(store, Uploads(tmp_path), Label.FAKE, Confirmed.FAKE, "fake")
    store.close()
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    command = ["export-labels", str(tmp_path / "out")]
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'labels.csv'}\n"
    assert "0 untouched and 1 manipulated" in said.err
    assert main(command) == 2
    assert "already" in capsys.readouterr().err
