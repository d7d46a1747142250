"""Convert records to rows of deploy/supabase/migrations, and that service's refusals to errors."""

import base64
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from PIL import Image
from pydantic import ValidationError
from supabase import PostgrestAPIError, StorageException

from detector.schema.analysis import Analysis, Settings
from detector.sentences import _
from service.records import model, rules, thumbnails
from service.records.cases import too_many_cases
from service.records.model import Query, Record, RecordsError, ResultSummary
from service.records.seals import Keyring

log = logging.getLogger(__name__)

Row = dict[str, Any]

COLUMNS = ",".join(field for field in Record.model_fields)  # What a record is made of


def row_of(record: Record) -> Row:
    """Return a row of `analyses`, without the result itself (`result_row`)."""
    row: Row = record.model_dump(mode="json", exclude={"result"})
    row |= {"haystack": rules.search_text(record), "name": record.name[: model.MAX_NAME_LENGTH]}
    stored: Row = storable(row)
    return stored


def result_row(analysis: Analysis | None, thumbnail: bytes | None = None) -> Row:
    """Return the columns of a result and its picture, or of none. The place of the recording stands
    apart from the document, so that what a share link gives can't contain it."""
    if analysis is None:
        empty = ("result", "analyzed", "document", "place", "thumbnail")
        return dict.fromkeys(empty) | {"models": []}
    summary = ResultSummary.of(analysis)
    place = analysis.provenance.place if analysis.provenance else None
    return {
        "result": storable(summary.model_dump(mode="json")),
        "analyzed": summary.analyzed.isoformat(),
        "models": list(summary.models),
        "document": analysis.without_place().model_dump_json(),
        "place": place.model_dump_json() if place else None,
        "thumbnail": base64.b64encode(thumbnail).decode() if thumbnail else None,
    }


def record_of(row: Mapping[str, Any]) -> Record:
    """Return a row's record; raise RecordsError for one that an account wrote by itself."""
    plain = {name: row[name] for name in Record.model_fields}
    try:
        plain["settings"] = Settings.model_validate(row["settings"])
        return Record.model_validate(plain)
    except ValidationError as error:
        raise RecordsError(
            _("This record holds what Unmask can't read."),
            code="records_unreadable",
            hint=_("Your other records are not affected."),
        ) from error


def readable(rows: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
    """Yield the records of rows, without those that this version can't read."""
    for row in rows:
        try:
            yield record_of(row)
        except RecordsError:
            log.warning("a record that this version can't read was left out")


def thumbnail_of(text: str) -> bytes | None:
    """Return the picture of a record; None where an account wrote something else in its place."""
    try:
        data = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            if max(image.size) > thumbnails.SIDE:
                return None
            image.load()
    except (OSError, ValueError):
        return None
    return data


def analysis_of(row: Mapping[str, Any], record: str, seals: Keyring) -> Analysis | None:
    """Return a record's result, its seal checked; None if this version can't read it."""
    if not row.get("document"):
        return None
    if not row.get("place"):
        return seals.read(row["document"], record)
    # The signature over the place stands beside it, never in what strangers are shown.
    result = row["result"] if isinstance(row["result"], dict) else {}
    seal = result.get("seal")
    try:
        place = json.loads(row["place"])
    except ValueError:
        return None
    sign = seal.get("place") if isinstance(seal, dict) else None
    return seals.read(row["document"], record, place=place, sign=sign)


def search_arguments(owner: str, query: Query) -> Row:
    """Return the arguments of `search_analyses`."""
    parts = storable(rules.normalize_text(query.text).split())
    arguments = query.model_dump(mode="json", exclude={"text"}) | {"owner": owner, "parts": parts}
    return {f"p_{name}": value for name, value in arguments.items()}


def storable(value: Any) -> Any:
    """Return a value without NUL, which PostgreSQL has in no text: file names are a stranger's."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    return value


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise failures as `RecordsError` in our words; the service's may quote a row."""
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
    "settings": _("Your presets take up all the room that an account may have for them."),
    "all_links": _("There are as many links as an account may have."),
}
_SIGNED_OUT = ("signed_out", _("Your sign-in is over."), _("Sign in again. Nothing was lost."))
_NOT_ALLOWED = ("not_allowed", _("This account may not do that."), "")
_SETUP = (
    "records_setup",
    _("The Supabase project has not been set up for this version of Unmask."),
    _("Apply the files of deploy/supabase/migrations to it."),
)
_REFUSALS: dict[str, tuple[str, str, str]] = {
    "23505": ("records_taken", _("There is a record with this id already."), ""),
    "413": ("too_large", _("The file is larger than the records may hold."), ""),
    **dict.fromkeys(("PGRST301", "PGRST302", "PGRST303", "401"), _SIGNED_OUT),
    **dict.fromkeys(("42501", "403"), _NOT_ALLOWED),
    # No such function, table or column: the migrations have not been applied.
    **dict.fromkeys(("PGRST202", "PGRST205", "PGRST204", "42P01", "42883", "42703"), _SETUP),
}
"""Our code, what and what to do, by the code of PostgREST, PostgreSQL or the storage service."""


def refusal(code: str, details: str = "") -> RecordsError:
    """Return what an error code of PostgREST, PostgreSQL or the storage service means."""
    if code == "PT429" and details == "links":
        return rules.too_many_links()
    if code == "PT429" and details == "cases":
        return too_many_cases()
    if code == "PT429":
        text = _FULL.get(details, _("This account has used up what it may have."))
        delete = _("Delete some, or ask who runs this server for more.")
        later = _("Try again later.")
        return RecordsError(text, code="quota", hint=later if details == "per_hour" else delete)
    if code in _REFUSALS:
        ours, text, hint = _REFUSALS[code]
        return RecordsError(text, code=ours, hint=hint)
    text = _("The records can't be used just now ({code}).").format(
        code=code or _("no reason given")
    )
    return RecordsError(text, hint=_("Try again in a moment."))


def rows_of(query: Any) -> list[Row]:
    """Return the rows of the service's answer; raise RecordsError if it refuses or is away."""
    with translated_errors():
        return list(query.execute().data or [])
