"""Visible marks of generators: found at half size and strong compression, not where none stands."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import streamlit
from PIL import Image, ImageDraw, ImageFont
from skimage.data import astronaut, coffee

from detector.isolation import Frame
from detector.provenance import marks
from detector.provenance.findings import findings, maker
from detector.schema.codes import ProofKind
from detector.schema.origin import GeneratorMark, Provenance
from tests.conftest import write_clip

FONTS = Path(streamlit.__file__).parent / "static" / "static" / "media"


def encoded(frames, folder):
    """The frames as H.264 at CRF 32 leaves them."""
    height, width = frames[0].shape[:2]
    path = write_clip(
        folder / "clip.mp4", seconds=len(frames) / 25, size=(width, height), options={"crf": "32"},
        picture=frames.__getitem__,
    )  # fmt: skip
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]


def star(size, margin):
    """A star of four points, as far from both edges of 1280 by 720."""
    axis = np.abs(np.linspace(-1, 1, 4 * size))
    shape = axis[:, None] ** 0.55 + axis[None] ** 0.55 <= 1
    drawn = Image.fromarray(np.where(shape, 255, 0).astype(np.uint8)).resize((size, size))
    layer = Image.new("L", (1280, 720))
    layer.paste(drawn, (1280 - margin - size, 720 - margin - size))
    return layer


def layers(mark):
    """What is laid over a frame of 1280 by 720: one place, or three of a mark that moves."""
    if mark is None:
        return [Image.new("L", (1280, 720))]
    if mark == marks.STAR:
        return [star(48, 32)]
    (file,) = FONTS.glob("SourceSansVF-Upright*")  # another than that of the template
    font = ImageFont.truetype(str(file), 48)
    font.set_variation_by_axes([600])
    text = marks.MARKS[mark].texts[0].replace("|", "")
    places = {"bottom right": (1250 - font.getlength(text), 655), "bottom left": (30, 655)}
    at = [at for place, at in places.items() if place in marks.MARKS[mark].places][:1]
    if mark == marks.MOVING:
        at = [(120, 150), (1120, 350), (120, 560)]
    made = []
    for x, y in at:
        layer = Image.new("L", (1280, 720))
        draw = ImageDraw.Draw(layer)
        draw.text((x, y), text, 255, font, anchor="la")
        if mark == marks.MOVING:  # a cloud with two eyes
            for dx in (-12, 0, 12):
                draw.ellipse((x - 48 + dx, y + 4, x - 16 + dx, y + 48), fill=255)
            for dx in (-8, 8):
                draw.ellipse((x - 36 + dx, y + 16, x - 28 + dx, y + 34), fill=0)
        made.append(layer)
    return made


def drifting(layers, opacity=0.6, speed=3):
    """Frames of 640 by 360 of a picture that drifts under what stands before it."""
    alphas = [np.asarray(layer, np.float32)[..., None] / 255 * opacity for layer in layers]
    wide = cv2.resize(coffee(), (1400, 800))
    made = []
    for i in range(25):
        alpha = alphas[i * len(alphas) // 25]
        rgb = wide[i : i + 720, speed * i : speed * i + 1280] * (1 - alpha) + 255 * alpha
        made.append(cv2.resize(rgb.astype(np.uint8), (640, 360), interpolation=cv2.INTER_AREA))
    return made


def clip(mark, folder):
    return encoded(drifting(layers(mark), 0.6 if mark == marks.STAR else 0.8), folder)


def button(size, *, rim=True):
    """A white disk on dark cloth, 640 by 360, where Gemini's star would stand."""
    cloth = np.random.default_rng(size).normal(36, 5, (360, 640)).astype(np.float32)
    large = np.zeros((8 * size, 8 * size), np.float32)
    cv2.circle(large, (4 * size, 4 * size), 4 * size - 4, 0.85, -1)
    if rim:
        cv2.circle(large, (4 * size, 4 * size), 4 * size - 6, 1.0, 6)
    disk = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    edge = round(0.67 * size)
    at = np.s_[360 - edge - size : 360 - edge, 640 - edge - size : 640 - edge]
    cloth[at] = cloth[at] * (1 - disk) + 235 * disk
    cloth = cv2.GaussianBlur(cloth, (0, 0), 0.8)
    return np.repeat(np.clip(cloth, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def search(frames):
    times = [i / 25 for i in range(len(frames))]
    search = marks.MarkSearch()
    search.begin(times)
    for index, (time, rgb) in enumerate(zip(times, frames, strict=True)):
        search.add(Frame(index, time, rgb), [time])
    return search.found


@pytest.mark.parametrize("mark", sorted(marks.MARKS))
def test_a_mark_is_found_at_half_size_and_crf_32(mark, tmp_path):
    (found,) = search(clip(mark, tmp_path))
    expected = marks.MARKS[mark]
    assert found.name == (expected.name or mark) and found.maker == expected.maker
    assert found.place in (expected.places or ("top left", "right", "bottom left"))


def test_a_star_is_certain_over_a_picture_that_moves(tmp_path):
    (found,) = search(clip("Gemini", tmp_path))
    assert found.certain


@pytest.mark.parametrize("size", [6, 8, 10, 12, 14, 17, 20, 24, 28, 34])
def test_a_button_is_never_certain(size):
    for frame in (button(size), button(size, rim=False)):
        shaken = [np.roll(frame, (i % 3 - 1, i % 2), (0, 1)) for i in range(6)]
        found = search([frame])
        assert not any(mark.certain for mark in found + search(shaken))
        assert found or size != 10  # it is like enough to be a hint


def laid_over(layer, opacity=0.5):
    """A photo with a mark, 1280 by 720."""
    photo = cv2.GaussianBlur(cv2.resize(coffee(), (1280, 720)), (0, 0), 4).astype(np.float32)
    alpha = np.asarray(layer, np.float32)[..., None] / 255 * opacity
    return (photo * (1 - alpha) + 255 * alpha).astype(np.uint8)


def test_a_still_picture_has_a_certain_mark_where_its_tool_puts_it():
    (found,) = search([laid_over(star(48, 32))])
    assert found.certain and found.place == "bottom right"


@pytest.mark.parametrize(
    "layer, opacity",
    [(star(48, 4), 0.5), (star(48, 110), 0.5), (star(96, 20), 0.5), (star(48, 32), 1.0)],
    ids=["at the edge", "too far in", "too large", "hides what is behind it"],
)
def test_a_star_that_no_tool_draws_so_is_a_hint_at_most(layer, opacity):
    assert not any(mark.certain for mark in search([laid_over(layer, opacity)]))


def test_a_small_star_is_a_hint_where_nothing_moves():
    small = cv2.resize(laid_over(star(48, 32)), (512, 288), interpolation=cv2.INTER_AREA)
    assert [mark.certain for mark in search([small] * 3)] == [False]


def test_only_a_certain_mark_leads_the_headline():
    hint = GeneratorMark(name="Gemini", maker="Google", place="bottom right", score=0.78)
    origin = Provenance(marks=[hint])
    assert origin.proof is None
    (sentence,) = findings(origin)
    assert sentence.startswith("Something like the mark of Gemini") and "a hint" in sentence
    certain = hint.model_copy(update={"certain": True})
    proof = Provenance(marks=[hint, certain]).proof
    assert proof is not None and proof.kind is ProofKind.MARK


def test_without_one_nothing_is_found(tmp_path):
    assert search(clip(None, tmp_path)) == []
    assert search([astronaut()]) == []
    assert search([np.zeros((360, 640, 3), np.uint8)]) == []


def test_a_mark_is_a_finding_and_names_whose_verifier_may_know_it():
    mark = GeneratorMark(
        name="Gemini", maker="Google", place="bottom right", score=0.95, certain=True
    )
    origin = Provenance(marks=[mark])
    (sentence,) = findings(origin)
    assert "Gemini" in sentence and "bottom right" in sentence and "anybody" in sentence
    assert maker(origin) == "Google" and maker(Provenance()) is None


def test_a_maker_without_a_verifier_is_not_named():
    mark = GeneratorMark(name="Kling", maker="Kuaishou", place="bottom right", score=0.7)
    assert maker(Provenance(marks=[mark])) is None
