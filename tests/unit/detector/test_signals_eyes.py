"""Blinks and identity: known trains of numbers, then, with the published networks, real faces."""

import shutil

import cv2
import numpy as np
import pytest

from detector import media, signals, weights
from detector.errors import WeightsError
from detector.signals import auxiliary, blinks, identity
from detector.signals.reference import blink_rate
from detector.vision import load_detector


def train(at, seconds=20.0, lasts=0.2):
    """Times and the openness of eyes that close at given moments."""
    times = np.arange(0, seconds, 1 / blinks.RATE)
    line = 0.3 + np.random.default_rng(0).normal(0, 0.01, len(times))
    for moment in at:
        line[np.abs(times - moment) <= lasts / 2] = 0.06
    return times, line


def test_a_train_of_blinks_is_counted():
    planted = [2.0, 4.5, 7.1, 10.0, 10.8, 13.3, 17.0]
    assert np.allclose(blinks.find(*train(planted)), planted, atol=0.12)


def test_looking_down_closing_the_eyes_and_noise_are_no_blinks():
    times, line = train([])
    assert blinks.find(times, line) == ()
    down = np.where(times > 8, 0.5, 1.0) * line
    assert blinks.find(times, down) == ()
    closed = np.where((times > 8) & (times < 11), 0.06, line)
    assert blinks.find(times, closed) == ()


def test_a_blink_at_the_end_was_not_seen_to_open():
    assert blinks.find(*train([0.0, 19.95])) == ()


def test_a_gap_is_no_blink():
    times, line = train([5.0])
    seen = (times < 8) | (times > 12)
    assert np.allclose(blinks.find(times[seen], line[seen]), [5.0], atol=0.12)


def test_what_is_usual_depends_on_how_long_one_looked():
    short, long = blinks.expected(5), blinks.expected(60)
    assert short.p5 == 0 and long.p5 > 0
    assert short.p95 > long.p95 > blink_rate()["rate"]


def test_a_minute_without_a_blink_is_unusual_and_five_seconds_are_not():
    def reading(seconds):
        lids = blinks.Lids(np.zeros(0), np.zeros(0), (), seconds)
        return blinks.signal(lids, "A").reading

    assert reading(60) == "unusual"
    assert reading(8) == "usual"
    assert reading(2) == "absent"


def test_without_its_network_the_signal_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    assert not blinks.ready()
    assert blinks.mesh() is None and identity.embedder() is None
    with pytest.raises(WeightsError, match="not on this computer"):
        blinks.watch(tmp_path, None, None)  # nothing is opened


def test_a_damaged_landmarker_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    path = weights.locate(auxiliary.MESH, auxiliary.MESH.files[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a landmarker")
    with pytest.raises(WeightsError, match="sha256"):
        blinks.mesh()


@pytest.fixture
def networks(shared, monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    folders = {auxiliary.MESH.id: "mediapipe_face", auxiliary.IDENTITY.id: "mobilefacenet"}
    for aid in (auxiliary.MESH, auxiliary.IDENTITY):
        path = weights.locate(aid, aid.files[0])
        path.parent.mkdir(parents=True)
        shutil.copy(shared / "weights" / folders[aid.id] / path.name, path)


@pytest.mark.shared
@pytest.mark.usefixtures("networks")
def test_lids_painted_over_real_eyes_close_them(astronaut):
    face = cv2.resize(astronaut[30:230, 122:322], (256, 256), interpolation=cv2.INTER_CUBIC)
    mesh = blinks.mesh()
    open_ = mesh.points(face)
    closed = face.copy()
    for corner, other, *lids in (blinks.RIGHT, blinks.LEFT):
        eye = open_[[corner, lids[0], lids[2], other, lids[3], lids[1]]].astype(np.float32)
        middle = eye.mean(0)
        skin = face[int(eye[:, 1].max()) + 6, int(middle[0])].tolist()
        grown = (middle + (eye - middle) * (1.15, 1.9)).astype(np.int32)
        cv2.fillPoly(closed, [grown], skin)
        ends = [(int(x), int(y) + 2) for x, y in (eye[0], eye[3])]
        cv2.line(closed, *ends, (60, 40, 30), 2)
    closed = cv2.GaussianBlur(closed, (3, 3), 0)
    before, after = (blinks.openness(p) for p in (open_, mesh.points(closed)))
    assert 0.2 < before < 0.5
    assert after < blinks.SHUT * before
    assert mesh.points(np.full((256, 256, 3), 90, np.uint8)) is None


@pytest.mark.shared
@pytest.mark.usefixtures("networks")
def test_a_swap_of_identity_in_the_middle_of_a_track_is_seen(shared):
    people = sorted((shared / "weights" / "testimgs").rglob("*.jpg"))[:2]
    detector = load_detector()
    rng = np.random.default_rng(0)

    def portraits(path, count):
        frame = media.frame_at(path, media.probe(path), 0.0)
        small = min(1.0, 900 / max(frame.rgb.shape))
        rgb = cv2.resize(frame.rgb, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        face = max(detector.detect(rgb, 40), key=lambda f: f.box[2] - f.box[0])
        out = []
        for _ in range(count):  # the face as a tracker would bring it: never quite in place
            points = np.array(face.landmarks) + rng.normal(0, 1.5, (5, 2))
            out.append(identity.align(signals.cut_patch(rgb, face.box, points.tolist())))
        return out

    embed = identity.embedder()
    one, other = portraits(people[0], 8), portraits(people[1], 4)
    same = identity.drift(embed(one))
    swapped = identity.drift(embed(one[:4] + other))
    assert same[0] > 0.85
    assert swapped[0] < 0.5 and swapped[1] == 4
    assert identity.DRIFT.signal(swapped[0]).reading == "unusual"
    assert identity.DRIFT.signal(same[0]).reading == "usual"
