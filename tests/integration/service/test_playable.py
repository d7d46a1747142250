"""Copies of files that no browser plays: the same times, upright, bounded, gone with the file."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import av
import numpy as np
import pytest

from detector import media
from detector.errors import Canceled, MediaError
from detector.isolation import Sandbox
from detector.media import webm
from detector.media.limits import WORKER, WORKER_PRELOAD
from service.storage.uploads import Uploads
from service.tasks.previews import NAME, Previews
from tests.conftest import camera
from tests.support.tasks import make_tasks
from tests.support.waiting import until

SIZE = (480, 270)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_an_avi_plays_at_its_own_times(make_clip, tmp_path, codec):
    form = "yuvj420p" if codec == "mjpeg" else None
    path = make_clip("old.avi", seconds=2, size=SIZE, codec=codec, pixel_format=form, audio=True)
    about = media.probe(path)
    copy = media.playable(path, about, tmp_path)
    made = media.probe(copy)
    assert (made.codec, made.container) == ("vp9", "webm")
    assert (made.width, made.height) == SIZE
    assert made.audio.codec == "opus"
    assert made.duration == pytest.approx(about.duration, abs=0.05)
    for when in (0.0, 0.52, 1.6):
        was, now = media.frame_at(path, about, when), media.frame_at(copy, made, when + 0.001)
        assert now.time == pytest.approx(was.time, abs=0.002)
        assert np.abs(now.rgb.astype(int) - was.rgb).mean() < 8


def test_a_copy_is_small_and_stands_upright(make_clip, tmp_path):
    path = make_clip("wide.avi", seconds=0.4, size=(1920, 1080), codec="mpeg4")
    made = media.probe(media.playable(path, media.turned(media.probe(path), 90), tmp_path))
    assert (made.width, made.height) == (720, 1280)
    upright = media.turn(camera((1280, 720))(0), 90)
    copy = media.frame_at(tmp_path / webm.NAME, made, 0.0).rgb
    assert np.abs(copy.astype(int) - upright).mean() < 10


def test_a_fast_clip_keeps_its_times(make_clip, tmp_path):
    path = make_clip("fast.mkv", seconds=1, fps=120, size=SIZE)
    made = media.probe(media.playable(path, media.probe(path), tmp_path))
    assert made.fps == pytest.approx(30, abs=1.5)
    assert made.duration == pytest.approx(1.0, abs=0.06)


def test_what_gets_no_copy(make_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(webm, "MAX_BYTES", 1000)
    path = make_clip("old.avi", seconds=1, size=SIZE, codec="mpeg4")
    about = media.probe(path)
    with pytest.raises(MediaError, match="no playable copy"):
        media.playable(path, about.model_copy(update={"duration": 5000.0}), tmp_path)
    with pytest.raises(MediaError, match="no playable copy"):
        media.playable(path, about.model_copy(update={"kind": "image"}), tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (50, *SIZE[::-1], 3), np.uint8)
    large = make_clip("noise.avi", seconds=2, size=SIZE, codec="mpeg4", picture=lambda n: noise[n])
    with pytest.raises(MediaError, match="too large"):
        media.playable(large, media.probe(large), tmp_path)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Canceled):
        media.playable(path, about, tmp_path, cancel=cancel)


def test_it_is_made_in_the_confined_reader(make_clip, tmp_path):
    path = make_clip("old.avi", seconds=1, size=SIZE, codec="mpeg4", audio=True)
    about = media.probe(path)
    with Sandbox(WORKER, WORKER_PRELOAD) as box:
        size = box.call(
            webm._write, path, about, tmp_path, returns=int, reads=(path,), writes=tmp_path
        )
    assert (tmp_path / webm.NAME).stat().st_size == size > 0


@pytest.fixture
def kept(make_clip, tmp_path):
    clip = make_clip("old.avi", seconds=1, size=SIZE, codec="mpeg4")
    uploads = Uploads(tmp_path / "data")
    with clip.open("rb") as source:
        token = uploads.add(source, "old.avi").token
    return uploads, token, uploads.path(token)


@pytest.fixture
def tasks(tmp_path):
    tasks = make_tasks(tmp_path)
    yield tasks
    tasks.close()


def wait(previews, path):
    until(lambda: not previews.pending(path))


def test_a_copy_lies_beside_the_file_and_goes_with_it(kept, tasks):
    uploads, token, path = kept
    old = time.time() - 3600 * 23
    os.utime(path, (old, old))
    os.utime(path.parent, (old, old))
    previews = Previews(tasks)
    about = media.probe(path)
    assert previews.of(path, about) is None  # on its way
    assert previews.pending(path)
    wait(previews, path)
    copy = previews.of(path, about)
    assert copy == path.parent / NAME
    with av.open(str(copy)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
    assert uploads.path(token) == path  # never taken for the file itself
    assert uploads.size([token]) == path.stat().st_size
    # Making it has not made the file younger.
    in_time = datetime.now(UTC) + timedelta(hours=1.5)
    assert uploads.sweep(timedelta(hours=24), now=in_time) == [token]
    assert not copy.exists()


def test_a_file_that_gets_none_is_asked_once(kept, tasks):
    _, _, path = kept
    about = media.probe(path).model_copy(update={"duration": 5000.0})
    previews = Previews(tasks)
    for _ in range(2):
        assert previews.of(path, about) is None
        wait(previews, path)
    assert not previews.pending(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_deleted_meanwhile_gets_none(kept, tasks):
    uploads, token, path = kept
    about = media.probe(path)
    uploads.delete(token)
    previews = Previews(tasks)
    previews.of(path, about)
    wait(previews, path)
    assert previews.of(path, about) is None
    assert not path.parent.exists()


def test_a_copy_ends_with_its_analysis(kept, tasks):
    _, token, path = kept
    previews = Previews(tasks)
    previews.of(path, media.probe(path))
    tasks.dismiss_subject(previews.kind, token)
    until(lambda: not tasks.active())
    assert [p.name for p in path.parent.iterdir()] == [path.name]
