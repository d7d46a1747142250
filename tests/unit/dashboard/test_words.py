"""Numbers, states and the files of a batch as words."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from markupsafe import Markup

from dashboard import labels
from dashboard.components import controls
from dashboard.components.collection import AROUND, LETTER
from dashboard.components.markup import written
from dashboard.labels import NBSP
from dashboard.pages.batch import listing
from dashboard.record_export import RecordExport
from detector import sentences
from detector.messages.format import limit, score
from detector.messages.states import meaning, state
from detector.presentation import lead, summary, verdict
from detector.schema.analysis import Label, Reason, ReasonCode
from detector.schema.summary import ResultSummary
from service import languages
from service.batches import BatchRow, BatchState
from service.records.model import LOCAL, BatchItem, Record, State
from tests.support.result_sample import make_analysis


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.789, "79"), (0.5, "50"), (0.9999, "99"), (0.0001, "1"), (1.0, "100"), (0.0, "0")],
)
def test_percents_are_whole_and_never_claim_certainty(value, text):
    assert labels.percent(value) == f"{text} %"
    assert written(labels.percent(value)) == f"{text}{NBSP}%", "no line ends before the sign"


def test_a_limit_has_a_tenth_and_a_score_as_many_digits_as_keep_it_on_its_side():
    assert [limit(value) for value in (0.944, 0.7, 0.038, 0.9985)] == ["94.4", "70", "3.8", "99.9"]
    beside = [score(value, [0.876, 0.944]) for value in (0.93, 0.942, 0.9441, 0.9439, 0.944)]
    assert beside == ["93", "94.2", "94.41", "94.39", "94.4"]
    assert score(0.9442) == "94"


def test_quantities_keep_their_order_among_words_from_right_to_left():
    facts = f"1{NBSP}min 31{NBSP}s · 768×432 · 94 %"
    assert written(facts) == facts.replace("94 %", f"94{NBSP}%")
    with sentences.use(languages.catalog("ar")):
        isolated = written(facts)
        cells = written(Markup("<td>-0.05</td><td>5 [0, 39]</td>"))
    assert isolated == f"\u20661{NBSP}min 31{NBSP}s\u2069 · \u2066768×432\u2069 · 94{NBSP}%"
    assert cells == "<td>\u2066-0.05\u2069</td><td>5 \u2066[0, 39]\u2069</td>"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00.0"),
        (7.23, "00:07.2"),
        (59.97, "01:00.0"),
        (3723.44, "1:02:03.4"),
        (-1, "00:00.0"),
    ],
)
def test_clock(seconds, text):
    assert labels.clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_300_000, "1.3 MB"),
        (71_000_000, "71 MB"),
        (999_700, "1.0 MB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes(count, text):
    assert labels.size(count) == text.replace(" ", NBSP)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 5 s"), (12.3, "about 15 s"), (15, "about 15 s"), (89, "about 90 s"),
     (95, "about 2 minutes"), (600, "about 10 minutes")],
)  # fmt: skip
def test_times_are_said_as_about(seconds, text):
    assert labels.about(seconds).replace(NBSP, " ") == text


def test_spans_and_counts():
    assert labels.took(0.42) == f"0.4{NBSP}s"
    assert labels.took(0.01) == f"under 0.1{NBSP}s"
    assert labels.took(75) == f"1{NBSP}min 15{NBSP}s"
    assert labels.count(1, "person", "people") == f"1{NBSP}person"
    assert labels.count(1200, "frame", "frames") == f"1,200{NBSP}frames"
    assert labels.listed(["A", "B", "C"]) == "A, B and C"
    assert labels.listed([]) == ""
    assert labels.day(datetime(2026, 11, 20, tzinfo=UTC)) == f"20{NBSP}Nov{NBSP}2026"
    assert [labels.hours(h).replace(NBSP, " ") for h in (0.5, 1, 24, 168)] == [
        "30 minutes", "1 hour", "24 hours", "7 days",
    ]  # fmt: skip


def test_every_state_has_icon_word_glyph_and_color():
    looks = [labels.look(label) for label in Label]
    for part in ("icon", "glyph", "slug"):
        assert len({getattr(look, part) for look in looks}) == len(looks)
    assert len({look.color for look in looks}) == 4
    assert len(set(map(state, Label))) == len(looks)


def test_no_state_is_stated_as_a_fact():
    texts = [*map(state, Label), *map(meaning, Label)]
    assert not re.search(r"\b(fake|authentic|verified|real)\b", " ".join(texts), re.IGNORECASE)


def test_every_reason_a_face_is_left_out_has_a_word():
    needed = {code for code in ReasonCode if code.value.startswith(("too_", "face_", "turned"))}
    assert all(map(lead.why_not, needed))


def test_outside_text_is_inert():
    hostile = '<b onclick="x">**a**</b> [l](javascript:x) $x$'
    assert "<" not in labels.escape(hostile) and '"' not in labels.escape(hostile)
    assert not set(labels.plain_markdown(hostile)) & set("*[]()<>$`")


NOW = datetime.now(UTC)


def row(name, analysis=None, *, before="", seconds=4.0):
    """A finished file; `before` is what it was called when it was analyzed before."""
    analysis = analysis or make_analysis()
    record = Record(
        id=name, owner=LOCAL, created=NOW, touched=NOW, name=before or name, state=State.DONE,
        result=ResultSummary.of(analysis),
    )  # fmt: skip
    item = BatchItem(name=name, analysis=record.id, known=bool(before))
    return BatchRow(item, record, State.DONE, verdict=analysis.verdict, seconds=seconds)


def facts(one):
    return {fact.label: fact.value for fact in listing.facts(one, make_analysis())}


def test_lists_print_a_likelihood_near_a_limit_with_a_decimal_as_its_page_does():
    made = make_analysis()
    limits = made.verdict.thresholds
    for near, said in ((limits.high + 0.004, f"{100 * limits.high + 0.4:.1f}"), (0.5, "50")):
        verdict = made.verdict.model_copy(update={"probability": near})
        shown = listing.row_of(row("a.mp4", made.model_copy(update={"verdict": verdict})), None)
        assert summary.number(shown.result)[0] == f"{said} %" and shown.percent == float(said)


def answered(label):
    made = make_analysis()
    why = Reason(
        code=ReasonCode.NO_FACE, params={"looked": 32, "kind": "video", "scored": 0, "min_face": 40}
    )
    verdict = made.verdict.model_copy(update={"label": label, "reasons": [why]})
    return made.model_copy(update={"verdict": verdict})


WHY = "We found no face in 32 frames, so there is no score"


def test_a_note_says_why_there_is_no_answer_and_that_it_was_here():
    assert listing.note(row("a.mp4", answered(Label.PROBABLY_FAKE))) == ""
    seen = row("a.mp4", answered(Label.PROBABLY_FAKE), before="b.mp4")
    assert listing.note(seen) == "was here before"
    for label in (Label.INCONCLUSIVE, Label.NOT_APPLICABLE):
        seen = row("a.mp4", answered(label), before="b.mp4")
        assert listing.note(seen) == f"{WHY} · was here before"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.7, "0.7\u00a0s"), (4.04, "4.0\u00a0s"), (72.4, "1\u00a0min 12\u00a0s")]
)
def test_a_short_time_is_said_and_a_known_file_took_none(seconds, said):
    shown = facts(row("a.mp4", seconds=seconds))
    assert shown["Took"] == said and shown["People"] == "2"
    assert "Took" not in facts(row("a.mp4", before="b.mp4", seconds=seconds))


def test_arrows_to_other_pages_point_along_the_text():
    forward = ":material/arrow_forward:"
    assert controls.icon("arrow_forward") == forward
    with sentences.use(languages.catalog("ar")):
        assert controls.icon("arrow_back") == forward
        assert controls.icon("chevron_left") == ":material/chevron_left:", "time runs as ever"


@pytest.mark.parametrize("language", languages.available())
def test_no_language_cuts_a_column_of_a_batch(language):
    waits = BatchRow(BatchItem(name="b"), row("b.mp4").record, State.WAITING, kept=True)
    with sentences.use(languages.catalog(language)):
        judged = [row("a.mp4", answered(label)) for label in Label]
        for rows in (judged, [*judged, waits]):
            table = listing.listed([listing.row_of(one, None) for one in rows], print, "")
            assert sum(column.fitted for column in table.columns.values()) <= listing.TABLE
            cells = [table.cells(listing.row_of(one, None)) for one in rows]
            note = table.columns["note"]
            most = max(len(str(cell["note"])) for cell in cells)
            assert LETTER * most + AROUND <= note.fitted


def test_every_verdict_has_a_limit():
    made = make_analysis()
    bare = made.verdict.model_copy(update={"caveats": []})
    assert "no fact about a person" in verdict.limits(made.model_copy(update={"verdict": bare}))
    assert "no fact about a person" not in verdict.limits(made)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (("a.mp4", "b.mp4"), "Same content, same names."),
        (("a.mp4", "x.mp4"), "Same content, some under other names."),
        (("y.mp4", "x.mp4"), "Same content, other names."),
    ],
)
def test_other_names_are_said_where_names_differ(before, said):
    rows = [row("in/a.mp4", before=before[0]), row("b.mp4", before=before[1]), row("c.mp4")]
    known = listing.known_words(rows)
    assert known[0] == "2 of 3 were here before."
    assert known[1] == f"{said} Nothing of it is analyzed twice."
    assert listing.known_words(rows[2:]) is None


def test_a_table_says_the_answer_and_why_one_has_none():
    failed = row("x.mp4").record
    failed = failed.model_copy(update={"state": State.FAILED, "result": None})
    rows = [
        row("a.mp4"),
        row("b.mp4", answered(Label.PROBABLY_REAL)),
        row("e.mp4", answered(Label.NOT_APPLICABLE)),
        BatchRow(BatchItem(name="f.mp4", analysis="x"), failed, State.FAILED, error="=cut off."),
        BatchRow(BatchItem(name="g.txt"), error="This is no media."),
    ]
    made = RecordExport(None, partial(listing.exported, rows)).as_csv().decode()
    table = list(csv.DictReader(io.StringIO(made)))
    assert list(table[0])[:2] == ["file", "sha256"] and list(table[0])[-5:] == [
        "note", "reason", "headline", "likelihood_low", "likelihood_high",
    ]  # fmt: skip
    assert table[1]["headline"] == "Probably untouched"
    assert [(r["file"], r["verdict"], r["reason"]) for r in table] == [
        ("a.mp4", "FAKE", ""),
        ("b.mp4", "PROBABLY_REAL", ""),
        ("e.mp4", "NOT_APPLICABLE", "We found no face in 32 frames, so there is no score."),
        ("f.mp4", "", "'=cut off."),
        ("g.txt", "", "This is no media."),
    ]
    assert table[-1]["note"] == "This is no media."


def test_what_was_canceled_is_not_called_unreadable():
    record = row("a.mp4").record
    stopped = BatchRow(BatchItem(name="b"), record, State.CANCELED, kept=True)
    rows = [row("a.mp4"), stopped, stopped, BatchRow(BatchItem(name="c.txt"), error="No media.")]
    said = listing.progress(rows, BatchState.RUNNING, None)
    assert said == "4 of 4 files done · 1 could not be read · 2 canceled"
    assert listing.finished(rows, NOW, None)[1] == "1 likely fake, 1 not read, 2 canceled."


def test_a_batch_says_how_long_it_took_to_a_tenth():
    task = SimpleNamespace(started=NOW, ended=NOW + timedelta(seconds=3.4))
    head, _said = listing.finished([row("a.mp4")], NOW, task)
    assert head == "Done: 1\u00a0file in 3.4\u00a0s."
