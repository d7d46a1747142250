"""A portrait that is filmed, takes of it, and what is done to copies: their answers are known."""

import functools

import av
import cv2
import numpy as np
import skimage.data

FPS, FRAMES = 12, 24
HALF = 12
"""of the frames: as much as a question needs that is not about time"""
SIZE = WIDTH, HEIGHT = 336, 280
"""px; the face is 65 wide, of which comparisons look at 36"""
PART = WIDTH / 480
"""of the size at which all places in it are said"""


def px(length):
    """A length in the picture, of its full size."""
    return round(length * PART)


@functools.cache
def portrait():
    return cv2.resize(skimage.data.astronaut()[:400, :480], SIZE, interpolation=cv2.INTER_AREA)


def moved(rgb, x, y):
    """A picture moved by so many px of its full size."""
    move = np.array([[1.0, 0, x * PART], [0, 1.0, y * PART]])
    return cv2.warpAffine(rgb, move, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def grainy(rgb, rng, levels):
    return np.clip(rgb + rng.normal(0, levels, rgb.shape), 0, 255).astype(np.uint8)


def footage(seed=0):
    """A portrait under a camera that moves as the seed says; grain is of each frame."""
    return [frame.copy() for frame in _shot(seed)]


@functools.cache
def _shot(seed):
    rng = np.random.default_rng(seed)
    swing, phase = rng.uniform(6, 12), rng.uniform(0, 6)
    frames = []
    for n in range(FRAMES):
        x, y = swing * np.sin(n / 4 + phase), 5 * np.cos(n / 3 + 2 * phase)
        frames.append(grainy(moved(portrait(), x, y), rng, 3))
    return frames


def take(seed):
    """The same person in the same place before a still camera."""
    rng = np.random.default_rng(seed)
    wall = cv2.GaussianBlur(portrait(), (0, 0), 25 * PART)
    low, left = px(200), px(100)
    steps = np.cumsum(rng.normal(0, 5, (FRAMES, 2)), axis=0)
    frames = []
    for x, y in steps - steps.mean(0):
        rgb = portrait().copy()
        rgb[low:], rgb[low:, :left] = moved(rgb, x, y)[low:], wall[low:, :left]
        frames.append(grainy(rgb, rng, 2))
    return frames


def head(seed):
    """The same person, of whom the head alone moves, as the seed says."""
    rng = np.random.default_rng(seed)
    mask: np.ndarray = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(mask, (px(226), px(118)), (px(62), px(84)), 0, 0, 360, 1, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), 9 * PART)[:, :, None]
    phase, reach = rng.uniform(0, 6, 2), rng.uniform(3, 4, 2)
    frames = []
    for n in range(FRAMES):
        x, y = reach * np.sin(n / np.array([3.1, 4.3]) + phase)
        rgb = portrait() * (1 - soft) + moved(portrait(), x, y) * soft
        frames.append(grainy(rgb, rng, 2))
    return frames


def write(path, frames, crf=20, fps=FPS):
    height, width = (n // 2 * 2 for n in frames[0].shape[:2])
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for rgb in frames:
            cut = np.ascontiguousarray(rgb[:height, :width])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        out.mux(stream.encode())
    return path


def found_face(frame, detector):
    """The five points of the portrait's face."""
    return np.array(max(detector.detect(frame, 40), key=lambda f: f.box[2] - f.box[0]).landmarks)


def altered(frames, detector, part):
    """The face, or its mouth, turned about its own axis and laid on softly."""
    out = []
    for rgb in frames:
        five = found_face(rgb, detector)
        eyes, lips = five[:2].mean(0), five[3:].mean(0)
        span = float(np.linalg.norm(five[1] - five[0]))
        center, axes = (lips, (0.6, 0.3)) if part == "mouth" else ((eyes + lips) / 2, (0.9, 1.1))
        mask: np.ndarray = np.zeros(rgb.shape[:2], np.float32)
        at = (round(center[0]), round(center[1]))
        cv2.ellipse(mask, at, (round(axes[0] * span), round(axes[1] * span)), 0, 0, 360, 1, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 0.06 * span)[:, :, None]
        flip = np.array([[-1.0, 0, 2 * center[0]], [0, 1.0, 0.1 * span]])
        other = cv2.warpAffine(rgb, flip, rgb.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
        out.append((rgb * (1 - mask) + other * mask).astype(np.uint8))
    return out


def anew(rgb, rng, off=1.5):
    """A picture softened, every shape in it moved by about `off` px, as a generator's of itself."""
    across, down = (
        cv2.GaussianBlur(rng.normal(0, 1, rgb.shape[:2]).astype(np.float32), (0, 0), 9)
        for _ in range(2)
    )
    y, x = np.indices(rgb.shape[:2]).astype(np.float32)
    bent = cv2.remap(
        rgb, x + off * across / across.std(), y + off * down / down.std(), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return cv2.GaussianBlur(bent, (0, 0), 1.2)


def framed(frame, way):
    """A frame as players, phones and lenses show it."""
    height, width = frame.shape[:2]
    if way == "letterbox":
        return np.pad(frame, ((px(60), px(60)), (0, 0), (0, 0)))
    if way == "turned by 5 degrees":
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1.1)
        return cv2.warpAffine(frame, turn, (width, height))
    if way == "turned in a letterbox":
        return framed(framed(frame, "turned by 5 degrees"), "letterbox")
    if way == "on its side":
        return np.rot90(frame)
    if way == "upside down":
        return np.rot90(frame, 2)
    # A lens: the rim of the picture is drawn inward by a hundredth.
    y, x = np.indices((height, width), np.float32)
    u, v = (x - width / 2) / width, (y - height / 2) / width
    off = 0.04 * (u * u + v * v)
    return cv2.remap(frame, x + off * u * width, y + off * v * width, cv2.INTER_LINEAR)
