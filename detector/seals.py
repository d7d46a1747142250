"""Seals of results: made over the canonical JSON with a private key, checked with the public one.

Canonical is JSON with sorted keys, no white space, letters as they are, and numbers as Python
writes them. A result is checked as the JSON it was written as, before any version of the program
fills in what it lacks.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from detector.schema.seal import ResultSeal


def canonical(tree: Any) -> bytes:
    """Return a JSON tree as bytes, the same for equal trees."""
    text = json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def digest(data: bytes) -> str:
    """Return the sha256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(key: str) -> str:
    """Return a public key in a form that two people can compare: 16 hex digits in fours."""
    short = digest(base64.b64decode(key))[:16]
    return " ".join(short[i : i + 4] for i in range(0, 16, 4))


def name_of(key: Ed25519PublicKey) -> str:
    """Return a public key as text, base64 of its 32 bytes."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def key_of(name: str) -> Ed25519PublicKey:
    """Return the public key of a text. ValueError when it is none."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(name, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError("is no Ed25519 public key in base64") from error


def record_hash(id: str) -> str:
    """Return what a seal says of a record's id."""
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
        sha256 of the file; empty where there never was one.
    summary : JSON
        What lists show of it.
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
    """Return whether a seal's signature is that of the key it names, and that is one of these."""
    return seal.key in keys and verify(seal.key, seal.signature, _payload(seal))


def holds(seal: ResultSeal, tree: dict[str, Any], keys: Collection[str]) -> bool:
    """Return whether a result, as JSON, is the one that one of these keys signed."""
    if not signed(seal, keys) or document_hash(tree) != seal.document:
        return False
    place = _place(tree)
    return place is None or verify(seal.key, seal.place or "", _payload(seal) + canonical(place))


def of_tree(tree: dict[str, Any]) -> ResultSeal | None:
    """Return the seal that stands in a result's JSON; None where there is none, or no such."""
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


def verify(name: str, signature: str, payload: bytes) -> bool:
    """Return whether a signature is that of the key of this name."""
    try:
        key_of(name).verify(base64.b64decode(signature, validate=True), payload)
    except (ValueError, InvalidSignature):
        return False
    return True
