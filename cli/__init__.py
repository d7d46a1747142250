"""The `unmask` command. Exit status: 0 analyzed, 2 bad input or usage, 1 our own failure.

Results go to standard output or to files, everything else to standard error. One file a command or
group of commands; each has `add(commands)`, which adds its options to the parser.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from cli.common import ProgressBar, line, say, tell
from detector._version import __version__
from detector.errors import InputError, UnmaskError

_COMMANDS = (
    "analyze", "batch", "watch", "live", "report", "verify", "robustness", "compare", "library",
    "models", "fetch", "selfcheck", "evaluate", "train", "calibrate", "config", "app", "serve",
    "keys", "export_labels",
)  # fmt: skip
"""A module each, in the order of `unmask --help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    args = _parser().parse_args(argv)
    level = logging.INFO if args.verbose else logging.ERROR
    logging.basicConfig(level=level, format="unmask: %(message)s")
    try:
        status: int = args.run(args)
        return status
    except UnmaskError as error:
        say(error)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
        return 1
    except Exception as error:  # one line for a person; the traceback on request
        if args.verbose:
            raise
        what = line(f"{type(error).__name__}: {error}")
        tell(f"unmask: this is our failure, not yours: {what} (-v shows where)", error=True)
        return 1
    finally:
        ProgressBar.close_shown()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unmask",
        description="Was a face in this video or picture made or altered by a machine?",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, show tracebacks")
    parser.add_argument("--version", action="version", version=f"unmask {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in _COMMANDS:
        importlib.import_module(f"{__name__}.{name}").add(commands)
    return parser
