"""The report as a PDF: what a court or a newsroom needs on paper, with its data attached.

A function a section, in the order of the paper.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector import messages, questions
from detector.decision.next_steps import Facts, next_steps
from detector.messages import states
from detector.messages.format import capital
from detector.presentation import (
    actions,
    answers,
    file,
    models,
    odds,
    people,
    pulls,
    robustness,
    run,
    signals,
)
from detector.presentation import comparison as compared
from detector.presentation import origin as section_of
from detector.presentation import verdict as presented
from detector.report import certificate, charts, times
from detector.report.content import Content, PairContent, ReportPicture, height_of
from detector.report.paper import FILL, INK, MARGIN, MUTED, SMALL, WIDTH, Paper, laid_out
from detector.report.seal import ATTACHMENT, seal_pdf
from detector.report.table import as_json
from detector.schema.analysis import Analysis, Answer, Subject
from detector.sentences import _, say

PEOPLE = 4  # people whose score over time is drawn, most suspicious first
FACTS = 40  # facts of the metadata that are printed; all are in the attached data


def as_pdf(content: Content, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed PDF/A-3 with the JSON report attached, always the same bytes."""
    analysis, media = content.analysis, content.analysis.media
    of = _("a live session, no file") if media.live else f"sha256 {media.sha256[:32]}…"
    footer = f"{of}  analysis {analysis.id[:16]}"
    title = _("Unmask report: {file}").format(file=media.name)
    heading = Heading(title, footer, ATTACHMENT)
    return finished(heading, partial(_draw, content), as_json(content, key), content, key)


def _draw(content: Content, pdf: Paper) -> None:
    analysis = content.analysis
    _first_page(pdf, content)
    _notes(pdf, content)
    _questions(pdf, analysis)
    _not_tested(pdf, analysis)
    _original(pdf, analysis)
    _file(pdf, content)
    _material(pdf, analysis)
    _people(pdf, analysis)
    _models(pdf, analysis)
    _figures(pdf, content)
    _signals(pdf, analysis)
    _robustness(pdf, analysis)
    _provenance(pdf, analysis)
    _again(pdf, analysis)


class Heading(NamedTuple):
    """What a report is called, what stands under each page, and the name of its attached data."""

    title: str
    footer: str
    attachment: str


def finished(
    heading: Heading,
    draw: Callable[[Paper], None],
    data: bytes,
    content: Content | PairContent,
    key: Ed25519PrivateKey | None,
) -> bytes:
    """Return a sealed and signed report, with how to check it and its data attached."""
    signer = certificate.signer() if content.signed else None
    attachment, by = heading.attachment, (signer.subject_name or "") if signer else ""

    def whole(pdf: Paper) -> None:
        draw(pdf)
        _checking(pdf, attachment, signed=key is not None, certified=by)

    pdf = laid_out(whole, heading.title, heading.footer, content.exported)
    pdf.embed_file(
        bytes=data, basename=attachment, mime_type="application/json",
        associated_file_relationship="Data", modification_date=pdf.creation_date,
    )  # fmt: skip
    out = io.BytesIO()
    pdf.output(out)
    sealed = seal_pdf(out.getvalue(), content.seal, key)
    return sealed if signer is None else certificate.sign(sealed, signer, content.exported)


def _moves(analysis: Analysis) -> bool:
    return analysis.media.kind != "image"


def _questions(pdf: Paper, analysis: Analysis) -> None:
    head = _("What was asked, and how often that errs")
    pdf.head(head, 24 + 9 * len(analysis.verdict.answers))
    rows = answers.rows(analysis)
    heads = _("Question"), _("Answer"), _("Likelihood"), _("Thresholds"), _("Models")
    table = [
        (
            row.question,
            f"{states.GLYPHS[row.label]} {row.answer}",
            row.likelihood,
            row.limits if row.evaluated else "",
            f"{row.models}" if row.evaluated else "",
        )
        for row in rows
    ]
    pdf.rows(heads, table, (48, 58, 28, 26, 14))
    put = [row for row in rows if row.evaluated]
    if put:
        pdf.say(_("How we know"), style="B")
    rates = list[tuple[str, str, str, str]]()
    for row in put:
        asked, answer = row.asked, analysis.verdict.answers[row.asked]
        said = [f"{capital(row.bands)}.", *answers.statistics(asked, answer)]
        if row.leads:  # odds as the first page prints them
            said += answers.interval_explained(asked, answer)
        about = [row.question] * (len(put) > 1)
        pdf.say(" ".join([*about, *said]), SMALL)
        rates += answers.error_rates(asked, answer)
    if rates:
        if pdf.will_page_break(7.0 + 6.0 * len(rates)):
            pdf.add_page()
        columns = _("Error"), _("In our tests"), _("Rate"), _("95 % interval")
        pdf.rows(columns, rates, (74, 34, 26, 40))


def _not_tested(pdf: Paper, analysis: Analysis) -> None:
    pdf.head(_("What was not tested"))
    for line in answers.not_tested(analysis):
        pdf.say(f"· {line}")


def _original(pdf: Paper, analysis: Analysis) -> None:
    """Draw the comparison with the original, which counts nothing in the detectors' verdict."""
    found = analysis.comparison
    if found is None:
        return
    pdf.head(compared.question(seen=compared.unstated(found)))
    pdf.say(f"{compared.sentence(found)}.", style="B")
    pdf.say(f"{compared.lead(found)} {compared.against(found)}")
    pdf.facts(
        [
            (_("Held against"), found.original_media.name),
            (_("SHA-256 of that"), found.original_media.sha256),
            *compared.figures(found),
        ]
    )
    if limits := compared.limits(found):
        pdf.say(_("What this can't tell: {limits}").format(limits=limits), SMALL, MUTED)


def _file(pdf: Paper, content: Content) -> None:
    media = content.analysis.media
    pdf.head(_("The session") if media.live else _("The file"))
    pdf.facts(file.hashed(media, content.sha256, _("SHA-256 on receipt")))
    if content.unchanged is False:
        pdf.say(_("The file has changed since it was analyzed."), style="B")
    for note in media.notes:
        pdf.say(say(note), SMALL, MUTED)


def _material(pdf: Paper, analysis: Analysis) -> None:
    ratings = {"good": _("good"), "fair": _("fair"), "poor": _("poor")}
    if analysis.evidence:
        pdf.head(_("How good the material is"))
        rows = [(*messages.wording(item), ratings[item.rating]) for item in analysis.evidence]
        pdf.rows(("", _("Measured"), _("For judging")), rows, (50, 80, 44))


def _people(pdf: Paper, analysis: Analysis) -> None:
    subjects, of_sound = people.rows(analysis), analysis.media.kind == "audio"
    if not subjects:
        return
    pdf.head(_("The voice") if of_sound else _("The people") if analysis.people
             else _("The picture"), 40)  # fmt: skip
    table = [
        (row.name, row.seen, row.scored, row.width, f"{states.GLYPHS[row.label]} {row.says}",
         row.likelihood)
        for row in subjects
    ]  # fmt: skip
    pdf.rows(people.heads(analysis), table, (24, 32, 26, 20, 52, 20))
    if not _moves(analysis):
        return
    for track in analysis.judged[:PEOPLE]:
        _lane(pdf, analysis, track)
    text = _("Bold: all counted models together. Thin: each model of the question. The band is "
             "inconclusive; a gap in a line is a gap in the clip.")  # fmt: skip
    if of_sound:
        text = _("A line is one window: all counted models together. The band is inconclusive; "
                 "where there is no line, nothing was scored.")  # fmt: skip
    pdf.say(text, SMALL, MUTED)


def _lane(pdf: Paper, analysis: Analysis, track: Subject) -> None:
    if not any(look.score is not None for look in track.looks):
        return
    if pdf.will_page_break(charts.LANE + 6):
        pdf.add_page()
    question = f": {states.question(track.question)}" if track.question else ""
    name = states.subject_name(track.modality.value, track.id)
    pdf.subhead(f"{name}{question}")
    limits = analysis.verdict.thresholds
    if track.question in analysis.verdict.answers:
        limits = analysis.verdict.answers[track.question].thresholds
    charts.timeline(pdf, analysis, track, limits)


def _models(pdf: Paper, analysis: Analysis) -> None:
    rows = []
    pdf.head(_("The models"), 40)
    for row in models.rows(analysis):
        rows.append(
            (
                f"{row.name} ({row.title})" if row.title else row.name,
                row.task,
                row.score,
                f"{states.GLYPHS[row.label]} {row.reading}",
                row.left_out or _("yes"),
                row.looks,
                row.weight,
            )
        )
    heads = (
        _("Model"), _("Made for"), _("Score"), _("Says"), _("Counted"), _("Scored"), _("Weight"),
    )  # fmt: skip
    pdf.rows(heads, rows, (34, 30, 14, 34, 28, 20, 14))
    if fitted := models.calibrations(analysis):
        pdf.say(_("Calibrated on, and good for files like these:"), style="B")
        for line in fitted:
            pdf.say(line, SMALL)
    text = _("The weights are those of Unmask {version}, each named by the sha256 of its file.")
    pdf.say(text.format(version=analysis.software.version), SMALL, MUTED)
    pdf.facts(models.weights(analysis))


def _signals(pdf: Paper, analysis: Analysis) -> None:
    if not analysis.signals:
        return
    pdf.head(_("Signals"), 30)
    pdf.say(_("Measurements that inform and do not vote."), SMALL, MUTED)
    if rows := signals.rows(analysis):
        heads = _("Signal"), _("Measured"), _("Reading"), _("How to read it")
        pdf.rows(heads, rows, (38, 38, 18, 80))
    if absent := signals.absent(analysis):
        pdf.say(_("Absent or not measured:"), SMALL, MUTED)
    for line in absent:
        pdf.say(f"· {line}", SMALL, MUTED)


def _robustness(pdf: Paper, analysis: Analysis) -> None:
    tried = analysis.robustness
    if tried is None:
        return
    pdf.head(_("Robustness"), 36 + 5 * len(tried.trials))
    thresholds = analysis.verdict.answers[tried.question].thresholds
    pdf.say(robustness.about(tried.question), SMALL, MUTED)
    pdf.say(" ".join([robustness.outcome(tried, thresholds), robustness.part(tried)]).strip())
    charts.robustness(pdf, tried, thresholds)


def _provenance(pdf: Paper, analysis: Analysis) -> None:
    origin = analysis.provenance
    if origin is None:
        return
    pdf.head(_("What the file says of its origin"))
    pdf.say(
        _("All of this can be written by anybody, and is lost when a file is sent on. That "
          "something is missing says nothing either way."), SMALL, MUTED,
    )  # fmt: skip
    pdf.facts(section_of.credential(origin.credential).printed)
    for sentence in origin.findings:
        pdf.say(f"· {say(sentence)}")
    for sentence in origin.unread:
        pdf.say(f"· {say(sentence)}", color=MUTED)
    if origin.earlier is not None:
        pdf.say(f"· {section_of.earlier(origin.earlier, analysis.media)}")
    for section in section_of.accounts(origin):
        pdf.subhead(section.title)
        pdf.facts(section.printed)
    rows = section_of.facts(origin.facts[:FACTS])
    if origin.place is not None:
        spot = f"{origin.place.latitude:.5f}, {origin.place.longitude:.5f}"
        rows.append((_("Recorded at (private)"), spot, say(origin.place.source)))
    for h in origin.hashes:
        when = f", {h.time:.1f} s" if h.time is not None else ""
        rows.append((_("Perceptual hash") + when, h.phash, _("computed here")))
    if rows:
        pdf.rows((_("Says"), _("Value"), _("Where")), rows, (50, 90, 34))


def _again(pdf: Paper, analysis: Analysis) -> None:
    software = analysis.software
    pdf.head(_("How it was made, and how to run it again"), 60)
    commit = f", commit {software.commit}" if software.commit else ""
    pdf.facts(run.section(analysis).printed)
    if analysis.media.live:
        return
    text = _(
        "Install Unmask {version}, fetch what is not bundled (unmask fetch; the weights have the "
        "hashes above), and run:"
    )
    pdf.say(text.format(version=f"{software.version}{commit}"))
    pdf.facts([(_("Command"), run.command(analysis))])
    same = _("The same file, settings and weights give the same analysis number.")
    pdf.say(same, SMALL, MUTED)


def _notes(pdf: Paper, content: Content) -> None:
    if content.notes:
        pdf.head(_("The analyst's notes"))
        for paragraph in content.notes.split("\n"):
            pdf.say(paragraph or " ")


def _checking(pdf: Paper, attachment: str, *, signed: bool, certified: str) -> None:
    pdf.head(_("How to check this report"))
    text = _(
        "This file carries the sha256 of its own content, and all that was found as data ({file}). "
        "Check it with: unmask verify REPORT.pdf"
    )
    pdf.say(text.format(file=attachment))
    if certified:
        text = _(
            "It is signed with the certificate of {name}. A PDF reader such as Acrobat shows "
            "whether any byte was changed since, and whether it trusts the certificate."
        )
        pdf.say(text.format(name=certified))
    if signed:
        pdf.say(
            _("It is signed with the operator's Ed25519 key. Compare the key's fingerprint with "
              "the one that the operator publishes, or check with: unmask verify REPORT.pdf --key "
              "KEY.pem")
        )  # fmt: skip
    elif not certified:
        pdf.say(
            _("It is not signed. Its seal shows changes by accident; somebody who changes a report "
              "on purpose can seal it again.")
        )  # fmt: skip
    if pdf.numbered:
        pdf.say(
            _("Letters that this report has no font for stand as their numbers, such as [U+4E2D]; "
              "the attached data has them. The operator can name a font that has them in "
              "UNMASK_REPORT_FONT.")
        )  # fmt: skip


# --- the first page -------------------------------------------------------------------------------


def _first_page(pdf: Paper, content: Content) -> None:
    """Draw the verdict, its subject and time, what it rests on, its limits, what to do next, and
    who answers for the report."""
    analysis = content.analysis
    verdict = analysis.verdict
    answer = pulls.answer_of(analysis)
    _verdict(pdf, content)
    if answer is not None and answer.probability is not None:
        beside = ", ".join(filter(None, [_("combined likelihood"), presented.judged_by(analysis)]))
        pdf.number(presented.likelihood(analysis), beside)
        charts.scale(pdf, answer.probability, answer.thresholds, verdict.question)
        if answer.odds is not None:
            pdf.say(odds.of_tests(answer.odds, verdict.question), SMALL, MUTED)
            pdf.say(odds.support(answer, verdict.question), SMALL, MUTED)
    _moment(pdf, content)
    if answer is not None:
        _bars(pdf, analysis, answer)
    if lines := presented.why(analysis):
        pdf.subhead(_("Why"))
    for number, line in enumerate(lines, 1):
        pdf.say(f"{number}. {line}")
    _next(pdf, analysis)
    no_fact = _(
        "A likelihood is no fact about a person: it says how the scores of this file compare with "
        "those of labeled files, and it holds for files like those."
    )
    pdf.box(_("What this can't tell"), f"{presented.limits(analysis)} {no_fact}")
    _answerable(pdf, content)


def _verdict(pdf: Paper, content: Content) -> None:
    """Draw the verdict of the file, its person and times, as the page of the result does."""
    analysis = content.analysis
    pdf.banner(FILL[analysis.label])
    made, analyzed = (
        times.when(time, content.details.zone) for time in (content.exported, analysis.created)
    )
    text = _("Unmask report · {made} · analyzed {analyzed}")
    pdf.say(text.format(made=made, analyzed=analyzed), SMALL, MUTED)
    pdf.say(analysis.media.name, 11, style="B")
    pdf.headline(presented.headline(analysis), INK[analysis.label])
    pdf.ln(1)
    if content.origin:
        pdf.say(content.origin, style="B")
    first, *rest = presented.paragraphs(analysis, content.details.base_rate)
    pdf.say(first, 11)
    for paragraph in rest:
        pdf.say(paragraph)


def _moment(pdf: Paper, content: Content) -> None:
    """Draw the frame of the most suspicious moment, with the boxes."""
    frame = next((f for f in content.figures if f.kind == "frame"), None)
    if frame is None:
        return
    height = height_of(frame.size)
    pdf.ln(1)
    pdf.image(
        io.BytesIO(frame.jpeg), h=height, w=height * frame.size[0] / frame.size[1],
        alt_text=frame.caption,
    )  # fmt: skip
    pdf.say(frame.caption, SMALL, MUTED)


def _bars(pdf: Paper, analysis: Analysis, answer: Answer) -> None:
    """Draw what pulled which way, in log odds; as printed the rows add up."""
    if rows := pulls.rows(analysis):
        pdf.ln(1)
        pdf.subhead(_("What pulled which way"))
        of = questions.of(analysis.verdict.question)
        axis = _("Log odds: above 0 {above}, below 0 {below}.")
        axis = axis.format(above=say(of.towards_fake), below=say(of.towards_real))
        pdf.say(axis, SMALL, MUTED)
        charts.bars(pdf, [*rows, pulls.combined(answer)])


def _next(pdf: Paper, analysis: Analysis) -> None:
    """Draw what to do next, as far as it can be done without this program."""
    steps = [actions.step(step) for step in next_steps(analysis, Facts(may_run=False))]
    if steps:
        pdf.subhead(_("What to do next"))
    for step in steps:
        pdf.say(f"· {step.head}. {step.why}")


def _answerable(pdf: Paper, content: Content) -> None:
    """Draw the case and who answers for the report: to be filled in by hand where they are
    empty."""
    details = content.details
    pdf.ln(2)
    pdf.form(
        (
            (_("Case"), details.case),
            (_("Reviewer"), details.reviewer),
            (_("Times of day in"), times.zone(content.exported, details.zone)),
            (_("Date and signature"), ""),
        )
    )


# --- pictures -------------------------------------------------------------------------------------


def _figures(pdf: Paper, content: Content) -> None:
    """Draw the face and where models looked, and say what can't be shown."""
    if content.figures:
        pdf.head(_("Pictures"), 60.0 + 24)
    small = [f for f in content.figures if f.kind != "frame"]
    if small:
        picture_row(pdf, small[:4], (WIDTH - 3 * 4) / 4)
    if any(f.kind == "heatmap" for f in small):
        pdf.say(
            _("A heatmap shows which places raised a model's score, scaled for each picture by "
              "itself. It is no proof: a high score for a wrong reason has a heatmap too."),
            SMALL, MUTED,
        )  # fmt: skip
    for why in content.missing:
        pdf.say(why, SMALL, MUTED)


def picture_row(pdf: Paper, figures: list[ReportPicture], width: float) -> None:
    """Draw pictures of `width` mm beside each other, each with its caption."""
    if pdf.will_page_break(width + 14):
        pdf.add_page()
    top, lowest = pdf.get_y() + 1, 0.0
    for number, figure in enumerate(figures):
        x = MARGIN + number * (width + 4)
        pdf.image(
            io.BytesIO(figure.jpeg), x=x, y=top, w=width, h=width, keep_aspect_ratio=True,
            alt_text=figure.caption,
        )  # fmt: skip
        pdf.set_xy(x, top + width + 1)
        pdf.ink(SMALL, MUTED)
        pdf.multi_cell(width, 3.6, figure.caption, align=pdf.start, new_x="LMARGIN", new_y="NEXT")
        lowest = max(lowest, pdf.get_y())
    pdf.set_xy(MARGIN, lowest + 1)
