"""The report of a comparison as a PDF: a suspected copy beside its original, its data attached."""

from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import detector
from detector.messages.format import capital, clock
from detector.presentation import comparison as said
from detector.presentation import file
from detector.report import charts, times
from detector.report.content import PairContent
from detector.report.paper import FILL, INK, MUTED, SMALL, WIDTH, Paper
from detector.report.pdf import Heading, finished, picture_row
from detector.report.table import pair_json
from detector.schema.analysis import Label
from detector.schema.comparison import Comparison, ComparisonFinding
from detector.sentences import _, say

ATTACHMENT = "unmask-comparison.json"
EDITS = 12  # places that are listed, the largest first; all are in the attached data


BESIDE = _(
    "A comparison is a measurement of its own: no detector counts in it, and it counts in none. It "
    "says what differs between these two files, not what is true."
)
METHOD = (
    (
        _("In time"),
        _(
            "Each sampled moment of the copy is matched with the moment of the original that "
            "shows the same, along one path through both in which cuts, other rates and dropped "
            "frames are allowed."
        ),
    ),
    (
        _("In place"),
        _(
            "Features and brightness outside faces say how the original lies in the copy: "
            "cropped, scaled, mirrored, turned, framed or at an angle. That is undone before "
            "measuring."
        ),
    ),
    (
        _("In color"),
        _(
            "Where colors fit better after a curve for each channel, the original gets the "
            "copy's; the sharper of the two is softened."
        ),
    ),
    (
        _("What re-encoding leaves"),
        _(
            "Everything outside faces says by how many gray levels these two files differ where "
            "nothing was done. A face differs where it does so by a multiple of that and by more "
            "than what is about it."
        ),
    ),
    (
        _("The same footage"),
        _(
            "What does not belong to faces has to agree in place and to move alike; else the only"
            " statement about faces is whether one moves as the original's."
        ),
    ),
    (
        _("The same movement"),
        _(
            "Optical flow of a face that is turned upright and brought to one size, held against "
            "the original's at every offset; told where heads and features go together by more "
            "than chance brings unrelated faces, given how much each goes with itself."
        ),
    ),
)


def as_pdf(content: PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a comparison's sealed PDF/A-3 with its data attached, always the same bytes."""
    comparison = content.comparison
    copy, original = comparison.copy_media, comparison.original_media
    footer = f"sha256 {copy.sha256[:24]}…  against {original.sha256[:24]}…"
    title = _("Unmask comparison: {copy} against {original}")
    title = title.format(copy=copy.name, original=original.name)
    heading = Heading(title, footer, ATTACHMENT)
    return finished(heading, partial(_draw, content), pair_json(content, key), content, key)


def _draw(content: PairContent, pdf: Paper) -> None:
    comparison = content.comparison
    _opening(pdf, content)
    _measured(pdf, comparison)
    _time(pdf, comparison)
    _movement(pdf, comparison)
    _files(pdf, content)
    _method(pdf, comparison)
    _moments(pdf, comparison)


def _state(comparison: Comparison) -> Label:
    """Return the color in which a finding is shown."""
    if comparison.accuses:
        return Label.FAKE
    if comparison.finding.manipulated or comparison.finding.undecided:
        return Label.INCONCLUSIVE
    whole = comparison.excerpt is None
    same = whole and comparison.finding is ComparisonFinding.NOTHING_DIFFERS
    return Label.REAL if same else Label.NOT_APPLICABLE


def _opening(pdf: Paper, content: PairContent) -> None:
    """Draw the finding, both at the moment at which most differs, and what that can't tell."""
    comparison, state = content.comparison, _state(content.comparison)
    pdf.banner(FILL[state])
    made = times.when(content.exported, content.zone)
    pdf.say(_("Unmask comparison · {made}").format(made=made), SMALL, MUTED)
    names = comparison.copy_media.name, comparison.original_media.name
    both = _("{copy} against {original}").format(copy=names[0], original=names[1])
    pdf.say(both, 11, style="B")
    pdf.headline(said.headline(comparison), INK[state])
    pdf.ln(1)
    pdf.say(said.lead(comparison), 11)
    if comparison.finding.related:
        pdf.say(said.against(comparison))
    if content.figures:
        pdf.subhead(_("The moment at which most differs"))
        picture_row(pdf, list(content.figures), (WIDTH - 2 * 4) / 3)
    else:
        pdf.say(content.missing, SMALL, MUTED)
    limits = f"{said.limits(comparison)} {say(BESIDE)}".strip()
    pdf.box(_("What this can't tell"), limits)


def _measured(pdf: Paper, comparison: Comparison) -> None:
    pdf.head(_("What was measured"))
    pdf.facts(said.figures(comparison), 46.0)
    if comparison.people:
        pdf.ln(1.5)
        rows = []
        for person in comparison.people:
            part = said.differs(comparison, person)
            when = said.when(comparison, person.spans) if person.spans else ""
            levels = (person.difference, person.rim, person.noise_threshold)
            rows.append((person.id, capital(part), when, *(f"{level:.1f}" for level in levels)))
        heads = (
            _("Person"), _("Finding"), _("When"), _("Inside"), _("Rim"), _("Re-encoding leaves"),
        )  # fmt: skip
        pdf.rows(heads, rows, (16, 40, 56, 18, 16, 28))
    if comparison.edits:
        pdf.ln(1.5)
        rows = []
        copy = said.called(comparison)[0]
        for edit in comparison.edits[:EDITS]:
            x0, y0, x1, y1 = (round(side) for side in edit.box)
            kind = _("Laid over") if edit.kind == "overlay" else _("Changed")
            place = _("{start} to {end} px of {copy}")
            place = place.format(start=f"{x0}, {y0}", end=f"{x1}, {y1}", copy=copy)
            when = said.when(comparison, edit.spans)
            rows.append((kind, place, when, f"{edit.difference:.1f}"))
        columns = _("Outside faces"), _("Where"), _("When"), _("Gray levels")
        pdf.rows(columns, rows, (32, 62, 56, 24))


def _time(pdf: Paper, comparison: Comparison) -> None:
    if len(comparison.moments) < 2:
        return
    pdf.head(_("Difference over time"), charts.DIFFERENCES + 16)
    charts.differences(pdf, comparison)
    pdf.say(
        _("Mean gray levels, 0 to 255. Bold: inside the face of the person who differs most. Thin: "
          "everywhere outside faces. The band is what re-encoding alone leaves in that face."),
        SMALL, MUTED,
    )  # fmt: skip


def _movement(pdf: Paper, comparison: Comparison) -> None:
    shared = comparison.movement
    if shared is None:
        return
    pdf.head(_("How the face moves"), charts.MOVEMENT + 16)
    charts.movement(pdf, shared)
    copy, original = said.called(comparison)
    text = _(
        "{seconds:.1f} s, from {start:.1f} s of {copy} on, along the way the face moves most, each "
        "by its own strength. Thick and gray: {original}; thin: {copy}."
    )
    values = {"seconds": shared.seconds, "start": shared.start, "copy": copy, "original": original}
    pdf.say(text.format(**values), SMALL, MUTED)


def _moments(pdf: Paper, comparison: Comparison) -> None:
    if len(comparison.moments) < 2:
        return
    pdf.head(_("Moment by moment"), 40)
    rows = []
    for moment in comparison.moments:
        face = max(moment.faces, key=lambda face: face.difference, default=None)
        inside = (
            (f"{face.difference:.1f}", f"{face.noise_threshold:.1f}", face.person)
            if face
            else ("",) * 3
        )
        times = (f"{t:.2f} s" for t in (moment.time, moment.original_time))
        rows.append((*times, *inside, f"{moment.background_difference:.1f}"))
    first = _("First file"), _("Second file")
    if comparison.roles_known:
        first = _("Copy"), _("Original")
    figures = _("Inside the face"), _("Re-encoding leaves"), _("Person"), _("Elsewhere")
    pdf.rows((*first, *figures), rows, (26, 26, 32, 36, 22, 32))


def _files(pdf: Paper, content: PairContent) -> None:
    comparison = content.comparison
    pdf.head(_("The two files"), 60)
    both = comparison.copy_media, comparison.original_media
    names = said.titles(comparison)
    for title, media, now in zip(names, both, content.sha256s, strict=True):
        pdf.subhead(title)
        pdf.facts(file.hashed(media, now, _("SHA-256 when compared")), 46.0)
        pdf.ln(1.5)
    for note in comparison.notes:
        pdf.say(say(note), SMALL, MUTED)


def _method(pdf: Paper, comparison: Comparison) -> None:
    pdf.head(_("How it was measured"))
    pdf.facts([(say(name), say(text)) for name, text in METHOD], 46.0)
    length = comparison.copy_media.duration or 0.0
    if length and len(comparison.moments) > 1:
        apart = length / len(comparison.moments)
        text = _(
            "{number} moments of {length} were measured: a change shorter than {seconds} s can lie "
            "between two of them."
        )
        values = {"number": len(comparison.moments), "length": clock(length, tenths=True)}
        pdf.say(text.format(**values, seconds=f"{apart:.2g}"), SMALL, MUTED)
    took = f"{comparison.seconds:.1f} s" if comparison.seconds else _("not measured")
    pdf.facts([(_("Program"), f"Unmask {detector.__version__}"), (_("Took"), took)], 46.0)
