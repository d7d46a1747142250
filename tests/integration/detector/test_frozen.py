"""Videos of one unmoving picture: said in the result, and nothing is said of movement."""

import numpy as np
import pytest

from detector.schema.analysis import CaveatCode, Settings
from tests.conftest import camera

SIZE = (320, 240)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("voice.mp4", {"seconds": 3, "audio": True}),
        ("poor.mp4", {"seconds": 3, "options": {"crf": "46"}, "gop": 250}),
        ("often.mp4", {"seconds": 4, "options": {"crf": "41"}, "gop": 12}),
        ("slide.mkv", {"times": [0.0, 4.0]}),
        ("pulses.webm", {"seconds": 3, "codec": "libvpx", "gop": 12, "options": {"b": "400000"}}),
    ],
)
def test_an_unmoving_picture_is_named(analyzer, make_clip, name, how):
    path = make_clip(name, size=SIZE, picture=camera(SIZE, still=True), **how)
    out = analyzer.analyze(path, Settings(frames=6, models=["texture", "videomae"]))
    assert out.media.frozen
    assert CaveatCode.FROZEN in [caveat.code for caveat in out.verdict.caveats]
    assert any("one unmoving picture" in text for text in out.verdict.limits)
    assert not any("compressed" in text.lower() for text in out.verdict.limits)
    videomae = next(model for model in out.models if model.id == "videomae")
    assert not videomae.counted
    assert not out.signals


def test_what_moves_is_no_unmoving_picture(analyzer, make_clip):
    few = Settings(frames=6, models=["texture"])
    wide = camera((SIZE[0] + 8, SIZE[1]), still=True)(0)
    slow = [np.ascontiguousarray(wide[:, x : x + SIZE[0]]) for x in range(5)]
    poor = {"seconds": 4, "options": {"crf": "41"}, "gop": 12}
    for number, path in enumerate(
        (
            make_clip("quiet.mp4", size=SIZE, picture=lambda n: slow[n // 20], **poor),
            make_clip("moves.mp4", size=SIZE, seconds=2),
            make_clip("short.mp4", size=SIZE, seconds=0.2, picture=camera(SIZE, still=True)),
        )
    ):
        out = analyzer.analyze(path, few, scores_only=True)
        assert not out.media.frozen, number
        assert CaveatCode.FROZEN not in [caveat.code for caveat in out.verdict.caveats]
    still = make_clip("still.mp4", size=SIZE, seconds=2, picture=camera(SIZE, still=True))
    assert not analyzer.analyze(still, Settings(frames=1), scores_only=True).media.frozen
