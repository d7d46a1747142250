"""Seals of reports: sealing JSON, text and PDF, and checking what was changed since.

A report names the sha256 of its own content, and an operator may sign that. A seal without a
signature shows changes by accident or in passing; a person who changes a report on purpose can seal
it again. A signature can only be made with the operator's key.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import Field, ValidationError

from detector.config import get_config
from detector.errors import InputError, UsageError
from detector.media.files import one_line
from detector.report import certificate
from detector.report.certificate import CertificateSignature, read
from detector.schema.base import StrictModel
from detector.seals import canonical, digest, fingerprint, name_of, sign
from detector.seals import verify as fits
from detector.sentences import _

if TYPE_CHECKING:
    from pypdf import PageObject

log = logging.getLogger(__name__)

PASSWORD = "UNMASK_SIGNING_PASSWORD"
"""Environment variable: what that file is encrypted with, if it is."""
LARGEST_KEY = 10_000  # bytes of a key file


class Seal(StrictModel):
    """Seal of a report: hashes of its content, and an optional signature."""

    version: Literal[1] = 1
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of everything but the seal")
    parts: dict[str, str] = Field(
        default_factory=dict, description="sha256 of each part, to say which one was changed"
    )
    analysis: str = Field(description="id of the analysis, or of the comparison")
    media: str = Field(description="sha256 of the file that was analyzed, or of the copy")
    original: str | None = Field(
        default=None, description="of a comparison: sha256 of the file the copy was held against"
    )
    exported: str = Field(description="ISO 8601, UTC")
    key: str | None = Field(default=None, description="the operator's public key, base64")
    signature: str | None = Field(
        default=None, description="Ed25519 over all the other fields, base64"
    )

    def payload(self) -> bytes:
        """Return the signed bytes; without `original` the same as before comparisons had seals."""
        left_out = {"signature"} if self.original else {"signature", "original"}
        return canonical(self.model_dump(exclude=left_out))

    def signed_by(self, key: Ed25519PrivateKey | None) -> Seal:
        """Return this seal with a signature; without a key itself."""
        if key is None:
            return self
        named = self.model_copy(update={"key": name_of(key.public_key())})
        return named.model_copy(update={"signature": sign(key, named.payload())})

    def signature_holds(self) -> bool | None:
        """Return whether the signature is that of the key in the seal; None when there is none."""
        if self.signature is None and self.key is None:
            return None
        return fits(self.key or "", self.signature or "", self.payload())


NewSeal = Callable[..., Seal]
"""Makes the seal of a content, given its `sha256` and those of its `parts`"""


def signing_key(path: str | os.PathLike[str] | None = None) -> Ed25519PrivateKey | None:
    """Return the key of a file or of `UNMASK_SIGNING_KEY`, or None; raise UsageError."""
    config = get_config()
    named = path or config.signing_key
    if not named:
        return None
    password = config.signing_password
    data = read(Path(named), LARGEST_KEY)
    try:
        key = load_pem_private_key(data, password.get_secret_value().encode() if password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            _("{name} holds no private key that we can read.").format(name=Path(named).name),
            hint=_(
                "Make one with: openssl genpkey -algorithm ed25519 -out key.pem. "
                "The password of an encrypted one goes into {password}."
            ).format(password=PASSWORD),
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            _("{name} is not an Ed25519 key.").format(name=Path(named).name),
            hint=_("Make one with: openssl genpkey -algorithm ed25519 -out key.pem"),
        )
    return key


def public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """Return the operator's public key, from a PEM file. UsageError when it is none."""
    try:
        key = load_pem_public_key(read(Path(path), LARGEST_KEY))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            _("{name} holds no public key that we can read.").format(name=Path(path).name)
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(_("{name} is not an Ed25519 key.").format(name=Path(path).name))
    return key


# --- JSON and text --------------------------------------------------------------------------------


MARK = "unmask-seal "
COMMENTS = {"csv": ("# ", ""), "md": ("<!-- ", " -->")}
"""Before and after the mark and the seal in the last line of a text: a comment"""
SPLIT = (
    "media", "verdict", "models", "subjects", "provenance", "robustness", "software",
    "settings",
)  # fmt: skip
"""Parts of an analysis that are named when one of them was changed"""


def seal_json(tree: dict[str, Any], new_seal: NewSeal, key: Ed25519PrivateKey | None) -> bytes:
    """Return a JSON tree with its seal under "seal"."""
    seal = new_seal(sha256=digest(canonical(tree)), parts=tree_parts(tree)).signed_by(key)
    whole = tree | {"seal": seal.model_dump(mode="json")}
    return (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def seal_text(text: str, form: str, new_seal: NewSeal, key: Ed25519PrivateKey | None) -> bytes:
    """Return a text whose last line is a comment with its seal."""
    data, (before, after) = text.encode("utf-8", "replace"), COMMENTS[form]
    seal = new_seal(sha256=digest(data)).signed_by(key).model_dump_json(exclude_none=True)
    return data + f"{before}{MARK}{seal}{after}\n".encode()


def tree_parts(tree: dict[str, Any]) -> dict[str, str]:
    """Return the sha256 of each part of a report's JSON tree."""
    parts = {k: v for k, v in tree.items() if k not in ("analysis", "seal")}
    if isinstance(analysis := tree.get("analysis"), dict):
        parts |= {k: analysis.get(k) for k in SPLIT if k in analysis or k != "subjects"}
        parts["rest of the analysis"] = {k: v for k, v in analysis.items() if k not in SPLIT}
    return {name: digest(canonical(part)) for name, part in parts.items()}


# --- PDF ------------------------------------------------------------------------------------------


ATTACHMENT, PAIR_ATTACHMENT = "unmask-report.json", "unmask-comparison.json"
PDF_MARK = b"%unmask-seal "
PDF_SEAL = re.compile(rb"%unmask-seal ([^\r\n]{1,100000})\r?\n")
MOST_PAGES, MOST_PICTURES = 400, 60  # of a report, and of one of its pages


def seal_pdf(pdf: bytes, new_seal: NewSeal, key: Ed25519PrivateKey | None) -> bytes:
    """Append a seal behind a PDF's object table; it covers every byte but its own line."""
    seal = new_seal(sha256=digest(pdf), parts=pdf_parts(pdf)).signed_by(key)
    at = pdf.rindex(b"startxref")
    line = PDF_MARK + seal.model_dump_json(exclude_none=True).encode() + b"\n"
    return pdf[:at] + line + pdf[at:]


def pdf_parts(pdf: bytes) -> dict[str, str]:
    """Return sha256 of each page's drawing, of pictures and data; raises as the parser does."""
    from pypdf import PdfReader  # a third of a second that most pages have no use for

    reader = PdfReader(io.BytesIO(pdf))
    parts = {}
    for number, page in enumerate(reader.pages[:MOST_PAGES], 1):
        contents = page.get_contents()
        parts[f"page {number}"] = digest(contents.get_data() if contents is not None else b"")
        if pictures := b"".join(sorted(_pictures(page))):
            parts[f"pictures of page {number}"] = digest(pictures)
    for name, versions in reader.attachments.items():
        parts[f"attached data ({name})"] = digest(b"".join(versions))
    return parts


def _pictures(page: PageObject) -> Iterator[bytes]:
    """Yield what is in the pictures of a page, compressed as they are."""
    from pypdf.generic import StreamObject

    resources = page.get("/Resources")
    pictures = resources.get_object().get("/XObject") if resources is not None else None
    if pictures is None:
        return
    for _name, item in list(pictures.get_object().items())[:MOST_PICTURES]:
        stream = item.get_object()
        if isinstance(stream, StreamObject):
            yield stream._data


# --- checking -------------------------------------------------------------------------------------


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
        """Return whether it is intact and, if a key was given, signed with it."""
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
        """Return the signer of the certificate; a PDF reader says whether to trust it."""
        if self.certificate is None:
            return []
        by = f"{one_line(self.certificate.subject)}, issued by {one_line(self.certificate.issuer)}"
        if not self.certificate.intact:
            return [_("The signature with the certificate of {by}, is WRONG.").format(by=by)]
        return [_("Signed with the certificate of {by}.").format(by=by)]


def _about(seal: Seal) -> tuple[str, str]:
    """Return the subject and date of a report, from its seal."""
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
    """Error raised for a file without a seal."""

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
    """Return the parts that changed since the report was sealed."""
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
