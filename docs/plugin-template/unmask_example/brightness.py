"""How bright a face is, as a signal: it informs and never votes."""

from detector.signals.measure import Observer, SignalMeasure
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="brightness",
    title="Brightness of the face",
    unit="of 255",
    side="both",
    say="{value:.0f} of 255",
    means="The mean of all pixels of the face.",
)


class Brightness(Observer):
    """The mean over the faces of a person."""

    def __init__(self, frames):
        self._values = []

    def on_face(self, face, index):
        self._values.append(face.patch.mean())

    def finish(self, subject):
        if not self._values:
            return subject.absent(SPEC, "No face was read.")
        return subject.signal(SPEC, sum(self._values) / len(self._values))


SIGNAL = SignalMeasure(SPEC, rank=90, observe=Brightness)
