"""The modules that a dropped file goes through before its first frame is decoded.

    python -m lab.bench.first_frame clip.mp4

Counted are the modules of the product of which a function is called in the thread that takes the
file or in its analysis, in the order of their first calls; not the page before, nor what decodes.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from detector.media import video
from detector.schema.analysis import Settings
from service.application import Application
from service.context import LOCAL, RequestContext

ROOT = Path(__file__).parents[2]
PACKAGES = tuple(f"{ROOT / name}{os.sep}" for name in ("service", "detector"))
ANALYSIS = "analysis"  # The name of a task's thread is that of its kind


class ModuleTrace:
    """Notes the modules that are called, until frames are decoded."""

    def __init__(self) -> None:
        self.modules: dict[str, None] = {}
        self.over = threading.Event()
        self._threads = (threading.current_thread().name, ANALYSIS)

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """Note one call; for `sys.setprofile`."""
        if event != "call" or self.over.is_set():
            return
        if frame.f_code is video.decode_video.__code__:
            self.over.set()
            return
        here = threading.current_thread().name in self._threads
        if here and frame.f_code.co_filename.startswith(PACKAGES):
            self.modules.setdefault(frame.f_code.co_filename)


def main() -> None:
    """Submit a file as a page does, and print what it went through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    clip = parser.parse_args().clip
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UNMASK_DATA": folder, "UNMASK_WARM_UP": "off"}
        application, trace = Application(Path(folder)), ModuleTrace()
        application.remote.warm_up()
        with clip.open("rb") as file:
            threading.setprofile(trace)
            sys.setprofile(trace)
            context = RequestContext(LOCAL, loopback=True)
            job = application.submit(context, file, clip.name, Settings(frames=4))
        sys.setprofile(None)
        while job.active:
            time.sleep(0.1)
        application.stop()
    names = [Path(name).relative_to(ROOT).as_posix() for name in trace.modules]
    print(f"{len(names)} modules", *names, sep="\n")


if __name__ == "__main__":
    main()
