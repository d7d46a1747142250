"""Files of requests: written once, on the disk of the uploads, and hashed meanwhile."""

import hashlib
import shutil
import sys
import tempfile
from io import FileIO
from pathlib import Path
from typing import Any

PREFIX = ".form-"  # of their folders among the uploads, which are swept
NAME = ".coming"


class ArrivingFile(FileIO):
    """A file in a folder of its own under `root`, deleted when it is closed. `Uploads.add` takes it
    over without a copy (`claim`)."""

    def __init__(self, root: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        self._digest = hashlib.sha256()
        self.claimed = False
        super().__init__(self._folder / NAME, "w+b")

    def write(self, data: Any, /) -> int:
        """Append data, all of it. Raise OSError on a full disk."""
        rest = memoryview(data).cast("B")
        while rest:
            count = super().write(rest)
            self._digest.update(rest[:count])
            rest = rest[count:]
        return memoryview(data).nbytes

    @property
    def sha256(self) -> str:
        """Return the hash of what was written."""
        return self._digest.hexdigest()

    def claim(self, target: Path) -> bool:
        """Move it to another path of the same disk, once; it stays open. Return False where that
        can't be, as on Windows; it has to be copied then."""
        if not self.claimed and sys.platform != "win32":
            (self._folder / NAME).replace(target)
            self.claimed = True
            return True
        return False

    def close(self) -> None:
        """Close it, and delete it unless it was claimed."""
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
