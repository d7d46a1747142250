"""What this computer's library of known footage says of an analyzed file: its original, or nothing.

The library is the service's, which this package does without: it is asked as `unmask library` is,
in a process of its own, and only where there is one.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

from detector import paths
from detector.cli.app import process_of
from detector.media.files import one_line, safe_name
from detector.schema.analysis import Media

PATIENCE_SECONDS = 300.0
"""for a file to be hashed, its pictures looked at, and the library searched"""


def original_of(path: Path, about: Media) -> tuple[Path | None, str]:
    """Return the known footage that a file shows best, where it still is, and a line that tells of
    it; None and "" where there is none, or no library.

    Parameters
    ----------
    path : Path
        The file.
    about : Media
        Of the file.
    """
    if (
        paths.checkout() is None
        or about.kind == "audio"
        or not (paths.data() / paths.RECORDS).is_file()
        or importlib.util.find_spec("sqlalchemy") is None
    ):
        return None, ""
    command, environment = process_of("service.library", "original", str(path))
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
            check=False,
        )  # fmt: skip
        found = json.loads(answer.stdout) if answer.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        found = None
    if found is None:
        return None, ""
    at = f"{int(found['start']) // 60:02}:{int(found['start']) % 60:02}"
    share = f"{found['matched']} of {found['asked']} looked-for frames"
    name, source = safe_name(found["name"]), one_line(found["source"])
    told = f"  In your library: {name}, from {at} ({share}; {source})"
    return (Path(found["path"]) if found["path"] else None), told
