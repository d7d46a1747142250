"""The bundled VideoMAE: CLIP's blocks in it, compiled; and what all bundled weights tell.

The bundled sequence models score beside the default models in an analysis, without a vote.
"""

import numpy as np
import pytest
import skimage.data
import torch

from detector import weights
from detector.explain import cam
from detector.models import registry
from detector.models.families import clip_vit, videomae
from detector.models.families.sequence_heads import HEADS
from detector.models.network import TokenVideoModel
from detector.schema.analysis import Settings
from detector.vision import cut
from tests.conftest import camera, write_clip

SPEC = registry.get_spec("videomae")
BOX = (180.0, 70.0, 270.0, 190.0)
POINTS = [(203, 107), (244, 107), (224, 131), (207, 152), (241, 152)]


@pytest.fixture(scope="module")
def model() -> TokenVideoModel:
    loaded = videomae.load(SPEC, weights.resolve(SPEC), "cpu")
    assert isinstance(loaded, TokenVideoModel)
    return loaded


@pytest.fixture(scope="module")
def clips():
    """Two clips of a real face that moves, one of them backwards."""
    frame = skimage.data.astronaut()
    clip = np.stack([cut(np.roll(frame, 2 * t, 1), BOX, SPEC.crop, POINTS) for t in range(16)])
    return np.stack([clip, clip[::-1]])


def test_scores(model, clips):
    scores = model.score(clips)
    assert scores.shape == (2,) and scores.dtype == np.float32
    assert scores[0] != scores[1]  # the order of the frames matters
    np.testing.assert_array_equal(scores, model.score(clips))
    np.testing.assert_allclose(model.score(clips[1:]), scores[1:], rtol=1e-5)
    assert model.score(clips[:0]).shape == (0,)
    with pytest.raises(ValueError, match="takes uint8"):
        model.score(clips[:, :4])


def test_compiled_it_answers_as_transformers_does(model, clips):
    x = torch.stack([model.preprocess(clip) for clip in clips])
    np.testing.assert_allclose(model.score(clips), model.forward(x)[:, 0], atol=0.05)  # bf16


def test_a_clip_without_motion_is_read_as_clip_reads_its_picture(model, clips):
    still = np.repeat(clips[:1, :1], 16, axis=1)
    video = model.network.model.videomae
    trunk = clip_vit.read_trunk(weights.resolve(SPEC)[0])
    head = {"head.weight": torch.zeros(3, 3072), "head.bias": torch.zeros(3)}
    picture = clip_vit.build(trunk | head | {"scale": torch.zeros(())})
    embedded = video.embeddings(model.preprocess(still[0])[None])
    one = embedded[:, : 1 + 49]  # CLIP's own positions, at half of their resolution
    for block in picture.layers[:10]:
        one = block(one, attention_mask=None)
    read = torch.nn.functional.layer_norm(one[:, 0], (768,))
    found = video(model.preprocess(still[0])[None]).last_hidden_state[:, 0]
    # The class token sees four times each patch and once itself, which a picture weighs otherwise.
    similar = torch.cosine_similarity(read, found)
    assert similar > 0.95


def test_its_heatmap_is_in_space_and_time(model, clips):
    maps = cam.draw(model, clips, "gradcam")
    assert maps.shape == (2, 4, 7, 7) and maps.dtype == np.float32
    assert maps.min() >= 0


def test_the_bundled_weights_tell_a_face_from_noise():
    ours = [s for s in registry.list_models() if s.bundled and s.kind != "audio"]
    families = {"clip_vit", "videomae", "sequence_heads", "texture_cnn"}
    assert {shipped.family for shipped in ours} == families
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
    for shipped in ours:
        crops = [
            cut(frame, BOX, shipped.crop, POINTS) for frame in (skimage.data.astronaut(), noise)
        ]
        if shipped.kind == "video":
            crops = [np.stack([crop] * shipped.clip_frames) for crop in crops]
        scores = registry.load_model(shipped.id, device="cpu").score(np.stack(crops))
        assert np.isfinite(scores).all()
        assert abs(scores[0] - scores[1]) > 0.01


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
