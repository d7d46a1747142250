"""How good the sound is for judging a voice, and where no verdict may rest on it. Numbers in, codes
out."""

from detector.decision.numbers import Rating, rate
from detector.schema.analysis import Analysis, Evidence, ReasonCode, SpeechMeasurement
from detector.schema.base import Param

MIN_SPEECH, MIN_ASSUMED = 2.0, 1.0
"""s; of less no model gives a score. The second: of what is taken for speech because the request
asked for it, one window."""
FAIR_SPEECH = 6.0
"""s from which on more changes little."""
PHONE_BAND, FULL_BAND = 4_800.0, 7_000.0
"""Hz: speech that ends below the first went through a telephone, where most traces are cut."""
POOR_SNR, FAIR_SNR = 5.0, 15.0
"""dB of speech over noise. Under the second noise hides a clone: of answers towards real to clips
with noise added, 54 to 64 % were right at 10 to 15 dB (`lab.training.voice`)."""
SINGING = 0.5
"""Share of what is voiced that stays on notes. Of 710 acted and emotional sentences the highest
has 0.33, of 206 sung ones 0.46."""
MUSIC = 0.75
"""Share of a sound without speech that holds tones (5 s of it, at least). None of 2,766 acted and
emotional sentences reaches it; of 220 pieces of music 47 do, and 89 more hold no speech."""
CLIPPED = 0.01
"""Share of the samples of speech at full scale from which on traces are cut off: what is left is
alike in real and in made voices."""


def heard_of(analysis: Analysis, subject: str | None = None) -> SpeechMeasurement | None:
    """Return the facts on the sound of a file, or of one voice by its subject's id; None where no
    sound was analyzed or there is none."""
    return analysis.media.audio.speech_of(subject) if analysis.media.audio else None


def unscorable(heard: SpeechMeasurement) -> ReasonCode | None:
    """Return why no model gets the sound as input, if so."""
    if not heard.spans:
        return ReasonCode.MUSIC if heard.music_ratio >= MUSIC else ReasonCode.NO_SPEECH
    least = MIN_ASSUMED if heard.assumed else MIN_SPEECH
    return ReasonCode.SPEECH_TOO_SHORT if heard.speech_seconds < least else None


def abstains(heard: SpeechMeasurement | None) -> ReasonCode | None:
    """Return why a voice that was scored gets no verdict, if so."""
    if heard is None:
        return None
    if (heard.sustained_ratio or 0.0) >= SINGING and not heard.assumed:
        return ReasonCode.SINGING
    if heard.snr is not None and heard.snr < POOR_SNR:
        return ReasonCode.TOO_NOISY
    return ReasonCode.PHONE_QUALITY if (heard.bandwidth_hz or FULL_BAND) < PHONE_BAND else None


def withholds_real(heard: SpeechMeasurement | None) -> ReasonCode | None:
    """Return why a voice gets no answer towards "real", if so; one towards "cloned" may stand."""
    if heard is None:
        return None
    if (heard.clipped or 0.0) > CLIPPED:
        return ReasonCode.CLIPPED
    noisy = heard.snr is not None and heard.snr < FAIR_SNR
    return ReasonCode.TOO_POOR_TO_CLEAR if noisy else None


def params(heard: SpeechMeasurement) -> dict[str, Param]:
    """Return the figures in sentences about the sound."""
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
    """Rate the sound: how much speech, up to which frequency, over how much noise."""
    seconds = heard.speech_seconds
    speech: dict[str, Param] = {"seconds": round(seconds, 1), "heard": round(heard.seconds, 1)}
    rating: Rating = rate(seconds, MIN_SPEECH, FAIR_SPEECH)
    out = [Evidence(code="speech", rating=rating, params={"rating": rating, **speech})]
    if heard.bandwidth_hz is not None:
        rating = rate(heard.bandwidth_hz, PHONE_BAND, FULL_BAND)
        band: dict[str, Param] = {"rating": rating, "band": round(heard.bandwidth_hz / 1000, 1)}
        out.append(Evidence(code="band", rating=rating, params=band))
    if heard.snr is not None:
        rating = rate(heard.snr, POOR_SNR, FAIR_SNR)
        noise: dict[str, Param] = {"rating": rating, "snr": round(heard.snr)}
        out.append(Evidence(code="noise", rating=rating, params=noise))
    if withholds_real(heard) is ReasonCode.CLIPPED:
        loud: dict[str, Param] = {"rating": "poor", "clipped": params(heard)["clipped"]}
        out.append(Evidence(code="clipping", rating="poor", params=loud))
    return out
