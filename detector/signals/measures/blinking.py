"""Signal: blink rate."""

from detector.signals.blinks import BLINKS
from detector.signals.measure import on_request

SIGNAL = on_request(BLINKS, rank=90)
