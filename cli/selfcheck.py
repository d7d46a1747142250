"""`unmask selfcheck`: check of the installed models."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cli.common import reading, write_result
from cli.options import Device, Json, arg

if TYPE_CHECKING:
    from detector.selfcheck import CheckProgress


def selfcheck(
    ids: Annotated[list[str] | None, arg("default: every model that is here", "ID")] = None,
    json: Json = None,
    device: Device = "auto",
) -> int:
    """Verify files, compare with known answers, and see whether a model's label order looks
    inverted. Known pictures are fetched from their authors unless UNMASK_OFFLINE is set."""
    from detector import selfcheck as checks  # imports matplotlib

    outcomes = checks.selfcheck(ids or None, device=device, progress=_tell)
    rows = [outcome.model_dump(mode="json") for outcome in outcomes]
    with reading():
        write_result(json, rows, checks.table(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _tell(progress: CheckProgress) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress.number} of {progress.of}: {progress.id:40}", end="", file=sys.stderr)
        if progress.number == progress.of:
            print(file=sys.stderr)
