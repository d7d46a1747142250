"""What went wrong, in words for a person and in a form for a bug report."""

import secrets
import traceback
from datetime import UTC, datetime
from pathlib import Path

from detector import __version__
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import ErrorDetail
from detector.sentences import Message, _, spec_of
from service.records.model import ErrorReport

_INTERNAL = "internal"
_STOPPED = _("The analysis stopped. Your file is not at fault.")


def fault_of(error: BaseException) -> ErrorReport:
    """Return what to tell a person, and what to tell us."""
    ours = not isinstance(error, InputError)
    if isinstance(error, UnmaskError):
        message, hint = error.message, error.hint
        problem = ErrorDetail(code=error.code, message=str(message), hint=str(hint))
    else:
        message, hint = _STOPPED, ""
        problem = ErrorDetail(code=_INTERNAL, message=str(message))
    digits = secrets.token_hex(4).upper()
    reference, when = f"{digits[:4]}-{digits[4:]}", datetime.now(UTC)
    return ErrorReport(
        problem=problem,
        message=spec_of(message),
        hint=spec_of(hint),
        ours=ours,
        reference=reference,
        when=when,
        details=_details(error, problem, reference, when),
    )


def message_of(fault: ErrorReport) -> str:
    """Return what a fault says, to be said in the reader's language."""
    if fault.message is not None:
        return Message(fault.message)
    # Of before messages were kept as what they are made of.
    return _STOPPED if fault.problem.code == _INTERNAL else fault.problem.message


def hint_of(fault: ErrorReport) -> str:
    """Return what to do about a fault; may be empty."""
    return Message(fault.hint) if fault.hint is not None else fault.problem.hint


def _details(error: BaseException, problem: ErrorDetail, reference: str, when: datetime) -> str:
    """Type and place of an error. Its message stays out when it isn't ours: it may name files."""
    lines = [
        f"Reference {reference}, {when:%Y-%m-%d %H:%M} UTC, Unmask {__version__}",
        f"{type(error).__name__} ({problem.code})",
    ]
    lines += [
        f"  {Path(frame.filename).parent.name}/{Path(frame.filename).name}:{frame.lineno} "
        f"in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return "\n".join(lines)
