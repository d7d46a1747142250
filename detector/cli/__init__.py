"""The `unmask` command. Exit status: 0 analyzed, 2 bad input or usage, 1 our own failure.

Results go to standard output or to files, everything else to standard error. One file a command or
group of commands; each has `add(commands)`, which adds its options to the parser.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from detector.cli import (
    analyze,
    app,
    calibrate,
    config,
    evaluate,
    fetch,
    live,
    models,
    report,
    robustness,
    selfcheck,
    train,
    verify,
)
from detector.cli.common import ProgressBar, say
from detector.errors import InputError, UnmaskError

_COMMANDS = (
    analyze,
    live,
    report,
    verify,
    robustness,
    models,
    fetch,
    selfcheck,
    evaluate,
    train,
    calibrate,
    config,
    app,
)
"""In the order of `unmask --help`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.ERROR, format="unmask: %(message)s"
    )
    try:
        status: int = args.run(args)
        return status
    except InputError as error:
        say(error)
        return 2
    except UnmaskError as error:
        say(error)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
        return 1
    except Exception as error:  # one line for a person; the traceback on request
        if args.verbose:
            raise
        print(
            f"unmask: this is our failure, not yours: {type(error).__name__}: {error} "
            "(-v shows where)",
            file=sys.stderr,
        )
        return 1
    finally:
        ProgressBar.close_shown()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unmask", description="Was a face in this video or picture altered by a machine?"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more, show tracebacks")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
