"""Augment pictures, uint8 [S, S, 3]. Random parameters come from `rng` and never depend on the
picture, so that an original and its fake get the same changes. H.264 and JPEG are encoded and
decoded in memory."""

from fractions import Fraction

import av
import cv2
import numpy as np

RATE = 12
"""Declared frames a second, as cached frames have steps of 0.08 s. It hardly matters to an encoder
of constant quality."""


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


def jpeg(picture: np.ndarray, quality: int, *, webp: bool = False) -> np.ndarray:
    """Return a picture after JPEG (or WebP) compression, uint8 [H, W, 3]."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    suffix, setting = (
        (".webp", cv2.IMWRITE_WEBP_QUALITY) if webp else (".jpg", cv2.IMWRITE_JPEG_QUALITY)
    )
    _, data = cv2.imencode(suffix, bgr, [setting, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded just now
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def view(
    middle: np.ndarray, side: float, size: int, turn: float = 0.0, flip: bool = False
) -> np.ndarray:
    """Return the affine map [2, 3] from px of a square view of `size` px to those of a picture: a
    square about `middle` [2] with a `side` in px, rotated by `turn` (radians)."""
    scale = side / size
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    mirror = -1 if flip else 1
    turned = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    return np.column_stack([turned, middle - turned.sum(1) * (size - 1) / 2])


def resample(picture: np.ndarray, view: np.ndarray, size: int) -> np.ndarray:
    """Return a view of a picture with reflected borders."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT_101
    return cv2.warpAffine(picture, view, (size, size), flags=flags, borderMode=border)


def color(picture: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Change contrast, brightness, saturation, gains and gamma by at most `amount`."""
    contrast, brightness, saturation, gamma, *gains = rng.uniform(-amount, amount, 7)
    vivid = np.eye(3) * (1 + 1.5 * saturation) - 0.5 * saturation
    matrix = (1 + 0.35 * np.array(gains))[:, None] * vivid
    shift = matrix.sum(1) * picture.mean() * (brightness - contrast)
    changed = cv2.transform(picture, np.column_stack([matrix * (1 + contrast), shift]))
    curve = 255 * (np.arange(256) / 255) ** (1 + gamma)
    return np.asarray(cv2.LUT(changed, curve.round().astype(np.uint8)))


def sharpen(picture: np.ndarray, amount: float) -> np.ndarray:
    """Sharpen by unsharp masking."""
    soft = cv2.GaussianBlur(picture, (0, 0), 1.0)
    return np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0))


def shrink(picture: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Downscale by a factor and upscale again."""
    side = len(picture)
    small = max(16, round(share * side))
    down = int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    up = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    less = cv2.resize(picture, (small, small), interpolation=down)
    return np.asarray(cv2.resize(less, (side, side), interpolation=up))


def shifted_jpeg(picture: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    """Compress as JPEG with a random offset of the blocks."""
    across, down = (int(v) for v in rng.integers(0, 8, 2))
    coded = jpeg(np.roll(picture, (down, across), (0, 1)), round(quality))
    return np.roll(coded, (-down, -across), (0, 1))


def degraded(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change color, sharpness, size, noise and compression, and erase a part, each at random."""
    x: np.ndarray = picture
    if rng.random() < 0.7:
        x = color(x, 0.25, rng)
    if rng.random() < 0.35:
        x = shifted_jpeg(x, rng.uniform(45, 95), rng)
    if rng.random() < 0.3:
        x = shrink(x, rng.uniform(0.35, 0.9), rng)
    if rng.random() < 0.25:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.3, 1.8))
    if rng.random() < 0.1:
        x = sharpen(x, rng.uniform(0.2, 1.0))
    if rng.random() < 0.2:
        noise = rng.standard_normal(x.shape, np.float32) * 255 * rng.uniform(0.003, 0.03)
        x = (x + noise).round().clip(0, 255).astype(np.uint8)
    if rng.random() < 0.55:
        x = shifted_jpeg(x, rng.uniform(30, 95), rng)
    if rng.random() < 0.03:
        x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.15:
        x = x.copy()
        across, down = rng.uniform(0, len(x), 2)
        half_width, half_height = rng.uniform(0.045, 0.18, 2) * len(x)
        first = (round(across - half_width), round(down - half_height))
        last = (round(across + half_width), round(down + half_height))
        cv2.rectangle(x, first, last, (115, 115, 115), cv2.FILLED)
    return x
