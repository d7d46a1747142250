"""Voices: what is spoken in a file, in windows, as one subject.

Speakers are not told apart: nothing here can, and "Speaker A" of two would pretend to.
"""

from collections.abc import Iterable

from detector.audio.recording import Recording
from detector.audio.sound import stretches
from detector.decision import voice
from detector.errors import Canceled, MediaError, ModelError
from detector.media import part
from detector.models.base import ModelSpec, SoundRecipe, repeated
from detector.pipeline.bounded_queue import StageCancelled, timed
from detector.pipeline.modalities.base import Extraction, Extractor
from detector.pipeline.scoring import ScoreItem, fed
from detector.schema.analysis import Modality, SpanSegment, SpeechMeasurement, Subject

ID = "voice"
BESIDE = 8
"""windows of a video that are scored at most, evenly spread: half a minute of speech says of one
voice what more would, and beside a picture it costs seconds."""


class VoiceExtractor(Extractor):
    """The voice of one run, read beside its frames."""

    modality = Modality.VOICE
    reads = True

    def __init__(self, run: Extraction) -> None:
        super().__init__(run)
        self._spans: list[SpanSegment] = []

    def read(self) -> None:
        """Listen, find speech, and hand over its windows; with enough of it to judge."""
        run, audio = self._run, self._run.media.audio
        if audio is None:
            return
        span = part(run.media.duration or audio.duration or 0.0, run.settings)
        notes: list[str] = []
        try:
            with timed(run.timings, "sound"):
                recording = Recording.of(
                    run.path,
                    stretches(*span),
                    notes=notes,
                    cancel=run.cancel,
                    speech=run.options.speech,
                )
                heard = measured(recording)
        except Canceled:
            raise StageCancelled from None
        except (MediaError, ModelError) as error:  # without OpenVINO speech is not found
            if run.media.kind == "audio":
                raise
            notes.append(error.message)
            heard = None
        with run.lock:
            audio.speech = heard
            run.media.notes += [note for note in notes if note not in run.media.notes]
        if heard is None or voice.unscorable(heard):
            return
        if run.marks is not None:
            from detector.audio import watermark  # imports torch

            run.marks += watermark.found(recording)
        most = run.settings.frames if run.media.kind == "audio" else BESIDE
        for recipe, ids in fed(run.specs, sound_recipe).items():
            for start, end in recording.windows(recipe.seconds, min(most, run.settings.frames)):
                segment = self._segment(start, end)
                run.submit(window_item(recording, (start, end), recipe, ids, segment))

    def _segment(self, start: float, end: float) -> SpanSegment:
        """Return the span of these times: recipes of one length share theirs."""
        segment = SpanSegment(start=round(start, 4), end=round(end, 4))
        with self._run.lock:
            for known in self._spans:
                if (known.start, known.end) == (segment.start, segment.end):
                    return known
            self._spans.append(segment)
        return segment

    def expected(self) -> int:
        """Return how many windows there are."""
        return len(self._spans)

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return the voice, if it was scored."""
        return voice_subject(self._spans)


def voice_subject(spans: Iterable[SpanSegment]) -> list[Subject]:
    """Return the voice of these spans, copied, if any model scored one."""
    scored = [span.model_copy(deep=True) for span in spans if span.logits]
    if not scored:
        return []
    scored.sort(key=lambda span: span.start)
    start, end = scored[0].start, max(span.end for span in scored)
    return [
        Subject(
            id=ID, modality=Modality.VOICE, start=start, end=end, thumbnail_time=start, spans=scored
        )
    ]


def sound_recipe(spec: ModelSpec) -> SoundRecipe:
    """Return what a model of voices is fed with."""
    assert spec.sound
    return spec.sound


def window_item(
    recording: Recording,
    span: tuple[float, float],
    recipe: SoundRecipe,
    models: tuple[str, ...],
    segment: SpanSegment,
) -> ScoreItem:
    """Return a window of speech as models are fed with it."""
    data = repeated(recording.samples(span), recipe.samples)
    return ScoreItem(Modality.VOICE, models, segment, data, recipe)


def measured(recording: Recording) -> SpeechMeasurement:
    """Return the part of a result about a recording."""
    quality = recording.quality
    rated = {} if quality is None else {
        "bandwidth_hz": quality.bandwidth_hz,
        "snr": _rounded(quality.snr, 2),
        "clipped": round(quality.clipped, 5),
        "level_dbfs": round(quality.level_dbfs, 2),
        "sustained_ratio": _rounded(quality.sustained_ratio, 4),
    }  # fmt: skip
    return SpeechMeasurement(
        seconds=round(recording.seconds, 3),
        spans=[(round(start, 3), round(end, 3)) for start, end in recording.speech],
        music_ratio=round(recording.music_ratio, 4),
        **rated,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


EXTRACTOR = VoiceExtractor
