"""Helpers of several commands: output, lists of ids, progress, one-line errors."""

from __future__ import annotations

import atexit
import errno
import json
import os
import re
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import typer

from cli import terminal
from detector import paths
from detector.errors import InputError, UnmaskError, UsageError
from detector.sentences import ENGLISH, NBSP, Translations, _, say, use

if TYPE_CHECKING:
    from rich.progress import Progress

    from detector.schema.analysis import ErrorDetail
    from detector.schema.passed_over import PassedOver

WIDTH = 24  # letters of a progress bar


def _terminal() -> Translations:
    """Return the language of the terminal."""
    if find_spec("babel") is None:  # of the extra `report`
        return ENGLISH
    from service import languages  # Babel, which most commands do without

    try:
        return languages.catalog(languages.of_terminal())
    except UsageError:  # of a setting, which is said by what needs it
        return ENGLISH


@contextmanager
def reading() -> Iterator[None]:
    """Translate what a person reads into the terminal's language; JSON stays English."""
    with use(_terminal()):
        yield


def require_action(context: typer.Context) -> int:
    """Show the actions of a group of commands if none is named; return the exit status."""
    if context.invoked_subcommand is not None:
        return 0
    with redirect_stdout(sys.stderr):
        typer.echo(context.get_help())
    return 2


def group(help: str) -> typer.Typer:
    """Return a group of commands that shows its actions if none is named."""
    actions = typer.Typer(add_completion=False, subcommand_metavar="ACTION …")
    actions.callback(invoke_without_command=True, help=help)(require_action)
    return actions


@contextmanager
def user_files() -> Iterator[None]:
    """Report an unreadable or unwritable file as bad input."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(str(error)) from None


def make_folder(out: Path) -> None:
    """Create a folder for results. Raise UsageError if that fails."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            _("{out} can't be made: {strerror}.").format(out=out, strerror=error.strerror)
        ) from None


def ids(text: str | None) -> list[str] | None:
    """Return the ids of a comma-separated list; None for none."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


@cache
def _standard_input() -> Path:
    """Return a temporary file with the bytes of standard input, deleted when the command ends;
    raise UsageError if nothing is piped in."""
    if sys.stdin is None or sys.stdin.isatty():
        hint = _("For example: {command}").format(command="cat clip.mp4 | unmask analyze -")
        raise UsageError(_("Nothing is piped in."), hint=hint)
    folder = tempfile.mkdtemp(prefix="unmask-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with user_files(), (path := Path(folder) / "standard input").open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path


def given(path: str | Path) -> Path:
    """Return the path that an argument names; "-" is standard input."""
    return _standard_input() if str(path) == "-" else Path(path)


def is_web_address(path: str | Path) -> bool:
    """Return whether a path is a link. `Path` leaves one slash of two."""
    return re.match(r"https?:/", str(path), re.IGNORECASE) is not None


def refuse_link(path: str | Path) -> None:
    """Raise InputError if a path is a link."""
    if is_web_address(path):
        hint = _("Download the file first, or give the link on the page, where links are allowed.")
        raise InputError(_("Links are not read here."), code="link", hint=hint)


def write_text(target: str, text: str) -> None:
    """Write to a file atomically, or to standard output for "-"."""
    if target == "-":
        print(text)
        return
    write_bytes(target, f"{text}\n".encode("utf-8", "replace"))


def write_json(target: str, data: object) -> None:
    """Write as JSON to a file, or as one line to standard output for "-", with escapes if that
    lacks letters."""
    shown = target == "-"
    escaped = shown and not terminal.has_every_letter(sys.stdout)
    write_text(target, json.dumps(data, indent=None if shown else 2, ensure_ascii=escaped))


def write_result(target: str | None, data: object, *lines: object) -> None:
    """Write a result as JSON where requested, and its text unless JSON is on standard output."""
    if target:
        write_json(target, data)
    if target != "-":
        tell(*lines)


class JsonOutput:
    """Results as JSON, each written when it ends: to standard output for "-", a line each; to a
    file one as an object, `several` as a list, which is valid JSON after each. Without a target
    nothing is written."""

    def __init__(self, target: str | None, *, several: bool) -> None:
        self._target, self._several, self._count = target, several, 0

    def add(self, data: object) -> None:
        """Write one result. Raise UsageError if the file can't be written."""
        if self._target is None:
            return
        if self._target == "-" or not self._several:
            write_json(self._target, data)
            return
        text = json.dumps(data, indent=2, ensure_ascii=False)
        begin = ",\n" if self._count else "[\n"
        self._count += 1
        data = (begin + text).encode("utf-8", "replace") + _LIST_END
        if self._count == 1:
            write_bytes(self._target, data)
            return
        try:
            with open(self._target, "r+b", buffering=0) as file:
                _replace_list_end(file, data)
        except OSError as error:
            raise UsageError(
                _("{target} could not be written: {strerror}.").format(
                    target=self._target, strerror=error.strerror
                )
            ) from None


_LIST_END = b"\n]\n"


def _replace_list_end(file: FileIO, data: bytes) -> None:
    """Overwrite the end of a list in one write; on a full disk the list stays valid."""
    end = max(0, file.seek(0, 2) - len(_LIST_END))
    file.seek(end)
    try:
        if file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        file.truncate(end)
        file.seek(end)
        file.write(_LIST_END)  # in the room that it had
        raise


def write_bytes(target: str, data: bytes) -> None:
    """Write to a file atomically; a pipe or device is written to directly."""
    path = Path(target).resolve()  # what a link leads to, not the link
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            paths.write(path, data)
    except OSError as error:
        text = _("{target} could not be written: {strerror}.")
        raise UsageError(text.format(target=target, strerror=error.strerror)) from None


def tell(*lines: object, error: bool = False) -> None:
    """Print lines for a person on standard output or standard error, in the terminal's language,
    wrapped on a terminal. Names of files, models and people are untrusted: control characters in
    them are removed."""
    stream = sys.stderr if error else sys.stdout
    width = terminal.width_of(stream)
    with reading():
        for text in lines:
            said = _harmless(say(text if isinstance(text, str) else str(text)))
            shown = terminal.wrapped(said, width).replace(NBSP, " ")
            print(shown, file=stream, flush=True)


def tell_passed_over(found: Sequence[PassedOver]) -> None:
    """Count the files that are passed over, by their reasons, on standard error."""
    from detector.presentation import summary  # with pydantic, which most commands do without

    with reading():
        tell(f"unmask: {summary.passed_over(found)}", error=True)


def tell_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of a table for a person; untrusted text as `tell`."""
    cells = [[line(cell) for cell in row] for row in rows]
    for text in terminal.table((), cells, terminal.width_of(sys.stdout)) if cells else ():
        print(text.replace(NBSP, " "))


def _harmless(text: str) -> str:
    """Return a text without control (but newline) and format characters; a tab becomes a space."""
    steers = ("Cc", "Cf", "Cs", "Co")
    text = text.replace("\t", " ")
    return "".join(ch for ch in text if ch == "\n" or unicodedata.category(ch) not in steers)


def line(text: str) -> str:
    """Return untrusted text as one line: a line break would forge a line of output."""
    return " ".join(_harmless(" ".join(text.split())).split())


def print_error(error: UnmaskError | ErrorDetail, name: str = "") -> None:
    """Print one line on standard error."""
    with reading():
        parts = [f"unmask: {line(name)}:" if name else "unmask:"]
        parts += [say(error.message), say(error.hint)]
        tell(" ".join(p for p in parts if p), error=True)


@reading()
def failure(error: Exception) -> str:
    """Return the text of an internal error, in one line."""
    text = _("this is our failure, not yours: {what} (-v shows where)")
    return text.format(what=line(f"{type(error).__name__}: {error}"))


class ProgressBar:
    """Progress of a piece of work on standard error: a bar with the remaining time on a terminal,
    below other output. `text` names the unit or the work. Without a terminal, a count leaves one
    line at its end, other units nothing."""

    _shown: ClassVar[ProgressBar | None] = None

    def __init__(self, text: str, unit: Literal["count", "bytes", "share"] = "count") -> None:
        self.text, self.unit = text, unit
        self.note = ""
        """remark behind the bar of a share"""
        self._bar: Progress | None = None

    def __call__(self, done: float, total: float) -> None:
        """Show `done` of `total`; 0 if the total is unknown."""
        over = bool(total) and done >= total
        if sys.stderr.isatty():
            self._draw(done, total)
            if over:
                self.close()
        elif over and self.unit == "count":
            text = _("{done} of {total} {text}")
            tell(text.format(done=done, total=total, text=self.text), error=True)

    def close(self) -> None:
        """Leave the bar as it is, and restore the terminal."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            ProgressBar._shown = None

    @classmethod
    def close_shown(cls) -> None:
        """Close the bar of work that ended early, if there is one."""
        if cls._shown is not None:
            cls._shown.close()

    def _draw(self, done: float, total: float) -> None:
        if self._bar is None:
            from rich import console, progress

            self.close_shown()
            count = "{task.completed:.0f} of {task.total:.0f} {task.description}"
            name = progress.TextColumn("{task.description}", markup=False)
            bar, left = progress.BarColumn(WIDTH), progress.TimeRemainingColumn(compact=True)
            columns = {
                "count": (bar, progress.TextColumn(count, markup=False)),
                "bytes": (name, bar, progress.DownloadColumn()),
                "share": (
                    name,
                    bar,
                    progress.TextColumn("{task.percentage:.0f}%"),
                    progress.TextColumn("{task.fields[note]}", markup=False),
                ),
            }[self.unit]
            screen = console.Console(stderr=True)
            self._bar = progress.Progress(*columns, left, console=screen, redirect_stdout=False)
            ProgressBar._shown = self
            self._bar.add_task(self.text, total=total or None, note="")
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done, total=total or None, note=self.note)
