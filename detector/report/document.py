"""Documents of reports: the sections of a result, what a person added, and how to check it."""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from babel.dates import format_datetime

from detector.presentation import (
    Block,
    Grid,
    Pictures,
    Presentation,
    Section,
    Text,
    answers,
    facts,
    file,
    looks,
    measured,
    models,
    origin,
    pair,
    people,
    robustness,
    run,
    signals,
    verdict,
)  # fmt: skip
from detector.presentation import comparison as words
from detector.report.content import Content, PairContent
from detector.sentences import _, join, language, say


def document(content: Content | PairContent) -> Presentation:
    """Return a report in the reader's language."""
    return _of_pair(content) if isinstance(content, PairContent) else _of_analysis(content)


def _of_analysis(content: Content) -> Presentation:
    analysis, zone = content.analysis, content.details.zone
    made, analyzed = (when(time, zone) for time in (content.exported, analysis.created))
    kicker = _("Unmask report · {made} · analyzed {analyzed}")
    return Presentation(
        title=_("Unmask report: {file}").format(file=analysis.media.name),
        kicker=kicker.format(made=made, analyzed=analyzed),
        about=analysis.media.name,
        headline=verdict.headline(analysis),
        state=analysis.label,
        sections=list(_sections(content)),
    )


def _sections(content: Content) -> Iterator[Section]:
    analysis = content.analysis
    frame = next((f for f in content.figures if f.kind == "frame"), None)
    first = verdict.opening(analysis, content.details.base_rate, said=content.origin, picture=frame)
    yield Section("verdict", "", (*first.blocks, _answerable(content)))
    if content.notes:
        yield Section(
            "notes", _("The analyst's notes"), tuple(map(Text, content.notes.split("\n")))
        )
    yield answers.section(analysis)
    yield answers.not_tested(analysis)
    if analysis.comparison is not None:
        yield pair.beside_verdict(analysis.comparison)
    yield file.received(analysis.media, content.sha256)
    if analysis.evidence:
        rows = facts(measured.material(analysis.evidence))
        yield Section("material", _("How good the material is"), (rows,))
    if analysis.judged:
        yield people.section(analysis)
    yield models.section(analysis)
    if content.figures or content.missing:
        yield _pictures(content)
    if analysis.signals:
        yield signals.section(analysis)
    if analysis.robustness is not None:
        yield robustness.section(analysis, analysis.robustness)
    if analysis.provenance is not None:
        yield origin.section(analysis.provenance, analysis.media)
    yield run.again(analysis)


def _answerable(content: Content) -> Grid:
    """Return the case and the reviewer, with room for a signature."""
    details = content.details
    zone = zone_of(content.exported, details.zone)
    heads = _("Case"), _("Reviewer"), _("Times of day in"), _("Date and signature")
    return Grid(heads, [(details.case, details.reviewer, zone, "\n")])


def _pictures(content: Content) -> Section:
    """Return the face and the heatmaps, and why some are missing."""
    small = tuple(f for f in content.figures if f.kind != "frame")[:4]
    blocks: list[Block] = [Pictures(small, 4)] if small else []
    if any(f.kind == "heatmap" for f in small):
        blocks.append(Text(join(*map(say, (looks.PROVES, looks.HOW_TO_READ))), "note"))
    blocks += [Text(why, "note") for why in content.missing]
    return Section("pictures", _("Pictures"), tuple(blocks))


def _of_pair(content: PairContent) -> Presentation:
    found = content.comparison
    names = {"copy": found.copy_media.name, "original": found.original_media.name}
    made = when(content.exported, content.zone)
    return Presentation(
        title=_("Unmask comparison: {copy} against {original}").format(**names),
        kicker=_("Unmask comparison · {made}").format(made=made),
        about=_("{copy} against {original}").format(**names),
        headline=words.headline(found),
        state=words.state(found),
        sections=pair.sections(found, content.sha256s, content.figures, content.missing),
    )


def checking(attachment: str, *, signed: bool, by: str, numbered: bool) -> Section:
    """Return how to check a PDF: by its seal, the operator's key if it is `signed`, and the
    certificate of `by`. `numbered` letters are printed as their code points."""
    text = _(
        "This file carries the sha256 of its own content, and all that was found as data ({file}). "
        "Check it with: unmask verify REPORT.pdf"
    )
    lines = [text.format(file=attachment)]
    if by:
        text = _(
            "It is signed with the certificate of {name}. A PDF reader such as Acrobat shows "
            "whether any byte was changed since, and whether it trusts the certificate."
        )
        lines.append(text.format(name=by))
    if signed:
        lines.append(
            _("It is signed with the operator's Ed25519 key. Compare the key's fingerprint with "
              "the one that the operator publishes, or check with: unmask verify REPORT.pdf --key "
              "KEY.pem")
        )  # fmt: skip
    elif not by:
        lines.append(
            _("It is not signed. Its seal shows changes by accident; somebody who changes a report "
              "on purpose can seal it again.")
        )  # fmt: skip
    if numbered:
        lines.append(
            _("Letters that this report has no font for stand as their numbers, such as [U+4E2D]; "
              "the attached data has them. The operator can name a font that has them in "
              "UNMASK_REPORT_FONT.")
        )  # fmt: skip
    return Section("checking", _("How to check this report"), tuple(map(Text, lines)))


# --- times of day ---------------------------------------------------------------------------------


def when(moment: datetime, zone: tzinfo) -> str:
    """Return a time of day in a time zone: "28 November 2026, 12:00 UTC+01:00"."""
    here = moment.astimezone(zone)
    said = format_datetime(here, "dd MMMM y, HH:mm", locale=language().info().get("language", "en"))
    return f"{said} {_zone_name(here)}"


def zone_of(moment: datetime, zone: tzinfo) -> str:
    """Return the name of a time zone, with its offset from UTC."""
    here = moment.astimezone(zone)
    name = _zone_name(here)
    return name if name.startswith("UTC") else f"{name} ({_offset(here)})"


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or ""
    return name if name[:1].isalpha() else _offset(moment)  # some have no name but +0545


def _offset(moment: datetime) -> str:
    return f"UTC{moment.isoformat()[-6:]}"
