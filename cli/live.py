"""`unmask live`: a camera, a stream or a file judged while it is watched."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import known
from cli.analyze import summary
from cli.common import Commands, ids, say, tell, write_json
from detector.errors import MediaError, UsageError
from detector.messages import states
from detector.messages.format import clock

if TYPE_CHECKING:
    import numpy as np

    from detector.live import LiveEngine, LiveSession, LiveState
    from detector.live.recorder import Ring

    Frames = Iterator[tuple[float, np.ndarray]]

EVERY = 0.25
"""s between two updates of the line on a terminal"""
PLAIN_EVERY = 5.0
"""s between two lines elsewhere, besides those at each change"""
MOST_RATE = 30.0
"""frames a second that a file is watched at, at most"""
LIBRARY_FPS = 4.0
"""pictures a second of the last seconds that the library of known footage is asked about"""
SETTLE = 2.0
"""s that the last frames get to be scored"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    live = commands.add_parser("live", help="watch a camera, a stream or a file")
    live.add_argument("source", metavar="SOURCE", help="/dev/video0, rtsp://…, http://… or a file")
    live.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    live.add_argument("--json", metavar="FILE", help="a JSON line a scored frame; - is stdout")
    live.add_argument(
        "-o", "--out", metavar="FILE", help="at the end, the session's Analysis as JSON"
    )
    live.add_argument("--seconds", type=float, metavar="N", help="stop after so long")
    live.add_argument(
        "--speed",
        choices=["real", "full"],
        help="of a file: real (as a camera, frames are dropped when the computer is slow) or full "
        "(every frame, as fast as it goes; the default)",
    )
    live.add_argument("--min-face", type=int, default=40, metavar="PX")
    live.add_argument(
        "--alarm",
        type=float,
        metavar="PERCENT",
        help="likelihood above which an alarm begins; default: the upper threshold",
    )
    live.add_argument("--alarm-seconds", type=float, default=3.0, metavar="S")
    known.add_option(live)
    live.set_defaults(run=_live)


def _live(args: argparse.Namespace) -> int:
    from detector.live import LiveEngine, LiveSettings
    from detector.live.recorder import Ring
    from detector.media import stream

    moving = stream.is_address(args.source) or stream.is_device(args.source)
    if moving and args.speed == "full":
        raise UsageError("A camera or a stream has its own speed.", hint="Leave --speed out.")
    _check(args)
    stop = threading.Event()
    full = not moving and args.speed != "real"
    console = _Console()
    if moving:
        source = stream.Stream(args.source, lost=console.lost, stop=stop)
        name, frames = source.name, source.frames()
    else:
        name, frames = _file(args.source, real=not full)
    ring = Ring(fps=LIBRARY_FPS)
    frames = _remembered(frames, ring)
    if args.seconds is not None:
        frames = itertools.takewhile(lambda frame: frame[0] <= args.seconds, frames)
    models = ids(args.models)
    engine = LiveEngine(workers=0 if full else None)
    settings = LiveSettings(
        models=tuple(models) if models is not None else None,
        name=name,
        min_face=args.min_face,
        alarm_above=None if args.alarm is None else args.alarm / 100,
        alarm_seconds=args.alarm_seconds,
    )
    session = engine.open(settings)
    lines = _Lines(args.json)
    failure: MediaError | None = None
    try:
        try:
            console.say("Loading the models.")
            _watch(engine, session, frames, [lines, console], full=full)
        except MediaError as error:
            failure = error
        except KeyboardInterrupt:
            console.say("Stopped.")
        finally:
            stop.set()
            console.close()
        if not session.state.rates.looked:
            raise failure or MediaError(f"{name} gave no picture to look at.", code="no_picture")
        if failure is not None:
            say(failure)
        analysis = session.finish()
    finally:
        lines.close()
        engine.close()
    if args.out:
        write_json(args.out, analysis.model_dump(mode="json"))
    if args.json != "-" and args.out != "-":
        tell(summary(analysis))
        tell(*_known(ring, wanted=not args.no_library))
    return 2 if failure is not None else 0


def _remembered(frames: Frames, ring: Ring) -> Frames:
    for t, rgb in frames:
        ring.add(rgb, t)
        yield t, rgb


def _known(ring: Ring, *, wanted: bool) -> list[str]:
    """Return what this computer's library knows of the last seconds."""
    from detector import media

    with known.OriginalFinder(wanted=wanted) as finder, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.mp4"
        if not ring.write(path):
            return []
        _path, told = finder.original_of(path, media.probe(path))
    return [told] if told else []


def _check(args: argparse.Namespace) -> None:
    if args.seconds is not None and args.seconds <= 0:
        raise UsageError("--seconds takes a number above 0.")
    if args.alarm is not None and not 0 < args.alarm < 100:
        raise UsageError("--alarm is a percent, above 0 and below 100.")
    if not 0 <= args.alarm_seconds <= 60:
        raise UsageError("--alarm-seconds is between 0 and 60.")
    if not 12 <= args.min_face <= 1000:
        raise UsageError("--min-face is between 12 and 1000.")


def _file(path: str, *, real: bool) -> tuple[str, Frames]:
    """Return the name of a file, and its frames: at their times, or as fast as they are read."""
    from detector import media

    info = media.probe(path)
    if info.kind == "image" or not info.duration:
        raise UsageError(
            f"{info.name} is a picture, and there is nothing to watch in it.",
            hint=f"Use: unmask analyze {path}",
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
            print(f"unmask: {info.name}: {note}", file=sys.stderr)

    return info.name, frames()


def _watch(
    engine: LiveEngine,
    session: LiveSession,
    frames: Frames,
    outputs: Sequence[_Lines | _Console],
    *,
    full: bool,
) -> None:
    """Push frames and write what is read, until they end."""
    if full:
        engine.drain()
    while not session.state.ready:
        time.sleep(0.05)
    for t, rgb in frames:
        session.push(rgb, t)
        if full:
            engine.drain()
        for output in outputs:
            output.write(session.state)
    deadline = time.monotonic() + SETTLE
    while not full and time.monotonic() < deadline and session.busy:
        time.sleep(0.05)
    for output in outputs:
        output.write(session.state, last=True)


class _Lines:
    """A JSON object a line: one for each scored frame. Without a target nothing."""

    def __init__(self, target: str | None) -> None:
        from detector.live.lines import ScoredFrameLines

        self._frames = ScoredFrameLines()
        self._file: Any = sys.stdout if target == "-" else None
        if target and not self._file:
            try:
                self._file = Path(target).open("w", encoding="utf-8")  # noqa: SIM115 closed by close()
            except OSError as error:
                raise UsageError(f"{target} could not be written: {error.strerror}.") from None

    def write(self, state: LiveState, *, last: bool = False) -> None:
        """Write the scored frames that are new."""
        for line in self._frames.new(state) if self._file else ():
            print(json.dumps(line, ensure_ascii=False), file=self._file, flush=True)

    def close(self) -> None:
        """Close the file."""
        if self._file not in (None, sys.stdout):
            self._file.close()


class _Console:
    """On a terminal one line that follows the reading; elsewhere a line when something changes."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._shown: tuple[object, ...] = ()
        self._alarms: dict[int, bool] = {}

    def say(self, text: str) -> None:
        """Print a line of its own."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr)
        tell(f"unmask: {text}", error=True)

    def lost(self, sentence: str, wait: float) -> None:
        """Say that the stream was lost, and when the next retry is."""
        self.say(f"{sentence} Trying again in {wait:.0f} s.")

    def write(self, state: LiveState, *, last: bool = False) -> None:
        """Show the reading, if it is time to."""
        for alarm in reversed(state.alarms):
            over = alarm.end is not None
            if self._alarms.get(alarm.number) is over:
                continue
            if alarm.number not in self._alarms:
                text = "no face in view" if alarm.kind == "no_face" else states.says("manipulation")
                self.say(f"Alarm at {clock(alarm.start)}: {text}.")
            if alarm.end is not None:
                self.say(f"The alarm of {clock(alarm.start)} ended at {clock(alarm.end)}.")
            self._alarms[alarm.number] = over
        reading, rates = state.reading, state.rates
        changed = (reading.label, tuple(hint.code for hint in state.hints))
        now = time.monotonic()
        due = now >= self._next or (not self._terminal and changed != self._shown)
        if not (due or last):
            return
        self._next = now + (EVERY if self._terminal else PLAIN_EVERY)
        self._shown = changed
        hints = "".join(f" | {hint.title}" for hint in state.hints)
        text = (
            f"{clock(state.time)} {reading.word} {reading.percent} | "
            f"{rates.fps:.0f} frames a second, scored {rates.scored_fps:.0f} a second, "
            f"delay {1000 * (rates.score_delay or 0):.0f} ms{hints}"
        )
        if self._terminal:
            print(f"\r\x1b[K{text[:160]}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line."""
        if self._terminal:
            print(file=sys.stderr)
