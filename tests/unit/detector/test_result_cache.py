"""Results that `Analyzer(cache=…)` answers again."""

import pytest

from detector import media
from detector.errors import MediaError
from detector.pipeline import Analyzer, analyzer
from detector.schema.analysis import Settings
from tests.support.result_sample import make_analysis


@pytest.fixture
def runs(monkeypatch):
    """The files that were really analyzed, by name."""
    begun = []

    def run(request):
        path = request.path
        begun.append(path.name)
        made = make_analysis(path, people="A", fake=False)
        return made.model_copy(update={"media": media.identify(path).of(made.media)}), None

    monkeypatch.setattr(analyzer, "run_analysis", run)
    monkeypatch.setattr(Analyzer, "detector", lambda self, name: None)
    return begun


def test_the_same_content_with_the_same_settings_is_answered_from_the_cache(tmp_path, runs):
    first, copy, other = (tmp_path / name for name in ("first.mp4", "copy.mp4", "other.mp4"))
    for path, content in ((first, b"one" * 99), (copy, b"one" * 99), (other, b"two" * 99)):
        path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + content)
    cache = tmp_path / "results"
    made = Analyzer(device="cpu", cache=cache).analyze(first)
    again = Analyzer(device="cpu", cache=cache).analyze(copy)  # another process, another name
    assert runs == ["first.mp4"]
    assert (made.media.name, again.media.name) == ("first.mp4", "copy.mp4")
    assert again == made.model_copy(update={"media": again.media})
    for path, settings in ((first, Settings(frames=7)), (other, None)):
        Analyzer(device="cpu", cache=cache).analyze(path, settings)
    Analyzer(device="cpu").analyze(first)
    assert runs == ["first.mp4", "first.mp4", "other.mp4", "first.mp4"]


def test_what_failed_in_part_or_cannot_be_read_is_computed_again(tmp_path, runs, monkeypatch):
    path, cache = tmp_path / "clip.mp4", tmp_path / "results"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42")
    asked = Analyzer(device="cpu", cache=cache)
    monkeypatch.setattr(analyzer.result_cache, "reusable", lambda analysis: False)
    asked.analyze(path)
    assert not cache.exists()
    monkeypatch.undo()
    with pytest.raises(MediaError):
        asked.analyze(tmp_path / "missing.mp4")


def test_a_torn_result_is_computed_again(tmp_path, runs):
    path, cache = tmp_path / "clip.mp4", tmp_path / "results"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42")
    asked = Analyzer(device="cpu", cache=cache)
    asked.analyze(path)
    (stored,) = cache.iterdir()
    stored.write_text("{")
    asked.analyze(path)
    assert runs == ["clip.mp4", "clip.mp4"]
