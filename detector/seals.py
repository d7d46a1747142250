"""Ed25519 seals of results over their canonical JSON.

Canonical JSON has sorted keys, no white space, unescaped letters, and numbers as Python writes
them. A result is verified as the stored JSON, before the program fills in missing fields.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from detector.schema.seal import ResultSeal


def canonical(tree: Any) -> bytes:
    """Return the canonical bytes of a JSON tree."""
    text = json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def digest(data: bytes) -> str:
    """Return the sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(key: str) -> str:
    """Return the fingerprint of a public key for people to compare: 16 hex digits in fours."""
    short = digest(base64.b64decode(key))[:16]
    return " ".join(short[i : i + 4] for i in range(0, 16, 4))


def name_of(key: Ed25519PublicKey) -> str:
    """Return a public key as text, base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def key_of(name: str) -> Ed25519PublicKey:
    """Return the public key of a text; raise ValueError if it is invalid."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(name, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("is no Ed25519 public key in base64") from error


def record_hash(id: str) -> str:
    """Return the hash of a record's id in a seal."""
    return digest(b"unmask record\0" + id.encode())


def document_hash(tree: dict[str, Any]) -> str:
    """Return the sha256 of a result's JSON tree without its seal and recording place."""
    rest = {key: value for key, value in tree.items() if key != "seal"}
    if isinstance(rest.get("provenance"), dict):
        rest["provenance"] = rest["provenance"] | {"place": None}
    return digest(canonical(rest))


def make(
    key: Ed25519PrivateKey, tree: dict[str, Any], record: str, media: str, summary: Any
) -> ResultSeal:
    """Return the seal of a result.

    Parameters
    ----------
    key : Ed25519PrivateKey
        The server's.
    tree : dict
        The result's JSON.
    record : str
        The id of its record.
    media : str
        sha256 of the file; empty if there never was one.
    summary : JSON
        Summary of the result in lists.
    """
    seal = ResultSeal(
        record=record_hash(record),
        media=media,
        document=document_hash(tree),
        summary=digest(canonical(summary)),
        sealed=datetime.now(UTC).isoformat(timespec="seconds"),
        key=name_of(key.public_key()),
    )
    payload = _payload(seal)
    place = _place(tree)
    signed = {"signature": sign(key, payload)}
    if place is not None:
        signed["place"] = sign(key, payload + canonical(place))
    return seal.model_copy(update=signed)


def signed(seal: ResultSeal, keys: Collection[str]) -> bool:
    """Return True if the seal's signature is valid for its key, and the key is one of these."""
    return seal.key in keys and verify(seal.key, seal.signature, _payload(seal))


def holds(seal: ResultSeal, tree: dict[str, Any], keys: Collection[str]) -> bool:
    """Return True if a result, as JSON, is unchanged since one of these keys signed it."""
    if not signed(seal, keys) or document_hash(tree) != seal.document:
        return False
    place = _place(tree)
    return place is None or verify(seal.key, seal.place or "", _payload(seal) + canonical(place))


def of_tree(tree: dict[str, Any]) -> ResultSeal | None:
    """Return the seal in a result's JSON; None if there is none that is valid."""
    try:
        return ResultSeal.model_validate(tree["seal"]) if tree.get("seal") else None
    except ValueError:
        return None


def _payload(seal: ResultSeal) -> bytes:
    return canonical(seal.model_dump(mode="json", exclude={"signature", "place"}))


def _place(tree: dict[str, Any]) -> Any:
    provenance = tree.get("provenance")
    return provenance.get("place") if isinstance(provenance, dict) else None


def sign(key: Ed25519PrivateKey, payload: bytes) -> str:
    """Return an Ed25519 signature, in base64."""
    return base64.b64encode(key.sign(payload)).decode()


@lru_cache(maxsize=4096)  # lists verify the same summaries again: 0.15 ms each
def verify(name: str, signature: str, payload: bytes) -> bool:
    """Return True if a signature is valid for the key of this name."""
    try:
        key_of(name).verify(base64.b64decode(signature, validate=True), payload)
    except (ValueError, InvalidSignature):
        return False
    return True
