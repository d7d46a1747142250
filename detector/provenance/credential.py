"""Content Credentials: the C2PA manifest of a file, read in a process of its own."""

import json
import logging
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO

from detector.config import get_config
from detector.errors import UsageError
from detector.installation import install
from detector.isolation import bare_environment
from detector.provenance.text import clean
from detector.schema.origin import Credential
from detector.sentences import _

log = logging.getLogger(__name__)

TRUST = "UNMASK_C2PA_TRUST"
"""Environment variable: a PEM file with the certificates whose signers are trusted."""
TIMEOUT_SECONDS = 20.0  # s to read a manifest; the file is hashed meanwhile, 4 GB in about 10 s
MAX_ANSWER_BYTES = 200_000  # of the reading process's answer
GENERATED = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
"""IPTC digital source types that say a machine made the picture, or a part of it."""
TRAINED = "trainedAlgorithmicMedia"
"""what a trained model generated; as "compositeWithTrainedAlgorithmicMedia" a part of it"""

_CHILD = Path(__file__).with_name("c2pa_child.py")
_MARKS = (b"c2pa", b"dcterms:provenance")
_CHUNK = 1 << 20


def read_credential(file: BinaryIO, *, cancel: Event | None = None) -> Credential:
    """Return which C2PA manifest an open file has. One that never mentions the format has none, and
    costs one pass of reading; nothing is fetched. Raise UsageError for an unreadable trust list."""
    anchors = trust_list()
    none = Credential(trust_list=anchors is not None)
    longest = max(map(len, _MARKS))
    file.seek(0)
    tail = b""
    while chunk := file.read(_CHUNK):
        window = tail + chunk
        if any(mark in window for mark in _MARKS):
            break
        tail = window[-longest:]
    else:
        return none
    unreadable = none.model_copy(update={"state": "unreadable"})
    if find_spec("c2pa") is None:
        text = _("That needs the extra `full`. Type: {command}").format(command=install("full"))
        return unreadable.model_copy(update={"problems": [text]})
    file.seek(0)
    command = [sys.executable, "-I", str(_CHILD), *([str(anchors)] if anchors else [])]
    problem = _("Reading it took longer than {timeout_seconds} s.").format(
        timeout_seconds=f"{TIMEOUT_SECONDS:g}"
    )
    try:
        if (answer := _run(command, file, cancel or Event())) is not None:
            return _credential(json.loads(answer), none)
    except (OSError, ValueError) as error:  # pydantic's errors are ValueErrors
        log.warning("a C2PA manifest could not be read: %s", type(error).__name__)
        problem = _("The program that reads it stopped.")
    return unreadable.model_copy(update={"problems": [problem]})


def _run(command: list[str], file: BinaryIO, cancel: Event) -> bytes | None:
    """Return the reading process's answer; None after a timeout or a cancel."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command, stdin=file, stdout=out, stderr=subprocess.DEVNULL, env=bare_environment()
        )
        try:
            end = time.monotonic() + TIMEOUT_SECONDS
            while process.poll() is None:
                if cancel.is_set() or time.monotonic() > end:
                    return None
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        return out.read(MAX_ANSWER_BYTES)


def trust_list() -> Path | None:
    """Return the configured trust list, if any. UsageError when it is not there."""
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
    """Return the reader's answer, cleaned: it holds a stranger's texts."""
    texts = ("signer", "organization", "signed", "generator", "address")
    lists = ("actions", "sources", "ingredients", "problems")
    values: dict[str, Any] = {key: clean(answer.get(key) or "") or None for key in texts}
    values |= {key: [t for t in map(clean, answer.get(key) or []) if t] for key in lists}
    values |= {"state": answer["state"], "trust_list": none.trust_list}
    credential = Credential.model_validate(values)
    credential.generated = any(source in GENERATED for source in credential.sources)
    if TRAINED in (answer.get("created_by") or []):
        credential.states_generated = "whole"
    elif any(TRAINED.lower() in str(source).lower() for source in answer.get("stated") or []):
        credential.states_generated = "part"
    return credential
