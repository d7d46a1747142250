"""What encoders do to pictures, without a file: H.264 and JPEG at a chosen quality and back."""

from fractions import Fraction

import av
import cv2
import numpy as np

RATE = 12
"""Frames a second that are declared: cached frames are 0.08 s apart. The constant quality of the
encoder hardly depends on it."""


def h264(clip: np.ndarray, crf: int) -> np.ndarray:
    """Encode a clip, uint8 [T, H, W, 3] RGB, with a constant rate factor of x264, 0 (lossless) to
    51, and decode it again. T may be 1 (a key frame). Equal inputs give equal outputs."""
    count, height, width = clip.shape[:3]
    # Chroma has half the size, so an odd side is continued by one pixel.
    even = np.pad(clip, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = even.shape[2], even.shape[1]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, RATE)
    encoder.thread_count = 1  # several threads may differ from one in the bits they spend
    # Its "mbtree" gives other bits from call to call on processors with AVX-512.
    encoder.options = {"crf": str(crf), "preset": "veryfast", "x264-params": "mbtree=0"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for number, picture in enumerate(even):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.decode(None)
    out = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    assert len(out) == count  # nothing is dropped between an encoder and its own decoder
    return np.ascontiguousarray(out[:, :height, :width])


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture as JPEG leaves it, uint8 [H, W, 3]."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
