"""The report of a comparison as a PDF: a suspected copy beside its original, its data attached."""

from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import detector
from detector.messages import comparison as said
from detector.messages.format import capital, clock
from detector.report import charts, figures, words
from detector.report.pair_content import PairContent, pair_json, titles
from detector.report.paper import FILL, INK, MUTED, SMALL, WIDTH, Paper
from detector.report.pdf import Heading, finished
from detector.schema.analysis import Label, Media
from detector.schema.comparison import Comparison, ComparisonFinding

ATTACHMENT = "unmask-comparison.json"
EDITS = 12  # places that are listed, the largest first; all are in the attached data
BESIDE = (
    "A comparison is a measurement of its own: no detector counts in it, and it counts in none. It "
    "says what differs between these two files, not what is true."
)
METHOD = (
    ("In time", "Each sampled moment of the copy is matched with the moment of the original that "
     "shows the same, along one path through both in which cuts, other rates and dropped frames "
     "are allowed."),
    ("In place", "Features and brightness outside faces say how the original lies in the copy: "
     "cropped, scaled, mirrored, turned, framed or at an angle. That is undone before measuring."),
    ("In color", "Where colors fit better after a curve for each channel, the original gets the "
     "copy's; the sharper of the two is softened."),
    ("What re-encoding leaves", "Everything outside faces says by how many gray levels these two "
     "files differ where nothing was done. A face differs where it does so by a multiple of that "
     "and by more than what is about it."),
    ("The same footage", "What does not belong to faces has to agree in place and to move alike; "
     "else the only statement about faces is whether one moves as the original's."),
    ("The same movement", "Optical flow of a face that is turned upright and brought to one size, "
     "held against the original's at every offset; told where heads and features go together by "
     "more than chance brings unrelated faces, given how much each goes with itself."),
)  # fmt: skip


def as_pdf(content: PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a comparison's sealed PDF/A-3 with its data attached, always the same bytes."""
    comparison = content.comparison
    copy, original = comparison.copy_media, comparison.original_media
    footer = f"sha256 {copy.sha256[:24]}…  against {original.sha256[:24]}…"
    title = f"Unmask comparison: {copy.name} against {original.name}"
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
    made = words.when(content.exported, content.zone)
    pdf.say(f"Unmask comparison · {made}", SMALL, MUTED)
    pdf.say(f"{comparison.copy_media.name} against {comparison.original_media.name}", 11, style="B")
    pdf.headline(said.headline(comparison), INK[state])
    pdf.ln(1)
    pdf.say(said.lead(comparison), 11)
    if comparison.finding.related:
        pdf.say(said.against(comparison))
    if content.figures:
        pdf.subhead("The moment at which most differs")
        figures.row(pdf, list(content.figures), (WIDTH - 2 * 4) / 3)
    else:
        pdf.say(content.missing, SMALL, MUTED)
    pdf.box("What this can't tell", f"{said.limits(comparison)} {BESIDE}".strip())


def _measured(pdf: Paper, comparison: Comparison) -> None:
    pdf.head("What was measured")
    pdf.facts(said.figures(comparison), 46.0)
    if comparison.people:
        pdf.ln(1.5)
        rows = []
        for person in comparison.people:
            part = {"none": said.unchanged(comparison)}.get(
                person.changed_region, f"the {person.changed_region} differs"
            )
            when = said.when(comparison, person.spans) if person.spans else ""
            levels = (person.difference, person.rim, person.noise_threshold)
            rows.append((person.id, capital(part), when, *(f"{level:.1f}" for level in levels)))
        pdf.rows(
            ("Person", "Finding", "When", "Inside", "Rim", "Re-encoding leaves"),
            rows, (16, 40, 56, 18, 16, 28),
        )  # fmt: skip
    if comparison.edits:
        pdf.ln(1.5)
        rows = []
        copy, _original = said.called(comparison)
        for edit in comparison.edits[:EDITS]:
            x0, y0, x1, y1 = (round(side) for side in edit.box)
            kind = "Laid over" if edit.kind == "overlay" else "Changed"
            place = f"{x0}, {y0} to {x1}, {y1} px of {copy}"
            rows.append((kind, place, said.when(comparison, edit.spans), f"{edit.difference:.1f}"))
        pdf.rows(("Outside faces", "Where", "When", "Gray levels"), rows, (32, 62, 56, 24))


def _time(pdf: Paper, comparison: Comparison) -> None:
    if len(comparison.moments) < 2:
        return
    pdf.head("Difference over time", charts.DIFFERENCES + 16)
    charts.differences(pdf, comparison)
    pdf.say(
        "Mean gray levels, 0 to 255. Bold: inside the face of the person who differs most. Thin: "
        "everywhere outside faces. The band is what re-encoding alone leaves in that face.",
        SMALL, MUTED,
    )  # fmt: skip


def _movement(pdf: Paper, comparison: Comparison) -> None:
    shared = comparison.movement
    if shared is None:
        return
    pdf.head("How the face moves", charts.MOVEMENT + 16)
    charts.movement(pdf, shared)
    copy, original = said.called(comparison)
    pdf.say(
        f"{shared.seconds:.1f} s, from {shared.start:.1f} s of {copy} on, along the way the face "
        f"moves most, each by its own strength. Thick and gray: {original}; thin: {copy}.",
        SMALL, MUTED,
    )  # fmt: skip


def _moments(pdf: Paper, comparison: Comparison) -> None:
    if len(comparison.moments) < 2:
        return
    pdf.head("Moment by moment", 40)
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
    first = ("Copy", "Original") if comparison.roles_known else ("First file", "Second file")
    pdf.rows(
        (*first, "Inside the face", "Re-encoding leaves", "Person", "Elsewhere"),
        rows, (26, 26, 32, 36, 22, 32),
    )  # fmt: skip


def _files(pdf: Paper, content: PairContent) -> None:
    comparison = content.comparison
    pdf.head("The two files", 60)
    both = comparison.copy_media, comparison.original_media
    for name, media, now in zip(titles(comparison), both, content.sha256s, strict=True):
        pdf.subhead(name)
        pdf.facts([("Name", media.name), *_hashes(media, now), *words.file_rows(media)], 46.0)
        pdf.ln(1.5)
    for note in comparison.notes:
        pdf.say(note, SMALL, MUTED)


def _hashes(media: Media, now: str | None) -> list[tuple[str, str]]:
    same = "the same" if now == media.sha256 else now or "not checked: the file was not there"
    return [("SHA-256 when compared", media.sha256), ("SHA-256 at export", same)]


def _method(pdf: Paper, comparison: Comparison) -> None:
    pdf.head("How it was measured")
    pdf.facts(METHOD, 46.0)
    length = comparison.copy_media.duration or 0.0
    if length and len(comparison.moments) > 1:
        apart = length / len(comparison.moments)
        pdf.say(
            f"{len(comparison.moments)} moments of {clock(length, tenths=True)} were measured: a "
            f"change shorter than {apart:.2g} s can lie between two of them.", SMALL, MUTED,
        )  # fmt: skip
    took = f"{comparison.seconds:.1f} s" if comparison.seconds else "not measured"
    pdf.facts([("Program", f"Unmask {detector.__version__}"), ("Took", took)], 46.0)
