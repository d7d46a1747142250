"""Known footage: what is found again, what is not, and what strangers' fingerprints may not do."""

import base64
import io
import json
import shutil
import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from cli import main
from cli.library import NOTHING
from detector import media
from detector.comparison import fingerprint as hashing
from detector.comparison.fingerprint import Fingerprints, fingerprint, pdq
from detector.errors import InputError
from detector.schema.summary import ANALYSES
from service.library import catalog
from service.library.catalog import best_match
from service.library.index import MAX_FACE_QUERY, NEAR, SURE, PrintIndex
from service.library.watch import FolderWatcher, adding
from service.records.footage import Prints
from tests.conftest import camera
from tests.support.copies import CopyOptions, write_copy
from tests.support.footage import add_file
from tests.support.footage_contract import ALICE, BOB, FootageContract, made
from tests.support.waiting import PATIENT, until

REFERENCE = "4d6b1af3a976cd29e79ca352506fa834d4196c898edd04de0a26b855fc99b724"
"""What the reference (pdqhash 0.2.8, C++) says of the astronaut at 128 x 128 px."""


class TestSQLite(FootageContract): ...


def scene(seed, frames=50):
    """A camera that pans over shapes of any color."""
    rng = np.random.default_rng(seed)
    wall = np.full((240, 480, 3), rng.integers(40, 200, 3), np.uint8)
    for _ in range(40):
        at, size = rng.integers(0, 480, 2), rng.integers(8, 60)
        color = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.circle(wall, (int(at[0]), int(at[1]) // 2), int(size), color, -1)
    wall = cv2.GaussianBlur(wall, (0, 0), 1.5)
    return [np.ascontiguousarray(wall[:, i : i + 400]) for i in range(frames)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return [write_copy(folder / f"{n}.mp4", scene(n), 25, CopyOptions(crf=20)) for n in range(6)]


def test_pdq_is_the_references():
    from skimage import data

    small = cv2.resize(data.astronaut(), (128, 128), interpolation=cv2.INTER_AREA)
    hash, mirrored, quality = pdq(small)
    assert hash.tobytes().hex() == REFERENCE and quality == 100
    turned, back, _ = pdq(np.ascontiguousarray(small[:, ::-1]))
    for a, b in ((turned, mirrored), (back, hash)):
        assert int(np.unpackbits(a ^ b).sum()) < NEAR / 2


def test_flat_pictures_have_no_fingerprint(tmp_path):
    flat = write_copy(
        tmp_path / "flat.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 10, 25, CopyOptions()
    )
    assert len(fingerprint(flat).times) == 0


def test_an_animation_is_known_by_its_pictures(library, clips, tmp_path):
    add_file(library, ALICE, clips[0])
    first, *others = map(Image.fromarray, scene(0))
    first.save(tmp_path / "copy.gif", save_all=True, append_images=others, duration=40)
    [match] = library.search(ALICE, fingerprint(tmp_path / "copy.gif"))
    assert match.footage.name == "0.mp4"


@pytest.mark.parametrize(
    "way",
    [
        CopyOptions(crf=36),
        CopyOptions(scale=0.5),
        CopyOptions(scale=2.0),
        CopyOptions(mirror=True),
        CopyOptions(fps=15),
        CopyOptions(fps=60),
        CopyOptions(grade=(0.8, 1.1, 0.9)),
    ],
    ids=str,
)
def test_a_copy_is_found_and_nothing_else(library, clips, tmp_path, way):
    for clip in clips:
        add_file(library, ALICE, clip)
    copy = write_copy(tmp_path / "copy.mp4", scene(3)[10:], 25, way)
    [match] = library.search(ALICE, fingerprint(copy))
    assert match.footage.name == "3.mp4" and match.mirrored == way.mirror
    assert match.matched == match.asked
    assert match.start - match.time == pytest.approx(0.4, abs=0.6)


def test_black_borders_are_no_part_of_it(library, clips, tmp_path):
    add_file(library, ALICE, clips[0])
    boxed = [cv2.copyMakeBorder(f, 40, 40, 0, 0, cv2.BORDER_CONSTANT) for f in scene(0)]
    copy = write_copy(tmp_path / "boxed.mp4", boxed, 25, CopyOptions())
    assert [m.footage.name for m in library.search(ALICE, fingerprint(copy))] == ["0.mp4"]


def test_other_footage_is_not_found(library, clips):
    for clip in clips[1:]:
        add_file(library, ALICE, clip)
    assert library.search(ALICE, fingerprint(clips[0])) == []


def test_what_another_holds_is_not_found(library, clips):
    kept = add_file(library, BOB, clips[0])
    assert library.search(ALICE, fingerprint(clips[0])) == []
    assert len(library.search(BOB, fingerprint(clips[0]))) == 1
    assert library.search(BOB, fingerprint(clips[0]), without=kept.sha256) == []
    library.store.remove(BOB, [kept.id])
    assert library.search(BOB, fingerprint(clips[0])) == []


def test_what_is_known_is_not_parsed(library, clips, monkeypatch):
    assert add_file(library, ALICE, clips[0], source=ANALYSES) is not None
    monkeypatch.setattr("service.library.catalog.probe_and_fingerprint", None)
    assert add_file(library, ALICE, clips[0], source="/press") is None
    assert [kept.source for kept in library.store.list(ALICE)] == ["/press"]


def test_one_chance_frame_is_no_match(library):
    known = made(1)
    library.store.add(ALICE, "a", known, sha256="0" * 64, source="")
    rng = np.random.default_rng(9)
    hashes = rng.integers(0, 256, (6, 32), dtype=np.uint8)
    hashes[2] = known.hashes[4] ^ np.packbits(rng.permutation(256) < SOME)
    assert library.search(ALICE, Fingerprints(known.times, hashes, hashes[:, ::-1].copy())) == []
    hashes[4] = known.hashes[5]  # a second one, at another place: they don't agree
    hashes[5] = known.hashes[0]
    far = Fingerprints(known.times * 4, hashes, hashes[:, ::-1].copy())
    assert all(match.matched < 2 for match in library.search(ALICE, far))


SOME = 60
"""bits: near, and not sure"""


def test_an_empty_library_answers():
    prints = made(1)
    query = Fingerprints(prints.times, prints.hashes, prints.hashes)
    assert PrintIndex([]).search(query) == []
    empty = Fingerprints(prints.times[:0], prints.hashes[:0], prints.hashes[:0])
    assert PrintIndex([]).search(empty) == []


def test_long_footage_is_known_by_its_key_frames(monkeypatch, clips):
    monkeypatch.setattr(hashing, "SPACING", replace(hashing.SPACING, dense=1.0))
    prints = fingerprint(clips[0])
    assert len(prints.times) >= 1 and prints.times[0] == 0.0


HEAD = b'{"unmask_library":1,"hash":"pdq-128"}\n'


def line(**changes):
    prints = made(1, 3)
    row = {
        "name": "a.mp4", "sha256": "a" * 64, "times": [0.0, 0.5, 1.0],
        "hashes": base64.b64encode(prints.hashes.tobytes()).decode(),
    } | changes  # fmt: skip
    return json.dumps(row).encode() + b"\n"


def test_a_good_line_is_read():
    [(shared, prints)] = catalog.read(io.BytesIO(HEAD + line()))
    assert shared.name == "a.mp4" and np.array_equal(prints.hashes, made(1, 3).hashes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 100,
        b"[]\n",
        b'{"unmask_library":2,"hash":"pdq-128"}\n',
        b'{"unmask_library":1,"hash":"md5"}\n',
        HEAD + b"{}\n",
        HEAD + b"[" * 100_000 + b"\n",
        HEAD + line(sha256="../../etc/passwd"),
        HEAD + line(sha256="a" * 64 + "\n"),
        HEAD + line(name="x" * 1000),
        HEAD + line(times=[0.0, 0.5]),
        HEAD + line(times=[]),
        HEAD + line(times=[1.0, 0.5, 0.0]),
        HEAD + line(times=[-1.0, 0.5, 1.0]),
        HEAD + line(times=[0.0, 0.5, float("inf")]),
        HEAD + line(times=[0.0, 0.5, float("nan")]),
        HEAD + line(times=[0.0, 0.5, 1e300]),
        HEAD + line(hashes="????"),
        HEAD + line(size=-1),
        HEAD + line(duration=1e12),
        HEAD + line(name=7),
        HEAD + line() + b'{"name":',
    ],
)
def test_hostile_fingerprints_leave_nothing(library, data):
    with pytest.raises(InputError):
        library.import_prints(ALICE, io.BytesIO(data))
    assert library.store.list(ALICE) == []


def test_too_large_an_import_is_refused(library, monkeypatch):
    for limit, value in (("MAX_LINE", 100), ("MAX_BYTES", 200), ("MAX_FOOTAGE", 1)):
        with monkeypatch.context() as patched:
            patched.setattr(catalog, limit, value)
            with pytest.raises(InputError, match="too large"):
                list(catalog.read(io.BytesIO(HEAD + line() + line(sha256="b" * 64))))


def test_a_watched_folder_is_added_once_it_is_still(library, clips, tmp_path):
    folder = tmp_path / "press"
    folder.mkdir()
    (folder / "one.mp4").write_bytes(clips[0].read_bytes())
    (folder / "notes.txt").write_text("no media")
    (folder / "broken.mp4").write_bytes(b"not a film")
    stop, told = threading.Event(), []

    def on_file(path, footage, error):
        told.append((path.name, footage is not None, error is not None))
        if len(told) == 2:
            stop.set()

    adding(library, ALICE, folder, on_file).run(stop, 0.01)
    assert sorted(told) == [("broken.mp4", False, True), ("one.mp4", True, False)]
    [footage] = library.store.list(ALICE)
    assert footage.source == str(folder)


def test_what_is_known_from_a_watched_folder_is_not_opened_again(
    library, clips, tmp_path, monkeypatch
):
    folder = tmp_path / "press"
    folder.mkdir()
    (folder / "one.mp4").write_bytes(clips[0].read_bytes())
    library.add_folder(ALICE, folder)
    opened: list[str] = []
    identify = media.identify

    def noted(path, **more):
        opened.append(path.name)
        return identify(path, **more)

    monkeypatch.setattr(media, "identify", noted)
    started = adding(library, ALICE, folder)  # as by a server that was started again
    for _ in range(3):
        started.look()
    assert opened == []
    (folder / "two.mp4").write_bytes(clips[1].read_bytes())
    started.look()
    assert opened == [], "it may be growing"
    started.look()
    started.look()
    assert opened == ["two.mp4"]


def test_a_server_looks_at_the_folders_that_are_watched_at_the_moment(library, clips, tmp_path):
    first, second = folders = [tmp_path / name for name in ("first", "second")]
    for folder, clip in zip(folders, clips, strict=False):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(clip.read_bytes())
    (first / "broken.mp4").write_bytes(b"not a film")
    watched = [str(first)]
    watcher = FolderWatcher(lambda: library, ALICE, lambda: watched, every=0.02)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        until(lambda: watcher.state(str(first)).added)
        until(lambda: watcher.state(str(first)).unread)
        assert watcher.state(str(second)).looked is None
        watched[:] = [str(second)]
        watcher.wake()
        until(lambda: watcher.state(str(second)).added)
        assert {one.source for one in library.store.list(ALICE)} == {str(one) for one in folders}
        shutil.rmtree(second)
        until(lambda: watcher.state(str(second)).error)
        assert "There is no folder" in watcher.state(str(second)).error.message
        second.mkdir()  # as a drive that is there again
        until(lambda: watcher.state(str(second)).error is None)
    finally:
        watcher.close()
        thread.join(PATIENT)
    assert not thread.is_alive()


def test_the_command(clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(media, "isolate", lambda: None)
    assert main(["library", "add", str(clips[0].parent)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(clips)
    copy = write_copy(tmp_path / "copy.mp4", scene(2), 25, CopyOptions(crf=33, mirror=True))
    assert main(["library", "search", str(copy)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("2.mp4, from /") and "It is mirrored." in shown
    assert "Begins at 00:00 of it." in shown
    assert main(["library", "export", str(tmp_path / "prints")]) == 0
    assert main(["library", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert main(["library", "remove", *(row["id"] for row in listed)]) == 0
    assert main(["library", "search", str(copy)]) == NOTHING
    assert main(["library", "import", str(tmp_path / "prints")]) == 0
    assert main(["library", "search", str(copy), "--json"]) == 0
    [match] = json.loads(capsys.readouterr().out)
    assert match["footage"]["name"] == "2.mp4" and match["footage"]["source"] == "import"
    assert main(["library", "remove", "nothing"]) == 2
    assert main(["library", "add", str(tmp_path / "missing")]) == 2


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
def filmed_clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filmed_clips")
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
def test_a_cropped_copy_is_found(library, filmed_clips, tmp_path, way):
    for name in ("one", "nobody"):
        add_file(library, ALICE, filmed_clips[name])
    match = searched(library, filmed(ONE), tmp_path, way)
    assert match.footage.name == "one.mp4" and match.by_faces
    assert match.mirrored == way.mirror and match.share >= 0.5


def test_a_picture_in_a_picture_is_found(library, filmed_clips, tmp_path):
    add_file(library, ALICE, filmed_clips["one"])
    frames = scene(5)
    for frame, shown in zip(frames, filmed(ONE), strict=True):
        frame[20:200, 30:330] = cv2.resize(shown, (300, 180), interpolation=cv2.INTER_AREA)
    match = searched(library, frames, tmp_path, CopyOptions())
    assert match.footage.name == "one.mp4" and match.by_faces


def test_a_copy_that_shows_one_of_two_is_found(library, filmed_clips, tmp_path):
    add_file(library, ALICE, filmed_clips["two"])
    match = searched(library, filmed(TWO, seed=1), tmp_path, CopyOptions(crop=(0.6, 0.2, 0.0, 0.1)))
    assert match.footage.name == "two.mp4" and match.by_faces


def test_where_whole_frames_match_they_are_told(library, filmed_clips):
    add_file(library, ALICE, filmed_clips["one"])
    [match] = library.search(ALICE, fingerprint(filmed_clips["one"]))
    assert not match.by_faces and not best_match([match]).by_faces


def test_the_widest_face_of_a_frame_comes_first(filmed_clips):
    prints = fingerprint(filmed_clips["two"])
    alone = fingerprint(filmed_clips["one"]).faces
    times, counts = np.unique(prints.faces.times, return_counts=True)
    assert list(counts) == [2] * len(times) and len(times) == len(prints.times) == len(alone.times)

    def bits(one, other):
        return int(np.unpackbits(one ^ other).sum())

    wide, narrow = prints.faces.hashes[:2]
    assert bits(wide, alone.hashes[0]) < SURE < bits(narrow, alone.hashes[0])
    assert bits(narrow, alone.mirrored[0]) < NEAR
    assert not len(fingerprint(filmed_clips["nobody"]).faces.times)


def test_what_is_kept_has_the_faces_of_every_frame(library, tmp_path):
    frames = filmed(ONE)[:25] + filmed({(20, 40): CLOSE})[25:]
    path = write_copy(tmp_path / "cut.mp4", frames, 25, CopyOptions())
    kept = fingerprint(path, to_keep=True)
    assert np.array_equal(kept.faces.times, kept.times) and len(kept.times) >= 4
    add_file(library, ALICE, path)
    [match] = library.search(ALICE, fingerprint(path))
    assert match.matched == match.asked


def test_few_faces_are_looked_for_of_much_footage(library, filmed_clips, monkeypatch):
    monkeypatch.setattr(hashing, "SPACING", replace(hashing.SPACING, gap=0.04))
    prints = fingerprint(filmed_clips["one"])
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


def test_faces_are_exchanged(library, filmed_clips):
    add_file(library, ALICE, filmed_clips["two"])
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
        list(catalog.read(io.BytesIO(HEAD + data)))
