"""`unmask live`: live analysis of a camera, a stream or a file."""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cli import known, terminal
from cli.analyze import summary
from cli.common import ids, print_error, reading, tell, write_json
from cli.options import Models, NoLibrary, arg, between, opt
from detector import media
from detector.errors import MediaError, ModelError, UnmaskError, UsageError
from detector.live import LiveEngine, LiveSession, LiveSettings, LiveState
from detector.live.lines import ScoredFrameLines
from detector.live.recorder import Ring
from detector.media import stream
from detector.messages.format import clock
from detector.presentation import live as presented
from detector.schema.summary import FoundFootage
from detector.sentences import _, say

if TYPE_CHECKING:
    import numpy as np

    Frames = Iterator[tuple[float, np.ndarray]]

EVERY = 0.25  # s between two updates of the line on a terminal
PLAIN_EVERY = 5.0  # s between two lines elsewhere, besides those at each change
MOST_RATE = 30.0  # frames a second that a file is watched at, at most
LIBRARY_FPS = 4.0  # pictures a second that the library of known footage is asked about
SETTLE = 2.0  # s that the last frames get to be scored


def live(
    source: Annotated[str, arg("/dev/video0, rtsp://…, http://… or a file", "SOURCE")],
    models: Models = None,
    json_file: Annotated[
        str | None, opt("a JSON line a scored frame; - is stdout", "--json", "FILE")
    ] = None,
    out: Annotated[
        str | None, opt("at the end, the session's Analysis as JSON", "-o", "--out", "FILE")
    ] = None,
    seconds: Annotated[float | None, opt("stop after so long", "N", callback=between(0))] = None,
    speed: Annotated[
        Literal["real", "full"] | None,
        opt(
            "of a file: real (as a camera, frames are dropped when the computer is slow) or "
            "full (every frame, as fast as it goes; the default)"
        ),
    ] = None,
    min_face: Annotated[int, opt("", "PX", min=12, max=1000)] = 40,
    alarm: Annotated[
        float | None,
        opt(
            "likelihood above which an alarm begins; default: the upper threshold",
            "PERCENT",
            callback=between(0, 100),
        ),
    ] = None,
    alarm_seconds: Annotated[float, opt("", "S", min=0, max=60)] = 3.0,
    no_library: NoLibrary = False,
) -> int:
    """Watch a camera, a stream or a file."""
    moving = stream.is_address(source) or stream.is_device(source)
    if moving and speed == "full":
        raise UsageError(_("A camera or a stream has its own speed."), hint=_("Leave --speed out."))
    stop = threading.Event()
    full = not moving and speed != "real"
    console = _Console()
    if moving:
        opened = stream.Stream(source, lost=console.lost, stop=stop)
        name, frames = opened.name, opened.frames()
    else:
        name, frames = _file(source, real=not full)
    ring = Ring(fps=LIBRARY_FPS)
    frames = _remembered(frames, ring)
    if seconds is not None:
        frames = itertools.takewhile(lambda frame: frame[0] <= seconds, frames)
    chosen = ids(models)
    engine = LiveEngine(threaded=not full)
    session = engine.open(
        LiveSettings(
            models=tuple(chosen) if chosen is not None else None,
            name=name,
            min_face=min_face,
            alarm_above=None if alarm is None else alarm / 100,
            alarm_seconds=alarm_seconds,
        )
    )
    failure: UnmaskError | None = None
    with closing(engine), _scored_frame_lines(json_file) as write:
        try:
            console.say(_("Loading the models."))
            for state, last in _watched(engine, session, frames, full=full):
                write(state)
                console.write(state, last=last)
        except (MediaError, ModelError) as error:
            failure = error
        except KeyboardInterrupt:
            console.say(_("Stopped."))
        finally:
            stop.set()
            console.close()
        if not session.state.rates.looked:
            raise failure or MediaError(
                _("{name} gave no picture to look at.").format(name=name), code="no_picture"
            )
        if failure is not None:
            print_error(failure)
        analysis = session.finish()
    if out:
        write_json(out, analysis.model_dump(mode="json"))
    if json_file != "-" and out != "-":
        tell(summary(analysis))
        known.tell_match(_known(ring, wanted=not no_library))
    return 2 if failure is not None else 0


def _remembered(frames: Frames, ring: Ring) -> Frames:
    for t, rgb in frames:
        ring.add(rgb, t)
        yield t, rgb


def _known(ring: Ring, *, wanted: bool) -> FoundFootage | None:
    """Return the match of the last seconds in this computer's library."""
    with known.OriginalFinder(wanted=wanted) as finder, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.mp4"
        if not ring.write(path):
            return None
        _path, found = finder.original_of(path, media.probe(path))
    return found


def _file(path: str, *, real: bool) -> tuple[str, Frames]:
    """Return the name of a file and its frames, in real time or as fast as they decode."""
    info = media.probe(path)
    if info.kind == "image" or not info.duration:
        raise UsageError(
            _("{name} is a picture, and there is nothing to watch in it.").format(name=info.name),
            hint=_("Use: unmask analyze {path}").format(path=path),
        )
    rate = min(info.fps or 25.0, MOST_RATE)
    times = [n / rate for n in range(max(1, int(info.duration * rate)))]

    def frames() -> Frames:
        begun: float | None = None
        notes: list[str] = []
        for frame in media.decode(path, info, times, notes=notes):
            if real:
                begun = time.monotonic() if begun is None else begun
                time.sleep(max(0.0, frame.time - (time.monotonic() - begun)))
            yield frame.time, frame.rgb
        for note in notes:
            with reading():
                tell(f"unmask: {info.name}: {say(note)}", error=True)

    return info.name, frames()


def _watched(
    engine: LiveEngine, session: LiveSession, frames: Frames, *, full: bool
) -> Iterator[tuple[LiveState, bool]]:
    """Push all frames; yield the state after each, and whether it is the last."""
    if full:
        engine.drain()
    session.loaded.result()
    for t, rgb in frames:
        if session.failure is not None:
            raise session.failure
        session.push(rgb, t)
        if full:
            engine.drain()
        yield session.state, False
    deadline = time.monotonic() + SETTLE
    while not full and time.monotonic() < deadline and session.busy:
        time.sleep(0.05)
    yield session.state, True


@contextmanager
def _scored_frame_lines(target: str | None) -> Iterator[Callable[[LiveState], None]]:
    """Yield the writer of a JSON line for each newly scored frame."""
    scored = ScoredFrameLines()
    with ExitStack() as opened:
        file = sys.stdout
        if target and target != "-":
            try:
                file = opened.enter_context(Path(target).open("w", encoding="utf-8"))
            except OSError as error:
                text = _("{target} could not be written: {strerror}.")
                raise UsageError(text.format(target=target, strerror=error.strerror)) from None

        def write(state: LiveState) -> None:
            for line in scored.new(state) if target else ():
                escaped = not terminal.has_every_letter(file)
                print(json.dumps(line, ensure_ascii=escaped), file=file, flush=True)

        yield write


class _Console:
    """Output of the reading: one updated line on a terminal, else a line at each change."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._shown: tuple[object, ...] = ()
        self._alarms: dict[int, bool] = {}

    def say(self, text: str) -> None:
        """Print a separate line."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr)
        with reading():
            tell(f"unmask: {say(text)}", error=True)

    def lost(self, sentence: str, wait: float) -> None:
        """Report a lost stream and the time of the next retry."""
        self.say(
            _("{sentence} Trying again in {wait} s.").format(sentence=sentence, wait=f"{wait:.0f}")
        )

    def write(self, state: LiveState, *, last: bool = False) -> None:
        """Show the reading if it is due."""
        for alarm in reversed(state.alarms):
            over = alarm.end is not None
            if self._alarms.get(alarm.number) is over:
                continue
            if alarm.number not in self._alarms:
                self.say(presented.told_of(replace(alarm, end=None), clock))
            if alarm.end is not None:
                self.say(presented.told_of(alarm, clock))
            self._alarms[alarm.number] = over
        now_read = state.reading
        changed = (presented.of_reading(now_read), tuple(hint.code for hint in state.hints))
        now = time.monotonic()
        due = now >= self._next or (not self._terminal and changed != self._shown)
        if not (due or last):
            return
        self._next = now + (EVERY if self._terminal else PLAIN_EVERY)
        self._shown = changed
        hints = "".join(f" | {hint.title}" for hint in state.hints)
        with reading():
            said = f"{presented.of_reading(now_read)} {presented.number(now_read)[0]}"
            if (slow := now_read.too_slow) is not None:
                said = f"{presented.of_reading(now_read)}. {presented.scored(slow).rstrip('.')}"
            speed = ", ".join(presented.speed(state.rates)).replace("\u00a0", " ")
        text = f"{clock(state.time)} {said} | {speed}{hints}"
        if self._terminal:
            columns = terminal.width_of(sys.stderr) or len(text)
            print(f"\r\x1b[K{text[: columns - 1]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the updated line."""
        if self._terminal:
            print(file=sys.stderr)
