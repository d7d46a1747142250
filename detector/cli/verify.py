"""`unmask verify`: was a report changed since it was sealed, and who signed it?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector.cli.common import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    verify = commands.add_parser(
        "verify",
        help="check the seal of a report",
        description="Check the seal of a report. Exit status 2 when it was changed.",
    )
    verify.add_argument("report", type=Path, metavar="REPORT")
    verify.add_argument("--key", type=Path, metavar="PUBLIC.pem", help="it must be signed with")
    verify.add_argument("--media", type=Path, metavar="FILE", help="it must be about")
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace) -> int:
    from detector import report
    from detector.media.files import open_file, sha256

    key = report.public_key(args.key) if args.key else None
    found = report.verify(args.report, key)
    good = found.good
    print("\n".join(found.lines()))
    if args.media:
        with open_file(args.media) as file:
            same = sha256(file) == found.seal.media
        good = good and same
        print(f"{args.media.name} is {'' if same else 'NOT '}the file that it is about.")
    return 0 if good else 2
