"""Track and channel selection: the track, channels and gain of the analyzed sound.

By default it is what a listener hears: the player's default track, all channels mixed. If mixing
loses a voice (channels cancel, or one of many has it) or another track has the speech, that channel
or track is analyzed alone. If left and right hold different voices, as in recorded calls, both are
analyzed. The choice is made from samples of the file (`SURVEYED`)."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Event

import numpy as np

from detector.audio.recording import hann, spectrogram
from detector.audio.sound import MOST_CHANNELS, SAMPLE_RATE, SoundBlock, Span, read_channels, tracks
from detector.audio.speech import SpeechDetector
from detector.correlation import correlation
from detector.errors import MediaError
from detector.schema.media import SoundSource
from detector.sentences import _

SURVEYED, PIECE = 60.0, 15.0  # s sampled of a track for the choice, and of a piece
BUDGET = 480.0  # s of all channels together: of more than eight less is listened to
TRACKS, VOICES = 8, 8  # tracks, and unlike channels of one, that are listened to at most
SILENT = 1e-4  # RMS of a silent channel, -80 dB
FAINT = 10 ** (-50 / 20)  # of the loudest channel's level, below which a channel is empty
ALIKE = 0.9  # Correlation from which channels are the same
LOST = 0.35  # of the loudest channel's level, under which the mix has lost it
FEWEST = 1.0  # s of speech in the sampled pieces for which a channel or track is chosen
SIDES = 2.0  # s of speech on each side from which on both are judged
SHARE = 0.25  # minimum fraction of the other side's speech
MOST_OF = 0.8  # of a channel's speech that the mix must have, else mixing loses the voice
DEPTH = 50.0  # dB below a band's loudest frame, below which it is silent
SAME_VOICE = 0.4
"""Correlation of band loudness over time from which left and right hold one voice. On 51 real
voices two speakers reach 0.27 at most; one speaker in two microphones (delay, echo, opposite sign,
noise 10 dB below) 0.71 at least; two who hear each other 20 dB softer 0.44."""
FULL_SCALE = 2.0
"""Level from which on samples are out of range: decoders of MP3 and AAC reach 1.5."""
QUIET, FAINTEST, NOTHING, RAISED = 0.05, 3e-4, 1e-5, 0.5
"""Loudest samples of a faint sound, -26 dB; of one that is too faint, since 16 bits leave it ten
steps, -70 dB; of silence, -100 dB; and where those of a faint sound are raised to"""
FEW, ABOVE = 20, 1.5
"""The loudest samples, and times the level of the last of them: a few beyond that are damage."""


@dataclass(frozen=True)
class HeardChoice:
    """The sound that is analyzed of a file, and the notes on it."""

    source: SoundSource
    sides: bool = False  # Left and right are judged each by itself
    notes: tuple[str, ...] = ()


def choose(path: str | os.PathLike[str], span: Span, *, cancel: Event | None = None) -> HeardChoice:
    """Choose the channel and track to analyze of a part of a file, s; raise as `sound.read`."""
    known = tracks(path, cancel=cancel)
    best: tuple[int, _Track] | None = None
    for number, (_place, channels) in enumerate(known[:TRACKS]):
        try:
            track = _Track(_surveyed(path, span, number, channels, cancel))
        except MediaError:
            if len(known) == 1:
                raise
            continue
        if best is None or (len(known) > 1 and track.speech > best[1].speech):
            best = number, track
        if len(known) == 1 or best[1].speech >= FEWEST:
            break
    if best is None:
        raise MediaError(_("There is no sound in this file."), code="no_sound")
    number, track = best
    gain = track.gain
    notes = list(_about_tracks(known, number))
    if track.too_faint:
        notes.append(_("The sound is too faint to hear whether anyone speaks in it."))
    notes += track.notes()
    if gain > 1:
        notes.append(
            _("The sound is faint: it was turned up by {decibels} dB to be heard.").format(
                decibels=round(20 * np.log10(gain))
            )
        )
    elif gain != 1:
        notes.append(
            _("Its samples reach {gain} times full scale: the sound was turned down to "
              "its peak.").format(gain=f'{1 / gain:,.0f}')
        )  # fmt: skip
    source = SoundSource(track=number, channel=track.channel, gain=gain)
    return HeardChoice(source, track.sides, tuple(notes))


def _about_tracks(known: Sequence[tuple[int, int]], number: int) -> Iterator[str]:
    if len(known) < 2:
        return
    heard, count = known[number][0], len(known)
    if number:
        yield _(
            "It has {count} sound tracks: track {heard} was heard, since no speech was found in "
            "the one that players choose."
        ).format(count=count, heard=heard)
    else:
        yield _(
            "It has {count} sound tracks: track {heard} was heard, the others were not."
        ).format(count=count, heard=heard)


class _Track:
    """One track, as sampled pieces: float32 [1 + channels, n] each, the mix first."""

    def __init__(self, pieces: Sequence[np.ndarray]) -> None:
        joined = np.concatenate(pieces, axis=1)
        self.channels = len(joined) - 1
        self._levels = np.sqrt(np.mean(np.square(joined, dtype=np.float64), axis=1))
        self._pieces, self.gain = pieces, 1.0
        self._heard: dict[int, float] = {}
        self._turn(_gain(joined[1:]))
        peak = _loudest(joined[1:]) * self.gain
        self.too_faint = NOTHING < peak <= FAINTEST and self.speech < FEWEST
        if FAINTEST < peak < QUIET and self.speech < FEWEST:
            self._turn(RAISED / peak)
            if self.speech < FEWEST:
                self._turn(peak / RAISED)

    def _turn(self, gain: float) -> None:
        """Multiply all samples, and forget what followed from them."""
        if gain == 1:
            return
        self.gain *= gain
        self._pieces = [piece * np.float32(gain) for piece in self._pieces]
        self._levels = self._levels * gain
        self._heard = {}
        for name in ("_unlike", "_speaking", "sides", "_row"):
            self.__dict__.pop(name, None)

    def _speech(self, row: int) -> float:
        """Return the seconds of speech in a row."""
        if row not in self._heard:
            detector, start = SpeechDetector(), 0.0
            for piece in self._pieces:
                for _block in detector.feed(iter([SoundBlock(start, piece[row])])):
                    start += len(piece[row]) / SAMPLE_RATE + PIECE  # each begins anew
            self._heard[row] = sum(end - at for at, end in detector.segments())
        return self._heard[row]

    @cached_property
    def _unlike(self) -> list[int]:
        """Return the rows of non-silent channels, loudest first, each unlike those before."""
        least = max(SILENT, FAINT * self._levels[1:].max())
        rows = [n for n in range(1, self.channels + 1) if self._levels[n] >= least]
        rows.sort(key=lambda n: -self._levels[n])
        joined = {n: np.concatenate([piece[n] for piece in self._pieces]) for n in rows}
        kept: list[int] = []
        for n in rows:
            if all(abs(correlation(joined[n], joined[m])) < ALIKE for m in kept):
                kept.append(n)
            if len(kept) == VOICES:
                break
        return kept

    @cached_property
    def _speaking(self) -> list[int]:
        """Return the rows with speech, the one with most first."""
        rows = sorted(self._unlike, key=lambda n: -self._speech(n))
        least = max(FEWEST, SHARE * self._speech(rows[0])) if rows else 0.0
        return [n for n in rows if self._speech(n) >= least]

    @cached_property
    def sides(self) -> bool:
        """Return True if left and right hold different voices."""
        if self.channels != 2 or len(self._unlike) < 2 or len(self._speaking) < 2:
            return False
        spoken = self._speech(1), self._speech(2)
        return min(spoken) >= SIDES and _loudness_alike(self._pieces) < SAME_VOICE

    @cached_property
    def _row(self) -> int:
        """Return the analyzed row; 0 for the mix."""
        if self.channels < 2 or not self._unlike:
            return 0
        loudest = self._unlike[0]
        if len(self._unlike) == 1 or not self._speaking:
            return loudest if self._levels[0] < LOST * self._levels[loudest] else 0
        if len(self._speaking) == 1:
            return self._speaking[0]
        best = self._speaking[0]
        lost = self._levels[0] < LOST * self._levels[best]
        return best if lost or self._speech(0) < MOST_OF * self._speech(best) else 0

    @property
    def channel(self) -> int | None:
        """Return the single analyzed channel; None for the mix or both sides."""
        return None if self.sides or not self._row else self._row - 1

    @property
    def speech(self) -> float:
        """Return the seconds of speech in the analyzed sound of the sampled pieces."""
        return max(self._speech(1), self._speech(2)) if self.sides else self._speech(self._row)

    def notes(self) -> Iterator[str]:
        if self.sides:
            yield _("The left and the right channel hold different voices: each was judged by "
                    "itself.")  # fmt: skip
        if self.channel is None:
            return
        number, count = self.channel + 1, self.channels
        if len(self._unlike) > 1 and len(self._speaking) == 1:
            yield _(
                "Of {count} channels only number {number} holds speech: it was heard, the others "
                "were not."
            ).format(count=count, number=number)
        elif len(self._unlike) > 1:
            yield _(
                "Of {count} channels number {number} was heard: mixed, they lose the voice."
            ).format(count=count, number=number)
        else:
            yield _(
                "Of {count} channels number {number} was heard: in the mix of all the sound is "
                "nearly lost."
            ).format(count=count, number=number)


def _gain(channels: np.ndarray) -> float:
    """Return the gain that scales samples, float32 [channels, n], into range; 1 if they are."""
    levels = np.abs(channels).ravel()
    peak = float(levels.max(initial=0.0))
    if peak <= FULL_SCALE:
        return 1.0
    last = float(np.partition(levels, -FEW)[-FEW]) if len(levels) > FEW else 0.0
    peak = min(peak, ABOVE * last)
    return 1.0 if peak <= FULL_SCALE else 1 / peak


def _loudest(channels: np.ndarray) -> float:
    """Return the level of samples, float32 [channels, n], without a few that are louder."""
    levels = np.abs(channels).ravel()
    return float(np.partition(levels, -FEW)[-FEW]) if len(levels) > FEW else 0.0


def _loudness_alike(pieces: Sequence[np.ndarray]) -> float:
    """Correlate the band loudness of left and right: -1..1, high for one voice in both."""
    left, right = (_loudness(np.concatenate([p[n] for p in pieces])) for n in (1, 2))
    return correlation(left, right)


def _loudness(samples: np.ndarray) -> np.ndarray:
    """Return the loudness of bands, dB about their mean: float [bands, frames]."""
    power = spectrogram(samples, hann(512), 256)[4:128]  # 125 Hz to 4 kHz
    bands = np.add.reduceat(power, np.unique(np.geomspace(1, 124, 16).astype(int)) - 1, axis=0)
    level = 10 * np.log10(bands + 1e-14)
    level = np.maximum(level, level.max(axis=1, keepdims=True) - DEPTH)
    return np.asarray(level - level.mean(axis=1, keepdims=True))


def _surveyed(
    path: str | os.PathLike[str], span: Span, track: int, channels: int, cancel: Event | None
) -> list[np.ndarray]:
    start, end = span
    channels = max(1, min(channels, MOST_CHANNELS))
    most = min(SURVEYED, BUDGET / channels)
    pieces = [span]
    if end - start > most:
        count = max(1, round(most / PIECE))
        length = most / count
        starts = np.linspace(start, end - length, count) if count > 1 else [start]
        pieces = [(float(at), float(at) + length) for at in starts]
    blocks = read_channels(path, pieces, track, channels, cancel=cancel)
    joined: list[list[np.ndarray]] = []
    expected = -1.0
    for at, block in blocks:
        if not joined or abs(at - expected) > 1e-3:
            joined.append([])
        joined[-1].append(block)
        expected = at + block.shape[1] / SAMPLE_RATE
    return [np.concatenate(part, axis=1) for part in joined]
