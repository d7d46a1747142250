"""Challenge: three moves on the press of a button, and what was seen during each."""

import streamlit as st

from dashboard import labels
from dashboard.components import cards as heads
from dashboard.components import controls, tables, typography
from dashboard.components.chips import chip
from dashboard.components.markup import Text, show
from dashboard.components.tables import with_note
from dashboard.pages.live.state import LivePageState
from detector.live import LiveState, Move, Observation
from detector.live.challenge import SECONDS
from detector.sentences import _, say

ASKED = {
    Move.TURN: _("Turn the head slowly to one side, then to the other."),
    Move.COVER: _("Move a hand slowly across the face."),
    Move.LEAN: _("Lean in until the face is close to the camera."),
}
NAMES = {Move.TURN: _("Turn"), Move.COVER: _("Hand"), Move.LEAN: _("Lean in")}


def draw(visit: LivePageState, state: LiveState | None) -> None:
    """Draw the card while a camera is on, and what was seen after it."""
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
            show(tables.plain([row(one) for one in challenge.observations()], "um-alarms"))
            slow = state.mostly_slow or state.reading.too_slow is not None
            said = _("Too few frames were scored here to say anything.") if slow else ""
            typography.paragraph(said or conclusion(challenge.observations()))
            show(typography.small_print(proves()))
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
    """Return what was seen during a move: the move, what broke, the highest score."""
    broke = []
    if seen.rose:
        broke.append(_("the score rose over the limit"))
    if seen.lost and seen.move is not Move.COVER:
        broke.append(_("no face for {time}").format(time=labels.took(seen.lost)))
    if seen.replaced:
        broke.append(_("another face was followed afterwards"))
    text = "; ".join(broke) or _("score and face held")
    if seen.made is False:
        text = _("this move was not seen; {what}").format(what=text)
    score = "–" if seen.highest is None else labels.score(seen.highest)
    state = chip(_("Held"), "plain", "check")
    if not seen.held:
        state = chip(_("Broke"), "inc", "help")
    elif seen.made is False:
        state = chip(_("Not seen"), "plain", "remove")
    frames = labels.count(seen.scored, "scored frame", "scored frames")
    return [
        with_note(typography.strong(say(NAMES[seen.move])), frames),
        with_note(state, text),
        score,
    ]


def conclusion(seen: list[Observation]) -> str:
    """Return what all moves come to, in a sentence."""
    broke = [labels.lower_first(say(NAMES[one.move])) for one in seen if not one.held]
    missing = [labels.lower_first(say(NAMES[one.move])) for one in seen if one.made is False]
    if broke:
        text = _("Something broke at: {moves}. Ask for the same move again, more slowly.")
        return text.format(moves=labels.listed(broke))
    if missing:
        text = _("Nothing broke, but these moves were not seen: {moves}. Ask for them again.")
        return text.format(moves=labels.listed(missing))
    return _("Nothing broke.")


def proves() -> str:
    """Return what a challenge proves, and what it does not."""
    return _(
        "A break is a reason to ask on, and no proof: poor light and quick moves lose genuine "
        "faces too. That nothing breaks proves nothing: good swaps hold. It was not measured how "
        "often either happens. Ask what only this person can know, or call them back."
    )
