"""How often the person blinks: counted on demand, since it takes more frames than an analysis."""

from detector.schema.analysis import Signal
from detector.signals import blinks
from detector.signals.blinks import BLINKS as SPEC
from detector.signals.measure import Observer, SignalMeasure, SubjectContext


class Blinking(Observer):
    """Says what it would take: `blinks.watch` does it on request."""

    def finish(self, subject: SubjectContext) -> Signal:
        return SPEC.absent(blinks.NOT_YET if blinks.ready() else blinks.ABSENT, subject.track.id)


SIGNAL = SignalMeasure(SPEC, rank=90, observe=Blinking)
