"""Live analysis of a camera, a stream or a screen, independent of browsers and frame sources.

`LiveSession.push` takes frames, `LiveSession.state` returns a snapshot, `overlay.draw` draws it
into a frame.
"""

from detector.live.challenge import Challenge as Challenge
from detector.live.overlay import draw as draw
from detector.live.session import LiveEngine as LiveEngine
from detector.live.session import LiveSession as LiveSession
from detector.live.voice import LiveVoice as LiveVoice
from detector.live.voice import VoiceState as VoiceState
from detector.schema.live import Alarm as Alarm
from detector.schema.live import Dot as Dot
from detector.schema.live import Hint as Hint
from detector.schema.live import HintCode as HintCode
from detector.schema.live import LiveFace as LiveFace
from detector.schema.live import LiveRates as LiveRates
from detector.schema.live import LiveReading as LiveReading
from detector.schema.live import LiveSettings as LiveSettings
from detector.schema.live import LiveState as LiveState
from detector.schema.live import Move as Move
from detector.schema.live import Observation as Observation
