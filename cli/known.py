"""What this computer's library of known footage says of an analyzed file: its original, or nothing.

The library is the service's, which this package does without: it is asked as `unmask library` is,
in a process of its own, and only where there is one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from cli.app import process_of
from detector import paths
from detector.media.files import one_line, safe_name
from detector.schema.analysis import Media

PATIENCE_SECONDS = 300.0
"""for a file to be hashed, its pictures looked at, and the library searched"""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option of everything that asks the library."""
    parser.add_argument(
        "--no-library",
        action="store_true",
        help="do not look whether this computer's library of known footage has its original",
    )


class OriginalFinder:
    """The library, asked by one process for any number of files. A context manager; safe between
    threads, of which one asks at a time.

    Parameters
    ----------
    wanted : bool
        False: it answers nothing.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._wanted = wanted
        self._asking = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> OriginalFinder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        with self._process as process:  # which closes its pipes, and so ends it
            process.kill()

    def original_of(self, path: Path, about: Media) -> tuple[Path | None, str]:
        """Return the known footage that a file shows best, where it still is, and a line that tells
        of it; None and "" where there is none, or no library.

        Parameters
        ----------
        path : Path
            The file.
        about : Media
            Of the file.
        """
        if (
            not self._wanted
            or about.kind == "audio"
            or paths.checkout() is None
            or not (paths.data() / paths.RECORDS).is_file()
            or importlib.util.find_spec("sqlalchemy") is None
        ):
            return None, ""
        with self._asking:
            found = self._answer(path)
        if found is None:
            return None, ""
        at = f"{int(found['start']) // 60:02}:{int(found['start']) % 60:02}"
        seen = "faces, framed otherwise" if found["by_faces"] else "frames"
        share = f"{found['matched']} of {found['asked']} looked-for {seen}"
        name, source = safe_name(found["name"]), one_line(found["source"])
        told = f"  In your library: {name}, from {at} ({share}; {source})"
        return (Path(found["path"]) if found["path"] else None), told

    def _answer(self, path: Path) -> dict[str, Any] | None:
        """Ask the process, which is started by the first question; once it has failed, nothing more
        is asked."""
        try:
            if self._process is None:
                command, environment = process_of("service.library", "original", "-")
                self._process = subprocess.Popen(
                    command, env=environment, text=True, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            process = self._process
            assert process.stdin is not None and process.stdout is not None
            patience = threading.Timer(PATIENCE_SECONDS, process.kill)
            patience.start()
            try:
                process.stdin.write(json.dumps(str(path.absolute())) + "\n")
                process.stdin.flush()
                found: dict[str, Any] | None = json.loads(process.stdout.readline())
            finally:
                patience.cancel()
        except (OSError, ValueError):
            self._wanted = False
            return None
        return found
