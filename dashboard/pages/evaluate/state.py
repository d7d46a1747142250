"""What the page remembers: its evaluation, by the id in the address."""

from dashboard import session, url_state
from service.tasks.evaluations import Evaluation


def current() -> Evaluation | None:
    """Return the evaluation of the address, where it belongs to whoever is here."""
    id = url_state.current()
    return session.application().evaluations.find(id, session.current_user()) if id else None


def delete(run: Evaluation) -> None:
    """Delete an evaluation, and go back to where one is begun."""
    session.application().evaluations.delete(run.id, session.current_user())
    url_state.leave()
