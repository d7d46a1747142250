"""Fixtures that every test file may use: real faces and real media, made on the fly.

`make_clip(name, ...)` writes a short video of a real face (scikit-image's public-domain portrait
of Eileen Collins) under a camera that moves; `write_clip` is the same for any path.
"""

import os
import shutil
import tempfile
import threading
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from skimage import data

RUN = "UNMASK_TEST_RUN"
"""Variable that names the folder which all processes of a run share."""

_CLOCK = 90_000
"""Ticks a second: fine enough for every frame rate used here."""


def portrait(size=(512, 512)):
    """The portrait at a size (width, height), cut to its aspect ratio around the face."""
    return camera(size)(0)


def camera(size, *, still=False):
    """A moving crop of the portrait. The face is in all of them, about 0.4 of the height wide."""
    source = data.astronaut()
    width, height = size
    tall = 280
    wide = min(512, max(2, round(tall * width / height)))
    tall = max(2, round(wide * height / width))

    def picture(number):
        swing = 0.0 if still else 1.0
        x = 220 + swing * 24 * np.sin(number / 9) - wide / 2
        y = 125 + swing * 14 * np.cos(number / 7) - tall / 2
        left = int(np.clip(x, 0, 512 - wide))
        top = int(np.clip(y, 0, 512 - tall))
        crop = source[top : top + tall, left : left + wide]
        way = cv2.INTER_AREA if tall > height else cv2.INTER_LINEAR
        return np.ascontiguousarray(cv2.resize(crop, size, interpolation=way))

    return picture


def write_clip(
    path,
    *,
    seconds=1.0,
    fps=25.0,
    size=(320, 240),
    codec="libx264",
    pixel_format=None,
    options=None,
    gop=None,
    rotation=0,
    aspect=None,
    times=None,
    audio=False,
    picture=None,
    container=None,
    container_options=None,
):
    """Write a video. The ending of its path chooses the container, unless `container` names one.

    `times` (s) overrides `seconds` and `fps`, for variable frame rates. `size` is before rotation:
    the degrees clockwise that a player has to turn the picture by. `gop` is the distance of key
    frames, `aspect` that of a pixel. `audio` adds a tone, or this sound (16 kHz). `picture` makes a
    picture of a frame's number; by default a camera moves over the portrait.
    """
    path = Path(path)
    if times is None:
        times = [number / fps for number in range(max(1, round(seconds * fps)))]
    picture = picture or camera(size)
    with av.open(
        str(path), "w", format=container, container_options=container_options or {}
    ) as output:
        rate = Fraction(fps).limit_denominator(1001)
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        if gop is not None:
            stream.codec_context.gop_size = gop
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        # Containers without fine time stamps (AVI) count frames.
        base = (
            1 / rate if path.suffix == ".avi" or codec.startswith("mpeg") else Fraction(1, _CLOCK)
        )
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(-rotation)
        heard = audio is not False
        sound = output.add_stream("aac", rate=16_000, layout="mono") if heard else None
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.time_base = base
            frame.pts = round(time / float(base))
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            for block in _blocks(
                audio if isinstance(audio, np.ndarray) else _tone(times[-1] + 1 / fps)
            ):
                output.mux(sound.encode(block))
            output.mux(sound.encode(None))
    return path


def _tone(seconds, rate=16_000):
    return np.asarray(0.2 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate))


def _blocks(wave, rate=16_000, block=1024):
    for start in range(0, len(wave), block):
        samples = wave[start : start + block].astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = rate
        frame.pts = start
        yield frame


def pytest_configure(config):
    """Make what is made for long once for all processes of a run."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.mkdtemp(prefix="unmask-run-")
    os.environ[RUN] = folder
    os.environ["LANGUAGE"] = "en"  # of commands, wherever the tests run
    # Kept between runs: they are found by all that decides what they compute.
    os.environ.setdefault("UNMASK_CONVERTED", str(config.rootpath / ".pytest_cache" / "converted"))
    # Most of what a server would load ahead is not asked of it.
    os.environ.setdefault("UNMASK_WARM_UP", "off")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_modifyitems(items):
    # pytest-xdist runs one of several tests with the same id and reports nothing of the others.
    names = Counter(item.nodeid for item in items)
    if twice := [name for name, count in names.items() if count > 1]:
        raise pytest.UsageError(f"several tests have the same id: {twice}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure in a browser tells what its pages showed, which nobody else's machine repeats."""
    report = yield
    if report.failed and call.when != "teardown" and item.get_closest_marker("browser"):
        from tests.support.browser import seen

        report.sections.extend(seen(item.name))
    return report


@pytest.fixture(autouse=True)
def no_heart_beats_on():
    """What a test starts as a server it closes."""
    before = _hearts()
    yield
    assert _hearts() <= before, "a server of this test was not closed"


def _hearts():
    return {one for one in threading.enumerate() if one.name == "heartbeat" and one.is_alive()}


@pytest.fixture(scope="session")
def astronaut():
    """uint8 [512, 512, 3]: one real, frontal face, about 100 px wide, at x 170-275, y 60-190."""
    return data.astronaut()


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory):
    """2 s, 25 fps, 640 x 360 h264 MP4 with a tone: one real face all the way."""
    folder = tmp_path_factory.mktemp("clips")
    return write_clip(folder / "face.mp4", seconds=2, size=(640, 360), audio=True)


@pytest.fixture
def jobs(tmp_path):
    """The queue of a server on a folder of its own that does nothing by itself."""
    from tests.support.pages import quiet

    with quiet(tmp_path) as queue:
        yield queue


@pytest.fixture
def make_clip(tmp_path):
    """make_clip("name.mp4", seconds=1, fps=25, ...) -> path; parameters as in `write_clip`."""

    def make(name="clip.mp4", **settings):
        return write_clip(tmp_path / name, **settings)

    return make
