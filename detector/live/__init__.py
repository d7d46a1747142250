"""Faces of a camera, a stream or a screen judged while they are seen.

Knows nothing of browsers and of where frames come from: `LiveSession.push` takes them,
`LiveSession.state` gives what is known, `overlay.draw` burns it into a frame.
"""

from detector.live.overlay import Style, draw
from detector.live.session import LiveEngine, LiveSession
from detector.live.state import (
    Alarm,
    Dot,
    Hint,
    HintCode,
    LiveFace,
    LiveRates,
    LiveReading,
    LiveSettings,
    LiveState,
    ModelState,
)
from detector.live.voice import LiveVoice, VoiceState

__all__ = [
    "Alarm",
    "Dot",
    "Hint",
    "HintCode",
    "LiveEngine",
    "LiveFace",
    "LiveRates",
    "LiveReading",
    "LiveSession",
    "LiveSettings",
    "LiveState",
    "LiveVoice",
    "ModelState",
    "Style",
    "VoiceState",
    "draw",
]
