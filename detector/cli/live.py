"""`unmask live`: a camera, a stream or a file judged while it is watched."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detector.cli.analyze import summary
from detector.cli.common import ids, say, write_text
from detector.errors import MediaError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from detector.cli.common import Commands
    from detector.live import LiveEngine, LiveSession, LiveState

EVERY = 0.25
"""s between two updates of the line on a terminal"""
PLAIN_EVERY = 5.0
"""s between two lines elsewhere, besides those at each change"""
MOST_RATE = 30.0
"""frames a second that a file is watched at, at most"""
SETTLE = 2.0
"""s that the last frames get to be scored"""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    live = commands.add_parser("live", help="watch a camera, a stream or a file")
    live.add_argument(
        "source", metavar="SOURCE", help="/dev/video0, rtsp://…, http://… or a video file"
    )
    live.add_argument("--models", metavar="ID,ID", help="instead of the default ensemble")
    live.add_argument(
        "--json", metavar="FILE", help="a JSON line for each scored frame; - is standard output"
    )
    live.add_argument("--out", metavar="FILE", help="at the end, the session's Analysis as JSON")
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
    live.set_defaults(run=_live)


def _live(args: argparse.Namespace) -> int:
    from detector.live import LiveEngine, LiveSettings
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
    lines = _Lines(args.json) if args.json else None
    failure: MediaError | None = None
    try:
        try:
            _watch(engine, session, frames, args.seconds, console, lines, full=full)
        except MediaError as error:
            failure = error
        except KeyboardInterrupt:
            console.say("Stopped.")
        finally:
            stop.set()
            console.end()
        if not session.state.rates.looked:
            raise failure or MediaError(f"{name} gave no picture to look at.", code="no_picture")
        if failure is not None:
            say(failure)
        analysis = session.finish()
    finally:
        if lines is not None:
            lines.close()
        engine.close()
    if args.out:
        write_text(args.out, json.dumps(analysis.exported(), indent=2, ensure_ascii=False))
    if args.json != "-" and args.out != "-":
        print(summary(analysis))
    return 2 if failure is not None else 0


def _check(args: argparse.Namespace) -> None:
    if args.seconds is not None and args.seconds <= 0:
        raise UsageError("--seconds takes a number above 0.")
    if args.alarm is not None and not 0 < args.alarm < 100:
        raise UsageError("--alarm is a percent, above 0 and below 100.")
    if not 0 <= args.alarm_seconds <= 60:
        raise UsageError("--alarm-seconds is between 0 and 60.")
    if not 12 <= args.min_face <= 1000:
        raise UsageError("--min-face is between 12 and 1000.")


def _file(path: str, *, real: bool) -> tuple[str, Iterator[tuple[float, np.ndarray]]]:
    """The name of a file, and its frames: at their times, or as fast as they are asked for."""
    from detector import media

    info = media.probe(path)
    if info.kind == "image" or not info.duration:
        raise UsageError(
            f"{info.name} is a picture, and there is nothing to watch in it.",
            hint=f"Use: unmask analyze {path}",
        )
    rate = min(info.fps or 25.0, MOST_RATE)
    times = [n / rate for n in range(max(1, int(info.duration * rate)))]

    def frames() -> Iterator[tuple[float, np.ndarray]]:
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
    frames: Iterator[tuple[float, np.ndarray]],
    seconds: float | None,
    console: _Console,
    lines: _Lines | None,
    *,
    full: bool,
) -> None:
    """Push frames and tell what is read, until either ends."""
    console.say("Loading the models.")
    if full:
        engine.drain()
    while not session.state.ready:
        time.sleep(0.05)
    for t, rgb in frames:
        if seconds is not None and t > seconds:
            break
        session.push(rgb, t)
        if full:
            engine.drain()
        state = session.state
        if lines is not None:
            lines.tell(state)
        console.tell(state)
    waited = time.monotonic() + SETTLE
    while not full and time.monotonic() < waited and session.busy:
        time.sleep(0.05)
    state = session.state
    if lines is not None:
        lines.tell(state)
    console.tell(state, last=True)


class _Lines:
    """A JSON object a line: one for each scored frame."""

    def __init__(self, target: str) -> None:
        self._told = float("-inf")
        if target == "-":
            self._file: Any = sys.stdout
        else:
            try:
                self._file = Path(target).open("w", encoding="utf-8")  # noqa: SIM115 closed by close()
            except OSError as error:
                raise UsageError(f"{target} could not be written: {error.strerror}.") from None

    def tell(self, state: LiveState) -> None:
        """Write the scored frames that are new."""
        for dot in state.series:
            if dot.time <= self._told or dot.score is None:
                continue
            self._told = dot.time
            newest = dot is state.series[-1]
            line = {
                "time": round(dot.time, 3),
                "score": round(dot.score, 4),
                "mean": None if dot.mean is None else round(dot.mean, 4),
                "label": dot.label,
            }
            if newest:
                line |= _now(state)
            print(json.dumps(line, ensure_ascii=False), file=self._file, flush=True)

    def close(self) -> None:
        """Close the file."""
        if self._file is not sys.stdout:
            self._file.close()


def _now(state: LiveState) -> dict[str, Any]:
    """What is known beside a scored frame, at the time it is told."""
    limits, rates = state.reading.thresholds, state.rates
    return {
        "thresholds": [limits.low, limits.high],
        "question": state.reading.question,
        "faces": [
            {
                "id": face.id,
                "box": [round(edge, 1) for edge in face.box],
                "probability": None if face.probability is None else round(face.probability, 4),
                "label": face.label,
                "problem": face.problem,
            }
            for face in state.faces
        ],
        "hints": [hint.code for hint in state.hints],
        "alarm": next((a.number for a in state.alarms if a.end is None), None),
        "frames": {
            "pushed": rates.pushed,
            "looked": rates.looked,
            "scored": rates.scored,
            "dropped": rates.dropped,
        },
    }


class _Console:
    """On a terminal one line that follows the reading; elsewhere a line when something changes."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0
        self._said: tuple[object, ...] = ()
        self._alarms: dict[int, bool] = {}

    def say(self, text: str) -> None:
        """A line of its own."""
        start = "\r\x1b[K" if self._terminal else ""
        print(f"{start}unmask: {text}", file=sys.stderr, flush=True)

    def lost(self, sentence: str, wait: float) -> None:
        """The stream was lost."""
        self.say(f"{sentence} Trying again in {wait:.0f} s.")

    def tell(self, state: LiveState, *, last: bool = False) -> None:
        """Show the reading, if it is time to."""
        from detector.messages.format import clock

        for alarm in reversed(state.alarms):
            over = alarm.end is not None
            if self._alarms.get(alarm.number) is over:
                continue
            if alarm.number not in self._alarms:
                what = "no face in view" if alarm.kind == "no_face" else "likely manipulated"
                self.say(f"Alarm at {clock(alarm.start)}: {what}.")
            if alarm.end is not None:
                self.say(f"The alarm of {clock(alarm.start)} ended at {clock(alarm.end)}.")
            self._alarms[alarm.number] = over
        reading, rates = state.reading, state.rates
        changed = (reading.label, tuple(hint.code for hint in state.hints))
        now = time.monotonic()
        due = now >= self._next or (not self._terminal and changed != self._said)
        if not (due or last):
            return
        self._next = now + (EVERY if self._terminal else PLAIN_EVERY)
        self._said = changed
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

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print(file=sys.stderr)
