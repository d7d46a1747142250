"""Content Credentials: read a file's C2PA manifest in a sandboxed worker."""

import logging
import os
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from pydantic import ValidationError

from detector.config import get_config
from detector.errors import MediaError, UsageError
from detector.installation import install
from detector.isolation import run_in_worker
from detector.media.files import open_file
from detector.media.limits import WORKER
from detector.provenance.c2pa_reader import read_manifest
from detector.provenance.origins import GENERATED
from detector.provenance.text import clean
from detector.schema.origin import Credential
from detector.sentences import _

log = logging.getLogger(__name__)

TRUST = "UNMASK_C2PA_TRUST"
"""Environment variable: a PEM file with the certificates whose signers are trusted."""
TIMEOUT_SECONDS = 20.0  # s to read a manifest; the file is hashed meanwhile, 4 GB in about 10 s
TRAINED = "trainedAlgorithmicMedia"
"""source type of a trained model's output; "compositeWithTrainedAlgorithmicMedia" contains it"""

_MARKS = (b"c2pa", b"dcterms:provenance")
_CHUNK = 1 << 20


def read_credential(path: str | os.PathLike[str], *, cancel: Event | None = None) -> Credential:
    """Return the C2PA manifest of a file. One that never mentions the format has none, at the cost
    of one pass of reading; nothing is fetched. Raise UsageError for an unreadable trust list,
    MediaError, Canceled."""
    anchors = trust_list()
    none = Credential(trust_list=anchors is not None)
    if not _mentions_manifest(path):
        return none
    unreadable = none.model_copy(update={"state": "unreadable"})
    if find_spec("c2pa") is None:
        text = _("That needs the extra `full`. Type: {command}").format(command=install("full"))
        return unreadable.model_copy(update={"problems": [text]})
    problem = _("The program that reads it stopped.")
    try:
        answer = run_in_worker(
            read_manifest,
            path,
            anchors.read_text("utf-8") if anchors else "",
            limits=WORKER,
            returns=dict[str, Any],
            timeout=TIMEOUT_SECONDS,
            cancel=cancel,
        )
        return _credential(answer, none)
    except MediaError as error:
        if error.code == "reader_timeout":
            problem = _("Reading it took longer than {timeout_seconds} s.").format(
                timeout_seconds=f"{TIMEOUT_SECONDS:g}"
            )
    except ValidationError:
        log.warning("the reader of a C2PA manifest gave an invalid answer")
    return unreadable.model_copy(update={"problems": [problem]})


def _mentions_manifest(path: str | os.PathLike[str]) -> bool:
    tail = b""
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            window = tail + chunk
            if any(mark in window for mark in _MARKS):
                return True
            tail = window[-max(map(len, _MARKS)) :]
    return False


def trust_list() -> Path | None:
    """Return the configured trust list, if any; raise UsageError if it is missing or invalid."""
    named = get_config().c2pa_trust
    if named is None:
        return None
    path = named.expanduser()
    try:
        if b"-----BEGIN CERTIFICATE-----" not in path.read_bytes():
            text = _("{trust}: {name} holds no certificate in PEM form.")
            raise UsageError(text.format(trust=TRUST, name=path.name))
    except OSError as error:
        raise UsageError(
            _("{trust}: {name} can't be read: {strerror}.").format(
                trust=TRUST, name=path.name, strerror=error.strerror
            )
        ) from None
    return path.resolve()


def _credential(answer: dict[str, Any], none: Credential) -> Credential:
    texts = ("signer", "organization", "signed", "generator", "address")
    lists = ("actions", "sources", "ingredients", "problems")
    values: dict[str, Any] = {key: clean(answer.get(key) or "") or None for key in texts}
    values |= {key: [t for t in map(clean, answer.get(key) or []) if t] for key in lists}
    values |= {"state": answer.get("state"), "trust_list": none.trust_list}
    credential = Credential.model_validate(values)
    credential.generated = any(source in GENERATED for source in credential.sources)
    if TRAINED in (answer.get("created_by") or []):
        credential.states_generated = "whole"
    elif any(TRAINED.lower() in str(source).lower() for source in answer.get("stated") or []):
        credential.states_generated = "part"
    return credential
