"""Faces of a camera, a stream or a screen judged while they are seen.

Knows nothing of browsers and of where frames come from: `LiveSession.push` takes them,
`LiveSession.state` gives what is known, `overlay.draw` burns it into a frame.
"""

from detector.live.challenge import Challenge as Challenge
from detector.live.challenge import Move as Move
from detector.live.challenge import Observation as Observation
from detector.live.overlay import Style as Style
from detector.live.overlay import draw as draw
from detector.live.session import LiveEngine as LiveEngine
from detector.live.session import LiveSession as LiveSession
from detector.live.state import Alarm as Alarm
from detector.live.state import Dot as Dot
from detector.live.state import Hint as Hint
from detector.live.state import HintCode as HintCode
from detector.live.state import LiveFace as LiveFace
from detector.live.state import LiveRates as LiveRates
from detector.live.state import LiveReading as LiveReading
from detector.live.state import LiveSettings as LiveSettings
from detector.live.state import LiveState as LiveState
from detector.live.voice import LiveVoice as LiveVoice
from detector.live.voice import VoiceState as VoiceState
