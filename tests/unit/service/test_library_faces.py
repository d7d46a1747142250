"""Known footage by the faces in it: what is found again that whole frames do not find."""

import base64
import io
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bench.copies import CopyOptions, write_copy
from detector.comparison import fingerprint as hashing
from detector.comparison.fingerprint import fingerprint
from detector.errors import InputError
from service.library import exchange
from service.library.index import MAX_FACE_QUERY, NEAR, SURE
from service.library.original import best_match
from service.records.footage import Prints
from tests.conftest import camera
from tests.support.footage import add_file
from tests.support.footage_contract import ALICE, made
from tests.unit.service.test_library import HEAD, line, scene

CLOSE, FAR = (150, 130), (96, 84)
"""px of a person in a scene"""


def filmed(people, seed=0):
    """Two seconds of people of some sizes at some places, before a camera that pans."""
    frames = scene(seed)
    for (left, top), size in people.items():
        picture = camera(size)
        for number, frame in enumerate(frames):
            face = picture(number)
            face = face if size == CLOSE else np.ascontiguousarray(face[:, ::-1])
            frame[top : top + size[1], left : left + size[0]] = face
    return frames


ONE = {(130, 60): CLOSE}
TWO = {(40, 60): CLOSE, (270, 90): FAR}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    made = {"one": filmed(ONE), "two": filmed(TWO, seed=1), "nobody": scene(2)}
    return {
        name: write_copy(folder / f"{name}.mp4", frames, 25, CopyOptions(crf=20))
        for name, frames in made.items()
    }


def searched(library, frames, path, way):
    [match] = library.search(ALICE, fingerprint(write_copy(path / "copy.mp4", frames, 25, way)))
    return match


@pytest.mark.parametrize(
    "way",
    [
        CopyOptions(crop=(0.1, 0.1, 0.1, 0.1)),
        CopyOptions(crop=(0.25, 0.2, 0.0, 0.0)),
        CopyOptions(crop=(0.2, 0.0, 0.25, 0.1), crf=32),
        CopyOptions(crop=(0.2, 0.1, 0.15, 0.1), mirror=True),
        CopyOptions(crop=(0.15, 0.15, 0.15, 0.1), scale=0.7),
    ],
    ids=str,
)
def test_a_cropped_copy_is_found(library, clips, tmp_path, way):
    for name in ("one", "nobody"):
        add_file(library, ALICE, clips[name])
    match = searched(library, filmed(ONE), tmp_path, way)
    assert match.footage.name == "one.mp4" and match.by_faces
    assert match.mirrored == way.mirror and match.share >= 0.5


def test_a_picture_in_a_picture_is_found(library, clips, tmp_path):
    add_file(library, ALICE, clips["one"])
    frames = scene(5)
    for frame, shown in zip(frames, filmed(ONE), strict=True):
        frame[20:200, 30:330] = cv2.resize(shown, (300, 180), interpolation=cv2.INTER_AREA)
    match = searched(library, frames, tmp_path, CopyOptions())
    assert match.footage.name == "one.mp4" and match.by_faces


def test_a_copy_that_shows_one_of_two_is_found(library, clips, tmp_path):
    add_file(library, ALICE, clips["two"])
    match = searched(library, filmed(TWO, seed=1), tmp_path, CopyOptions(crop=(0.6, 0.2, 0.0, 0.1)))
    assert match.footage.name == "two.mp4" and match.by_faces


def test_where_whole_frames_match_they_are_told(library, clips):
    add_file(library, ALICE, clips["one"])
    [match] = library.search(ALICE, fingerprint(clips["one"]))
    told = best_match([match])
    assert not match.by_faces and not told.by_faces


def test_the_widest_face_of_a_frame_comes_first(clips):
    prints = fingerprint(clips["two"])
    alone = fingerprint(clips["one"]).faces
    times, counts = np.unique(prints.faces.times, return_counts=True)
    assert list(counts) == [2] * len(times) and len(times) == len(prints.times) == len(alone.times)

    def bits(one, other):
        return int(np.unpackbits(one ^ other).sum())

    wide, narrow = prints.faces.hashes[:2]
    assert bits(wide, alone.hashes[0]) < SURE < bits(narrow, alone.hashes[0])
    assert bits(narrow, alone.mirrored[0]) < NEAR
    assert not len(fingerprint(clips["nobody"]).faces.times)


def test_what_is_kept_has_the_faces_of_every_frame(library, tmp_path):
    frames = filmed(ONE)[:25] + filmed({(20, 40): CLOSE})[25:]
    path = write_copy(tmp_path / "cut.mp4", frames, 25, CopyOptions())
    kept = fingerprint(path, to_keep=True)
    assert np.array_equal(kept.faces.times, kept.times) and len(kept.times) >= 4
    add_file(library, ALICE, path)
    [match] = library.search(ALICE, fingerprint(path))
    assert match.matched == match.asked


def test_few_faces_are_looked_for_of_much_footage(library, clips, monkeypatch):
    monkeypatch.setattr(hashing, "SPACING", replace(hashing.SPACING, gap=0.04))
    prints = fingerprint(clips["one"])
    assert len(prints.faces.times) > MAX_FACE_QUERY
    faces = prints.faces
    other = np.random.default_rng(0).integers(0, 256, prints.hashes.shape, dtype=np.uint8)
    kept = Prints(prints.times, other, faces.times, faces.hashes)
    library.store.add(ALICE, "a", kept, sha256="0" * 64, source="")
    [match] = library.search(ALICE, prints)
    assert match.by_faces and match.matched == match.asked == MAX_FACE_QUERY


def test_what_was_kept_before_faces_were_is_read():
    whole = made(1)
    old = Prints.unpack(whole.packed(), len(whole.times))
    assert np.array_equal(old.hashes, whole.hashes) and old.face_hashes.shape == (0, 32)
    new = Prints(whole.times, whole.hashes, whole.times[:2], whole.hashes[:2])
    back = Prints.unpack(new.packed(), len(whole.times))
    assert np.array_equal(back.face_times, whole.times[:2])
    assert np.array_equal(back.face_hashes, whole.hashes[:2])
    for cut in (1, 30, 3 * 36):
        with pytest.raises(ValueError, match="cut off"):
            Prints.unpack(whole.packed()[:-cut], len(whole.times))


def test_faces_are_exchanged(library, clips):
    add_file(library, ALICE, clips["two"])
    file = io.BytesIO(b"".join(library.export(ALICE)))
    assert library.import_prints("guest:bob", file) == (1, 0)
    [(_, mine)], [(_, theirs)] = (list(library.store.prints(who)) for who in (ALICE, "guest:bob"))
    assert len(mine.face_times) == 2 * len(mine.times)
    assert np.array_equal(mine.face_hashes, theirs.face_hashes)
    assert np.allclose(mine.face_times, theirs.face_times, atol=0.006)


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "data",
    [
        line(face_times=[0.0]),
        line(face_hashes=HASH),
        line(face_times=[0.0, 1.0], face_hashes=HASH),
        line(face_times=[-1.0], face_hashes=HASH),
        line(face_times=[float("nan")], face_hashes=HASH),
        line(face_times=["0"], face_hashes=HASH),
    ],
)
def test_damaged_faces_are_refused(data):
    with pytest.raises(InputError, match="Line 2 of the fingerprints is damaged"):
        list(exchange.read(io.BytesIO(HEAD + data)))
