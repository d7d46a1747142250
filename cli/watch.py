"""`unmask watch`: files are analyzed as they come into a folder."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from cli.batch import add_output, listed, open_batch
from cli.common import Commands, ProgressBar, tell
from detector.errors import UsageError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    watch = commands.add_parser(
        "watch",
        help="analyze files as they come into a folder",
        description="Analyze what is in FOLDER and what comes into it, each file once it has "
        "stopped growing, until this is stopped (Ctrl-C). Results as of unmask batch.",
    )
    watch.add_argument("folder", type=Path, metavar="FOLDER")
    watch.add_argument(
        "--every", type=float, default=2.0, metavar="S", help="seconds between two looks (2)"
    )
    add_output(watch)
    watch.set_defaults(run=_watch)


def _watch(args: argparse.Namespace) -> int:
    if not args.every > 0:
        raise UsageError("--every is a number of seconds above 0.")
    from detector.batch import watch

    stop = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bar = ProgressBar("files")
    try:
        with open_batch(args) as batch:
            tell(f"unmask: watching {args.folder}", error=True)
            watch(
                batch,
                args.folder,
                stop,
                every=args.every,
                on_entry=lambda tally, entry, error: listed(bar, tally, entry, error),
            )
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
    finally:
        bar.close()
        signal.signal(signal.SIGTERM, before)
    return 0
