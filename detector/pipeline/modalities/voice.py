"""Extractor of voices: windows of speech as one subject, or as two where the left and the right
channel hold a voice each (`detector.audio.channels`).

There is no diarization: speakers of one channel are one subject.
"""

import logging
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from detector.audio import channels, watermark
from detector.audio.recording import Recording, search_speech
from detector.audio.sound import around, stretches
from detector.decision import voice
from detector.errors import Canceled, MediaError, ModelError
from detector.media import part
from detector.models.base import ModelSpec, SoundRecipe, repeated
from detector.pipeline.modalities.base import Extraction, Extractor
from detector.pipeline.rounds import spread
from detector.pipeline.scoring import ScoreItem, fed
from detector.pipeline.timing import timed
from detector.schema.analysis import (
    Audio,
    Modality,
    ReasonCode,
    SpanSegment,
    SpeechMeasurement,
    Subject,
)
from detector.schema.media import SoundSource
from detector.sentences import _
from detector.threads import Stopped

log = logging.getLogger(__name__)

ID = "voice"
BESIDE = 8
"""windows of a video that are scored at most, evenly spread: half a minute of speech suffices for
one voice, and more costs seconds"""


BEYOND = 1.0  # s by which a sound may be longer than its picture without a note


class VoiceExtractor(Extractor):
    """Extractor of the voices of one run, beside its frames."""

    modality = Modality.VOICE
    reads = True

    def __init__(self, run: Extraction) -> None:
        super().__init__(run)
        self._spans: dict[str, list[SpanSegment]] = {}  # by the subject's id

    def read(self) -> None:
        """Detect speech, and submit its windows if there is enough."""
        run, audio = self._run, self._run.media.audio
        if audio is None:
            return
        notes: list[str] = []
        heard: dict[str, Recording] = {}
        try:
            with timed(run.timings, "sound"):
                heard = self._hear(audio, notes)
        except Canceled:
            raise Stopped from None
        except (MediaError, ModelError) as error:  # without OpenVINO speech is not found
            if run.media.kind == "audio":
                raise
            notes.append(error.message)
        except Exception as error:
            # A failure on the sound must not end the analysis of the picture.
            log.warning("hearing %s failed", run.path, exc_info=True)
            text = _("The sound of this file can't be heard: we failed to read it.")
            if run.media.kind == "audio":
                raise MediaError(text, code="undecodable") from error
            notes.append(text)
        with run.lock:
            run.media.notes += [note for note in notes if note not in run.media.notes]
        for id, recording in heard.items():
            self._score(id, recording, audio.speech_of(id))

    def _hear(self, audio: Audio, notes: list[str]) -> dict[str, Recording]:
        """Return the recording of each voice, by its subject's id; fill in `audio`."""
        run = self._run
        shown, sounds = run.media.duration, audio.duration or 0.0
        if shown and run.settings.end is None and sounds - shown > BEYOND:
            notes.append(
                _("The sound goes on for {seconds} s after the picture; that part was not "
                  "heard.").format(seconds=f"{sounds - shown:.1f}")
            )  # fmt: skip
        span = part(shown or sounds, run.settings)
        choice = channels.choose(run.path, span, cancel=run.cancel)
        notes += choice.notes
        sources = {ID: choice.source}
        if choice.sides:
            sources |= choice.source.sides
        heard, rated = {}, {}
        for id, source in sources.items():
            recording = self._recording(span, source, notes)
            heard[id], rated[id] = self._assumed(recording, notes)
        with run.lock:
            audio.source, audio.speech = choice.source, rated.pop(ID)
            audio.sides = rated
        return heard if not choice.sides else {id: heard[id] for id in rated}

    def _recording(
        self, span: tuple[float, float], source: SoundSource, notes: list[str]
    ) -> Recording:
        """Return the analyzed sound; of a long one parts, and if these hold too little speech, the
        parts with speech that a search of all of it finds."""
        run, parts = self._run, stretches(*span)

        def recorded(spans: Sequence[tuple[float, float]]) -> Recording:
            return Recording.of(
                run.path,
                spans,
                notes=notes,
                cancel=run.cancel,
                speech=run.options.speech,
                source=source,
            )

        recording = recorded(parts)
        if len(parts) == 1 or run.options.speech is not None:
            return recording
        total = (span[1] - span[0]) / 60
        if recording.speech_seconds < voice.MIN_SPEECH:
            spoken = search_speech(run.path, span, cancel=run.cancel, source=source)
            text = _("All {total} minutes of its sound were searched for speech.")
            if spoken:
                recording = recorded(around(spoken, *span))
        else:
            text = _("Of {total} minutes of its sound {heard} were heard, in parts.")
        heard = round(recording.seconds / 60)
        note = text.format(total=round(total), heard=heard)
        notes += [note] if note not in notes else []
        return recording

    def _assumed(
        self, recording: Recording, notes: list[str]
    ) -> tuple[Recording, SpeechMeasurement]:
        """Treat loud sound as speech if that was requested and there is too little speech."""
        heard = recording.measured
        if not self._run.settings.assume_speech:
            return recording, heard
        if voice.unscorable(heard):
            recording = Recording(recording.stretches, recording.loud)
            heard = recording.measured
        elif voice.abstains(heard) is not ReasonCode.SINGING:
            return recording, heard
        note = _("It holds too little ordinary speech; as asked for, it was judged as speech.")
        notes += [note] if note not in notes else []
        return recording, heard.model_copy(update={"assumed": True})

    def _score(self, id: str, recording: Recording, heard: SpeechMeasurement | None) -> None:
        run = self._run
        if heard is None or voice.unscorable(heard):
            return
        if run.marks is not None:
            run.marks += watermark.found(recording)
        most = run.settings.frames if run.media.kind == "audio" else BESIDE
        for recipe, ids in fed(run.specs, sound_recipe).items():
            spans = recording.windows(recipe.seconds, min(most, run.settings.frames))
            for order, place in enumerate(spread(len(spans))):
                segment = self._segment(id, *spans[place])
                item = window_item(recording, spans[place], recipe, ids, segment)
                run.submit(replace(item, subject=id, order=order))

    def _segment(self, id: str, start: float, end: float) -> SpanSegment:
        """Return the span of these times, which recipes of one length share."""
        segment = SpanSegment(start=round(start, 4), end=round(end, 4))
        with self._run.lock:
            spans = self._spans.setdefault(id, [])
            for known in spans:
                if (known.start, known.end) == (segment.start, segment.end):
                    return known
            spans.append(segment)
        return segment

    def id_of(self, subject: Hashable) -> str:
        """See `Extractor.id_of`."""
        return str(subject)

    def expected(self) -> int:
        """Return the number of windows so far."""
        return sum(map(len, self._spans.values()))

    def subjects(self, *, partial: bool) -> list[Subject]:
        """Return the voices that were scored."""
        return [voice for id, spans in self._spans.items() for voice in voice_subject(spans, id)]


def voice_subject(spans: Iterable[SpanSegment], id: str = ID) -> list[Subject]:
    """Return the voice of copies of these spans, if any model scored one."""
    scored = [span.model_copy(deep=True) for span in spans if span.logits]
    if not scored:
        return []
    scored.sort(key=lambda span: span.start)
    start, end = scored[0].start, max(span.end for span in scored)
    found = Subject(
        id=id, modality=Modality.VOICE, start=start, end=end, thumbnail_time=start, spans=scored
    )
    return [found if id == ID else found.model_copy(update={"side": id})]


def sound_recipe(spec: ModelSpec) -> SoundRecipe:
    """Return the input of a voice model."""
    assert spec.sound
    return spec.sound


def window_item(
    recording: Recording,
    span: tuple[float, float],
    recipe: SoundRecipe,
    models: tuple[str, ...],
    segment: SpanSegment,
) -> ScoreItem:
    """Return a window of speech as an item to score."""
    data = repeated(recording.samples(span), recipe.samples)
    return ScoreItem(Modality.VOICE, models, segment, data, recipe)


EXTRACTOR = VoiceExtractor
