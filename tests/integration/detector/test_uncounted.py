"""VideoMAE runs on every clip, is shown as not counted, and changes nothing else."""

import pytest

from detector import vision
from detector.decision import decide
from detector.models import registry
from detector.pipeline import Analyzer, windows
from detector.samples import make_samples
from detector.schema.analysis import Settings
from detector.schema.ensemble import NotCounted
from detector.vision import Detection


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return {s.id: s.path for s in make_samples(tmp_path_factory.mktemp("s")) if s.kind == "video"}


def told(analysis):
    """Return what a person is told of a file, without the model that is not counted."""
    dumped = without(analysis.model_dump(mode="json"))
    for subject in dumped["subjects"]:
        subject["spans"] = [span for span in subject["spans"] if span["logits"]]
    return {key: dumped[key] for key in ("verdict", "timestamps", "subjects", "signals")}


def without(value):
    """Return a value of JSON without entries of the model."""
    if isinstance(value, dict):
        return {key: without(one) for key, one in value.items() if key != "videomae"}
    return [without(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("id", ["manipulated", "two-people", "speaker"])
def test_it_changes_no_verdict(clips, id, monkeypatch):
    analyzer = Analyzer(device="cpu")
    shown = analyzer.analyze(clips[id])
    usual = registry.choose

    def counted(ids=None):
        return [spec for spec in usual(ids) if spec.id != "videomae"]

    monkeypatch.setattr(registry, "choose", counted)
    alone = analyzer.analyze(clips[id])
    assert told(shown) == told(alone)
    result = next(m for m in shown.models if m.id == "videomae")
    assert result.scored and not result.counted
    assert result.not_counted_because == NotCounted.ADDS_NOTHING
    assert shown.people[0].spans and shown.people[0].spans[0].logits.keys() == {"videomae"}
    assert not [m for m in alone.models if m.id == "videomae"]


def test_it_does_not_answer_where_the_others_failed(clips):
    analysis = Analyzer(device="cpu").analyze(clips["manipulated"])
    for model in analysis.models:
        if model.id in ("clip", "texture"):
            model.error = "it failed"
    decided = decide(analysis)
    assert not any(m.counted for m in decided.models if m.id == "videomae")


def test_asked_for_alone_it_answers(clips):
    settings = Settings(models=["videomae"])
    analysis = Analyzer(device="cpu").analyze(clips["manipulated"], settings)
    assert next(m for m in analysis.models).counted
    assert len(analysis.people[0].spans) == windows.COUNT


def at(left, top=0.2):
    return Detection((left, top, left + 0.2, top + 0.3), ((left, top),) * 5, 0.9)


def test_a_quiet_window_follows_the_largest_faces_alone():
    recipe = registry.get_spec("videomae").crop
    window = windows.FrameWindow(("videomae",), recipe, (0.0, 0.1, 0.2), quiet=True)
    faces = {number: at(0.2 * number) for number in range(4)}
    faces[9] = Detection((0.9, 0.9, 0.91, 0.91), ((0.9, 0.9),) * 5, 0.9)
    window.begin(0.0, faces)
    assert set(window.tracks) == {0, 1, 2}
    window.follow(0.2, [at(0.02), at(0.41), at(0.8)])
    assert [len(window.tracks[n]) for n in range(3)] == [2, 1, 2], "lost faces stay behind"
    assert vision.interpolate(window.tracks[0], 0.1).box[0] == pytest.approx(0.01)
