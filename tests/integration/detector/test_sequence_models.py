"""The bundled sequence models in an analysis: scores beside the default models, and no votes."""

import numpy as np
import pytest

from detector.models import registry
from detector.models.families.sequence_heads import HEADS
from detector.schema.analysis import Settings
from tests.conftest import camera, write_clip

DEFAULTS = ["clip", "texture"]
SOME = ["lrcn", "lrcn-fused", "convlstm"]


def test_each_head_has_an_entry_that_does_not_vote():
    specs = {s.id: s for s in registry.list_models() if s.family == "sequence_heads"}
    assert list(specs) == list(HEADS)
    for spec in specs.values():
        assert spec.bundled and not spec.default and spec.weight == 0 and spec.calibration
        assert spec.files[1].size <= 3_000_000
        assert spec.measured[0].left_out


def test_they_score_windows_and_change_no_verdict(analyzer, clip):
    alone = analyzer.analyze(clip, Settings(frames=6, models=DEFAULTS))
    beside = analyzer.analyze(clip, Settings(frames=6, models=[*DEFAULTS, *SOME]))
    for model in beside.models:
        assert model.scored > 0 and model.error is None
        assert model.counted is (model.id in DEFAULTS)
    told = {m.id: m.not_counted_because for m in beside.models if m.id in SOME}
    assert told == dict.fromkeys(SOME, "it adds nothing beside the other models")
    scored = [span.logits for span in beside.judged[0].spans if "lrcn" in span.logits]
    assert scored and np.isfinite([list(logits.values()) for logits in scored]).all()
    assert len({round(logits["lrcn"], 3) for logits in scored}) == len(scored)
    assert beside.verdict.label is alone.verdict.label
    assert beside.verdict.probability == pytest.approx(alone.verdict.probability, abs=1e-6)


def test_a_picture_and_a_short_clip_get_a_reason(analyzer, tmp_path):
    short = write_clip(tmp_path / "short.mp4", seconds=0.4, size=(320, 240))
    still = tmp_path / "still.mp4"
    write_clip(still, seconds=2, size=(320, 240), picture=camera((320, 240), still=True))
    models = ["texture", "lrcn"]
    found = {
        file.stem: analyzer.analyze(file, Settings(frames=6, models=models))
        for file in (short, still)
    }
    why = {name: analysis.models[1].not_counted_because for name, analysis in found.items()}
    assert why["short"] == "it needs 0.6 s of video"
    assert why["still"] == "it judges motion, and the video shows one unmoving picture"
    assert all(a.models[1].error is None for a in found.values())
