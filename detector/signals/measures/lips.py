"""Signal: lip sync."""

from detector.signals.lips import LIPS
from detector.signals.measure import on_request

SIGNAL = on_request(LIPS, rank=95)
