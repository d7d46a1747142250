"""Signals and views on data with a known answer: detail of a face, blinks, a change of identity."""

import gettext
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from detector import media, sentences, signals, weights
from detector.errors import WeightsError
from detector.models import mesh
from detector.schema.analysis import Label
from detector.signals import frequency, reference, views, watching
from detector.signals.measure import ON_REQUEST, SubjectContext, said
from detector.signals.measures import blinks, dct, family, identity, jitter, lips, pose
from detector.signals.reference import blink_rate
from detector.vision import load_detector
from tests.support.result_sample import make_analysis

PERSON = SimpleNamespace(id="A")
BOX = (140.0, 100.0, 260.0, 260.0)  # A face 160 px long in a picture of 400 x 400


def textured(seed=0, size=400):
    """A picture whose spectrum falls as a photograph's does, uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    grey = np.zeros((size, size), np.float32)
    for octave in range(1, 7):
        rough = rng.normal(0, 1, (2**octave, 2**octave)).astype(np.float32)
        grey += cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC) * 40 / 1.6**octave
    grey += rng.normal(0, 2, grey.shape).astype(np.float32)
    return np.repeat(np.clip(128 + grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def at(picture, box=BOX):
    return signals.cut_patch(picture, box)


def test_a_look_holds_the_face_where_it_is_in_the_patch():
    picture = textured()
    seen = signals.cut_patch(picture, BOX, [(200, 150)] * 5, 1.5)
    x0, y0, x1, y1 = (round(v) for v in seen.box)
    inner = tuple(int(v) for v in BOX)
    assert np.array_equal(
        seen.patch[y0:y1, x0:x1], picture[inner[1] : inner[3], inner[0] : inner[2]]
    )
    assert seen.patch.shape == (320, 320, 3)
    assert np.allclose(seen.points, [200 - 40, 150 - 20])
    assert not np.shares_memory(seen.patch, picture)  # the frame is let go


def test_a_large_face_is_shrunk_and_one_at_the_edge_is_cut():
    large = signals.cut_patch(textured(size=1200), (300.0, 200.0, 800.0, 900.0))
    assert max(large.patch.shape) <= 400
    assert large.side == pytest.approx(200, abs=1)
    edge = signals.cut_patch(textured(), (-40.0, -40.0, 60.0, 80.0))
    assert edge.patch.size and edge.box[0] == -40
    assert frequency.face_plane(edge) is None


def test_fine_detail_falls_when_a_face_is_blurred_and_rises_with_noise():
    picture = textured()
    blurred = cv2.GaussianBlur(picture, (0, 0), 2.0)
    grain = np.random.default_rng(1).normal(0, 12, picture.shape)
    noisy = np.clip(picture + grain, 0, 255).astype(np.uint8)
    soft, usual, rough = (
        frequency.profile(frequency.face_plane(at(p)))[frequency.FINE].mean()
        for p in (blurred, picture, noisy)
    )
    assert soft < usual - 6
    assert rough > usual + 3


def test_light_and_contrast_do_not_change_the_profile():
    plane = frequency.face_plane(at(textured()))
    assert np.allclose(frequency.profile(plane), frequency.profile(0.5 * plane + 40), atol=0.05)


def test_bands_run_from_coarse_to_fine():
    smooth = frequency.bands(np.outer(np.ones(96), np.linspace(0, 255, 96)).astype(np.float32))
    checks = frequency.bands((np.indices((96, 96)).sum(0) % 2 * 255).astype(np.float32))
    assert smooth.shape == (14,)
    assert smooth[0] == 0 and smooth.argmax() == 0
    assert checks.argmax() == 13


def test_a_small_face_has_no_spectrum():
    assert frequency.face_plane(at(textured(), (100.0, 100.0, 160.0, 180.0))) is None


def test_the_cut_between_two_faces_is_found():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (2, 128))
    faces = np.array([one] * 3 + [other] * 5) + rng.normal(0, 0.3, (8, 128))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    alike = identity.alike(faces)
    assert np.argmin(alike) == 1 and min(alike) < 0.4  # the second cut, before the fourth face
    assert min(identity.alike(faces[3:])) > 0.85
    assert identity.alike(faces[:3]) == []


def test_a_face_is_aligned_on_its_landmarks():
    picture = np.zeros((300, 300, 3), np.uint8)
    turn = 1.7 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    points = 112 * identity.PLACES @ turn.T + (150, 20)
    for x, y in points:
        cv2.circle(picture, (round(x), round(y)), 4, (255, 255, 255), -1)
    box = (*points.min(0), *points.max(0))
    portrait = identity.align(signals.cut_patch(picture, box, [tuple(p) for p in points]), 112)
    for x, y in 112 * identity.PLACES:
        assert portrait[round(y), round(x)].min() > 200
    assert identity.align(signals.cut_patch(picture, box)) is None


def test_traces_of_a_frame_are_pictures_and_curves():
    seen = views.traces(textured(), BOX)
    assert seen.profile.shape == (48,) and seen.bands.shape == (14,)
    assert seen.spectrum.shape == (96, 96, 3)
    assert seen.noise.shape == seen.error.shape == (320, 320, 3)
    small = views.traces(textured(), (100.0, 100.0, 150.0, 160.0))
    assert small.profile is None and small.spectrum is None and small.noise.size


@pytest.mark.parametrize(
    ("value", "side", "reading"),
    [
        (50, "both", "usual"), (3, "both", "unclear"), (0, "both", "unusual"),
        (97, "both", "unclear"), (100, "both", "unusual"), (0, "high", "usual"),
        (100, "low", "usual"), (100, "high", "unusual"),
    ],
)  # fmt: skip
def test_a_reading_is_its_place_among_untouched_files(value, side, reading):
    known = reference.Range(1, 5, 50, 95, 99, 100, 10)
    assert reference.read(value, known, side) == reading
    if reading == "unusual":
        assert reference.read(value, known, side, weak=True) == "unclear"
    assert reference.read(value, reference.Range(1, 5, 50, 95, 99, 10, 2), side) == "unclear"


def test_a_signal_says_what_else_could_cause_it():
    known = reference.usual("identity")
    low = identity.DRIFT.signal(known.p1 - 0.1, "A", times=[1.23456])
    assert low.reading == "unusual"
    assert "can look alike" in low.how_to_read
    assert low.usual == (known.p5, known.p95)
    assert low.times == [1.235]
    weak = identity.DRIFT.signal(known.p1 - 0.1, "A", weak="A small face can look alike.")
    assert weak.reading == "unclear" and "small face" in weak.how_to_read


class German(gettext.NullTranslations):
    def info(self):
        return {"language": "de"}


def test_numbers_of_a_signal_are_written_as_the_reader_does():
    shown = dct.SPEC.signal(-39.5, "A", known=reference.Range(-43, -42, -38, -3.5, -3, 9, 9))
    assert "−42" in said(shown).how_to_read and "-" not in said(shown).how_to_read
    with sentences.use(German()):
        assert "−3,5" in said(shown).how_to_read and "−39,5" in said(shown).value


def test_the_reference_is_aggregates_of_enough_files():
    table = json.loads(reference.FILE.read_text(encoding="utf-8"))
    assert set(table) == {"ranges", "materials", "limits", "auc", "curves", "blinking", "lips"}
    assert all(0 < row["low"] < row["value"] < row["high"] < 1 for row in table["auc"].values())
    of_materials = [row for some in table["materials"].values() for row in some.values()]
    for row in [*table["ranges"].values(), *of_materials]:
        assert row["files"] >= reference.FEWEST and row["sources"] > 1
        levels = [row[p] for p in ("p1", "p5", "p50", "p95", "p99")]
        assert levels == sorted(levels)
    for rows in table["curves"].values():
        assert {len(row["p50"]) for row in rows.values()} == {frequency.BINS, 14}
        for row in rows.values():
            assert row["files"] >= reference.FEWEST
            assert np.all(np.diff([row["p5"], row["p50"], row["p95"]], axis=0) >= 0)


def train(at, seconds=20.0, lasts=0.2):
    """Times and the openness of eyes that close at given moments."""
    times = np.arange(0, seconds, 1 / watching.RATE)
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
    assert blinks.find(times, np.where((times > 8) & (times < 11), 0.06, line)) == ()


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
        return blinks.signal(*train([], seconds), "A").reading

    assert reading(60) == "unusual"
    assert reading(8) == "usual"
    assert reading(2) == "absent"


def test_blinks_are_a_rate_over_time():
    planted = [2.0, 4.5, 7.1, 10.0, 10.8, 13.3]
    found = blinks.signal(*train(planted), "A")
    assert found.number == pytest.approx(60 * len(planted) / 20, rel=0.02)
    rates = dict(found.series)
    assert rates[8.0] == pytest.approx(6 * len([t for t in planted if 3 <= t <= 13]))
    assert rates[19.0] == 0


def test_a_damaged_landmarker_is_refused(monkeypatch, tmp_path):
    (tmp_path / "damaged").write_bytes(b"not a landmarker")
    monkeypatch.setattr(weights.store.paths, "bundled_file", lambda name: tmp_path / "damaged")
    with pytest.raises(WeightsError, match="sha256"):
        mesh.Mesh()


def test_lids_painted_over_real_eyes_close_them(astronaut):
    face = cv2.resize(astronaut[30:230, 122:322], (256, 256), interpolation=cv2.INTER_CUBIC)
    network = mesh.load_mesh()
    open_ = network.points(face)
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
    before, after = (blinks.openness(p) for p in (open_, network.points(closed)))
    assert 0.2 < before < 0.5
    assert after < blinks.SHUT * before
    assert network.points(np.full((256, 256, 3), 90, np.uint8)) is None


@pytest.mark.shared
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
        return identity.embed(np.stack(out))

    one, other = portraits(people[0], 8), portraits(people[1], 4)
    same, swapped = (identity.alike(v) for v in (one, np.concatenate([one[:4], other])))
    assert len(same) == len(swapped) == 5 and np.argmin(swapped) == 2  # the cut before the fifth
    assert identity.DRIFT.signal(min(swapped)).reading == "unusual"
    assert identity.DRIFT.signal(min(same)).reading == "usual"
    assert identity.alike(one[:3]) == []


def talk(lag=0.0, seconds=8.0, follows=1.0, seed=0):
    """Times and opening of a mouth, and a sound whose loudness it follows after `lag` s."""
    rng = np.random.default_rng(seed)
    fine = np.arange(0, seconds + 2, 0.01)
    loud = np.convolve(rng.random(len(fine)), np.hanning(15) / 7, "same") ** 3
    sound = rng.normal(0, 0.1, int(seconds * 16_000)) * np.interp(
        np.arange(int(seconds * 16_000)) / 16_000, fine - 1, loud
    )
    times = np.arange(0, seconds, 0.04)
    noise = np.convolve(rng.random(len(fine)), np.hanning(15) / 7, "same")
    follow = (loud - loud.mean()) / loud.std() * follows
    mixed = follow + (noise - noise.mean()) / noise.std() * (1 - follows)
    mouth = 0.2 + 0.05 * np.interp(times - lag, fine - 1, mixed)
    return times, mouth, (0.0, sound.astype(np.float32))


def test_lips_that_follow_a_voice_correlate_at_their_lag():
    found = lips.compare(*talk(lag=0.2), speech=[(0.0, 8.0)])
    assert found.lag == pytest.approx(0.2, abs=0.041)
    assert found.peak > 0.8 and found.near < found.peak
    in_time = lips.compare(*talk(), speech=[(0.0, 8.0)])
    assert in_time.near > 0.8 and abs(in_time.lag) < 0.05
    others = lips.compare(*talk(follows=0.0), speech=[(0.0, 8.0)])
    assert others.near < 0.4
    assert np.allclose(np.diff([time for time, _ in in_time.series]), lips.HOP)


@pytest.mark.parametrize("what", ["silent", "still", "short", "lost"])
def test_who_is_not_seen_talking_gets_no_correlation(what):
    times, mouth, sound = talk()
    speech = [] if what == "silent" else [(0.0, 8.0)]
    if what == "still":
        mouth = 0.2 + 0.1 * (mouth - 0.2)
    kept = times < 2.0 if what == "short" else times % 1 < 0.5 if what == "lost" else times >= 0
    assert lips.compare(times[kept], mouth[kept], sound, speech) is None


def test_a_score_of_lips_is_two_sided(monkeypatch):
    layer = {"mean": [0.2] * 4, "scale": [0.1] * 4, "weights": [0] * 4 + [1, 0, 0, 0], "bias": -1}
    monkeypatch.setattr(lips, "lips_fit", lambda: layer)
    low, usual, high = (lips.likelihood([x, 0.2, 0.2, 0.2]) for x in (0.0, 0.2, 0.4))
    assert low == pytest.approx(high) and low > 0.9 > 0.3 > usual


def test_signals_on_request_say_so_and_take_the_place_of_what_they_measured():
    waiting = [
        measure.observe(8).finish(SubjectContext(PERSON, ""))
        for measure in signals.list_signals()
        if measure.spec.id in ("identity", "blinking", "lips")
    ]
    assert [(s.reading, s.how_to_read) for s in waiting] == [("absent", ON_REQUEST)] * 3
    made = make_analysis()
    made.signals = [*waiting, blinks.BLINKS.absent("", "B")]
    found = blinks.signal(*train([2.0]), "A")
    merged = signals.merged(made, [found]).signals
    assert [s.id for s in merged] == ["identity", "blinking", "lips", "blinking"]
    assert merged[1] == found and merged[3].subject == "B"


def test_a_signal_over_time_has_its_range_its_auc_and_no_vote():
    """Of clips of a like size and compression, where there are enough of them."""
    measure = next(m for m in signals.list_signals() if m.spec.id == "flow")
    observer = measure.observe(8)
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (240, 240, 3), np.uint8), (0, 0), 3)
    for n in range(6):
        moved = np.roll(picture, 2 * n, 1) if n != 4 else np.roll(picture, 2 * n + 3, 1)
        observer.on_face(signals.cut_patch(moved, (70, 70, 170, 170), time=n / 10), n)
    observer.close()
    material = reference.material_of(100, 0.2)
    found = observer.finish(SubjectContext(PERSON, "", material))
    assert [time for time, _ in found.series] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert found.number == pytest.approx(np.median([value for _, value in found.series]), abs=1e-3)
    known = reference.usual("flow", material)
    assert found.usual == (known.p5, known.p95) and known.files >= reference.FEWEST
    assert "fakes measure lower, a little more often" in found.how_to_read
    far = measure.observe(2)
    for n in range(2):
        far.on_face(signals.cut_patch(picture, (70, 70, 170, 170), time=float(n)), n)
    assert far.finish(SubjectContext(PERSON, "")).reading == "absent"


@pytest.mark.parametrize(
    ("label", "models", "share", "named"),
    [
        (Label.PROBABLY_FAKE, {family.HEAD}, 0.84, True),
        (Label.FAKE, {family.HEAD}, 0.69, False),
        (Label.INCONCLUSIVE, {family.HEAD}, 0.84, False),  # it was fitted to fakes alone
        (Label.FAKE, {"texture"}, 0.84, False),
    ],
)
def test_a_family_is_named_of_what_is_called_fake_alone(monkeypatch, label, models, share, named):
    seen = []

    def shares(heads):
        seen.append(heads.shape)
        return np.eye(len(family.FAMILIES))[family.NAMED] * share

    monkeypatch.setattr(family, "shares", shares)
    observer = family.MethodFamily(8)
    for n in range(8):
        observer.on_face(at(textured()), n)
    edge = signals.cut_patch(textured(), (-40.0, -40.0, 60.0, 80.0))
    observer.on_face(edge, 0)  # most of it lies outside the frame
    person = SimpleNamespace(id="A", label=label, models=dict.fromkeys(models))
    found = observer.finish(SubjectContext(person, ""))
    assert seen in ([], [(4, 224, 224, 3)])
    assert (found is not None) is named
    if found:
        assert (found.title, found.value) == ("Looks most like lip-sync", "84 %")
        assert found.reading == "unusual" and found.usual is not None


def test_shares_of_families_are_those_of_the_layer_over_the_trunk():
    head = cv2.resize(textured(), (224, 224), interpolation=cv2.INTER_AREA)
    one, twice = family.shares(head[None]), family.shares(np.stack([head, head]))
    assert one.sum() == pytest.approx(1) and one.min() >= 0
    assert np.allclose(one, twice, atol=1e-3)
    noise = np.random.default_rng(0).integers(0, 256, head.shape, np.uint8)
    assert not np.allclose(one, family.shares(noise[None]), atol=0.01)


def test_jitter_is_of_the_shape_and_pose_of_the_nose():
    points = np.array([[70, 90], [110, 90], [90, 110], [75, 130], [105, 130]], float)

    before, angle = points @ (1, 1j), 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    leaning = (1.2 * points @ turn + 7) @ (1, 1j)  # turned in the picture, nearer and elsewhere
    for compare in (jitter.apart, pose.turned):
        assert compare(before, leaning) == pytest.approx(0, abs=1e-6)
    nodded = before + np.array([0, 0, 4, 0, 0])
    assert pose.turned(before, nodded) == pytest.approx(10)  # 4 px of an eye distance of 40
    assert 1 < jitter.apart(before, nodded) < 10
    observer = pose.SIGNAL.observe(2)
    for n in range(2):  # of a detector without landmarks
        observer.on_face(signals.cut_patch(textured(), BOX, time=n / 10), n)
    assert observer.finish(SubjectContext(PERSON, "")).reading == "absent"
