"""Look twice: guesses before the verdict, and both scores at the end."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dashboard import session
from dashboard.pages.look import view
from detector import samples
from detector.presentation import guess
from detector.schema.codes import Side
from tests.support import pages
from tests.support.pages import buttons, html, press, texts
from tests.support.result_sample import make_analysis


@pytest.fixture
def gallery(tmp_path, jobs, monkeypatch):
    """Samples with files that nobody reads, each of which the models call manipulated."""
    made = [sample for sample, _, _ in samples.gallery(tmp_path)]
    for sample in made:
        sample.path.write_bytes(sample.id.encode())
    # Of sound alone: nothing of it has to be decoded to be drawn.
    made = [replace(sample, kind="audio") for sample in made]
    session.application().gallery.samples = made
    given = []

    def submit(file, name, settings):
        given.append(name)
        return SimpleNamespace(key=name)

    done = SimpleNamespace(active=False, analysis=make_analysis(), key="k")
    monkeypatch.setattr(session, "submit", submit)
    monkeypatch.setattr(session, "find_job", lambda key: done if key else None)
    return made, given


def test_points_count_what_is_open_for_neither():
    fake, real = Side.FAKE, Side.REAL
    assert guess.points([fake, real, fake], [fake, fake, None]) == (1, 1)


def test_both_kinds_are_asked_by_chance_and_what_nobody_can_judge_is_not(gallery):
    made, _given = gallery
    orders = [view.order(made) for _ in range(20)]
    by_id = {sample.id: sample for sample in made}
    for order in orders:
        assert len(order) == len(set(order)) <= view.COUNT and "no-face" not in order
        assert {view.truth(by_id[id]) for id in order} == set(Side)
    assert len({tuple(order) for order in orders}) > 1


def test_a_guess_comes_before_the_verdict_and_both_scores_at_the_end(gallery):
    made, given = gallery
    by_id = {sample.id: sample for sample in made}
    at = press(pages.page("look"), "Begin")
    order = at.session_state[view._ROUND].order
    assert given == [by_id[id].path.name for id in order[:2]], "the next one is looked at ahead"
    for id in order:
        assert by_id[id].subtitle not in html(at) and "manipulated" not in html(at).lower()
        press(at, "Fake")
        assert by_id[id].subtitle in texts(at) and "Likely manipulated" in html(at)
        assert ("Right: it is fake." in html(at)) is by_id[id].manipulated
        press(at, "Your score" if id == order[-1] else "Next")
    assert sorted(given) == sorted(by_id[id].path.name for id in order)
    fakes = sum(by_id[id].manipulated for id in order)
    said = f"You: {fakes} of {len(order)} right. The models: {fakes} right, "
    assert said + f"{len(order) - fakes} wrong, 0 open." in html(at)
    assert "The models say:" not in html(at), "the column is named"
    press(at, "Once more")
    assert "Begin" in buttons(at)
