"""Checking a report: is it as it was sealed, what was changed, and whose signature is under it."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from detector.errors import InputError
from detector.media.files import one_line
from detector.report import certificate
from detector.report.certificate import CertificateSignature
from detector.report.seal import PDF_MARK, PDF_SEAL, Seal, pdf_parts
from detector.report.table import COMMENTS, MARK, tree_parts
from detector.seals import canonical, digest, fingerprint, name_of
from detector.sentences import _

log = logging.getLogger(__name__)

Form = Literal["pdf", "json", "csv", "md"]
SignatureState = Literal["none", "valid", "expected", "other", "wrong"]
Parts = Callable[[], dict[str, str]]

END_OF_PDF = b"%%EOF\n"
LARGEST = 256 * 1024**2  # bytes of a report that is read; a long one with pictures has 2 MB


@dataclass(frozen=True)
class Verification:
    """The result of a check."""

    intact: bool  # nothing was changed since it was sealed, and no signature is wrong
    kind: Form
    seal: Seal  # as it stands in the report; believe it only when `intact`
    changed: tuple[str, ...]  # which parts differ, as far as that can be told
    signature: SignatureState
    """"valid": of the key in the seal; "expected": of the given key; "other": of another"""
    certificate: CertificateSignature | None = None

    @property
    def good(self) -> bool:
        """Return whether it is intact, and signed as expected if a key was given."""
        return self.intact and self.signature not in ("wrong", "other")

    def lines(self) -> list[str]:
        """Return the result in sentences."""
        seal = self.seal
        by = f"key {fingerprint(seal.key)}" if seal.key and self.signature != "wrong" else ""
        signature = {
            "none": _("Not signed: whoever changes a report on purpose can seal it again."),
            "valid": _("Signed with {by}. Compare it with the one the operator publishes.").format(
                by=by
            ),
            "expected": _("Signed with the given key ({by}).").format(by=by),
            "other": _("Signed with another key than the given one ({by}).").format(by=by),
            "wrong": _("Its signature is WRONG: it was not made over this seal."),
        }[self.signature]
        changed = [
            _("CHANGED since it was sealed."),
            *(f"  - {one_line(part)}" for part in self.changed),
        ]
        return [
            *([_("Intact: nothing was changed since it was sealed.")] if self.intact else changed),
            *([signature] if self.signature != "none" or self.certificate is None else []),
            *self._certified(),
            *_about(seal),
        ]

    def _certified(self) -> list[str]:
        """Return who signed with a certificate. Whether it is to be trusted a PDF reader says."""
        if self.certificate is None:
            return []
        by = f"{one_line(self.certificate.subject)}, issued by {one_line(self.certificate.issuer)}"
        if not self.certificate.intact:
            return [_("The signature with the certificate of {by}, is WRONG.").format(by=by)]
        return [_("Signed with the certificate of {by}.").format(by=by)]


def _about(seal: Seal) -> tuple[str, str]:
    """Return of what a report is, and when it was made, as its seal says."""
    when, id, file = (one_line(text) for text in (seal.exported, seal.analysis, seal.media))
    if id.startswith("case "):
        return _("Exported {when}, {id}.").format(when=when, id=id), _(
            "Its log ends with the hash {file}."
        ).format(file=file)
    if id == "benchmark":
        return _("Exported {when}, a benchmark.").format(when=when), _(
            "Its label file has the sha256 {file}."
        ).format(file=file)
    if seal.original is None:
        return _("Exported {when}, analysis {id}.").format(when=when, id=id), _(
            "Of the file with sha256 {file}."
        ).format(file=file)
    made = (
        _("Exported {when}, comparison {id}.").format(when=when, id=id)
        if id
        else _("Exported {when}, a comparison.").format(when=when)
    )
    original = one_line(seal.original)
    return made, _(
        "Of the file with sha256 {file}, held against that with sha256 {original}."
    ).format(file=file, original=original)


class NoSeal(InputError):
    """The file is no report, or its seal was taken out."""

    default_code = "no_seal"


def verify(path: str | os.PathLike[str], key: Ed25519PublicKey | None = None) -> Verification:
    """Check a report of any form, which is treated as hostile; with a `key`, it has to be signed
    with it. Raise NoSeal for no seal or several, InputError where it can't be read or is too
    large."""
    data = _read(Path(path))
    if data.startswith(b"%PDF"):
        return _checked_pdf(data, key)
    if data.lstrip()[:1] == b"{":
        return _checked("json", *_split_json(data), key)
    form: Form = "md" if data.lstrip()[:1] == b"#" else "csv"
    return _checked(form, *_split_text(data, form), key)


def _checked(
    kind: Form, seal: Seal, sha256: str, parts: Parts, key: Ed25519PublicKey | None
) -> Verification:
    holds = seal.signature_holds()
    signature: SignatureState
    if holds is None:
        signature = "none" if key is None else "other"
    elif not holds:
        signature = "wrong"
    else:
        signature = "valid" if key is None else "expected" if seal.key == name_of(key) else "other"
    intact = sha256 == seal.sha256
    changed = () if intact else tuple(_differences(seal, parts))
    return Verification(intact and signature != "wrong", kind, seal, changed, signature)


def _differences(seal: Seal, parts: Parts) -> list[str]:
    """Return which parts are not as they were sealed."""
    if not seal.parts:
        return ["the text"]
    try:
        now = parts()
    except ModuleNotFoundError:  # the extra `report`
        raise
    except Exception as error:
        log.info("a changed report could not be taken apart: %s", type(error).__name__)
        return ["the file is damaged: it can't be taken apart any more"]
    named = [name for name in seal.parts if name in now and now[name] != seal.parts[name]]
    named += [f"{name} is missing" for name in seal.parts if name not in now]
    named += [f"{name} was added" for name in now if name not in seal.parts]
    return named or [
        "not the pages or the data, but the rest of the file: fonts, structure or properties, as "
        "when another program saves it again"
    ]


def _checked_pdf(data: bytes, key: Ed25519PublicKey | None) -> Verification:
    """Check the seal over the drawn report, and the appended signature over the whole file."""
    seals = list(PDF_SEAL.finditer(data))
    if len(seals) != 1 or data.count(PDF_MARK) != 1:
        raise _no_seal(len(seals))
    end = data.find(END_OF_PDF, seals[0].end())
    end = len(data) if end < 0 else end + len(END_OF_PDF)
    rest = data[: seals[0].start()] + data[seals[0].end() : end]
    seal = _seal(seals[0][1])
    out = _checked("pdf", seal, digest(rest), lambda: pdf_parts(data), key)
    if not data[end:].strip():
        return out
    signature = certificate.check(data)
    if signature is None:
        return replace(out, intact=False, changed=(*out.changed, "something was added at its end"))
    now = pdf_parts(data)  # an appended revision may replace pages, pictures or data
    hidden = [part for part in sorted({*now, *seal.parts}) if now.get(part) != seal.parts.get(part)]
    changed = out.changed or tuple(hidden)
    if not signature.intact:
        changed = (*changed, "the certificate's signature does not fit")
    return replace(out, intact=out.intact and not changed, changed=changed, certificate=signature)


def _split_json(data: bytes) -> tuple[Seal, str, Parts]:
    try:
        tree: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NoSeal(_("This JSON is damaged, so its seal can't be read.")) from error
    if not isinstance(tree, dict) or "seal" not in tree:
        raise _no_seal(0)
    seal = _seal(json.dumps(tree.pop("seal")).encode())
    return seal, digest(canonical(tree)), lambda: tree_parts(tree)


def _split_text(data: bytes, form: Form) -> tuple[Seal, str, Parts]:
    before, after = COMMENTS[form]
    text, mark, line = data.rpartition(f"{before}{MARK}".encode())
    if not mark or MARK.encode() in text:
        raise _no_seal(0 if not mark else 2)
    return _seal(line.strip().removesuffix(after.encode())), digest(text), dict


def _seal(text: bytes) -> Seal:
    try:
        return Seal.model_validate_json(text)
    except ValidationError as error:
        raise NoSeal(_("The seal of this report is damaged.")) from error


def _no_seal(count: int) -> NoSeal:
    if count > 1:
        return NoSeal(_("This report has more than one seal: it was changed."))
    text = _("There is no seal in this file.")
    return NoSeal(text, hint=_("It is no report of Unmask, or its seal was taken out."))


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError(
                _("There is no such file."), code="not_found", hint=_("Check the path.")
            )
        if path.stat().st_size > LARGEST:
            raise InputError(_("This file is too large for a report."), code="too_large")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            _("{name} can't be read: {strerror}.").format(name=path.name, strerror=error.strerror)
        ) from None
