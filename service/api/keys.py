"""Keys of the API, made and ended by whoever runs the server: `unmask keys add|list|revoke`."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta

from detector import paths
from detector.errors import InputError
from service.config import get_config
from service.context import Scope
from service.records.api_keys import ApiKey, ApiKeys
from service.records.database import FILE, Database

USUAL = (Scope.READ, Scope.ANALYZE)
"""What a key is for unless somebody says otherwise."""


def main() -> int:
    """Run one of the commands; returns the exit status."""
    args = _parser().parse_args()
    try:
        database = Database(get_config().database.get_secret_value() or paths.data() / FILE)
    except InputError as error:
        print(f"unmask: {error.advice}", file=sys.stderr)
        return 2
    try:
        status: int = args.run(ApiKeys(database), args)
        return status
    except InputError as error:
        print(f"unmask: {error.advice}", file=sys.stderr)
        return 2
    finally:
        database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unmask keys", description="Keys of the REST API.")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key; it is shown once")
    add.add_argument("name", metavar="NAME", help="whose, or what for")
    add.add_argument(
        "--scopes",
        default=",".join(USUAL),
        metavar="SCOPE,SCOPE",
        help=f"of {', '.join(Scope)} (default: %(default)s)",
    )
    add.add_argument("--days", type=float, metavar="N", help="in force for so long; else for good")
    add.add_argument("--files-per-hour", type=int, metavar="N")
    add.add_argument("--files-per-day", type=int, metavar="N")
    add.set_defaults(run=_add)
    listing = actions.add_parser("list", help="all keys, without their secrets")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)
    revoke = actions.add_parser("revoke", help="end keys, from this moment")
    revoke.add_argument("ids", nargs="+", metavar="ID")
    revoke.set_defaults(run=_revoke)
    return parser


def _add(keys: ApiKeys, args: argparse.Namespace) -> int:
    try:
        scopes = tuple(Scope(word.strip()) for word in args.scopes.split(",") if word.strip())
    except ValueError:
        raise InputError(f"The scopes are {', '.join(Scope)}.") from None
    for number in (args.days, args.files_per_hour, args.files_per_day):
        if number is not None and number <= 0:
            raise InputError("Days and files are numbers above 0.")
    key, text = keys.add(
        args.name,
        scopes,
        ttl=timedelta(days=args.days) if args.days is not None else None,
        files_per_hour=args.files_per_hour,
        files_per_day=args.files_per_day,
    )
    print(text)
    print(
        f"{_line(key)}\nIt is shown this once. Send it as: Authorization: Bearer …", file=sys.stderr
    )
    return 0


def _list(keys: ApiKeys, args: argparse.Namespace) -> int:
    known = keys.all()
    if args.json:
        print(json.dumps([key.model_dump(mode="json") for key in known], indent=2))
    else:
        for key in known:
            print(_line(key))
    return 0


def _revoke(keys: ApiKeys, args: argparse.Namespace) -> int:
    unknown = [id for id in args.ids if not keys.revoke(id)]
    if unknown:
        raise InputError(
            f"No key in force is called {', '.join(unknown)}.", hint="unmask keys list"
        )
    return 0


def _line(key: ApiKey) -> str:
    until = f"until {key.expires:%Y-%m-%d}" if key.expires else "for good"
    used = f"used {key.used:%Y-%m-%d %H:%M}" if key.used else "never used"
    state = key.state(datetime.now(UTC))
    return f"{key.id}  {state:9} {until:17} {used:22} {','.join(key.scopes):30} {key.name}"


if __name__ == "__main__":
    sys.exit(main())
