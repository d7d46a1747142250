"""Clips for measuring, made from a public-domain portrait and kept in the temp folder."""

import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from skimage import data

FOLDER = Path(tempfile.gettempdir()) / "unmask-bench"


def face_clip(seconds: float, width: int, height: int, fps: int = 30) -> Path:
    """An h264 mp4 (CRF 23, a keyframe every 2 s) of one face under a slow camera with grain."""
    path = FOLDER / f"face_{width}x{height}_{fps}fps_{seconds:g}s.mp4"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    portrait = data.astronaut()
    grain = np.random.default_rng(0).normal(0, 4, (height + 64, width + 64, 1))
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast", "g": str(2 * fps)}
        for i in range(round(seconds * fps)):
            t = i / fps
            zoom = height / 420 * (1 + 0.05 * np.sin(t))
            x = width / 2 - 225 * zoom + 0.05 * width * np.sin(0.7 * t)
            matrix = np.array([[zoom, 0, x], [0, zoom, 0.01 * height * np.cos(t)]])
            picture = cv2.warpAffine(
                portrait, matrix, (width, height), borderMode=cv2.BORDER_REFLECT
            )
            dx, dy = np.random.default_rng(i).integers(0, 64, 2)
            noisy = picture + grain[dy : dy + height, dx : dx + width]
            frame = av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), "rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    partial.rename(path)
    return path


def face_picture(width: int, height: int) -> Path:
    """A JPEG (quality 90) of the first frame of such a clip."""
    path = FOLDER / f"face_{width}x{height}.jpg"
    if not path.exists():
        with av.open(str(face_clip(2, width, height))) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        Image.fromarray(picture).save(path, quality=90)
    return path
