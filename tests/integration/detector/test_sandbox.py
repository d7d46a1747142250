"""Reading files in processes of their own."""

import gc
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from detector import isolation, media, provenance
from detector.errors import Canceled, MediaError
from detector.isolation import Sandbox
from detector.media.limits import WORKER, WORKER_PRELOAD
from detector.perturbation import corruptions
from detector.perturbation.conditions import Condition
from detector.provenance import file_traces
from detector.schema.analysis import Settings
from tests.conftest import camera, write_clip
from tests.support import hostile_readers as hostile
from tests.support.processes import descendants
from tests.support.waiting import at_once, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")

SMALL = replace(WORKER, memory=1200 * 1024**2)


@pytest.fixture(scope="module")
def box():
    with Sandbox(WORKER, WORKER_PRELOAD) as made:
        yield made


@pytest.fixture(scope="module")
def strict():
    """One with little memory."""
    with Sandbox(SMALL, WORKER_PRELOAD) as made:
        yield made


@pytest.fixture()
def apart():
    """This program reads media apart, as the dashboard does."""
    yield media.isolate()
    isolation.stop_isolating()


@pytest.fixture()
def file(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"content")
    return str(path)


def _files(folder):
    shot = Image.fromarray(camera((320, 240))(0))
    found = {name: folder / name for name in ("a.png", "b.webp", "c.heic", "d.jpg")}
    shot.convert("RGBA").save(found["a.png"])
    more = [Image.fromarray(camera((320, 240))(n)) for n in range(1, 5)]
    shot.save(found["b.webp"], save_all=True, append_images=more, duration=120)
    pillow_heif.from_pillow(shot).save(found["c.heic"])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    shot.save(found["d.jpg"], exif=exif)
    found["e.mp4"] = write_clip(folder / "e.mp4", seconds=2, rotation=90, audio=True)
    found["h.jpg"] = Path(shutil.copy(found["e.mp4"], folder / "h.jpg"))  # its name says nothing
    found["f.avi"] = write_clip(folder / "f.avi", seconds=2)
    cut = write_clip(folder / "g.mkv", seconds=2)
    data = bytearray(cut.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    cut.write_bytes(data)
    found["g.mkv"] = cut
    return found


def _everything(path):
    """All that this room and the provenance say of a file."""
    about = media.probe(path, name="shown.bin")
    notes: list[str] = []
    length = about.duration or 0.0
    times = [length * (n + 0.5) / 7 for n in range(7)]
    frames = [(f.index, f.time, f.rgb.tobytes(), f.rgb.shape)
              for f in media.decode(path, about, times, notes=notes)]  # fmt: skip
    planned = media.plan(about, Settings(sampling="keyframes", frames=3), path=path)
    origin = provenance.inspect(path, about).model_copy(update={"seconds": 0.0})
    middle = media.frame_at(path, about, length / 2).rgb.tobytes()
    return [about, frames, notes, planned, origin, middle]


def test_it_says_the_same(tmp_path):
    files = _files(tmp_path)
    here = {name: _everything(path) for name, path in files.items()}
    media.isolate()
    try:
        assert media.isolated()
        for name, path in files.items():
            there = _everything(path)
            assert there[0].name == "shown.bin" and len(there[0].sha256) == 64
            for one, other in zip(here[name], there, strict=True):
                assert one == other, name
        changed = corruptions.apply(files["e.mp4"], Condition("crf", 36), tmp_path)
        assert media.probe(changed).audio is not None
    finally:
        isolation.stop_isolating()
    assert not media.isolated()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"#EXTM3U\nhttp://127.0.0.1/secret.ts\n", "reference"),
        (b"just some words, named like a film\n" * 9, "unsupported"),
        (b"\x89PNG\r\n\x1a\n" + bytes(90), "undecodable"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(400), "undecodable"),
        (b"", "empty"),
        # A GIF of 34 bytes that claims 65535 by 65535.
        (
            b"GIF89a\xff\xff\xff\xff\x00\x00\x00\x2c\x00\x00\x00\x00"
            b"\xff\xff\xff\xff\x00\x02\x02\x4c\x01\x00\x3b",
            "too_many_pixels",
        ),
    ],
)
def test_refusals_come_through_as_they_are(content, code, tmp_path, apart):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, check=lambda e: e.code == code and e.message.endswith(".")):
        media.probe(path)


@pytest.mark.parametrize("way", [hostile.crash, hostile.fault])
def test_a_crash_becomes_a_sentence(box, way, file):
    with pytest.raises(MediaError, match="crash") as said:
        box.call(way, file, returns=int, reads=(file,))
    assert said.value.code == "reader_crashed" and said.value.hint
    assert box.call(hostile.process, file, returns=int, reads=(file,)) > 0  # the next one works


def test_what_hangs_is_ended(file):
    begun = time.monotonic()
    with (
        Sandbox(replace(WORKER, timeout=1), WORKER_PRELOAD) as box,
        pytest.raises(MediaError, match="too long") as said,
    ):
        box.call(hostile.hang, file, returns=int, reads=(file,))
    assert said.value.code == "reader_timeout"
    assert time.monotonic() - begun >= 1


def test_more_patience_where_a_whole_clip_is_read(file):
    with Sandbox(replace(WORKER, timeout=0.3), WORKER_PRELOAD) as box:
        assert box.call(hostile.slow, file, returns=str, reads=(file,), timeout=60) == "at last"
        with pytest.raises(MediaError, match="too long"):
            box.call(hostile.slow, file, returns=str, reads=(file,))


@linux
def test_processor_time_is_limited(file):
    with (
        Sandbox(replace(WORKER, cpu=1, timeout=60), WORKER_PRELOAD) as box,
        pytest.raises(MediaError) as said,
    ):
        box.call(hostile.spin, file, returns=int, reads=(file,))
    assert said.value.code == "reader_timeout"


@linux
def test_memory_is_limited(strict, file):
    with pytest.raises(MediaError, match=r"more than the 1\.17 GB") as said:
        strict.call(hostile.swell, file, returns=int, reads=(file,))
    assert said.value.code == "reader_memory"


@linux
def test_a_bomb_within_the_pixel_limit_is_held_by_memory(strict, tmp_path):
    """100 megapixels in 13 kB: allowed by size, and 1.5 GB when it is laid over white."""
    path = tmp_path / "bomb.png"
    Image.new("LA", (10_000, 10_000)).save(path)
    assert path.stat().st_size < 300_000
    asked = (media.probe(path), (0.0,), True)
    frames = strict.frames(
        media._decode, path, *asked, size=(10_000, 10_000), count=1, notes=[], reads=(path,)
    )
    with pytest.raises(MediaError, check=lambda e: e.code in ("reader_memory", "undecodable")):
        next(frames)


def test_a_crash_on_the_way(box, file):
    """What was read before it is kept; notes of a reader that lied or died are not."""
    notes: list[str] = []
    stream = box.frames(
        hostile.frames_then_crash, file, 5, size=(8, 8), count=9, notes=notes, reads=(file,)
    )
    seen = []
    with pytest.raises(MediaError, match="crash"):
        for frame in stream:
            seen.append((frame.index, int(frame.rgb.max())))
    assert seen == [(n, n) for n in range(5)] and notes == []


def test_answers_are_not_believed(box, file):
    with pytest.raises(MediaError, match="crash"):
        box.call(hostile.lie, file, returns=int, reads=(file,))
    lying = box.frames(hostile.lying_frames, file, size=(8, 8), count=1, notes=[], reads=(file,))
    with pytest.raises(MediaError, match="crash"):
        next(lying)
    endless = box.frames(
        hostile.endless_frames, file, size=(8, 8), count=3, notes=[], reads=(file,)
    )
    assert next(endless).index == 0
    with pytest.raises(MediaError, match="crash"):
        next(endless)
    for size in ((10**6, 10**6), (0, 5)):  # a size nobody could have meant takes no memory
        with pytest.raises(MediaError):
            next(box.frames(hostile.lying_frames, file, size=size, count=1, notes=[], reads=()))


def test_what_comes_before_frames_is_checked(box, file):
    asked: dict[str, Any] = {"size": (8, 8), "count": 1, "notes": [], "reads": (file,)}
    frames = box.frames(hostile.headed_frames, file, 3, head=int, **asked)
    assert next(frames) == 3 and [(f.time, int(f.rgb.max())) for f in frames] == [(0.5, 7)]
    with pytest.raises(MediaError, match="crash"):
        next(box.frames(hostile.headed_frames, file, "not a number", head=int, **asked))
    with pytest.raises(MediaError, match="crash"):  # it begins with a frame
        next(box.frames(hostile.lying_frames, file, head=int, **asked))


@pytest.mark.usefixtures("apart")
def test_one_reader_says_what_a_file_is_and_gives_its_pictures(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", seconds=2.0)
    this = media.identify(path)
    about, frames = media.open_spaced(path, this, (64, 48), media.Spacing(30.0, 0.5, 1.0, 100))
    assert about == media.probe(path)
    assert all(frame.rgb.shape == (48, 64, 3) for frame in frames)
    with pytest.raises(MediaError, check=lambda e: e.code in ("index_missing", "undecodable")):
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(path.read_bytes()[:400])
        media.open_spaced(broken, media.identify(broken), (64, 48), media.Spacing(1, 1, 1, 1))


@linux
def test_a_reader_that_was_taken_over_can_do_nothing(box, file, tmp_path):
    """Landlock and seccomp, or at least the latter: without either, this system can't confine."""
    other = tmp_path / "somebody-elses.jpg"
    other.write_bytes(b"private")
    found = box.call(
        hostile.attempts, file, str(other), os.getpid(), returns=dict[str, str], reads=(file,)
    )
    assert found.pop("read the file") == "done"
    assert set(found.values()) == {"PermissionError"}, found
    assert not (tmp_path / "beside.txt").exists() and Path(file).exists()


def test_a_reader_knows_no_secret(monkeypatch, file):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_x")
    with Sandbox(WORKER, WORKER_PRELOAD) as box:
        known = box.call(hostile.environment, file, returns=dict[str, str], reads=(file,))
    assert "PATH" in known and not {"HF_TOKEN", "SUPABASE_SERVICE_ROLE_KEY"} & set(known)
    assert "secret" not in " ".join(known.values())


def test_each_file_gets_a_fresh_reader(box, file):
    numbers = {box.call(hostile.process, file, returns=int, reads=(file,)) for _ in range(4)}
    assert len(numbers) == 4 and os.getpid() not in numbers


@linux
def test_cancel_ends_the_reader(file):
    before = descendants()
    with Sandbox(WORKER, WORKER_PRELOAD) as box:
        cancel = threading.Event()
        threading.Timer(0.5, cancel.set).start()
        with pytest.raises(Canceled):
            box.call(hostile.hang, file, returns=int, reads=(file,), cancel=cancel)
        until(lambda: len(descendants() - before) == 1)  # the fork server alone
    assert descendants() <= before


@linux
def test_a_stream_that_is_left_leaves_nothing(tmp_path, apart):
    clip = write_clip(tmp_path / "clip.mp4", seconds=4)
    about = media.probe(clip)
    fork_server = apart._process.pid
    gc.collect()  # what tests before left is not counted
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        stream = media.decode(clip, about, [n / 25 for n in range(90)], notes=[])
        next(stream)
        stream.close()
    until(lambda: not descendants(fork_server))
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == files
    assert not [name for name in os.listdir("/dev/shm") if "frames" in name]


@linux
def test_the_fork_server_is_started_again(box, file):
    box.start()
    first = box._process.pid
    box._process.kill()
    box._process.wait()
    assert box.call(hostile.process, file, returns=int, reads=(file,)) > 0
    assert box._process.pid != first


@linux
def test_no_reader_outlives_a_program_that_was_killed(file):
    code = (
        "import sys; sys.path[:0] = ['tests', '.']\n"
        "from tests.support import hostile_readers as h; import threading, time\n"
        "from detector.isolation import Sandbox\n"
        "from detector.media.limits import WORKER, WORKER_PRELOAD\n"
        "box = Sandbox(WORKER, WORKER_PRELOAD)\n"
        f"go = lambda: box.call(h.hang, {file!r}, returns=int, reads=())\n"
        "threading.Thread(target=go, daemon=True).start()\n"
        f"box.call(h.process, {file!r}, returns=int, reads=())\n"
        "print(box._process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    root = Path(__file__).parents[3]
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root
    )
    fork_server = int(program.stdout.readline())
    until(lambda: descendants(fork_server))
    left = [fork_server, *descendants(fork_server)]
    program.kill()
    program.wait()
    program.stdout.close()
    until(lambda: not [n for n in left if _runs(n)])


def _runs(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_several_at_once(tmp_path, apart):
    clip = write_clip(tmp_path / "clip.mp4", seconds=1)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(clip.read_bytes()[:700])
    answers: dict[int, object] = {}

    def read(number):
        try:
            if number % 3 == 0:
                apart.call(hostile.crash, clip, returns=int, reads=(clip,))
            about = media.probe(bad if number % 3 == 1 else clip)
            frames = media.decode(clip, about, [0.1, 0.5, 0.9], notes=[])
            answers[number] = sum(1 for _ in frames)
        except MediaError as error:
            answers[number] = error.code

    at_once(read, range(18))
    assert answers == {n: ["reader_crashed", "index_missing", 3][n % 3] for n in range(18)}


@linux
def test_a_worker_gives_way_as_who_asks(box, file):
    seen: dict[str, int] = {}

    def ask(name, more):
        thread = threading.get_native_id()
        own = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(own + more, 19))
        seen[name] = box.call(hostile.give_way, file, returns=int, reads=(file,)) - own

    for name, more in (("page", 0), ("task", 3)):
        asking = threading.Thread(target=ask, args=(name, more))
        asking.start()
        asking.join()
    assert seen == {"page": 0, "task": 3}


def test_a_crash_takes_a_part_of_the_provenance_only(tmp_path, apart, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", seconds=1)
    monkeypatch.setattr(provenance, "read_film", hostile.crash)
    found = provenance.inspect(clip, media.probe(clip))
    assert found.unread and found.unread[0].startswith("The tags could not be read")
    assert found.repeats is not None


def test_traces_of_a_copy_are_read_apart(tmp_path, apart, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", seconds=1)
    about = media.probe(clip)
    assert file_traces.read_traces(clip, about).writer == "x264"
    monkeypatch.setattr(provenance, "read_film", hostile.crash)
    assert file_traces.read_traces(clip, about) == file_traces.FileTraces()


def test_bytes_of_a_frame_cost_one_copy(box, file):
    ask = {"size": (8, 8), "count": 9, "notes": [], "reads": (file,)}
    stream = box.frames(hostile.frames_then_crash, file, 3, **ask)
    first, *_ = [next(stream).rgb for _ in range(3)]
    stream.close()
    assert first.flags.owndata or first.base.flags.owndata
    assert first.flags.writeable and first.dtype == np.uint8


def test_the_filter_knows_both_processors():
    """Every jump stays within the program, and every path ends in a verdict."""
    from detector.isolation.privileges import _filter

    for machine in ("x86_64", "aarch64"):
        for may_write, may_connect in itertools.product((False, True), repeat=2):
            code = b"".join(_filter(machine, may_write=may_write, may_connect=may_connect))
            steps = [code[n : n + 8] for n in range(0, len(code), 8)]
            assert len(code) % 8 == 0 and len(steps) < 4096
            for number, step in enumerate(steps):
                if int.from_bytes(step[:2], "little") in (0x15, 0x35, 0x45):
                    assert number + 1 + max(step[2], step[3]) < len(steps)
            assert int.from_bytes(steps[-1][:2], "little") == 0x06


def test_the_command_line_reads_apart(tmp_path, capsys, monkeypatch):
    from cli import main

    clip, bad = write_clip(tmp_path / "clip.mp4", seconds=2), tmp_path / "bad.png"
    Image.fromarray(camera((64, 48))(0)).save(bad)
    options = ["--frames", "3", "--models", "texture", "--json", "-"]
    assert main(["analyze", str(clip), *options]) == 0
    here = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(media, "probe_still", hostile.crash)
    try:
        assert main(["analyze", str(clip), str(bad), "--sandbox", *options]) == 2
    finally:
        isolation.stop_isolating()
    said = capsys.readouterr()
    there, failed = json.loads(said.out)
    assert failed["error"]["code"] == "reader_crashed"
    assert said.err.count("\n") == 1 and "bad.png: This file made" in said.err
    for part in ("id", "verdict", "subjects", "media", "signals"):
        assert there[part] == here[part], part
