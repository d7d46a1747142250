"""List the modules that a file passes before its first frame is decoded.

    python -m lab.bench.first_frame clip.mp4

The file enters a module if one of its functions gets the file's stream or path. Other modules are
only called, in the thread of the upload or of the analysis. Both are counted from the call that
accepts the file to the first that decodes frames, without the page before and without the sandboxed
parsers of a server.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from detector.media import video
from detector.schema.analysis import Settings
from lab.bench import command
from service.application import Application
from service.context import LOCAL, RequestContext

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(f"{ROOT / name}{os.sep}" for name in ("service", "detector"))
ANALYSIS = "analysis"  # Threads have the name of the kind of their task


class ModuleTrace:
    """Records the modules that get a stream, or a file below a folder, and those that are called,
    until frames are decoded."""

    def __init__(self, stream: object, folder: Path) -> None:
        self.entered: dict[str, None] = {}
        self.called: dict[str, None] = {}
        self.over = threading.Event()
        self._stream, self._folder = stream, str(folder)
        self._threads = (threading.current_thread().name, ANALYSIS)

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """Record one call; for `sys.setprofile`."""
        if event != "call" or self.over.is_set():
            return
        here = frame.f_code.co_filename
        if not here.startswith(PACKAGES):
            return
        name = Path(here).relative_to(ROOT).as_posix()
        if threading.current_thread().name in self._threads:
            self.called.setdefault(name)
        if any(map(self._is_the_file, frame.f_locals.values())):
            self.entered.setdefault(name)
        if frame.f_code is video.decode_video.__code__:
            self.over.set()

    def _is_the_file(self, value: object) -> bool:
        if isinstance(value, str | Path):
            return str(value).startswith(self._folder)
        return value is self._stream


def main(clip: Path) -> None:
    """Submit a file as a page does, and print its modules."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UNMASK_DATA": folder, "UNMASK_WARM_UP": "off"}
        application = Application(Path(folder))
        application.remote.warm_up()
        with clip.open("rb") as file:
            trace = ModuleTrace(file, application.jobs.uploads.root)
            threading.setprofile(trace)
            sys.setprofile(trace)
            context = RequestContext(LOCAL, loopback=True)
            job = application.submit(context, file, clip.name, Settings(frames=4))
        sys.setprofile(None)
        while job.active:
            time.sleep(0.1)
        application.stop()
    asked = [name for name in trace.called if name not in trace.entered]
    print(f"{len(trace.entered)} modules are entered", *trace.entered, sep="\n")
    print(f"{len(asked)} more are asked", *asked, sep="\n")


if __name__ == "__main__":
    command(main)
