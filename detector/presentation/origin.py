"""Statements of a file about its origin. Anyone can write any of them."""

from collections.abc import Iterable

from detector.messages import states
from detector.presentation import Block, Grid, Section, Text, facts, items  # fmt: skip
from detector.schema.analysis import Label, Media
from detector.schema.origin import Credential, Document, EarlierVerdict, Fact, Posted, Provenance
from detector.sentences import _, numeral, say

CREDENTIALS: dict[str, str] = {
    "none": _("None. Most files have none, so this says nothing either way."),
    "trusted": _("Valid, signed by somebody on the trust list of this installation."),
    "untrusted": _("Valid, but signed by somebody who is not on a trust list here."),
    "invalid": _(
        "Invalid: the file and its manifest don't belong together, or a signature is wrong."
    ),
    "elsewhere": _("The file names an address where a manifest is kept. Nothing was fetched."),
    "unreadable": _("There is one, but it could not be read."),
}
OURS = (_("Edit list"), _("JPEG quantization"))
"""Facts whose values are our words"""
SOURCES: dict[str, str] = {
    "trainedAlgorithmicMedia": _("made by a trained model"),
    "compositeWithTrainedAlgorithmicMedia": _("composed, with parts made by a trained model"),
    "algorithmicMedia": _("made by an algorithm"),
    "digitalCapture": _("recorded by a digital camera"),
    "computationalCapture": _("recorded by a camera that computes its pictures"),
    "composite": _("composed of several pictures"),
    "compositeCapture": _("composed of several recordings"),
    "humanEdits": _("edited by a person"),
    "minorHumanEdits": _("edited by a person, a little"),
    "algorithmicallyEnhanced": _("enhanced by an algorithm"),
    "screenCapture": _("captured from a screen"),
    "digitalArt": _("drawn by a person with software"),
    "digitalCreation": _("made by a person with software"),
    "negativeFilm": _("scanned from negative film"),
    "print": _("scanned from a print"),
}
"""IPTC digital source types (cv.iptc.org/newscodes/digitalsourcetype) in words."""


def credential(signed: Credential) -> Section:
    """Return the C2PA manifest; the first row is its validity."""
    signer = ", ".join(p for p in (signed.signer, signed.organization) if p)
    distrusted = signed.state == "untrusted" and not signed.trust_list
    none = _("None is configured here, so no signer is trusted.")
    rows = [
        (_("Signed origin (C2PA)"), say(CREDENTIALS[signed.state])),
        (_("Signed by"), f"{signer} {signed.signed or ''}".strip() if signer else ""),
        (_("Claimed by"), signed.generator or ""),
        (_("It says"), ", ".join(say(SOURCES.get(s, s)) for s in signed.sources)),
        (_("Steps"), "; ".join(signed.actions)),
        (_("Made from"), ", ".join(signed.ingredients)),
        (_("Kept at"), signed.address or ""),
        (_("Problems"), ", ".join(map(say, signed.problems))),
        (_("Trust list"), none if distrusted else ""),
    ]
    return Section("credential", _("Signed origin (C2PA)"), (facts(rows),))


def posted(page: Posted) -> Section:
    """Return who posted the file, where and when."""
    rows = [
        (_("Title"), page.title),
        (_("Posted by"), page.by),
        (_("Date"), page.date),
        (_("Site"), page.site),
    ]
    return Section("posted", _("Where it was posted, by its page’s account"), (facts(rows),))


def document(found: Document) -> Section:
    """Return the metadata of the document that holds the picture."""
    rows = [
        (_("Document"), found.name),
        (_("Written by"), found.producer),
        (_("Made in"), found.creator),
        (_("Author"), found.author),
        (_("Last saved by"), found.changed_by),
        (_("Created"), found.created),
        (_("Changed"), found.changed),
        (_("Saved again"), "" if found.edits is None else str(found.edits)),
        (_("Signatures"), "" if found.signatures is None else str(found.signatures)),
    ]
    return Section("document", _("The document it stands in, by its own account"), (facts(rows),))


_MADE = {
    "before_seals": ("", _("Made before this server put its seal under results.")),
    "not_this_server": (
        _("Not made here"),
        _("Not made by this server. The result has no seal of it, or one that does not hold: "
          "whoever could write the record may have written any of this."),
    ),
}  # fmt: skip


def made(by: str) -> tuple[str, str]:
    """Return the maker of a result (a `ResultOrigin`) in a few words and in a sentence; empty for
    this server."""
    short, text = _MADE.get(by, ("", ""))
    return short and say(short), text and say(text)


def accounts(origin: Provenance | None) -> list[Section]:
    """Return the page and the document that the file comes from."""
    if origin is None:
        return []
    page = [posted(origin.posted)] if origin.posted is not None else []
    return page + ([document(origin.document)] if origin.document is not None else [])


def fact_rows(found: Iterable[Fact]) -> list[tuple[str, str, str]]:
    """Return metadata as (name, value, where); only values of this program are translated."""
    return [
        (say(f.name), say(f.value) if f.name in OURS else f.value, say(f.source)) for f in found
    ]


TITLE = _("Provenance")
MISSING = _("Results of an earlier version have no provenance: analyze the file again.")
PRIVATE = _(
    "The place may be somebody's home. It goes into downloads unless you leave it out, under "
    "Download."
)
PRINTED = 40  # facts of the metadata; all are in the attached data


def section(origin: Provenance, media: Media) -> Section:
    """Return all statements of a file about its origin."""
    worth = _(
        "All of this can be written by anybody, and is lost when a file is sent on. That something "
        "is missing says nothing either way."
    )
    blocks: list[Block] = [Text(worth, "note"), facts(credential(origin.credential).rows)]
    blocks += items(say(sentence) for sentence in (*origin.findings, *origin.unread))
    if origin.earlier is not None:
        blocks += items([earlier(origin.earlier, media)])
    for account in accounts(origin):
        blocks += [Text(account.title, "subhead"), facts(account.rows)]
    rows = fact_rows(origin.facts[:PRINTED])
    if origin.place is not None:
        spot = f"{origin.place.latitude:.5f}, {origin.place.longitude:.5f}"
        rows.append((_("Recorded at (private)"), spot, say(origin.place.source)))
    for h in origin.hashes:
        when = f", {numeral(h.time, '.1f')} s" if h.time is not None else ""
        rows.append((_("Perceptual hash") + when, h.phash, _("computed here")))
    if rows:
        blocks.append(Grid((_("Says"), _("Value"), _("Where")), rows))
    return Section("origin", _("What the file says of its origin"), tuple(blocks))


def earlier(verdict: EarlierVerdict, media: Media) -> str:
    """Return the verdict of an earlier analysis that the file carries, which counts for nothing."""
    place = _("into its metadata") if verdict.where == "metadata" else _("beside it")
    label = verdict.label
    if label in set(Label):
        label = states.state(label, None)
    said = [label]
    if verdict.likelihood is not None:
        said.append(_("{percent} likelihood").format(percent=f"{verdict.likelihood} %"))
    text = _(
        "An earlier verdict was written {place}: “{verdict}”{when}. Anybody can write that; it had "
        "no influence here."
    )
    if verdict.sha256 == media.sha256:
        text = _(
            "An earlier verdict of this very file was written {place}: “{verdict}”{when}. Anybody "
            "can write that; it had no influence here."
        )
    when = _(", on {day}").format(day=verdict.analyzed) if verdict.analyzed else ""
    return text.format(place=place, verdict=", ".join(said), when=when)
