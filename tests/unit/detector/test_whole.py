"""Models that judge whole pictures: in the pipeline, with people, without, and over time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from torch import Tensor

from detector import media
from detector.models import registry
from detector.models.base import ClipModel, CropRecipe, FrameModel, Image, Model, ModelSpec
from detector.pipeline import Analyzer
from detector.pipeline.full_frame import FullFrameScores
from detector.pipeline.planning import plan
from detector.schema.analysis import Analysis, ReasonCode, Settings

FRAMES, STRIDE = 8, 4


def spec(id: str, kind: str, crop: CropRecipe, **fields: object) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "id": id,
            "title": id,
            "family": id,
            "kind": kind,
            "summary": "",
            "files": [],
            "fake_output": "",
            "crop": crop,
            "license_code": "",
            "license_weights": "",
            "source": "",
            **fields,
        }
    )


class Bright(FrameModel):
    """Says how bright the middle row of what it is given is; notes what it is given."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.seen: list[tuple[int, ...]] = []

    def preprocess(self, picture: Image) -> Tensor:
        self.seen.append(np.shape(picture))
        return torch.tensor(np.asarray(picture, np.float32).mean() / 255 - 0.5)

    def forward(self, batch: Tensor) -> Tensor:
        return batch


class BrightClip(Bright, ClipModel):
    """The same of clips."""


SPECS = {
    "whole": spec("whole", "image", CropRecipe(kind="whole", size=32)),
    "large": spec("large", "image", CropRecipe(kind="whole", size=64, fit="cover", short=80)),
    "clips": spec(
        *("clips", "clip", CropRecipe(kind="whole", size=32)),
        clip_frames=FRAMES,
        clip_stride=STRIDE,
    ),
}


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Bright]:
    made = {id: (BrightClip if s.kind == "clip" else Bright)(s) for id, s in SPECS.items()}
    before = registry.load_model

    def load(id: str, **settings: object) -> Model:
        return made.get(id) or before(id, **settings)

    monkeypatch.setattr(registry, "choose", lambda ids: [SPECS[id] for id in ids])
    monkeypatch.setattr(registry, "load_model", load)
    return made


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(device="cpu")


def empty(number: int) -> np.ndarray:
    """A frame without a face that grows brighter."""
    return np.full((120, 160, 3), min(255, 40 + 2 * number), np.uint8)


def test_everybody_gets_what_is_said_of_the_whole_picture(
    analyzer: Analyzer, face_clip: Path, models: dict[str, Bright]
) -> None:
    out = analyzer.analyze(face_clip, Settings(frames=3, models=["whole", "large"]))
    (track,) = out.tracks
    assert not track.whole and len(track.faces) == 3
    assert all(set(face.logits) == {"whole", "large"} for face in track.faces)
    assert models["whole"].seen == [(32, 32, 3)] * 3
    # The rest of the way from the shorter side to the middle is the model's own.
    assert models["large"].seen == [(80, 142, 3)] * 3
    assert [m.scored for m in out.models] == [3, 3]


def test_a_file_without_a_face_has_the_whole_picture(
    analyzer: Analyzer, make_clip: Callable[..., Path], models: dict[str, Bright]
) -> None:
    path = make_clip(size=(160, 120), seconds=3, picture=empty)
    out = analyzer.analyze(path, Settings(frames=4, models=["whole", "clips"]))
    (track,) = out.tracks
    assert track.whole and track.id == "A" and track.side is None
    assert [face.box for face in track.faces] == [(0, 0, 160, 120)] * 4
    logits = [face.logits["whole"] for face in track.faces]
    assert logits == sorted(logits) and logits[0] < logits[-1]  # brighter and brighter
    (reason,) = out.verdict.reasons  # these models are not calibrated
    assert reason.code is ReasonCode.NO_FACE and "of the whole picture" in reason.text
    assert "Face size" not in {line.name for line in out.evidence}
    assert Analysis.model_validate_json(out.model_dump_json()) == out


def test_without_such_a_model_no_face_is_no_score(
    analyzer: Analyzer, make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(size=(160, 120), seconds=1, picture=empty)
    out = analyzer.analyze(path, Settings(frames=2, models=["pairs"]))
    assert not out.tracks
    assert out.verdict.reasons[0].code is ReasonCode.NO_FACE


def test_windows_slide_over_a_long_clip_by_frames_of_the_file(
    analyzer: Analyzer, make_clip: Callable[..., Path], models: dict[str, Bright]
) -> None:
    path = make_clip(size=(160, 120), seconds=8, fps=20, picture=empty)
    out = analyzer.analyze(path, Settings(frames=8, models=["clips"]))
    (track,) = out.tracks
    assert len(track.windows) == 4
    for window in track.windows:
        # Eight frames, each the fourth of 20 a second.
        assert window.end - window.start == pytest.approx((FRAMES - 1) * STRIDE / 20, abs=1e-3)
    logits = [window.logit for window in track.windows]
    assert logits == sorted(logits) and logits[0] < logits[-1]
    assert models["clips"].seen == [(FRAMES, 32, 32, 3)] * 4


def test_more_moments_more_windows(make_clip: Callable[..., Path]) -> None:
    path = make_clip(size=(160, 120), seconds=16, fps=20, picture=empty)
    info = media.probe(path)
    asked = Settings(frames=64)
    _, runs, unfit = plan(path, info, asked, [SPECS["clips"]], Event(), for_signals=False)
    assert len(runs) == 8 and not unfit
    assert all(not run.anchors for run in runs)  # no face is searched for whole frames
    assert max(run.times[-1] for run in runs) <= 16


def test_a_short_clip_is_spread_over_one_window(
    analyzer: Analyzer, make_clip: Callable[..., Path], models: dict[str, Bright]
) -> None:
    path = make_clip(size=(160, 120), seconds=1, fps=25, picture=empty)
    out = analyzer.analyze(path, Settings(frames=4, models=["clips"]))
    (window,) = out.tracks[0].windows  # too short for 8 frames, each the fourth
    assert window.start == pytest.approx(1 / 16, abs=1e-3)
    assert window.end == pytest.approx(15 / 16, abs=1e-3)


def test_nothing_scored_is_no_track() -> None:
    assert FullFrameScores().onto([]) == []
