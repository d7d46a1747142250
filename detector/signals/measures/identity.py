"""Signal: identity drift from the start of a clip to its end."""

from detector.signals.identity import DRIFT
from detector.signals.measure import on_request

SIGNAL = on_request(DRIFT, rank=80)
