"""Three moves before a camera, and what is seen of each."""

from dataclasses import replace

import pytest

from detector.live import Challenge, Dot, LiveFace, Move
from detector.live.challenge import SECONDS
from detector.presentation import live
from detector.schema.analysis import Label
from detector.schema.live import TooSlow
from tests.support.live_stand_in import made_state

FRONT = ((250, 180), (350, 180), (300, 230), (265, 290), (335, 290))
TURNED = ((250, 180), (350, 180), (345, 230), (265, 290), (335, 290))


def face(id="A", *, width=180, landmarks=FRONT):
    return LiveFace(id, (230, 120, 230 + width, 360), (0, 0), 0.0, 0.1, Label.REAL, None, landmarks)


def state(time, faces, score=lambda passed: 0.1):
    times = [n / 2 for n in range(int(2 * time) + 1)]
    dots = tuple(Dot(t, score(t - 10.0), None, Label.REAL) for t in times)
    return replace(made_state(time), time=time, faces=tuple(faces), series=dots)


def seen(faces, score=lambda passed: 0.1):
    """Run a challenge whose faces at s since its begin are these."""
    challenge = Challenge(state(10.0, faces(0.0), score))
    passed = 0.0
    while not challenge.over:
        passed += 0.5
        challenge.observe(state(10.0 + passed, faces(passed), score))
    return challenge.observations()


def test_moves_are_asked_one_after_the_other():
    challenge = Challenge(state(10.0, [face()]))
    assert challenge.now == (Move.TURN, SECONDS) and challenge.observations() == []
    for passed in (1.0, SECONDS + 1.0):
        challenge.observe(state(10.0 + passed, [face()]))
    assert challenge.now == (Move.COVER, pytest.approx(SECONDS - 1))
    assert [one.move for one in challenge.observations()] == [Move.TURN]
    challenge.observe(state(10.0 + 3 * SECONDS, [face()]))
    assert challenge.over and challenge.now is None


def test_a_person_who_does_as_asked_and_holds():
    def faces(t):
        landmarks = TURNED if 2 < t < 4 else FRONT
        hidden = SECONDS + 2 < t < SECONDS + 4
        return [] if hidden else [face(width=180 + (100 if t > 2 * SECONDS else 0),
                                       landmarks=landmarks)]  # fmt: skip

    turn, cover, lean = seen(faces)
    assert (turn.made, cover.made, lean.made) == (True, None, True)
    assert turn.held and lean.held
    assert cover.lost > 1 and cover.held, "behind a hand a face may be lost"


def test_a_move_that_was_not_made_is_said():
    turn, _cover, lean = seen(lambda t: [face()])
    assert turn.made is False and lean.made is False and turn.held


def test_nothing_says_that_a_hand_was_seen():
    """Only a person can tell whether a hand passed: a face that held may have been uncovered."""
    _turn, cover, _lean = (live.observed(one)[1].note for one in seen(lambda t: [face()]))
    assert cover == "score and face held; look for yourself whether it was made"


def test_what_breaks_is_seen_at_its_move():
    def faces(t):
        return [] if 2 < t < 4 else [face("B" if t > 2 * SECONDS else "A")]

    turn, cover, lean = seen(faces, lambda t: 0.99 if SECONDS < t < 2 * SECONDS else 0.1)
    assert turn.lost == pytest.approx(1.5) and not turn.held and not turn.rose
    assert cover.rose and cover.highest == 0.99 and not cover.held
    assert lean.replaced and not lean.held


def test_a_score_that_was_high_before_does_not_rise():
    assert not any(one.rose for one in seen(lambda t: [face()], lambda passed: 0.99))


def test_a_move_of_which_no_frame_was_scored_did_not_hold():
    unscored = seen(lambda t: [face()], lambda passed: None)
    assert not any(one.judged for one in unscored)
    for one in unscored:
        _move, held, highest = live.observed(one)
        assert (held.text, highest) == ("Not seen", "–") and "no frame was scored" in held.note
    assert "not seen: turn, hand and lean in" in live.conclusion(unscored, slow=False)


def test_a_challenge_that_was_too_slow_stays_so():
    """Whatever becomes of the session after it."""
    calm = state(10.0, [face()])
    challenge = Challenge(calm)
    for number in range(1, 8):
        reading = replace(calm.reading, too_slow=TooSlow(1, 8.0, 10.0) if number < 6 else None)
        challenge.observe(replace(calm, time=10.0 + 3 * number, reading=reading))
    assert challenge.over and challenge.slow and challenge._looks[-1].slow is False
    quick = Challenge(calm)
    quick.observe(replace(calm, time=40.0))
    assert quick.over and not quick.slow
