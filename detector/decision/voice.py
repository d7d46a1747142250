"""Quality of a sound for judging a voice, and the reasons to withhold a verdict. Numbers in, codes
out."""

from detector.decision.numbers import rate, rated
from detector.schema.analysis import Analysis, Evidence, ReasonCode, SpeechMeasurement
from detector.schema.base import Param

MIN_SPEECH, MIN_ASSUMED = 2.0, 1.0
"""s of speech that models need; the second for sound that is treated as speech on request: one
window"""
FAIR_SPEECH = 6.0
"""s from which on more changes little"""
PHONE_BAND, FULL_BAND = 4_800.0, 7_000.0
"""Hz: speech that ends below the first went through a telephone, which removes most traces"""
POOR_SNR, FAIR_SNR = 5.0, 15.0
"""dB. Below the second, noise masks a clone: of answers towards real to clips with added noise, 54
to 64 % were right at 10 to 15 dB (`lab.training.voice`)."""
SINGING = 0.5
"""Share of voiced sound on sustained notes. Of 710 acted and emotional sentences the highest has
0.33, of 206 sung ones 0.46."""
MUSIC = 0.75
"""Share of tones in a sound without speech (5 s of it, at least). None of 2,766 acted and emotional
sentences reaches it; of 220 pieces of music 47 do, and 89 more have no speech."""
CLIPPED = 0.01
"""Share of speech samples at full scale from which on clipping removes the difference between real
and generated voices."""


def heard_of(analysis: Analysis, subject: str | None = None) -> SpeechMeasurement | None:
    """Return the measurement of a file's sound, or of one voice by its subject's id; None if no
    sound was analyzed."""
    return analysis.media.audio.speech_of(subject) if analysis.media.audio else None


def unscorable(heard: SpeechMeasurement) -> ReasonCode | None:
    """Return why the sound can't be scored, if so."""
    if not heard.spans:
        return ReasonCode.MUSIC if heard.music_ratio >= MUSIC else ReasonCode.NO_SPEECH
    least = MIN_ASSUMED if heard.assumed else MIN_SPEECH
    return ReasonCode.SPEECH_TOO_SHORT if heard.speech_seconds < least else None


def abstains(heard: SpeechMeasurement | None) -> ReasonCode | None:
    """Return why a scored voice gets no verdict, if so."""
    if heard is None:
        return None
    if (heard.sustained_ratio or 0.0) >= SINGING and not heard.assumed:
        return ReasonCode.SINGING
    if heard.snr is not None and heard.snr < POOR_SNR:
        return ReasonCode.TOO_NOISY
    return ReasonCode.PHONE_QUALITY if (heard.bandwidth_hz or FULL_BAND) < PHONE_BAND else None


def withholds_real(heard: SpeechMeasurement | None) -> ReasonCode | None:
    """Return why a voice gets no answer towards "real", if so."""
    if heard is None:
        return None
    if (heard.clipped or 0.0) > CLIPPED:
        return ReasonCode.CLIPPED
    noisy = heard.snr is not None and heard.snr < FAIR_SNR
    return ReasonCode.TOO_POOR_TO_CLEAR if noisy else None


SHARE, WINDOW = 0.15, 4.0
"""share of the speech, and s of one window, up to which a cloned part is lost in the mean: a part
of 15 % moves the mean logit by 15 % of its distance from the rest"""


def short_part(heard: SpeechMeasurement) -> float:
    """Return the length of a cloned part, s of speech, that hardly changes the answer."""
    return max(WINDOW, SHARE * heard.speech_seconds)


def params(heard: SpeechMeasurement) -> dict[str, Param]:
    """Return the parameters of sentences about the sound."""
    return {
        "seconds": round(heard.speech_seconds, 1),
        "least": MIN_SPEECH,
        "band": heard.bandwidth_hz and round(heard.bandwidth_hz / 1000, 1),
        "snr": None if heard.snr is None else round(heard.snr),
        "notes": round(100 * (heard.sustained_ratio or 0.0)),
        "tones": round(100 * heard.music_ratio),
        "clipped": round(100 * (heard.clipped or 0.0)),
    }


def evidence(heard: SpeechMeasurement) -> list[Evidence]:
    """Rate the sound: amount of speech, bandwidth, noise, clipping."""
    seconds, total = round(heard.speech_seconds, 1), round(heard.seconds, 1)
    rating = rate(heard.speech_seconds, MIN_SPEECH, FAIR_SPEECH)
    out = [rated("speech", rating, seconds=seconds, heard=total)]
    if heard.bandwidth_hz is not None:
        rating = rate(heard.bandwidth_hz, PHONE_BAND, FULL_BAND)
        out.append(rated("band", rating, band=round(heard.bandwidth_hz / 1000, 1)))
    if heard.snr is not None:
        out.append(rated("noise", rate(heard.snr, POOR_SNR, FAIR_SNR), snr=round(heard.snr)))
    if withholds_real(heard) is ReasonCode.CLIPPED:
        out.append(rated("clipping", "poor", clipped=params(heard)["clipped"]))
    return out
