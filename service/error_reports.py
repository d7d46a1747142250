"""What went wrong, in words for a person and in a form for a bug report."""

from __future__ import annotations

import secrets
import traceback
from datetime import UTC, datetime
from pathlib import Path

from dashboard.i18n import _
from detector import __version__
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import ErrorDetail
from service.records.model import ErrorReport

_INTERNAL = "internal"


def fault_of(error: BaseException) -> ErrorReport:
    """What to tell a person, and what to tell us."""
    ours = not isinstance(error, InputError)
    if isinstance(error, UnmaskError):
        problem = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
    else:
        problem = ErrorDetail(code=_INTERNAL, message=_stopped())
    digits = secrets.token_hex(4).upper()
    reference, when = f"{digits[:4]}-{digits[4:]}", datetime.now(UTC)
    return ErrorReport(
        problem=problem,
        ours=ours,
        reference=reference,
        when=when,
        details=_details(error, problem, reference, when),
    )


def sentence(problem: ErrorDetail) -> str:
    """What a problem says to whoever reads it. It is kept with a record, and our own sentence was
    made in a worker, which knows nobody's language."""
    return _stopped() if problem.code == _INTERNAL else problem.message


def _stopped() -> str:
    return _("The analysis stopped. Your file is not at fault.")


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
