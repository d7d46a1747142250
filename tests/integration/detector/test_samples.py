"""The gallery: made once, whole or not at all, playable in a browser, and what it says it is."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from detector import samples
from detector.media import decode, frame_at, probe
from detector.samples import MANIPULATED_FROM, make_samples
from detector.vision import load_detector
from tests.support.waiting import PATIENT


def test_what_is_in_it(gallery):
    offered = [id for id, sample in gallery.items() if sample.offered]
    assert offered == [
        "manipulated", "two-people", "speaker", "picture", "generated", "photo", "cloned",
        "spoken",
    ]  # fmt: skip
    assert set(gallery) - set(offered) == {"portrait", "side", "untouched", "no-face"}
    people = {gallery[id].credit for id in ("portrait", "manipulated", "side")}
    assert len(people) == 3, "three people, and a man who is heard"
    for sample in gallery.values():
        assert sample.title and sample.subtitle
        assert any(terms in sample.credit for terms in ("public", "CC0", "Apache-2.0", "CC BY"))
        with Image.open(sample.thumbnail) as thumbnail:
            assert thumbnail.size == (480, 270)
        found = probe(sample.path)
        assert found.kind == sample.kind
        assert found.duration == pytest.approx(sample.duration, abs=0.05)
        assert found.notes == []


def test_browsers_play_it(gallery):
    for sample in gallery.values():
        if sample.kind == "video":
            found = probe(sample.path)
            assert (found.container, found.codec, found.pixel_format) == ("mp4", "h264", "yuv420p")
            content = sample.path.read_bytes()
            assert content.index(b"moov") < content.index(b"mdat")


def test_only_what_is_said_was_altered(gallery):
    """Both clips have the same camera: they differ in the face, and only after a while."""
    one, other = gallery["untouched"].path, gallery["manipulated"].path
    media = probe(one)
    times = [0.3, 0.8, MANIPULATED_FROM + 0.1, 3.0, 5.5]
    pairs = zip(
        decode(one, media, times, notes=[]), decode(other, media, times, notes=[]), strict=True
    )
    for a, b in pairs:
        difference = cv2.GaussianBlur(np.abs(a.rgb.astype(np.float32) - b.rgb), (0, 0), 5)
        changed = np.argwhere(difference.max(axis=2) > 8)
        if a.time < MANIPULATED_FROM:
            assert len(changed) == 0
        else:
            rows, columns = np.ptp(changed, axis=0)
            assert 60 < columns < 200 and 100 < rows < 240


SEEN = (
    ("untouched", 1), ("portrait", 1), ("manipulated", 1), ("two-people", 2), ("speaker", 1),
    ("no-face", 0),
)  # fmt: skip


def test_faces_are_where_they_should_be(gallery):
    finder = load_detector()
    for name, expected in SEEN:
        sample = gallery[name]
        faces = finder.detect(frame_at(sample.path, probe(sample.path), 3.0).rgb, 60)
        assert len(faces) == expected, name
        assert all(face.box[2] - face.box[0] >= 90 for face in faces)


def test_made_once_and_repeatable(gallery, tmp_path):
    first = gallery["no-face"].path
    before = first.stat().st_mtime_ns
    again = {s.id: s for s in make_samples(first.parent.parent)}
    assert again == gallery and first.stat().st_mtime_ns == before
    samples._write_clip(tmp_path / "again.mp4", samples._Scene().coffee)
    assert (tmp_path / "again.mp4").read_bytes() == first.read_bytes()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(samples, "SECONDS", 0.2)


@pytest.mark.usefixtures("short")
def test_several_callers_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=make_samples, args=(tmp_path,)) for _ in range(2)]
    for other in others:
        other.start()
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(make_samples, [tmp_path] * 3))
    for other in others:
        other.join(PATIENT)
        assert other.exitcode == 0
    assert results[0] == results[1] == results[2]
    assert all(probe(sample.path).size > 0 for sample in results[0])
    assert sorted(os.listdir(tmp_path)) == [".samples.lock", f"samples-{samples.VERSION}"]


@pytest.mark.usefixtures("short")
def test_an_interrupted_set_is_never_used(tmp_path, monkeypatch):
    real = samples._write_clip
    calls = []

    def full(path, draw):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(path, draw)

    monkeypatch.setattr(samples, "_write_clip", full)
    with pytest.raises(OSError, match="No space left"):
        make_samples(tmp_path)
    assert os.listdir(tmp_path) == [".samples.lock"]
    # A process that was killed leaves its half behind; the next one starts over.
    (tmp_path / ".samples-making").mkdir()
    (tmp_path / ".samples-making" / "untouched.mp4").write_bytes(b"half")
    assert all(probe(sample.path).size > 1000 for sample in make_samples(tmp_path))
