"""Clips for measuring, made from a public-domain portrait and kept in the temp folder."""

import tempfile
import wave
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from skimage import data

from detector import samples

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


def long_film(times: int) -> Path:
    """A film of three minutes so many times over, not encoded again."""
    path, once = FOLDER / f"film_{times}_times.mp4", film(3)
    if path.exists():
        return path
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as out:
        stream = None
        for number in range(times):
            with av.open(str(once)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                shift = number * (source.duration or 0)
                for packet in container.demux(source):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        out.mux(packet)
    partial.rename(path)
    return path


def film(minutes: float) -> Path:
    """An h264 mp4 (360p, 25 fps) of shots of 3 to 9 s, every other one of the portrait."""
    path = FOLDER / f"film_{minutes:g}min.mp4"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    others = [data.chelsea(), data.coffee(), data.rocket(), data.immunohistochemistry()]
    partial, left = path.with_suffix(".part.mp4"), round(minutes * 60 * 25)
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.options = {"crf": "26", "preset": "veryfast", "g": "100"}
        shot = 0
        while left > 0:
            picture = data.astronaut() if shot % 2 else others[shot // 2 % len(others)]
            gain, zoom = random.uniform(0.6, 1.1, 3), random.uniform(1.0, 1.4)
            at, speed = random.uniform(0, 60, 2), random.uniform(-6, 6, 2)
            length = min(left, int(random.integers(75, 225)))
            toned = np.clip(picture * gain, 0, 255).astype(np.uint8)
            for i in range(length):
                x, y = 20 - at - speed * i / 25
                matrix = np.array([[zoom, 0, x], [0, zoom, y]])
                still = cv2.warpAffine(toned, matrix, (640, 360), borderMode=cv2.BORDER_REFLECT)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
            left, shot = left - length, shot + 1
        out.mux(stream.encode())
    partial.rename(path)
    return path


def call(seconds: float, people: int) -> Path:
    """An h264 mp4 (720p, 25 fps) of a call: the portrait in tiles, in other light each."""
    path = FOLDER / f"call_{people}_{seconds:g}s.mp4"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    random, across = np.random.default_rng(0), 4
    width, height = 1280 // across, 720 // -(-people // across)
    portrait = cv2.resize(data.astronaut()[20:260, 90:410], (width, height))
    gains = random.uniform(0.6, 1.1, (people, 3))
    partial = path.with_suffix(".part.mp4")
    with av.open(str(partial), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.options = {"crf": "23", "preset": "veryfast"}
        for i in range(round(25 * seconds)):
            frame = np.zeros((720, 1280, 3), np.uint8)
            for person, gain in enumerate(gains):
                top, left = person // across * height, person % across * width
                moved = np.roll(portrait, round(4 * np.sin(i / 9 + person)), 1)
                frame[top : top + height, left : left + width] = np.clip(moved * gain, 0, 255)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    partial.rename(path)
    return path


def voice(seconds: float) -> Path:
    """A WAV (16 kHz) of the sample of a genuine voice, repeated."""
    path = FOLDER / f"voice_{seconds:g}s.wav"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        with av.open(str(Path(samples.__file__).with_name("spoken.mp3"))) as sound:
            turned = av.AudioResampler("s16", "mono", 16_000)
            parts = [p.to_ndarray()[0] for f in sound.decode(audio=0) for p in turned.resample(f)]
        with wave.open(str(path), "wb") as out:
            out.setparams((1, 2, 16_000, 0, "NONE", ""))
            out.writeframes(np.resize(np.concatenate(parts), round(16_000 * seconds)).tobytes())
    return path


def photo() -> Path:
    """A JPEG (quality 90) of a photo without a person, 1600 px wide."""
    path = FOLDER / "photo_1600.jpg"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        still = Image.fromarray(data.coffee())
        still.resize((1600, 1067), Image.Resampling.LANCZOS).save(path, quality=90)
    return path


def face_pictures(folder: Path, count: int) -> Path:
    """A folder of so many JPEGs with a face, each another file."""
    folder.mkdir(parents=True)
    with Image.open(face_picture(1280, 720)) as picture:
        for number in range(count):
            picture.crop((number, 0, 1280, 720)).save(folder / f"{number}.jpg", quality=90)
    return folder


def face_picture(width: int, height: int) -> Path:
    """A JPEG (quality 90) of the first frame of such a clip."""
    path = FOLDER / f"face_{width}x{height}.jpg"
    if not path.exists():
        with av.open(str(face_clip(2, width, height))) as container:
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        Image.fromarray(picture).save(path, quality=90)
    return path
