"""The modules that a dropped file goes through before its first frame is decoded.

    python -m lab.bench.first_frame clip.mp4

The file enters a module where one of its functions is given the file's stream or path. More are
asked something meanwhile: those of which any function is called in the thread that takes the file
or in its analysis. Both are counted from the call that takes the file in to the first that decodes
its frames; not the page before, nor the processes that confine parsers on a server.
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
ANALYSIS = "analysis"  # The name of a task's thread is that of its kind


class ModuleTrace:
    """Notes the modules that are given a stream, or a file below a folder, and those that are
    called, until frames are decoded."""

    def __init__(self, stream: object, folder: Path) -> None:
        self.entered: dict[str, None] = {}
        self.called: dict[str, None] = {}
        self.over = threading.Event()
        self._stream, self._folder = stream, str(folder)
        self._threads = (threading.current_thread().name, ANALYSIS)

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """Note one call; for `sys.setprofile`."""
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
    """Submit a file as a page does, and print what it went through."""
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
