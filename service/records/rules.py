"""Rules of every store: ids, limits of what people may write, validation of stored values."""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from detector.errors import InputError
from detector.schema.analysis import CustomEnsemble
from detector.sentences import _, numeral
from service.context import SYSTEM, PrincipalKind
from service.records.model import (
    GUEST,
    KEY,
    LOCAL,
    MAX_LINKS,
    MAX_NOTE_LENGTH,
    MAX_PRESETS,
    MAX_SHARE_TTL,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Confirmed,
    Preferences,
    Record,
    RecordsError,
)

log = logging.getLogger(__name__)

_STEERS = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What would steer a terminal, or turn the direction of what stands after it. Joiners stay: scripts
are written with them."""


def storable(text: str) -> str:
    """Return a text without NUL, which PostgreSQL accepts in no text: file names are untrusted."""
    return text.replace("\x00", "\ufffd")


def hash_token(token: str) -> str:
    """Return the stored hash of a share's token, its sha256."""
    return hashlib.sha256(token.encode()).hexdigest()


def has_account(owner: str) -> bool:
    """Return whether an owner is a person with an account. Other records are opened by their
    address alone, also those of API keys: a recipient of the address has no key."""
    return owner != LOCAL and not owner.startswith((GUEST, KEY))


def owner_kind(owner: str) -> tuple[PrincipalKind, str]:
    """Return the kind of an owner, with a few characters that distinguish two of a kind."""
    if owner in (LOCAL, SYSTEM.id):
        return PrincipalKind.LOCAL, ""
    for prefix, kind in ((GUEST, PrincipalKind.GUEST), (KEY, PrincipalKind.KEY)):
        if owner.startswith(prefix):
            return kind, owner.removeprefix(prefix)[:4]
    return PrincipalKind.USER, owner[:4]


def _clean_note(note: str) -> str:
    note = storable(_STEERS.sub("", note).strip())
    if len(note) > MAX_NOTE_LENGTH:
        text = _("A note can have {most} characters; this one has {number}.")
        text = text.format(most=numeral(MAX_NOTE_LENGTH), number=numeral(len(note)))
        raise InputError(text, hint=_("Nothing was changed."))
    return note


def _clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags without extra spaces and repetitions, in the order given."""
    unique: dict[str, str] = {}
    for tag in tags:
        tag = storable(" ".join(_STEERS.sub("", tag).split()))
        if len(tag) > MAX_TAG_LENGTH:
            text = _("A tag can have {most} characters; “{start}…” has {number}.")
            start = tag[:MAX_TAG_LENGTH]
            text = text.format(most=MAX_TAG_LENGTH, start=start, number=len(tag))
            raise InputError(text, hint=_("Nothing was changed."))
        if tag:
            unique.setdefault(tag.casefold(), tag)
    if len(unique) > MAX_TAGS:
        text = _("A file can have {most} tags.").format(most=MAX_TAGS)
        raise InputError(text, hint=_("Nothing was changed."))
    return tuple(unique.values())


def cleaned_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of `Store.change`, cleaned; raise as there."""
    return {name: _CLEAN[name](value) for name, value in changes.items() if value is not None}


_CLEAN: dict[str, Callable[[Any], Any]] = {
    "note": _clean_note,
    "tags": _clean_tags,
    "confirmed": Confirmed,
}


def check_share_ttl(ttl: timedelta) -> None:
    """Raise InputError for an invalid lifetime of a link."""
    if not timedelta(0) < ttl <= MAX_SHARE_TTL:
        most = _("A link can last up to {number} days.")
        raise InputError(most.format(number=MAX_SHARE_TTL.days))


def too_many_links() -> RecordsError:
    """Return the error of a link over the limit."""
    text = _("A file can have {most} links.").format(most=MAX_LINKS)
    return RecordsError(text, code="quota", hint=_("Revoke some, or wait until some have ended."))


def check_preset(preset: CustomEnsemble, known: Collection[str]) -> None:
    """Raise InputError if a preset has no name, or there are too many."""
    if not preset.name.strip():
        raise InputError(_("Give the preset a name."))
    if preset.name not in known and len(known) >= MAX_PRESETS:
        full = _("There are {number} presets already. Delete one first.")
        raise InputError(full.format(number=MAX_PRESETS))


def read_presets(stored: Mapping[str, Any]) -> dict[str, CustomEnsemble]:
    """Return the stored presets by name, without unreadable ones."""
    presets = {}
    for name, value in sorted(stored.items()):
        try:
            presets[name] = CustomEnsemble.model_validate(value)
        except ValidationError:
            log.warning("a preset that another version wrote was left out")
    return presets


def read_preferences(chosen: Any) -> Preferences:
    """Return a person's preferences; the defaults if they are missing or unreadable."""
    try:
        return Preferences.model_validate(chosen or {})
    except ValidationError:
        return Preferences()


def normalize_text(text: str) -> str:
    """Return a text in the form that a search compares: NFKC, case-folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def search_text(record: Record) -> str:
    """Return the text that a search looks through."""
    return normalize_text("\n".join((record.name, record.sha256, record.note, *record.tags)))
