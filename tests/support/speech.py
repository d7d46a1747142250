"""Speech made here, since no voice of anybody may be committed."""

import av
import numpy as np

from tests.support.formants import RATE
from tests.support.formants import speech as speech


def write(path, sound, *, rate=RATE, codec="", layout="mono", format=None):
    """Write float [n] (or [channels, n]) as a recording, its container by the name's ending unless
    `format` names one."""
    usual = {"wav": "pcm_s16le", "mp3": "libmp3lame", "m4a": "aac", "flac": "flac"}
    usual |= {"ogg": "libopus", "opus": "libopus", "webm": "libopus", "mka": "pcm_f32le"}
    with av.open(str(path), "w", format=format) as output:
        stream = output.add_stream(codec or usual[path.suffix[1:]], rate=rate, layout=layout)
        resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or 1024)
        planes = np.atleast_2d(sound).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(planes.T.reshape(1, -1), "flt", layout)
        frame.sample_rate = rate
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            piece.pts = None
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path
