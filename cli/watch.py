"""`unmask watch`: files are analyzed as they come into a folder."""

import signal
import threading
from pathlib import Path
from typing import Annotated

from cli.batch import OutputOptions, listed, open_batch
from cli.common import ProgressBar, tell
from cli.options import MachineOptions, Option, ReportOptions, SettingsOptions, between
from detector.batch import watch as watch_folder


def watch(
    folder: Path,
    output: OutputOptions,
    settings: SettingsOptions,
    reporting: ReportOptions,
    machine: MachineOptions,
    every: Annotated[
        float, Option(metavar="S", callback=between(0), help="seconds between two looks")
    ] = 2.0,
) -> int:
    """Analyze what is in FOLDER and what comes into it, each file once it has stopped growing,
    until this is stopped (Ctrl-C). Results as of unmask batch."""
    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bar = ProgressBar("files")
    try:
        with open_batch(output, settings, reporting, machine) as batch:
            tell(f"unmask: watching {folder}", error=True)
            watch_folder(
                batch,
                folder,
                stop,
                every=every,
                on_entry=lambda tally, entry, error: listed(bar, tally, entry, error),
            )
    except KeyboardInterrupt:
        tell("unmask: stopped", error=True)
    finally:
        bar.close()
        signal.signal(signal.SIGTERM, before)
    return 0
