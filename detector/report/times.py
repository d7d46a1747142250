"""Times of day as reports print them."""

from datetime import datetime, tzinfo

from babel.dates import format_datetime

from detector.sentences import language


def when(moment: datetime, zone: tzinfo) -> str:
    """Return a time of day in a time zone: "28 November 2026, 12:00 UTC+01:00"."""
    here = moment.astimezone(zone)
    said = format_datetime(here, "dd MMMM y, HH:mm", locale=language().info().get("language", "en"))
    return f"{said} {_zone_name(here)}"


def zone(moment: datetime, zone: tzinfo) -> str:
    """Return the name of a time zone, and how far it is from UTC where that does not say it."""
    here = moment.astimezone(zone)
    name = _zone_name(here)
    return name if name.startswith("UTC") else f"{name} ({_offset(here)})"


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or ""
    return name if name[:1].isalpha() else _offset(moment)  # some have no name but +0545


def _offset(moment: datetime) -> str:
    return f"UTC{moment.isoformat()[-6:]}"
