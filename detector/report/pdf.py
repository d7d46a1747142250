"""The report as a PDF: what a court or a newsroom needs on paper, with its data attached.

A function a section, in the order of the paper; the first page is `opening`.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.messages import comparison as compared
from detector.messages import lead, states
from detector.messages.format import clock, percent, score
from detector.messages.robustness import outcome
from detector.report import certificate, charts, figures, opening, words
from detector.report.content import Content
from detector.report.pair_content import PairContent
from detector.report.paper import MUTED, SMALL, Paper, laid_out
from detector.report.parts import ATTACHMENT, seal_pdf
from detector.report.table import as_json
from detector.schema.analysis import Analysis, Label, Subject

PEOPLE = 4  # people whose score over time is drawn, most suspicious first
FACTS = 40  # facts of the metadata that are printed; all are in the attached data
SIGNED = (
    "It is signed with the operator's Ed25519 key. Compare the key's fingerprint with the one that "
    "the operator publishes, or check with: unmask verify REPORT.pdf --key KEY.pem"
)
CERTIFIED = (
    "It is signed with the certificate of {name}. A PDF reader such as Acrobat shows whether any "
    "byte was changed since, and whether it trusts the certificate."
)
UNSIGNED = (
    "It is not signed. Its seal shows changes by accident; somebody who changes a report on "
    "purpose can seal it again."
)


def as_pdf(content: Content, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed PDF/A-3 with the JSON report attached, always the same bytes."""
    analysis, media = content.analysis, content.analysis.media
    of = "a live session, no file" if media.live else f"sha256 {media.sha256[:32]}…"
    footer = f"{of}  analysis {analysis.id[:16]}"
    heading = Heading(f"Unmask report: {media.name}", footer, ATTACHMENT)
    return finished(heading, partial(_draw, content), as_json(content, key), content, key)


def _draw(content: Content, pdf: Paper) -> None:
    analysis = content.analysis
    opening.draw(pdf, content)
    _notes(pdf, content)
    _questions(pdf, analysis)
    _not_tested(pdf, analysis)
    _original(pdf, analysis)
    _file(pdf, content)
    _material(pdf, analysis)
    _people(pdf, analysis)
    _models(pdf, analysis)
    figures.draw(pdf, content)
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
    pdf.head("What was asked, and how often that errs", 24 + 9 * len(analysis.verdict.answers))
    rows, lead = [], analysis.verdict.question
    ordered = sorted(analysis.verdict.answers.items(), key=lambda pair: pair[0] is not lead)
    for question, answer in ordered:
        likelihood = "" if answer.probability is None else percent(answer.probability)
        if likelihood and analysis.verdict.uncounted(question):
            likelihood += ", not counted"
        limits = f"{percent(answer.thresholds.low)}, {percent(answer.thresholds.high)}"
        if answer.thresholds.never_decide:
            limits = "none"
        elif not answer.thresholds.can_clear:
            limits = f"none, {percent(answer.thresholds.high)}"
        glyph = words.GLYPHS[Label.NOT_APPLICABLE if answer.undecided_secondary else answer.label]
        rows.append(
            (
                states.question(question),
                f"{glyph} {words.answered(question, answer)}",
                likelihood,
                limits if answer.evaluated else "",
                f"{answer.counted}" if answer.evaluated else "",
            )
        )
    pdf.rows(
        ("Question", "Answer", "Likelihood", "Thresholds", "Models"), rows, (48, 58, 28, 26, 14)
    )
    put = [(question, answer) for question, answer in ordered if answer.evaluated]
    if put:
        pdf.say("How we know", style="B")
    for question, answer in put:
        about = f"{states.question(question)} " if len(put) > 1 else ""
        said = words.statistics(question, answer, odds=question is lead)  # as `opening` prints them
        pdf.say(about + " ".join([words.operating_point(question, answer), *said]), SMALL)
    if rates := [row for pair in put for row in words.error_rates(*pair)]:
        if pdf.will_page_break(7.0 + 6.0 * len(rates)):
            pdf.add_page()
        pdf.rows(
            ("Error", "In our tests", "Rate", "95 % interval"), rows=rates, widths=(74, 34, 26, 40)
        )


def _not_tested(pdf: Paper, analysis: Analysis) -> None:
    pdf.head("What was not tested")
    for line in words.not_tested(analysis):
        pdf.say(f"· {line}")


def _original(pdf: Paper, analysis: Analysis) -> None:
    """Draw the comparison with the original, which counts nothing in the detectors' verdict."""
    found = analysis.comparison
    if found is None:
        return
    pdf.head(compared.question(seen=compared.assumed(found)))
    pdf.say(f"{compared.sentence(found)}.", style="B")
    pdf.say(f"{compared.lead(found)} {compared.against(found)}")
    pdf.facts(
        [
            ("Held against", found.original_media.name),
            ("SHA-256 of that", found.original_media.sha256),
            *compared.figures(found),
        ]
    )
    if limits := compared.limits(found):
        pdf.say(f"What this can't tell: {limits}", SMALL, MUTED)


def _file(pdf: Paper, content: Content) -> None:
    media = content.analysis.media
    pdf.head("The session" if media.live else "The file")
    at_export = {
        None: "not checked: the file was not there",
        True: "the same",
        False: content.sha256 or "",
    }[content.unchanged]
    hashes = [("SHA-256 on receipt", media.sha256), ("SHA-256 at export", at_export)]
    pdf.facts([("Name", media.name), *([] if media.live else hashes), *words.file_rows(media)])
    if content.unchanged is False:
        pdf.say("The file has changed since it was analyzed.", style="B")
    for note in media.notes:
        pdf.say(note, SMALL, MUTED)


def _material(pdf: Paper, analysis: Analysis) -> None:
    if analysis.evidence:
        pdf.head("How good the material is")
        rows = [(item.name, item.value, item.rating) for item in analysis.evidence]
        pdf.rows(("", "Measured", "For judging"), rows, (50, 80, 44))


def _people(pdf: Paper, analysis: Analysis) -> None:
    if not analysis.judged:
        return
    if analysis.media.kind == "audio":
        return _voice(pdf, analysis)
    pdf.head("The people", 40)
    rows = []
    for track in analysis.judged:
        scored = sum(1 for look in track.looks if look.score is not None)
        widths = sorted(face.quality.width for face in track.frames)
        likelihood = "" if track.probability is None else percent(track.probability)
        rows.append(
            (
                track.modality.spec.in_report or f"{track.id} {track.side or ''}".strip(),
                f"{clock(track.start)} to {clock(track.end)}" if _moves(analysis) else "",
                f"{scored} of {len(track.looks)}",
                f"{widths[len(widths) // 2]:.0f} px" if widths else "",
                f"{words.GLYPHS[track.label]} {states.state(track.label, track.question)}",
                likelihood,
            )
        )
    pdf.rows(
        ("Person", "Seen", "Frames scored", "Face width", "Said", "Likelihood"),
        rows, (22, 32, 26, 22, 52, 20),
    )  # fmt: skip
    if not _moves(analysis):
        return
    for track in analysis.judged[:PEOPLE]:
        _lane(pdf, analysis, track)
    pdf.say(
        "Bold: all counted models together. Thin: each model of the question. The band is "
        "inconclusive; a gap in a line is a gap in the clip.", SMALL, MUTED,
    )  # fmt: skip


def _voice(pdf: Paper, analysis: Analysis) -> None:
    """Say of a sound what `_people` says of a clip."""
    pdf.head("The voice", 40)
    rows = [
        (
            f"{clock(voice.start)} to {clock(voice.end)}",
            f"{sum(1 for look in voice.looks if look.score is not None)} of {len(voice.looks)}",
            f"{words.GLYPHS[voice.label]} {states.state(voice.label, voice.question)}",
            "" if voice.probability is None else percent(voice.probability),
        )
        for voice in analysis.judged
    ]
    pdf.rows(("Voice", "Windows scored", "Said", "Likelihood"), rows, (48, 42, 60, 24))
    for voice in analysis.judged:
        _lane(pdf, analysis, voice)
    pdf.say(
        "A line is one window: all counted models together. The band is inconclusive; where there "
        "is no line, nothing was scored.", SMALL, MUTED,
    )  # fmt: skip


def _lane(pdf: Paper, analysis: Analysis, track: Subject) -> None:
    if not any(look.score is not None for look in track.looks):
        return
    if pdf.will_page_break(charts.LANE + 6):
        pdf.add_page()
    question = f": {states.question(track.question)}" if track.question else ""
    pdf.subhead(f"{track.name}{question}")
    limits = analysis.verdict.thresholds
    if track.question in analysis.verdict.answers:
        limits = analysis.verdict.answers[track.question].thresholds
    charts.timeline(pdf, analysis, track, limits)


def _models(pdf: Paper, analysis: Analysis) -> None:
    pdf.head("The models", 40)
    rows = []
    for model in analysis.models:
        counted = words.counted(analysis, model)
        rows.append(
            (
                f"{model.plain} ({model.title})" if model.plain else model.title,
                model.task,
                "" if model.probability is None else score(model.probability),
                words.says(analysis, model),
                counted,
                f"{model.scored}",
                f"{model.weight:g}" if counted == "yes" else "",
            )
        )
    pdf.rows(
        ("Model", "Made for", "Score", "Says", "Counted", "Scored", "Weight"),
        rows, (34, 32, 20, 34, 26, 14, 14),
    )  # fmt: skip
    if fitted := words.calibrations(analysis):
        pdf.say("Calibrated on, and good for files like these:", style="B")
        for line in fitted:
            pdf.say(line, SMALL)
    pdf.say(
        f"The weights are those of Unmask {analysis.software.version}, each named by the sha256 of "
        "its file.", SMALL, MUTED,
    )  # fmt: skip
    pdf.facts(words.weights(analysis))


def _signals(pdf: Paper, analysis: Analysis) -> None:
    if not analysis.signals:
        return
    pdf.head("Signals", 30)
    pdf.say("Measurements that inform and do not vote.", SMALL, MUTED)
    measured = [s for s in analysis.signals if s.reading != "absent"]
    rows = [
        (f"{s.title}{f', {s.subject}' if s.subject else ''}", s.value, s.reading, s.how_to_read)
        for s in measured
    ]
    if rows:
        pdf.rows(("Signal", "Measured", "Reading", "How to read it"), rows, (38, 38, 18, 80))
    if absent := words.absent(analysis):
        pdf.say("Absent or not measured:", SMALL, MUTED)
    for line in absent:
        pdf.say(f"· {line}", SMALL, MUTED)


def _robustness(pdf: Paper, analysis: Analysis) -> None:
    tried = analysis.robustness
    if tried is None:
        return
    pdf.head("Robustness", 36 + 5 * len(tried.trials))
    of_sound = tried.question.of_sound
    looks = words.windows(tried.sampled) if of_sound else words.moments(tried.sampled)
    part = (
        f"{looks} from {clock(tried.start)} to {clock(tried.end)}"
        if tried.end is not None
        else "The picture"
    )
    thresholds = analysis.verdict.answers[tried.question].thresholds
    analyzed = "listened to" if of_sound else "looked at"
    said = f"{part}, {analyzed} again after a change to the whole part."
    if (flips := len(tried.flipped)) and not thresholds.never_decide:
        many = f"{flips} of {len(tried.trials)} changes"
        said = f"{said[:-1]}: the verdict changes under {many}: it is fragile."
    pdf.say(f"{said} {outcome(tried, thresholds)}")
    charts.robustness(pdf, tried, thresholds)


def _provenance(pdf: Paper, analysis: Analysis) -> None:
    origin = analysis.provenance
    if origin is None:
        return
    pdf.head("What the file says of its origin")
    pdf.say(
        "All of this can be written by anybody, and is lost when a file is sent on. That something "
        "is missing says nothing either way.", SMALL, MUTED,
    )  # fmt: skip
    pdf.facts(words.credential_rows(origin.credential))
    for sentence in origin.findings:
        pdf.say(f"· {sentence}")
    for sentence in filter(None, (lead.posted(analysis), lead.document(analysis))):
        pdf.say(f"· {sentence}")
    for sentence in origin.unread:
        pdf.say(f"· {sentence}", color=MUTED)
    if origin.earlier is not None:
        pdf.say(f"· {words.earlier(origin.earlier, analysis.media)}")
    rows = [(f.name, f.value, f.source) for f in origin.facts[:FACTS]]
    if origin.place is not None:
        spot = f"{origin.place.latitude:.5f}, {origin.place.longitude:.5f}"
        rows.append(("Recorded at (private)", spot, origin.place.source))
    for h in origin.hashes:
        when = f", {h.time:.1f} s" if h.time is not None else ""
        rows.append((f"Perceptual hash{when}", h.phash, "computed here"))
    if rows:
        pdf.rows(("Says", "Value", "Where"), rows, (50, 90, 34))


def _again(pdf: Paper, analysis: Analysis) -> None:
    software = analysis.software
    pdf.head("How it was made, and how to run it again", 60)
    total = analysis.timings.get("total")
    commit = f", commit {software.commit}" if software.commit else ""
    pdf.facts(
        [
            ("Program", f"Unmask {software.version}{commit}"),
            ("Runs on", f"Python {software.python}, PyTorch {software.torch}, {software.backend}, "
             f"{software.device}"),
            *words.looked(analysis),
            ("Took", f"{total:.1f} s" if total is not None else "not measured"),
            ("Result format", analysis.schema_version),
            ("Analysis", analysis.id),
        ]
    )  # fmt: skip
    if analysis.media.live:
        return
    pdf.say(
        f"Install Unmask {software.version}{commit}, fetch what is not bundled (unmask fetch; the "
        "weights have the hashes above), and run:"
    )
    pdf.facts([("Command", words.command(analysis))])
    pdf.say("The same file, settings and weights give the same analysis number.", SMALL, MUTED)


def _notes(pdf: Paper, content: Content) -> None:
    if content.notes:
        pdf.head("The analyst's notes")
        for paragraph in content.notes.split("\n"):
            pdf.say(paragraph or " ")


def _checking(pdf: Paper, attachment: str, *, signed: bool, certified: str) -> None:
    pdf.head("How to check this report")
    pdf.say(
        "This file carries the sha256 of its own content, and all that was found as data "
        f"({attachment}). Check it with: unmask verify REPORT.pdf"
    )
    if certified:
        pdf.say(CERTIFIED.format(name=certified))
    if signed or not certified:
        pdf.say(SIGNED if signed else UNSIGNED)
    if pdf.numbered:
        pdf.say(
            "Letters that this report has no font for stand as their numbers, such as [U+4E2D]; "
            "the attached data has them. The operator can name a font that has them in "
            "UNMASK_REPORT_FONT."
        )
