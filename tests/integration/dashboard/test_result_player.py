"""The player of a result as Streamlit draws it, without a browser."""

from typing import Any

import streamlit as st
from PIL import Image

from tests.support import pages
from tests.support.result_sample import HEIGHT, WIDTH, make_analysis


def test_an_animation_moves_until_a_moment_is_chosen(tmp_path, monkeypatch):
    path = tmp_path / "made.gif"
    frames = [Image.new("RGB", (WIDTH, HEIGHT), (shade, 40, 50)) for shade in range(0, 150, 10)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000)
    analysis = make_analysis(path)
    analysis.media.kind, analysis.media.container = "animation", "gif"
    drawn: list[Any] = []
    monkeypatch.setattr(st, "image", lambda picture, **_how: drawn.append(picture))

    at = pages.result(path, analysis, "made.gif")
    assert path in drawn
    assert not any("can’t play" in caption.value for caption in at.caption)

    drawn.clear()
    pages.press(at, "Later peak")
    assert drawn and path not in drawn
    assert "The frame at 00:" in pages.texts(at)

    drawn.clear()
    pages.press(at, "Play the animation")
    assert path in drawn
