"""Conditions really change a file, and only in the way they say."""

from threading import Event

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from detector import media
from detector.errors import Canceled, MediaError, UsageError
from detector.perturbation import corruptions
from detector.perturbation.conditions import ALL, FEW, NONE, Condition, parse
from tests.conftest import write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """2 s on its side, with sound."""
    folder = tmp_path_factory.mktemp("conditions")
    return write_clip(folder / "a.mp4", seconds=2, size=(640, 360), audio=True, rotation=90)


@pytest.fixture(scope="module")
def picture(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("pictures") / "a.png"
    Image.fromarray(astronaut).save(path)
    return path


def pictures(path, times=(0.0, 0.52, 1.6)):
    return [frame.rgb for frame in media.decode(path, media.probe(path), times, notes=[])]


def detail(rgb):
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


@pytest.mark.parametrize("condition", [c for c in FEW[1:] if c.fits("video")], ids=lambda c: c.name)
def test_a_clip_keeps_its_times_its_sound_and_its_colors(clip, tmp_path, condition):
    before, after = media.probe(clip), media.probe(corruptions.apply(clip, condition, tmp_path))
    assert after.duration == pytest.approx(before.duration, abs=0.05)
    assert after.fps == pytest.approx(before.fps)
    assert after.frame_count == before.frame_count
    assert after.notes == []
    assert (before.rotation, after.rotation) == (90, 0)
    share = condition.level if condition.kind == "resize" else 1.0
    assert (after.width, after.height) == (360 * share, 640 * share)
    assert before.audio is not None and after.audio is not None
    assert after.audio.codec == before.audio.codec
    first, second = pictures(clip), pictures(next(tmp_path.iterdir()))
    for a, b in zip(first, second, strict=True):
        off = np.abs(a.mean((0, 1)) - b.mean((0, 1)))
        assert off.max() < 2.5, "colors shift where BT.601 and BT.709 are mixed up"


def test_high_definition_keeps_its_colors(tmp_path):
    """From 720 lines on, colors without a label are read in another way."""
    source = write_clip(tmp_path / "hd.mp4", seconds=0.2, size=(1280, 720))
    for share in (0.75, 0.5):
        changed = corruptions.apply(source, Condition("resize", share), tmp_path)
        a, b = (pictures(path, (0.0,))[0].mean((0, 1)) for path in (source, changed))
        assert np.abs(a - b).max() < 2.5


def test_all_the_sound_is_kept(clip, tmp_path):
    def samples(path):
        with av.open(str(path)) as container:
            return sum(frame.samples for frame in container.decode(audio=0))

    changed = corruptions.apply(clip, Condition("crf", 40), tmp_path)
    assert abs(samples(changed) - samples(clip)) <= 1024, "at most the encoder's delay"


def test_stronger_compression_is_smaller(clip, picture, tmp_path):
    sizes = []
    for crf in (23, 32, 40):
        changed = corruptions.apply(clip, Condition("crf", crf), tmp_path)
        with av.open(str(changed)) as container:
            sizes.append(sum(p.size for p in container.demux(video=0)))
    assert sizes[0] > 1.3 * sizes[1] > 1.3**2 * sizes[2]
    fine, coarse = (corruptions.apply(picture, Condition("jpeg", q), tmp_path) for q in (95, 30))
    assert fine.stat().st_size > 3 * coarse.stat().st_size
    assert media.probe(fine).codec == "jpeg" or fine.suffix == ".jpg"


def test_blur_takes_detail_and_noise_adds_it(picture, tmp_path):
    plain = detail(pictures(picture, (0.0,))[0])

    def after(kind, level):
        return detail(
            pictures(corruptions.apply(picture, Condition(kind, level), tmp_path), (0.0,))[0]
        )

    assert plain > after("blur", 1) > after("blur", 3) > after("blur", 5)
    assert plain < after("noise", 1) < after("noise", 3) < after("noise", 5)


def test_noise_is_as_strong_as_it_says_and_the_same_each_time(tmp_path):
    path = tmp_path / "gray.png"
    Image.fromarray(np.full((200, 200, 3), 128, np.uint8)).save(path)
    first = pictures(corruptions.apply(path, Condition("noise", 3), tmp_path), (0.0,))[0]
    again = pictures(corruptions.apply(path, Condition("noise", 3), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(first, again)
    luma = cv2.cvtColor(first, cv2.COLOR_RGB2YCrCb)[..., 0].astype(float)
    assert luma.std() == pytest.approx(255 * 0.005**0.5 * 255 / 219, rel=0.08)


def test_a_part_of_a_clip(clip, tmp_path):
    changed = corruptions.apply(clip, Condition("crf", 23), tmp_path, part=(0.5, 1.5))
    assert media.probe(changed).duration == pytest.approx(1.0, abs=0.1)
    there, here = pictures(clip, (0.52, 1.2)), pictures(changed, (0.02, 0.7))
    for a, b in zip(there, here, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 4


def test_cropped_and_mirrored(picture, tmp_path):
    plain = pictures(picture, (0.0,))[0]
    cut = pictures(corruptions.apply(picture, Condition("crop", 0.1), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(cut, plain[51:461, 51:461])
    turned = pictures(corruptions.apply(picture, Condition("mirror"), tmp_path), (0.0,))[0]
    np.testing.assert_array_equal(turned, plain[:, ::-1])


def test_odd_sizes_and_silence(tmp_path):
    source = write_clip(tmp_path / "odd.mp4", seconds=0.4, size=(322, 242))
    info = media.probe(corruptions.apply(source, Condition("resize", 0.75), tmp_path))
    assert (info.width, info.height) == (242, 182)
    assert info.audio is None


def test_it_can_be_stopped(clip, tmp_path):
    stop = Event()
    stop.set()
    with pytest.raises(Canceled):
        corruptions.apply(clip, Condition("crf", 32), tmp_path, cancel=stop)


def test_what_is_no_media_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_text("no")
    with pytest.raises(MediaError):
        corruptions.apply(tmp_path / "a.mp4", Condition("crf", 32), tmp_path)


def test_names_are_read_back():
    assert parse("few") == FEW
    assert parse("all") == ALL
    assert parse(",".join(c.name for c in ALL)) == ALL
    assert parse("crf-28") == (NONE, Condition("crf", 28))
    assert parse("none") == (NONE,)
    assert parse("mirror, crop-0.1") == (NONE, Condition("mirror"), Condition("crop", 0.1))
    assert len({c.title for c in ALL}) == len(ALL)
    assert not Condition("crf", 32).fits("image")
    assert parse("phone,snr-12.5") == (NONE, Condition("phone"), Condition("snr", 12.5))
    unknown = ("crf", "crf-10", "blur-2.5", "jpeg-x", "rain-2", "mirror-2", "few,crf-32", "mp3-33")
    for wrong in unknown:
        with pytest.raises(UsageError, match="no condition"):
            parse(wrong)
