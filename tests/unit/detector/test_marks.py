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


def layers(mark):
    """What is laid over a frame of 1280 by 720: one place, or three of a mark that moves."""
    if mark is None:
        return [Image.new("L", (1280, 720))]
    if mark == marks.STAR:
        axis = np.abs(np.linspace(-1, 1, 64))
        star = axis[:, None] ** 0.55 + axis[None] ** 0.55 <= 1
        layer = Image.new("L", (1280, 720))
        layer.paste(Image.fromarray(np.where(star, 255, 0).astype(np.uint8)), (1190, 630))
        return [layer]
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


def clip(mark, folder):
    """A picture that drifts, 1280 by 720, with a mark; at half of its size."""
    alphas = [np.asarray(layer, np.float32)[..., None] / 255 * 0.8 for layer in layers(mark)]
    wide = cv2.resize(coffee(), (1400, 800))
    made = []
    for i in range(25):
        alpha = alphas[i * len(alphas) // 25]
        rgb = wide[i : i + 720, 3 * i : 3 * i + 1280] * (1 - alpha) + 255 * alpha
        made.append(cv2.resize(rgb.astype(np.uint8), (640, 360), interpolation=cv2.INTER_AREA))
    return encoded(made, folder)


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


def test_without_one_nothing_is_found(tmp_path):
    assert search(clip(None, tmp_path)) == []
    assert search([astronaut()]) == []
    assert search([np.zeros((360, 640, 3), np.uint8)]) == []


def test_a_mark_is_a_finding_and_names_whose_verifier_may_know_it():
    mark = GeneratorMark(name="Gemini", maker="Google", place="bottom right", score=0.95)
    origin = Provenance(marks=[mark])
    (sentence,) = findings(origin)
    assert "Gemini" in sentence and "bottom right" in sentence and "anybody" in sentence
    assert maker(origin) == "Google" and maker(Provenance()) is None


def test_a_maker_without_a_verifier_is_not_named():
    mark = GeneratorMark(name="Kling", maker="Kuaishou", place="bottom right", score=0.7)
    assert maker(Provenance(marks=[mark])) is None
