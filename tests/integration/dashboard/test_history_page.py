"""The History page in each of its states, drawn by Streamlit without a browser."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from types import SimpleNamespace
from unittest.mock import ANY, Mock

import pytest
from skimage.data import astronaut
from starlette.requests import Request

from dashboard import server
from dashboard import url_state as address
from dashboard.components import record_cells
from dashboard.images import data_url
from dashboard.pages.history import filters, view
from dashboard.record_export import RecordExport
from dashboard.result import sharing
from detector.presentation import summary
from detector.schema.analysis import Analysis, ErrorDetail, Label, Question, Reason, ReasonCode
from detector.schema.comparison import ComparisonFinding
from detector.schema.summary import ResultSummary
from service import limits
from service.application import Application
from service.context import Principal, PrincipalKind, new_id
from service.rate_limit import RateLimiter
from service.records import thumbnails
from service.records.model import LOCAL, Confirmed, ErrorReport, Query, Record, RecordsError, State
from service.records.store import RecordScope
from tests.support import pages
from tests.support.pages import button, buttons, come_as, html, texts
from tests.support.result_sample import make_analysis, make_clip
from tests.support.scopes import local
from tests.unit.detector.test_comparison_words import made, media

NOW = datetime.now(UTC)
FAKE, REAL, UNSURE, NONE = Label.FAKE, Label.REAL, Label.INCONCLUSIVE, Label.NOT_APPLICABLE
KEPT = (
    ("council-statement.mp4", FAKE, 0.79, 1),
    ("interview-cut-3.mov", REAL, 0.11, 2),
    ("forwarded-0317.mp4", UNSURE, 0.48, 17),
    ("portrait.jpg", FAKE, 0.94, 20),
    ("hallway <b>camera</b>.mp4", NONE, None, 24),
    ("=cmd.mp4", REAL, 0.18, 40),
)
"""Name, verdict, likelihood, hours ago."""
PLAIN = filters.HistoryFilter(Query(limit=filters.PAGE), False).key
"""In widget keys: nothing is filtered."""


def changed(analysis, **verdict):
    """The same with another verdict."""
    return analysis.model_copy(update={"verdict": analysis.verdict.model_copy(update=verdict)})


def judged(label, probability, version=""):
    sample = make_analysis()
    question = Question.MANIPULATION
    answer = sample.verdict.answers[question].model_copy(
        update={"label": label, "probability": probability}
    )
    changes: dict[str, object] = {"label": label, "probability": probability}
    changes |= {"question": question, "answers": {question: answer}}
    if probability is None:
        params = {"looked": 32, "kind": "video", "scored": 0, "min_face": 40}
        reason = Reason(code=ReasonCode.NO_FACE, params=params)
        changes |= {"question": None, "reasons": [reason], "subject": None}
    software = sample.software.model_copy(update={"version": version} if version else {})
    tracks = [] if probability is None else sample.judged
    sample = sample.model_copy(update={"software": software, "subjects": tracks})
    return changed(sample, **changes)


def keep(jobs, name, analysis, hours, **changes):
    when = NOW - timedelta(hours=hours)
    fields: dict[str, object] = {
        "id": new_id(), "owner": LOCAL, "created": when, "touched": when, "name": name,
        "sha256": f"{abs(hash(name)):064x}"[:64], "run": "gone:1",
        "state": State.DONE if analysis else State.QUEUED,
    }  # fmt: skip
    record = Record.model_validate(fields | changes)
    picture = thumbnails.small(astronaut()[:288]) if analysis else None
    if analysis:
        analysis = analysis.model_copy(update={"created": when})
    jobs.store.add(record, analysis, picture)
    return record


@pytest.fixture
def kept(jobs):
    return [keep(jobs, name, judged(label, likely), hours) for name, label, likely, hours in KEPT]


page = partial(pages.page, "history")


def exported(jobs, what, owner=LOCAL):
    scope = RecordScope(owner, jobs.store)
    return RecordExport(scope, partial(view.read, scope, what))


def listed(at):
    return list(at.dataframe[0].value["file"]) if at.dataframe else []


def mark(at, rows, cells=None):
    """Choose in the table, as Streamlit's own element would tell it."""
    at.session_state[f"history-table-{PLAIN}-1"] = {
        "selection": {"rows": rows, "columns": [], "cells": cells or []}
    }
    at.run()
    assert not at.exception, at.exception
    return at


def test_nothing_is_said_kindly_and_leads_to_a_first_file(jobs):
    at = page()
    assert "Nothing here yet" in html(at) and not at.dataframe
    button(at, "Analyze a file").click().run()
    assert at.title[0].value == "Check a picture, a video or a voice"


def test_a_copy_of_known_footage_is_said_beside_its_verdict(jobs):
    for finding, said in (
        (ComparisonFinding.FACE_DIFFERS, "Manipulated copy of &lt;b&gt;rally.mov"),
        (ComparisonFinding.NOTHING_DIFFERS, "Same footage, nothing differs"),
        (ComparisonFinding.NOT_SAME_FOOTAGE, ""),
    ):
        found = made(finding, original_media=media("<b>rally.mov"))
        sample = judged(UNSURE, 0.48).model_copy(update={"comparison": found})
        record = keep(jobs, "a.mp4", sample, 1)
        body = html(page(r=record.id))
        assert "nconclusive" in body and "<b>rally" not in body
        assert said in body and ("ootage" in body or "copy of" in body) == bool(said)
        jobs.store.delete(LOCAL, [record.id])


def test_newest_first_with_what_was_found(kept):
    at = page()
    assert listed(at) == [name for name, *_ in KEPT]
    table = at.dataframe[0].value
    assert list(table["verdict"])[:3] == [
        ["▲ Likely manipulated"], ["○ No sign found"], ["? Can’t tell"],
    ]  # fmt: skip
    assert list(table["likelihood"])[:2] == [79, 11]
    assert all(url.startswith("data:image/webp;base64,") for url in table["picture"])
    text = html(at)
    assert "6\u00a0analyses" in text and "kept for 30\u00a0days" in text
    # The newest is shown beside it; hostile names are inert.
    assert "<h2>council-statement.mp4</h2>" in text
    assert "hallway <b>camera" not in text


def test_somebody_else_sees_nothing_of_it(kept, monkeypatch):
    come_as(monkeypatch, Principal("guest:x", PrincipalKind.GUEST))
    assert "Nothing here yet" in html(page())
    assert "council" not in html(page(r=kept[0].id))


def test_what_a_guest_left_is_offered_kept_or_refused(jobs, monkeypatch):
    left = 2
    monkeypatch.setattr(Application, "count_guest_analyses", lambda self, context: left)

    def keep(self, context):
        nonlocal left
        number, left = left, 0
        return number

    monkeypatch.setattr(Application, "claim_guest_analyses", keep)
    wish = "Keep what you analyzed as a guest"
    at = page()
    text = html(at)
    assert "2\u00a0analyses from before you signed in" in text and "Nothing here yet" in text
    button(at, wish).click().run()
    assert "2\u00a0analyses are in your account now." in html(at)
    assert wish not in buttons(at)

    left = 1
    full = RecordsError("Your account is full.", hint="Delete some.")
    monkeypatch.setattr(Application, "claim_guest_analyses", Mock(side_effect=full))
    at = page()
    button(at, wish).click().run()
    assert "Your account is full. Delete some." in html(at)
    button(at, "Not now").click().run()
    assert wish not in buttons(at)


def test_filters_by_verdict_time_model_tag_and_finding(jobs, kept):
    jobs.store.change(LOCAL, kept[1].id, tags=["desk"], confirmed=Confirmed.REAL)
    at = page()
    pills = at.pills(key="history-verdict")
    texts = list(pills.options)
    assert texts[0] == "All 6" and texts[1].endswith("Likely fake 2")
    assert texts[-1].endswith("No verdict 0")
    pills.set_value(FAKE.value).run()
    assert listed(at) == ["council-statement.mp4", "portrait.jpg"]
    at.pills(key="history-verdict").set_value("all").run()
    at.selectbox(key="history-when").set_value(7).run()
    assert len(listed(at)) == 6
    at.multiselect(key="history-tags").set_value(["desk"]).run()
    assert listed(at) == ["interview-cut-3.mov"]
    assert "found" in at.dataframe[0].value
    at.multiselect(key="history-models").set_value(["sbi"]).run()
    assert listed(at) == ["interview-cut-3.mov"]
    at.text_input(key="q").set_value("no such file").run()
    assert "Nothing matches." in html(at) and not at.dataframe
    button(at, "Clear the filters").click().run()
    assert len(listed(at)) == 6


def test_what_has_no_verdict_has_a_filter_of_its_own(jobs, kept):
    names = [keep(jobs, f"{n:02}.mp4", None, n, state=State.FAILED).name for n in range(11)]
    at = page()
    pills = at.pills(key="history-verdict")
    numbers = [int(text.split()[-1]) for text in pills.options]
    assert numbers[0] == 17 == sum(numbers[1:]) and pills.options[-1].endswith("No verdict 11")
    pills.set_value("unjudged").run()
    assert listed(at) == names[:10] and "1 to 10 of 11" in html(at)
    assert "11\u00a0analyses found" in html(at) and "11\u00a0matching analyses" in html(at)
    unjudged = Query(verdicts=frozenset({""}), limit=filters.PAGE)
    at.session_state[f"history-page-{filters.HistoryFilter(unjudged, True).key}"] = 2
    at.run()
    assert listed(at) == names[10:]


def test_pages_are_turned_and_a_deleted_last_page_leads_back(jobs):
    records = [keep(jobs, f"{n:02}.mp4", judged(REAL, 0.1), n) for n in range(11)]
    at = page()
    assert len(listed(at)) == 10 and "1 to 10 of 11" in html(at)
    at.session_state[f"history-page-{PLAIN}"] = 2
    at.run()
    assert listed(at) == ["10.mp4"] and "11 to 11 of 11" in html(at)
    jobs.delete([records[10].id], local(jobs))
    at.run()
    assert not at.exception and len(listed(at)) == 10


def test_what_has_no_result_says_where_it_stands(jobs):
    keep(jobs, "in a batch.mp4", None, 0, run="")
    keep(jobs, "stopped.mp4", None, 1)
    problem = ErrorDetail(code="undecodable", message="The video stops after 3 s.")
    fault = ErrorReport(problem=problem, ours=False, reference="AAAA-BBBB", when=NOW, details="")
    keep(jobs, "broken.mp4", None, 2, state=State.FAILED, fault=fault)
    at = page()
    words = [v[0] for v in at.dataframe[0].value["verdict"]]
    assert words == ["– Waiting", "– Interrupted", "– Not read"]
    at = mark(at, [], [(2, "file")])
    assert "The video stops after 3 s." in texts(at)
    assert not [b for b in at.button if b.label == "Share"]


def test_a_pressed_row_is_shown_and_opens_again(kept):
    at = mark(page(), [], [(2, "file")])
    assert "<h2>forwarded-0317.mp4</h2>" in html(at)
    button(at, "Open").click().run()
    assert not at.exception and at.query_params["a"] in (kept[2].id, [kept[2].id])
    assert "forwarded-0317.mp4" in html(at)


def test_what_is_pressed_or_marked_last_is_shown(kept):
    names = [name for name, *_ in KEPT]
    at = mark(page(), [], [(4, "file")])
    assert f"<h2>{escape(names[4])}</h2>" in html(at)
    pressed = [(4, "file")]
    assert f"<h2>{names[1]}</h2>" in html(mark(at, [1], pressed)), "Delete would delete another"
    assert at.button(key=f"delete-{kept[1].id}")
    assert f"<h2>{names[3]}</h2>" in html(mark(at, [1], [(3, "file")]))
    at = mark(at, [0, 1], [(3, "file")])
    assert "2 marked" in html(at)
    assert f"<h2>{names[2]}</h2>" in html(mark(at, [0, 1], [(2, "file")]))
    assert f"<h2>{names[2]}</h2>" in html(mark(at, [1], [(2, "file")])), "nothing else was chosen"
    assert f"<h2>{names[1]}</h2>" in html(mark(at, [1], []))


def test_what_could_not_be_judged_opens_without_its_file(kept):
    text = html(pages.page(a=kept[4].id))
    assert "We found no face in 32 frames, so there is no score." in text
    assert "could not be drawn" not in text


def test_notes_tags_and_findings_are_kept(jobs, kept):
    at = page()
    id = kept[0].id
    at.text_area(key=f"note-{id}").set_value("Source asked for original").run()
    at.multiselect(key=f"tags-{id}").set_value(["desk", "council"]).run()
    at.segmented_control(key=f"found-{id}").set_value(Confirmed.FAKE).run()
    assert not at.exception
    found = jobs.store.get(LOCAL, id)
    assert found.note == "Source asked for original" and found.tags == ("desk", "council")
    assert found.confirmed is Confirmed.FAKE and "Confirmed fake" in html(at)
    assert listed(page(q="original")) == ["council-statement.mp4"]


def test_what_cannot_be_kept_is_said_and_changes_nothing(jobs, kept):
    at = page()
    at.multiselect(key=f"tags-{kept[0].id}").set_value(["x" * 41]).run()
    assert "A tag can have 40 characters" in html(at)
    assert jobs.store.get(LOCAL, kept[0].id).tags == ()


def test_an_older_version_says_so(jobs):
    keep(jobs, "old.mp4", judged(FAKE, 0.9, version="0.0.1"), 1)
    text = html(page())
    assert "Scored by version 0.0.1. Analyze again to compare fairly." in text
    assert "upload it again" in text  # its media is gone


def test_an_older_version_is_analyzed_again_where_the_file_is_kept(jobs, tmp_path, monkeypatch):
    record = keep(jobs, "old.mp4", judged(FAKE, 0.9, version="0.0.1"), 1)
    make_clip(tmp_path / "c.webm", duration=1.0)
    media = jobs.uploads.path(record.id)
    media.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "c.webm").rename(media.with_suffix(".webm") if media.suffix else media)
    rerun = Mock()
    monkeypatch.setattr(Application, "rerun", rerun)
    at = page()
    button(at, "Analyze again").click().run()
    rerun.assert_called_once_with(ANY, record.id, ANY)


def test_two_marked_ones_are_compared_and_several_deleted(jobs, kept):
    at = mark(page(), [0, 2, 3])
    assert "3 marked" in html(at) and button(at, "Compare these two").disabled
    at = mark(at, [0, 2])
    button(at, "Compare these two").click().run()
    assert not at.exception
    text = html(at)  # their files are gone: their scores are compared all the same
    assert "could not be drawn" not in text and "points apart" in text
    both = [kept[0].id, kept[2].id]
    assert [at.query_params[name] for name in "ab"] in (both, [[id] for id in both])
    at = mark(page(), [0, 1])
    at.button(key="delete-marked").click().run()
    assert "Delete these 2\u00a0analyses and their frames?" in html(at)
    at.button(key="kept").click().run()
    assert len(jobs.store.ids(LOCAL)) == 6
    at = mark(page(), [0, 1])
    at.button(key="delete-marked").click().run()
    at.button(key="deleted").click().run()
    assert "2\u00a0analyses were deleted." in html(at)
    assert set(jobs.store.ids(LOCAL)) == {record.id for record in kept[2:]}


def test_exports_hold_what_was_asked_for(jobs, kept):
    jobs.store.change(LOCAL, kept[0].id, note="@SUM(A1)", tags=["a", "b"])
    everything = exported(jobs, Query())
    rows = list(csv.DictReader(io.StringIO(everything.as_csv().decode())))
    assert [row["file"] for row in rows] == [*(n for n, *_ in KEPT[:-1]), "'=cmd.mp4"]
    assert rows[0]["likelihood"] == "0.7900" and rows[0]["tags"] == "a; b"
    assert rows[0]["note"] == "'@SUM(A1)" and rows[4]["likelihood"] == ""
    some = exported(jobs, [kept[0], kept[4]])
    tree = json.loads(some.as_json())
    assert [one["name"] for one in tree["analyses"]] == [kept[0].name, kept[4].name]
    assert Analysis.model_validate(tree["analyses"][0]["analysis"]).verdict.label is FAKE
    assert "owner" not in tree["analyses"][0] and kept[0].id not in some.as_json().decode()
    with zipfile.ZipFile(io.BytesIO(some.as_zip())) as archive:
        assert set(archive.namelist()) == {
            "analyses.csv",
            "results/0001 council-statement.json", "pictures/0001 council-statement.webp",
            "results/0002 b_.json", "pictures/0002 b_.webp",
        }  # fmt: skip
        assert archive.read("pictures/0001 council-statement.webp")[:4] == b"RIFF"
    assert exported(jobs, [kept[0]], owner="guest:x").read() == []


def test_an_export_says_the_answer_and_why_one_has_none(jobs, kept):
    keep(jobs, "probably.mp4", judged(Label.PROBABLY_FAKE, 0.8), 60)
    fault = ErrorReport(
        problem=ErrorDetail(code="no_media", message="This is no video and no picture."),
        ours=False, reference="A-1", when=NOW, details="",
    )  # fmt: skip
    keep(jobs, "notes.txt", None, 61, state=State.FAILED, fault=fault)
    everything = exported(jobs, Query())
    rows = {r["file"]: r for r in csv.DictReader(io.StringIO(everything.as_csv().decode()))}
    assert rows["probably.mp4"]["verdict"] == "PROBABLY_FAKE"
    assert rows["probably.mp4"]["headline"] == "Probably manipulated"
    assert {name: r["reason"] for name, r in rows.items() if r["reason"]} == {
        KEPT[4][0]: "We found no face in 32 frames, so there is no score.",
        "notes.txt": "This is no video and no picture.",
    }


def test_more_than_a_page_is_exported_whole(jobs, monkeypatch):
    monkeypatch.setattr(view, "MAX_PAGE_SIZE", 4)
    for n in range(11):
        keep(jobs, f"{n}.mp4", None, n)
    found = exported(jobs, Query(limit=10)).read()
    assert [one.name for one in found] == [f"{n}.mp4" for n in range(11)]
    monkeypatch.setattr(view, "MAX_RECORDS", 5)
    assert len(exported(jobs, Query()).read()) == 5


def test_a_result_is_shared_from_its_own_page(jobs, kept):
    at = pages.page(a=kept[0].id)
    at.button(key=f"result.{kept[0].id}.widget.share").click().run()
    at.button(key=f"link-{kept[0].id}").click().run()
    assert not at.exception
    (known,) = jobs.store.shares(LOCAL, datetime.now(UTC), kept[0].id)
    assert at.session_state["new-link"].id == known.id
    assert known.expires - known.created == timedelta(days=7)
    at.button(key=f"result.{kept[0].id}.widget.share").click().run()
    assert "new-link" not in at.session_state  # its address was shown once


def test_a_link_whose_place_does_not_answer_is_said(jobs, kept, monkeypatch):
    made = jobs.store.share(LOCAL, kept[0].id, timedelta(days=2), datetime.now(UTC))
    silent = RecordsError("Your records can't be reached just now.")
    monkeypatch.setattr(jobs.store, "shared", Mock(side_effect=silent))
    text = html(pages.page(s=made.token))
    assert "This result can’t be read now" in text and "went wrong" not in text
    assert "Your records" not in text  # they are somebody else's
    request = Request({"type": "http", "path_params": {"token": made.token}, "headers": []})
    assert server._shared(request).status_code == 503


def test_guesses_of_links_are_limited(kept, monkeypatch):
    monkeypatch.setattr(limits, "rejected", RateLimiter(60))
    monkeypatch.setattr(limits, "MAX_REJECTED", 2)
    scope = {"type": "http", "path_params": {"token": "x" * 22}, "headers": []}
    request = Request({**scope, "client": ("203.0.113.9", 1)})
    assert [server._shared(request).status_code for _ in range(3)] == [404, 404, 429]
    assert int(server._shared(request).headers["Retry-After"]) > 0
    assert server._shared(Request({**scope, "client": ("203.0.113.10", 1)})).status_code == 404


def test_a_link_that_outlives_the_result_is_said(kept, monkeypatch):
    monkeypatch.setenv("UNMASK_KEEP_RECORDS_DAYS", "3")
    at = page()
    at.button(key=f"share-{kept[0].id}").click().run()
    assert "Results are deleted 3\u00a0days after" in html(at)
    assert sharing.reaches_only_here()  # the test has no address


def test_a_sound_has_a_sign_in_place_of_a_picture_and_its_length_to_the_tenth(kept):
    result = ResultSummary.of(make_analysis())
    heard = result.model_copy(update={"kind": "audio", "duration": 6.46})
    seen, sound = (kept[0].model_copy(update={"result": one}) for one in (result, heard))
    assert summary.length(sound.result.duration) == "6.5\u00a0s"
    signs = {record_cells.picture(one, None) for one in (sound, seen)}
    assert len(signs) == 2 and all(sign.startswith("data:image/svg+xml;base64,") for sign in signs)
    assert record_cells.picture(None, None) in signs, "a file that was not read, or waits"
    assert record_cells.picture(sound, b"webp") == data_url(b"webp", "webp")


def test_a_moment_of_another_year_has_it():
    said = record_cells.when(datetime(2019, 3, 4, 5, 6, tzinfo=UTC))
    assert said.replace("\u00a0", " ") == "4 Mar 2019, 05:06"


@pytest.mark.parametrize(
    ("page", "site"),
    [
        ("http://localhost:8501", "http://localhost:8501"),
        ("http://localhost:8501/history/", "http://localhost:8501"),
        ("https://host/tools/unmask/compare", "https://host/tools/unmask"),
        ("http://live", "http://live"),  # a host's name, not the page
        (None, ""),
    ],
)
def test_a_link_begins_with_the_app_and_not_with_the_page(page, site, monkeypatch):
    monkeypatch.setattr(address, "st", SimpleNamespace(context=SimpleNamespace(url=page)))
    assert address.site() == site
    assert address.link_to("abc") == f"{site}/?s=abc"
