"""`unmask keys`: API keys for programs on other computers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cli.common import group, tell, tell_table, write_json
from cli.options import AsJson, arg, between, opt
from detector.errors import InputError
from detector.sentences import _
from service.context import Scope

if TYPE_CHECKING:
    from service.records.api_keys import ApiKeys
    from service.records.tables import ApiKey

USUAL = ",".join((Scope.READ, Scope.ANALYZE))  # What a key is for unless somebody says otherwise
actions = group("Keys of the REST API.")


@contextmanager
def _keys() -> Iterator[ApiKeys]:
    # Of the extra `dashboard`, which --help does without.
    from service.records.api_keys import ApiKeys
    from service.records.database import Database, configured

    with closing(Database(configured())) as database:
        yield ApiKeys(database)


@actions.command()
def add(
    name: Annotated[str, arg("whose, or what for", "NAME")],
    scopes: Annotated[str, opt(", ".join(Scope), "SCOPE,SCOPE")] = USUAL,
    days: Annotated[
        float | None, opt("in force for so long; else for good", "N", callback=between(0))
    ] = None,
    files_per_hour: Annotated[int | None, opt("", "N", min=1)] = None,
    files_per_day: Annotated[int | None, opt("", "N", min=1)] = None,
) -> int:
    """Make a key; it is shown once."""
    try:
        allowed = tuple(Scope(word.strip()) for word in scopes.split(",") if word.strip())
    except ValueError:
        raise InputError(_("The scopes are {scope}.").format(scope=", ".join(Scope))) from None
    with _keys() as keys:
        key, text = keys.add(
            name,
            allowed,
            ttl=timedelta(days=days) if days is not None else None,
            files_per_hour=files_per_hour,
            files_per_day=files_per_day,
        )
    print(text)
    once = "It is shown this once. Send it as: Authorization: Bearer …"
    tell("  ".join(_cells(key)), once, error=True)
    return 0


@actions.command("list")
def list_keys(as_json: AsJson = False) -> int:
    """List all keys, without their secrets."""
    with _keys() as keys:
        known = keys.all()
    if as_json:
        write_json("-", [key.tree for key in known])
    else:
        tell_table([_cells(key) for key in known])
    return 0


@actions.command()
def revoke(ids: list[str]) -> int:
    """End keys, from this moment."""
    with _keys() as keys:
        unknown = [id for id in ids if not keys.revoke(id)]
    if unknown:
        text = _("No key in force is called {unknown}.")
        raise InputError(text.format(unknown=", ".join(unknown)), hint=_("unmask keys list"))
    return 0


def _cells(key: ApiKey) -> tuple[str, ...]:
    until = f"until {key.expires:%Y-%m-%d}" if key.expires else "for good"
    used = f"used {key.used:%Y-%m-%d %H:%M}" if key.used else "never used"
    state = key.state(datetime.now(UTC))
    return key.id, state, until, used, ",".join(key.scopes), key.name
