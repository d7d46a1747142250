"""Startup common to the dashboard's server and the API's: memory, log, data folder, sandbox,
cluster.

From then on log records contain no file names, addresses of results, or secrets: an upload's token
opens its result, so a log line with one would leak a key. Records are cleaned where they are
created, whichever library creates them.
"""

import logging
import re
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detector import media, paths
from detector.config import move_data
from detector.errors import UnmaskError
from detector.memory import give_back_freed
from detector.pipeline import join_remote
from service.config import get_config

log = logging.getLogger(__name__)


def prepare() -> None:
    """Prepare memory, log, data folder, sandbox and cluster. Raise SystemExit if one
    can't be used."""
    give_back_freed()
    install_log_filter()
    _check_data_folder()
    config = get_config()
    if config.sandbox:
        try:
            media.isolate()
        except UnmaskError as error:
            log.warning("%s %s", error.message, error.hint)
    else:
        log.warning("uploads are parsed in the server's own process (UNMASK_SANDBOX=off)")
    try:
        join_remote()  # now, in the thread that signals come to
    except UnmaskError as error:
        raise SystemExit(error.advice) from None


def _check_data_folder() -> None:
    """Exit if the data folder is read-only; on a Space fall back to the container's disk."""
    folder = paths.data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.write(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        own = Path(tempfile.gettempdir()) / "unmask"
        if not get_config().space_id or folder == own:
            raise SystemExit(
                f"The data folder {folder} can't be written to ({error.strerror}). Give it to the "
                f"user who runs Unmask, or name another one in UNMASK_DATA."
            ) from None
        log.warning("the storage can't be written to (%s): nothing is kept", error.strerror)
        move_data(own)
        _check_data_folder()


HIDDEN = "…"
_FORMATTER = logging.Formatter()

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        # Where uploads lie: the token, and the file's name after it, to the end of the word or the
        # quotation.
        (r"(uploads[\\/]+)[^\s'\"\\/]+(?:[\\/][^'\"\n]*)?", rf"\1{HIDDEN}"),
        # Addresses that open something.
        (r"(/(?:file|shared|camera)/)[^\s'\"?#]+", rf"\1{HIDDEN}"),
        (r"(/v1/(?:analyses|batches)/)[\w-]{22}", rf"\1{HIDDEN}"),
        (
            r"([?&](?:a|s|code|token|token_hash|access_token|refresh_token|apikey|state|nonce)=)"
            r"[^\s&'\"#]+",
            rf"\1{HIDDEN}",
        ),
        # Keys and tokens, by the shape their makers give them.
        (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {HIDDEN}"),
        (r"\b(?:sb_(?:secret|publishable)_|hf_|gh[opsu]_|sk-|um_[0-9a-f]{12}_)[\w-]{8,}", HIDDEN),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", HIDDEN),
        (r"(://)[^\s/@'\"]+@", rf"\1{HIDDEN}@"),
    )
)


def clean(text: str) -> str:
    """Return a log line without names of uploads, addresses of results, or secrets."""
    for pattern, put in _SECRETS:
        text = pattern.sub(put, text)
    return text


def install_log_filter() -> None:
    """Clean every line of every logger from here on. Idempotent."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Cleaning):
        logging.setLogRecordFactory(_Cleaning(make))
        threading.excepthook = _report


class _Cleaning:
    """Log record factory that removes private values."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self._make(*args, **options)
        record.msg = clean(str(record.msg))
        if record.name == "httpx" and isinstance(record.args, tuple):
            record.args = tuple(map(_origin, record.args))
        if isinstance(record.args, tuple):  # kept apart: the web server's formatter unpacks them
            record.args = tuple(map(_cleaned, record.args))
        elif record.args:
            record.args = {key: _cleaned(value) for key, value in record.args.items()}
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters use this text as it is, where there is one.
            record.exc_text = clean(_FORMATTER.formatException(record.exc_info))
        return record


def _origin(value: Any) -> Any:
    """Return scheme and host of an address; the rest may contain keys."""
    found = re.match(r"\w+://[^/?#]*", str(value))
    return f"{found[0]}/{HIDDEN}" if found else value


def _cleaned(value: Any) -> Any:
    """Return an argument of a log line, as cleaned text only if it has something to hide."""
    if value is None or isinstance(value, int | float):
        return value
    text = str(value)
    safe = clean(text)
    return value if safe == text else safe


def _report(args: threading.ExceptHookArgs) -> None:
    """Log an exception that ended a thread, instead of printing it to stderr."""
    if args.exc_type is SystemExit:
        return
    lines = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
    log.error("a thread ended with an error\n%s", "".join(lines).rstrip())
