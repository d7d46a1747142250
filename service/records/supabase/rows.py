"""How records stand in the tables of supabase/migrations, and what that service's refusals mean."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic import ValidationError
from supabase import PostgrestAPIError, StorageException

from detector.schema.analysis import Analysis, Settings
from service.messages import _
from service.records import model, rules
from service.records.model import ErrorReport, Query, Record, RecordsError, ResultSummary

Row = dict[str, Any]

COLUMNS = ",".join(field for field in Record.model_fields)
"""What a record is made of; everything else of a row is asked for by name."""


def row_of(record: Record) -> Row:
    """A row of `analyses`, without the result itself (`result_row`)."""
    row: Row = record.model_dump(mode="json", exclude={"settings", "fault", "result"})
    row |= {
        "settings": record.settings.model_dump(mode="json"),
        "fault": fault_json(record.fault),
        "haystack": rules.search_text(record),
        "name": record.name[: model.MAX_NAME_LENGTH],
    }
    stored: Row = storable(row)
    return stored


def fault_json(fault: ErrorReport | None) -> Row | None:
    """Return an error report as a row holds it."""
    return storable(fault.model_dump(mode="json")) if fault else None


def result_row(analysis: Analysis) -> Row:
    """The columns of a result. The place of the recording stands apart from the document, so that
    what a share link gives can't contain it."""
    summary = ResultSummary.of(analysis)
    place = analysis.provenance.place if analysis.provenance else None
    return {
        "result": storable(summary.model_dump(mode="json")),
        "analyzed": summary.analyzed.isoformat(),
        "models": list(summary.models),
        "document": rules.without_location(analysis).model_dump_json(),
        "place": place.model_dump_json() if place else None,
    }


NO_RESULT: Row = {
    "result": None,
    "analyzed": None,
    "models": [],
    "document": None,
    "place": None,
    "thumbnail": None,
}


def record_of(row: Mapping[str, Any]) -> Record:
    """Return the record of a row."""
    plain = {name: row[name] for name in Record.model_fields}
    plain["settings"] = Settings.model_validate(row["settings"])
    return Record.model_validate(plain)


def analysis_of(row: Mapping[str, Any]) -> Analysis | None:
    """The result as it was; None if this version can't read it."""
    from detector.schema.origin import GeoLocation

    if not row.get("document"):
        return None
    try:
        analysis = Analysis.model_validate_json(row["document"])
        if not row.get("place"):
            return analysis
        place = GeoLocation.model_validate_json(row["place"])
    except ValidationError:
        return None
    assert analysis.provenance is not None  # a place was a part of one
    provenance = analysis.provenance.model_copy(update={"place": place})
    return analysis.model_copy(update={"provenance": provenance})


def thumbnail_text(thumbnail: bytes | None) -> str | None:
    """Return a picture in Base64, as a row holds it."""
    return base64.b64encode(thumbnail).decode() if thumbnail else None


def search_arguments(owner: str, query: Query) -> Row:
    """The arguments of `search_analyses`."""
    return {
        "p_owner": owner,
        "p_parts": storable(rules.normalize_text(query.text).split()),
        "p_verdicts": sorted(query.verdicts),
        "p_models": sorted(query.models),
        "p_tags": sorted(query.tags),
        "p_confirmed": sorted(query.confirmed),
        "p_since": query.since.isoformat() if query.since else None,
        "p_until": query.until.isoformat() if query.until else None,
        "p_order": query.order,
        "p_offset": query.offset,
        "p_limit": query.limit,
    }


def storable(value: Any) -> Any:
    """A value without NUL, which PostgreSQL has in no text: file names are a stranger's."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


@contextmanager
def translated_errors() -> Iterator[None]:
    """What goes wrong inside becomes a `RecordsError`, in words for a person. The service's own
    words may quote a row: they are not passed on."""
    try:
        yield
    except PostgrestAPIError as error:
        raise refusal(str(error.code or ""), str(error.details or "")) from error
    except StorageException as error:
        raise refusal(str(getattr(error, "status", "")), str(getattr(error, "code", ""))) from error
    except httpx.HTTPError as error:
        raise RecordsError(
            _("Your records can't be reached just now."),
            code="records_unreachable",
            hint=_("Check the connection and try again in a moment."),
        ) from error


_FULL: dict[str, str] = {
    "per_hour": _("You have added as many files as an account may in an hour."),
    "records": _("You keep as many files as an account may."),
    "bytes": _("Your records take up all the room that an account may have."),
    "presets": _("There are too many presets."),
}
_MISSING = {"PGRST202", "PGRST205", "PGRST204", "42P01", "42883", "42703"}
"""No such function, table or column: the migrations have not been applied."""


def refusal(code: str, details: str = "") -> RecordsError:
    """What an error code of PostgREST, PostgreSQL or the storage service means."""
    if code == "PT429":
        return RecordsError(
            _FULL.get(details, _("This account has used up what it may have.")),
            code="quota",
            hint=_("Delete some, or ask who runs this server for more.")
            if details != "per_hour"
            else _("Try again later."),
        )
    if code == "23505":
        return RecordsError(_("There is a record with this id already."), code="records_taken")
    if code in ("PGRST301", "PGRST302", "PGRST303", "401"):
        return RecordsError(
            _("Your sign-in is over."),
            code="signed_out",
            hint=_("Sign in again. Nothing was lost."),
        )
    if code in ("42501", "403"):
        return RecordsError(_("This account may not do that."), code="not_allowed")
    if code == "413":
        return RecordsError(_("The file is larger than the records may hold."), code="too_large")
    if code in _MISSING:
        return RecordsError(
            _("The Supabase project has not been set up for this version of Unmask."),
            code="records_setup",
            hint=_("Apply the files of supabase/migrations to it."),
        )
    return RecordsError(
        _("The records can't be used just now ({code}).").format(code=code or _("no reason given")),
        hint=_("Try again in a moment."),
    )
