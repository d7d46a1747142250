"""Rules that hold for every store: ids, what people may write, what strangers may read."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from detector.errors import InputError
from detector.schema.analysis import Analysis, CustomEnsemble
from service.messages import _
from service.records.model import (
    GUEST,
    LOCAL,
    MAX_NOTE_LENGTH,
    MAX_PRESETS,
    MAX_SHARE_TTL,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Confirmed,
    Record,
)


def new_id() -> str:
    """A fresh id of a record or token of a share: 22 URL-safe characters, 128 random bits."""
    return secrets.token_urlsafe(16)


def has_account(owner: str) -> bool:
    """Whether an owner can prove who they are from anywhere."""
    return owner != LOCAL and not owner.startswith(GUEST)


def _clean_note(note: str) -> str:
    note = note.strip()
    if len(note) > MAX_NOTE_LENGTH:
        raise InputError(
            _("A note can have {most} characters; this one has {number}.").format(
                most=f"{MAX_NOTE_LENGTH:,}", number=f"{len(note):,}"
            ),
            hint=_("Nothing was changed."),
        )
    return note


def _clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags without needless spaces and repetitions, in the order given."""
    kept: dict[str, str] = {}
    for tag in tags:
        tag = " ".join(tag.split())
        if len(tag) > MAX_TAG_LENGTH:
            raise InputError(
                _("A tag can have {most} characters; “{start}…” has {number}.").format(
                    most=MAX_TAG_LENGTH, start=tag[:MAX_TAG_LENGTH], number=len(tag)
                ),
                hint=_("Nothing was changed."),
            )
        if tag:
            kept.setdefault(tag.casefold(), tag)
    if len(kept) > MAX_TAGS:
        raise InputError(
            _("A file can have {most} tags.").format(most=MAX_TAGS),
            hint=_("Nothing was changed."),
        )
    return tuple(kept.values())


def cleaned_changes(
    note: str | None, tags: Iterable[str] | None, confirmed: Confirmed | None
) -> dict[str, Any]:
    """The fields of a record that `Store.change` changes, cleaned.

    Raises
    ------
    InputError
        As there.
    """
    given: dict[str, Any] = {}
    if note is not None:
        given["note"] = _clean_note(note)
    if tags is not None:
        given["tags"] = _clean_tags(tags)
    if confirmed is not None:
        given["confirmed"] = confirmed
    return given


def check_share_ttl(ttl: timedelta) -> None:
    """Raise InputError where a link would last too long, or no time."""
    if not timedelta(0) < ttl <= MAX_SHARE_TTL:
        most = _("A link can last up to {number} days.")
        raise InputError(most.format(number=MAX_SHARE_TTL.days))


def check_preset(mix: CustomEnsemble, known: Collection[str]) -> None:
    """Raise InputError where a preset has no name, or there are too many."""
    if not mix.name.strip():
        raise InputError(_("Give the preset a name."))
    if mix.name not in known and len(known) >= MAX_PRESETS:
        full = _("There are {number} presets already. Delete one first.")
        raise InputError(full.format(number=MAX_PRESETS))


def normalize_text(text: str) -> str:
    """A text as it is compared in a search: without differences of case and of form."""
    return unicodedata.normalize("NFKC", text).casefold()


def search_text(record: Record) -> str:
    """What a search looks through."""
    return normalize_text("\n".join((record.name, record.sha256, record.note, *record.tags)))


def without_location(analysis: Analysis) -> Analysis:
    """A result without the place where it was recorded."""
    if analysis.provenance is None or analysis.provenance.place is None:
        return analysis
    return analysis.model_copy(update={"provenance": analysis.provenance.without_place()})
