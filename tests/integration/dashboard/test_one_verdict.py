"""A file has one headline and one whole percent, wherever it is shown."""

import csv
import html as entities
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from cli.analyze import summary
from dashboard import labels, session
from dashboard.pages.batch import export as batch_export
from dashboard.pages.batch import listing
from dashboard.pages.history import export
from detector import report
from detector.batch import table as batch_table
from detector.messages.format import interval, percent, whole_percent
from detector.schema.analysis import (
    Analysis,
    EmpiricalOdds,
    Label,
    Lean,
    Proof,
    ProofKind,
    Question,
)
from detector.schema.comparison import ComparisonFinding
from detector.schema.origin import Credential, CredentialState, Fact, Provenance, VisibleMark
from service.api.schemas import AnalysisView
from service.batches import BatchRow
from service.records.batches import BatchItem
from service.records.model import LOCAL, MAX_PAGE_SIZE, Query
from tests.integration.dashboard.test_history_page import judged, keep, page
from tests.support.pages import OWNER, html, result
from tests.support.pages import page as whole_page
from tests.support.pdf import text_of
from tests.unit.detector.test_comparison_words import made, media


def leaning(lean: Lean) -> Analysis:
    analysis = judged(Label.INCONCLUSIVE, 0.48)
    verdict = analysis.verdict.model_copy(update={"lean": lean})
    return analysis.model_copy(update={"verdict": verdict})


def compared(analysis: Analysis, finding: ComparisonFinding, **more: object) -> Analysis:
    found = made(finding, original_media=media("press.mp4"), **more)
    return analysis.model_copy(update={"comparison": found})


def unsigned(analysis: Analysis) -> Analysis:
    """A result of a file in which a generator left its settings."""
    fact = Fact(group="generator", name="Prompt", value="a mayor", source="PNG text")
    provenance = Provenance(facts=[fact], findings=["It holds settings of an image generator."])
    return analysis.model_copy(update={"provenance": provenance})


def marked(analysis: Analysis) -> Analysis:
    """A result of a file that bears a generator's visible mark."""
    mark = VisibleMark(name="Gemini", maker="Google", place="bottom right", score=0.93)
    provenance = analysis.provenance or Provenance()
    provenance = provenance.model_copy(update={"marks": [mark]})
    return analysis.model_copy(update={"provenance": provenance})


def signed(
    analysis: Analysis, states: Literal["whole", "part"] | None, state: CredentialState = "trusted"
) -> Analysis:
    """A result of a file with Content Credentials of a generator."""
    credential = Credential(state=state, organization="Acme", states_generated=states)
    credential.generated = True
    return analysis.model_copy(update={"provenance": Provenance(credential=credential)})


def asked(question: Question, label: Label, likely: float, lean: Lean | None = None) -> Analysis:
    """A result that another question leads."""
    analysis = judged(label, likely)
    (answer,) = analysis.verdict.answers.values()
    changes = {"question": question, "answers": {question: answer}, "lean": lean}
    verdict = analysis.verdict.model_copy(update=changes)
    return analysis.model_copy(update={"verdict": verdict})


def measured(analysis: Analysis, share: float, low: float, high: float) -> Analysis:
    """A result whose likelihood has an interval."""
    verdict = analysis.verdict
    assert verdict.question is not None
    odds = EmpiricalOdds(share=share, low=low, high=high, clips=60)
    answer = verdict.answers[verdict.question].model_copy(update={"odds": odds})
    verdict = verdict.model_copy(update={"answers": verdict.answers | {verdict.question: answer}})
    return analysis.model_copy(update={"verdict": verdict})


def watched(analysis: Analysis) -> Analysis:
    """The record of a live session."""
    media = analysis.media.model_copy(update={"live": True})
    return analysis.model_copy(update={"media": media})


FACE = ComparisonFinding.FACE_DIFFERS
CASES = {
    "fake": (judged(Label.FAKE, 0.79496), Label.FAKE, "Likely manipulated"),
    "real": (judged(Label.REAL, 0.004), Label.REAL, "No sign of manipulation found"),
    "leaning": (
        leaning(Lean.MANIPULATED), Label.INCONCLUSIVE, "Inconclusive, leans manipulated",
    ),
    "no lean": (leaning(Lean.NONE), Label.INCONCLUSIVE, "Inconclusive, no lean"),
    "not judged": (
        judged(Label.NOT_APPLICABLE, None), Label.NOT_APPLICABLE, "Could not be judged",
    ),
    "copy": (
        compared(judged(Label.REAL, 0.27), FACE), Label.FAKE, "Manipulated copy of press.mp4",
    ),
    "roles open": (
        compared(judged(Label.REAL, 0.27), FACE, role_source="assumed"), Label.REAL,
        "No sign of manipulation found",
    ),
    "same footage": (
        compared(leaning(Lean.UNTOUCHED), ComparisonFinding.NOTHING_DIFFERS), Label.INCONCLUSIVE,
        "Inconclusive, leans untouched",
    ),
    "generator's unsigned metadata": (
        unsigned(judged(Label.REAL, 0.995)), Label.REAL, "No sign of manipulation found",
    ),
    "generator's mark": (
        marked(judged(Label.REAL, 0.27)), Label.FAKE, "Marked as AI-generated by Gemini",
    ),
    "mark, open": (
        marked(measured(leaning(Lean.UNTOUCHED), 0.3, 0.2, 0.5)), Label.FAKE,
        "Marked as AI-generated by Gemini",
    ),
    "mark, not judged": (
        marked(judged(Label.NOT_APPLICABLE, None)), Label.FAKE, "Marked as AI-generated by Gemini",
    ),
    "signed": (
        signed(judged(Label.REAL, 0.004), "whole"), Label.FAKE, "Signed as AI-generated by Acme",
    ),
    "a part signed": (
        signed(leaning(Lean.NONE), "part"), Label.FAKE, "Signed as partly AI-generated by Acme",
    ),
    "signed by a stranger": (
        signed(judged(Label.REAL, 0.27), "whole", "untrusted"), Label.REAL,
        "No sign of manipulation found",
    ),
    "signature broken": (
        signed(leaning(Lean.NONE), "whole", "invalid"), Label.INCONCLUSIVE,
        "Inconclusive, no lean",
    ),
    "an ingredient generated": (
        signed(judged(Label.FAKE, 0.97), None), Label.FAKE, "Likely manipulated",
    ),
    "mark before signature": (
        marked(signed(judged(Label.REAL, 0.27), "whole")), Label.FAKE,
        "Marked as AI-generated by Gemini",
    ),
    "copy before mark": (
        compared(marked(judged(Label.REAL, 0.27)), FACE), Label.FAKE,
        "Manipulated copy of press.mp4",
    ),
    "with an interval": (
        measured(judged(Label.FAKE, 0.951), 0.9, 0.85, 0.99), Label.FAKE, "Likely manipulated",
    ),
    "open, with an interval": (
        measured(leaning(Lean.NONE), 0.52, 0.36, 0.56), Label.INCONCLUSIVE, "Inconclusive, no lean",
    ),
    "at the end of its interval": (
        measured(judged(Label.REAL, 0.05), 0.1, 0.05, 0.17), Label.REAL,
        "No sign of manipulation found",
    ),
    "all but certain": (judged(Label.FAKE, 0.9997), Label.FAKE, "Likely manipulated"),
    "all but excluded": (judged(Label.REAL, 0.0004), Label.REAL, "No sign of manipulation found"),
    "machine-made": (
        asked(Question.SYNTHESIS, Label.FAKE, 0.94), Label.FAKE, "Likely AI-generated",
    ),
    "leans AI-generated": (
        asked(Question.SYNTHESIS, Label.INCONCLUSIVE, 0.7, Lean.MANIPULATED), Label.INCONCLUSIVE,
        "Inconclusive, leans AI-generated",
    ),
    "live": (watched(judged(Label.FAKE, 0.96)), Label.FAKE, "Likely manipulated"),
    "live, open": (
        watched(measured(leaning(Lean.MANIPULATED), 0.6, 0.4, 0.7)), Label.INCONCLUSIVE,
        "Inconclusive, leans manipulated",
    ),
    "copy of an open one": (
        compared(leaning(Lean.UNTOUCHED), FACE), Label.FAKE, "Manipulated copy of press.mp4",
    ),
    "no footage in common": (
        compared(judged(Label.FAKE, 0.97), ComparisonFinding.NOT_SAME_FOOTAGE), Label.FAKE,
        "Likely manipulated",
    ),
}  # fmt: skip
SHORT = {
    "No sign of manipulation found": "No sign found",
    "Could not be judged": "Not judged",
    "Manipulated copy of press.mp4": "Manipulated copy",
    "Marked as AI-generated by Gemini": "Marked as AI",
    "Signed as AI-generated by Acme": "Signed as AI",
    "Signed as partly AI-generated by Acme": "Signed as partly AI",
}
"""of headlines, where room is small"""


@pytest.mark.parametrize("case", CASES)
def test_every_surface_says_the_same(case, jobs, tmp_path):
    analysis, label, headline = CASES[case]
    likely = analysis.verdict.probability
    number = None if likely is None else whole_percent(likely)
    record = keep(jobs, "a.mp4", analysis, 1, source="live" if analysis.media.live else "upload")
    job = session.application().find(OWNER, record.id)
    assert job.analysis is not None
    kept, short = job.analysis, SHORT.get(headline, headline)
    item = BatchItem(name="a.mp4", analysis=record.id)
    row = BatchRow.of(item, job)

    # Programs: JSON, the API, the command line, its batch table.
    line = {"file": "a.mp4", "analysis": json.loads(kept.model_dump_json())}
    cells = dict(zip(batch_table.COLUMNS, batch_table._row(line), strict=True))
    view = AnalysisView.of(job, 0)
    assert kept.headline == view.headline == cells["headline"] == headline
    assert summary(kept).splitlines()[0] == f"{kept.media.name}: {headline}"
    assert kept.label is row.label is job.record.result.label is label
    assert view.result["headline"] == headline
    assert cells["probability"] == view.result["verdict"]["probability"] == likely

    # The interval of the number, where there is one.
    ends = kept.verdict.interval
    tree = json.loads(report.as_json(report.collect(kept)))["analysis"]
    assert tree["headline"] == headline and tree["verdict"]["probability"] == likely
    assert tree["verdict"]["interval"] == view.result["verdict"]["interval"]
    assert tree["verdict"]["interval"] == (None if ends is None else list(ends))
    between = "" if ends is None else labels.confidence(ends)
    if ends is not None:
        assert ends[0] <= likely <= ends[1]
        assert f"{whole_percent(ends[0])} to {whole_percent(ends[1])} were" in summary(kept)

    # Tables of History and of a batch.
    for exported in (
        export.Export(jobs.store, LOCAL, [record]).as_csv(),
        batch_export.BatchExport(None, None, [row]).as_csv(),
    ):
        (entry,) = csv.DictReader(io.StringIO(exported.decode()))
        assert entry["headline"] == headline
        told = entry["likelihood"]
        assert (whole_percent(float(told)) if told else None) == number
        assert entry["likelihood_low"] == ("" if ends is None else str(ends[0]))
        assert entry["likelihood_high"] == ("" if ends is None else str(ends[1]))

    # The batch's row.
    drawn = listing._cells(row, None)
    word = drawn["verdict"][0].split(" ", 1)[1]
    assert headline in (word, drawn["note"]) or word in (short, short.split(",")[0])
    assert listing.group(row) == label and drawn["likelihood"] == number
    assert drawn["interval"] == labels.interval(ends)

    # History: its list, its filter, and the record beside it.
    at = page(r=record.id)
    (listed,) = at.dataframe[0].value.to_dict("records")
    assert listed["verdict"][0].split(" ", 1)[1] in (headline, short)
    assert (None if number is None else listed["likelihood"]) == number
    assert listed["interval"] == labels.interval(ends)
    for one in Label:
        found = jobs.store.search(LOCAL, Query(verdicts=frozenset({one}), limit=MAX_PAGE_SIZE))
        assert found.total == (one is label) and found.counts == {label: 1}
    beside = html(at)
    assert short in beside and (number is None or labels.percent(likely or 0) in beside)
    assert between in beside

    # Whoever is sent it.
    link = jobs.store.share(LOCAL, record.id, timedelta(days=1), datetime.now(UTC))
    sent = html(whole_page(s=link.token))
    if likely is not None:
        assert entities.escape(headline) in sent and between in sent
        assert f"<b>{labels.percent(likely)}</b> combined likelihood" in sent

    # The result's page and its report.
    shown = html(result(tmp_path / "gone.webm", kept))
    if analysis.proof is not None:
        assert "Detectors alone" in shown and "Detectors alone" in beside
        assert "The detectors, alone" in summary(kept)
    head = re.search(r'<h2 class="um-verdict ([a-z]+)">.*?</span><span>(.*?)</span></h2>', shown)
    assert entities.unescape(head[2]) == headline
    assert head[1] == labels.STATES[label].slug
    pdf = text_of(report.as_pdf(report.collect(kept)), 1)
    assert f"{kept.media.name} {headline}" in pdf
    if likely is not None:
        assert f"<b>{labels.percent(likely)}</b> combined likelihood" in shown
        assert f"{percent(likely)} combined likelihood" in pdf
        if ends is not None:
            assert f"({interval(ends)})" in pdf and between in shown
        assert f" {percent(likely)} combined likelihood" in summary(kept)


def test_a_comparison_that_comes_later_reaches_the_rows_of_a_batch(jobs):
    record = keep(jobs, "a.mp4", judged(Label.REAL, 0.27), 1)
    service, scope = session.application().batch_runs, session.application().scope(OWNER)
    batch = session.application().batches.create(
        LOCAL, [BatchItem(name="a.mp4", analysis=record.id)]
    )
    known: dict[str, BatchRow] = {}
    assert [row.label for row in service.rows(scope, batch, known)] == [Label.REAL]
    job = jobs.find(record.id, scope)
    assert job is not None
    jobs.update(job, lambda analysis: compared(analysis, FACE))
    assert [row.label for row in service.rows(scope, batch, known, fresh=True)] == [Label.FAKE]
    assert known[record.id].proof == Proof(kind=ProofKind.COPY, name="press.mp4")
