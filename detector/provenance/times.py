"""Times that a file states, and clocks that were never set."""

import re

_UNSET_DAYS = {
    (1601, 1, 1), (1899, 12, 30), (1899, 12, 31), (1900, 1, 1), (1904, 1, 1), (1970, 1, 1),
    (1979, 11, 30), (1980, 1, 1), (2036, 2, 7), (2038, 1, 19), (2040, 2, 6), (2106, 2, 7),
    (1, 1, 1),
}  # fmt: skip
"""Days of zeros and of all ones: of Windows, spreadsheets, QuickTime, Unix, FAT, NTP and .NET"""
_BEFORE = {(1600, 12, 31), (1903, 12, 31), (1969, 12, 31), (1979, 12, 31)}
"""The same west of Greenwich"""
_DATE = re.compile(r"\A\D*(\d{4})[-:/. ]+(\d{1,2}|  )(?:[-:/. ]+(\d{1,2}))?(?!\d)")
_WRITTEN = re.compile(r"\b(?:0?1 jan(?:uary)?|jan(?:uary)? 0?1),? (?:19(?:70|04|80)|1601)\b", re.I)


def is_set(text: str) -> bool:
    """Return False for a time of a clock that was never set: zeros, blanks, or an epoch's first or
    last day."""
    if not re.search(r"[1-9]", text) or _WRITTEN.search(text):
        return False
    if (match := _DATE.match(text)) is None:
        return True
    year, month, day = int(match[1]), match[2].strip(), match[3]
    if not month or int(month) == 0 or (day is not None and int(day) == 0):
        return False
    return day is None or (year, int(month), int(day)) not in _UNSET_DAYS | _BEFORE
