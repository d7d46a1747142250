"""The challenge: three moves on request, and the observation during each."""

import streamlit as st

from dashboard.components import cards as heads
from dashboard.components import chips, controls, typography
from dashboard.components.markup import Text, show
from dashboard.components.tables import TableColumn, table, with_note
from dashboard.pages.live.state import LivePageState
from detector.live import LiveState, Move, Observation
from detector.live.challenge import SECONDS
from detector.presentation import live
from detector.sentences import _, say

ASKED = {
    Move.TURN: _("Turn the head slowly to one side, then to the other."),
    Move.COVER: _("Move a hand slowly across the face."),
    Move.LEAN: _("Lean in until the face is close to the camera."),
}


def draw(visit: LivePageState, state: LiveState | None) -> None:
    """Draw the card while a camera is on, and the outcome after it."""
    if state is None:
        return
    challenge = visit.challenge
    if challenge is not None and visit.busy:
        challenge.observe(state)
    with st.container(border=True, key="card-challenge", gap="small"):
        if challenge is None or (not challenge.over and not visit.busy):
            _offer(visit, state)
        elif challenge.now is not None:
            move, left = challenge.now
            number = list(Move).index(move) + 1
            title = _("Challenge {number} of {all}").format(number=number, all=len(Move))
            heads.head(title)
            typography.say(say(ASKED[move]))
            st.progress(1 - left / SECONDS)
        else:
            heads.head(_("Challenge"), _("what was seen"))
            columns = (
                TableColumn(_("Move")),
                TableColumn(_("Result")),
                TableColumn(_("Highest score")),
            )
            show(table(columns, map(row, challenge.observations())))
            said = live.conclusion(challenge.observations(), slow=challenge.slow)
            typography.paragraph(said)
            show(typography.small_print(say(live.PROVES)))
            if visit.busy:
                controls.button(_("Ask again"), "refresh", "live-challenge-again", visit.challenged)


def _offer(visit: LivePageState, state: LiveState) -> None:
    what = _(
        "Asks the person in the picture for three moves that a face swap finds hard, and watches "
        "whether the score or the face breaks."
    )
    heads.introduced(_("Challenge"), what)
    controls.button(
        _("Ask for three moves"), "gesture", "live-challenge", visit.challenged,
        disabled=not visit.busy or not state.faces,
    )  # fmt: skip


def row(seen: Observation) -> list[Text]:
    """Return the observation during a move: the move, what broke, the highest score."""
    move, held, score = live.observed(seen)
    return [with_note(move.text, move.note), with_note(chips.reading(held), held.note), score]
