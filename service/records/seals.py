"""Seals of results: signatures of this server, made when its pipeline writes a result and checked
on reading.

    python -m service.records.seals [revoke KEY]     list the public keys, or revoke one

The private key is `<data>/seal.key`, created at the first start, or derived from
`UNMASK_SECRET_KEY`, which several servers share. Public keys are in the records' database, so that
servers of one database trust each other, and a seal from before a change of keys is still valid;
`UNMASK_SEAL_KEYS` adds those of other servers. Rows that an account writes into a Supabase project
by itself have no seal.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import ValidationError
from sqlalchemy import select, update

from detector import paths, seals
from detector.schema.analysis import Analysis
from detector.schema.seal import ResultSeal
from detector.schema.summary import ResultSummary
from detector.sentences import _
from service.config import get_config
from service.records import rules
from service.records.database import Database, configured, insert_new
from service.records.model import Record, RecordsError, ResultOrigin
from service.records.tables import SealKeyRow

FILE = "seal.key"
_INFO = b"unmask result seal 1"
_SUMMARY = (
    "analyzed", "verdict", "question", "probability", "subject_count", "kind", "duration", "models",
    "version",
)  # fmt: skip
"""what version 1 of a seal signs of a summary; what a later version adds is not in it"""
_AGAIN_SECONDS = 5.0  # s between two looks for keys of other servers


def origin(seal: ResultSeal | None, owner: str) -> ResultOrigin:
    """Return the maker of a result from its checked seal. An account can write its own rows, so
    without a seal their origin is unknown."""
    if seal is None and not rules.has_account(owner):
        return ResultOrigin.BEFORE
    return origin_of_account(seal)


def origin_of_account(seal: ResultSeal | None) -> ResultOrigin:
    """Return the maker of a result in a table that accounts can write."""
    ours = seal is not None and seal.holds
    return ResultOrigin.HERE if ours else ResultOrigin.ELSEWHERE


def believed(seal: ResultSeal | None, owner: str) -> bool:
    """Return whether a result with this seal may be served from the cache."""
    return origin(seal, owner) is not ResultOrigin.ELSEWHERE


def origin_of(record: Record) -> ResultOrigin | None:
    """Return the maker of a record's result; None if it has none."""
    return origin(record.result.seal, record.owner) if record.result is not None else None


class Keyring:
    """The private key of this server, and the public keys that it trusts. An empty one seals
    nothing and trusts no seal."""

    def __init__(
        self, key: Ed25519PrivateKey | None = None, database: Database | None = None
    ) -> None:
        self._key, self._database = key, database
        self._known: frozenset[str] = frozenset()
        self._looked = -_AGAIN_SECONDS
        self._lock = threading.Lock()
        self.own = seals.name_of(key.public_key()) if key else ""  # this server's public key

    @classmethod
    def open(cls, data: Path, database: Database) -> Keyring:
        """Return the keys of a server, created and stored if they are missing. Raise RecordsError
        if the key can't be read or created, or was revoked."""
        keyring = cls(_private_key(data / FILE), database)
        with database.writing() as session:
            known = select(SealKeyRow.revoked).where(SealKeyRow.key == keyring.own)
            insert_new(session, SealKeyRow(key=keyring.own, added=datetime.now(UTC), revoked=None))
            if session.execute(known).scalar_one() is not None:
                raise RecordsError(
                    _("The key that this server seals results with was revoked."),
                    code="seal_key_revoked",
                    hint=_(
                        "Delete {file} in the data folder, or choose another UNMASK_SECRET_KEY."
                    ).format(file=FILE),
                )
        return keyring

    def seal(self, record: Record, analysis: Analysis) -> Analysis:
        """Return a new result of this server with its seal."""
        if self._key is None:
            return analysis
        plain = analysis.model_copy(update={"seal": None})
        tree = json.loads(plain.model_dump_json())
        summary = _summary(ResultSummary.of(plain))
        seal = seals.make(self._key, tree, record.id, record.sha256, summary)
        return plain.model_copy(update={"seal": seal})

    def seal_again(self, record: Record, before: Analysis, after: Analysis) -> Analysis:
        """Return a changed result sealed anew, if its old seal is valid and this server's."""
        held = before.seal is not None and before.seal.holds
        return self.seal(record, after) if held else after

    def read(
        self, document: str | bytes, record: str, *, place: Any = None, sign: str | None = None
    ) -> Analysis | None:
        """Return a stored result, its seal checked by the record's hash and signature; None if this
        version can't read it. `place` is that of the recording, where it is stored apart."""
        try:
            analysis = Analysis.model_validate_json(document)
            tree = json.loads(document)
            if place is not None and analysis.provenance is not None:
                tree["provenance"]["place"] = place
                if tree.get("seal"):
                    tree["seal"]["place"] = sign
                analysis = Analysis.model_validate(tree)
        except (ValidationError, ValueError, TypeError):
            return None
        seal = analysis.seal
        if seal is not None and not (
            seal.record == record
            and self._known_to_us(seal)
            and seals.holds(seal, tree, self._known)
        ):
            return analysis.model_copy(update={"seal": seal.broken()})
        return analysis

    def checked(self, record: Record) -> Record:
        """Return a record whose summary has a valid seal or is marked as broken."""
        result = record.result
        if result is None or result.seal is None or self._holds(record, result, result.seal):
            return record
        broken = result.model_copy(update={"seal": result.seal.broken()})
        return record.model_copy(update={"result": broken})

    def listed(self) -> list[tuple[str, datetime, datetime | None]]:
        """Return each public key of the database with its dates of creation and revocation."""
        if self._database is None:
            return []
        query = select(SealKeyRow).order_by(SealKeyRow.added)
        return [(row.key, row.added, row.revoked) for row in self._database.all(query)]

    def revoke(self, key: str) -> bool:
        """Revoke a key: its holder could seal results that this server never made."""
        if self._database is None:
            return False
        change = update(SealKeyRow).where(SealKeyRow.key == key, SealKeyRow.revoked.is_(None))
        return bool(self._database.run(change.values(revoked=datetime.now(UTC))))

    def _holds(self, record: Record, result: ResultSummary, seal: ResultSeal) -> bool:
        return (
            seal.record == seals.record_hash(record.id)
            and seal.media == record.sha256
            and seal.summary == seals.digest(seals.canonical(_summary(result)))
            and self._known_to_us(seal)
            and seals.signed(seal, self._known)
        )

    def _known_to_us(self, seal: ResultSeal) -> bool:
        """Return whether a seal names a trusted key; reload the keys for an unknown one."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked > _AGAIN_SECONDS and self._database is not None:
                rows = self.listed()
                good = {key for key, _added, revoked in rows if revoked is None}
                bad = {key for key, _added, revoked in rows if revoked is not None}
                self._known = frozenset((good | set(get_config().seal_keys)) - bad)
                self._looked = now
        return seal.key in self._known


def _summary(result: ResultSummary) -> dict[str, Any]:
    kept = result.model_dump(mode="json", include=set(_SUMMARY))
    kept["analyzed"] = result.analyzed.astimezone(UTC).isoformat()
    return kept


def _private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key of this server, created on first use. Raise RecordsError if that fails."""
    if secret := get_config().secret_key:
        data = secret.get_secret_value().encode()
        seed = HKDF(hashes.SHA256(), length=32, salt=None, info=_INFO).derive(data)
        return Ed25519PrivateKey.from_private_bytes(seed)
    try:
        if not path.exists():
            paths.write_new(path, base64.b64encode(secrets.token_bytes(32)) + b"\n")
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_bytes()))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else _("it holds no key")
        raise RecordsError(
            _("The key that results are sealed with can't be used: {why}.").format(why=why),
            code="seal_key",
            hint=_("It is {file} in the data folder. Nothing was changed.").format(file=FILE),
        ) from error


def main(arguments: list[str]) -> int:
    """List the keys, or revoke one; return the exit status."""
    with contextlib.closing(Database(configured())) as database:
        keyring = Keyring(database=database)
        if arguments[:1] == ["revoke"] and len(arguments) == 2:
            done = keyring.revoke(arguments[1])
            print("It is believed no more." if done else "There is no such key.")
            return 0 if done else 1
        for key, added, revoked in keyring.listed():
            until = f", revoked {revoked:%Y-%m-%d}" if revoked else ""
            print(f"{key}  {seals.fingerprint(key)}  since {added:%Y-%m-%d}{until}")
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
