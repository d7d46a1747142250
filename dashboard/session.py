"""The edge of the dashboard: the caller, from Streamlit's connection, and the application.

The only module that inspects the browser behind a page. Pages call it and pass the result to the
service; in a thread without a page there is no user, and `request_context` raises.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import streamlit as st
from starlette.requests import HTTPConnection

from dashboard import _compat, i18n
from detector import paths
from detector.schema.analysis import Settings
from service import auth
from service.application import Application
from service.auth.caller import GUEST, Caller, lower_names
from service.auth.problems import AccountError, Unreachable
from service.context import Principal, PrincipalKind, RequestContext, new_id
from service.records.store import RecordScope
from service.tasks.jobs import Job
from service.tasks.task import Task

if TYPE_CHECKING:
    from service.auth.sessions import Session

_TAB, _SESSION = "auth-tab", "auth-session"
"""Session state: stand in for the cookies of a browser that keeps none."""
_LANGUAGE_OF = "language-of"


def application() -> Application:
    """Return the application of this server, composed on first use."""
    return _application(paths.data())


@lru_cache(maxsize=1)
def _application(data: Path) -> Application:
    return Application(data)


def request_context() -> RequestContext:
    """Return the request context of this script run. Raise RuntimeError outside of one."""
    caller = page_caller()
    session = auth.find_session(caller, st.session_state.get(_SESSION))
    principal = auth.identify(caller, session)
    if principal is None:
        principal = auth.guest_of(st.session_state.setdefault(_TAB, new_id()))
    return _context(caller, session, principal, st.session_state.get(_TAB))


def context_of(request: HTTPConnection) -> RequestContext | None:
    """Return the context of a request to one of the server's own routes, by its cookies; None for
    a browser that was never here."""
    caller = request_caller(request)
    session = auth.find_session(caller)
    principal = auth.identify(caller, session)
    return None if principal is None else _context(caller, session, principal, None)


def _context(
    caller: Caller, session: Session | None, principal: Principal, tab: str | None
) -> RequestContext:
    user = principal.kind is PrincipalKind.USER
    guest = caller.cookie(GUEST) or tab
    return RequestContext(
        principal=principal,
        address=caller.address,
        loopback=caller.loopback,
        guest=auth.guest_of(guest) if guest else None,
        connect=session.client if session is not None and user else None,
    )


def current_user() -> Principal:
    """Return the principal of the page."""
    return request_context().principal


def record_scope() -> RecordScope:
    """Return the store and owner of the page's records. Raise RecordsError after a sign-out."""
    return application().scope(request_context())


def load_language() -> None:
    """Apply the language of this person's Settings, once a tab and person."""
    scope = record_scope()
    if st.session_state.get(_LANGUAGE_OF) != scope.owner:
        st.session_state[_LANGUAGE_OF] = scope.owner
        i18n.choose(scope.store.preferences(scope.owner).language)


def find_job(id: str | None) -> Job | None:
    """Return the job behind an address if the user may see it."""
    return application().find(request_context(), id) if id else None


def submit(file: BinaryIO, name: str, settings: Settings, *, size: int | None = None) -> Job:
    """Submit a file (`Application.submit`, which lists the errors)."""
    return application().submit(request_context(), file, name, settings, size=size)


def start_link(url: str, settings: Settings) -> Task:
    """Start to fetch a file (`Application.start_link`, which lists the errors)."""
    return application().start_link(request_context(), url, settings)


def find_task(id: str | None) -> Task | None:
    """Return a task that the user may see."""
    return application().tasks.find(id, current_user()) if id else None


def owns(job: Job) -> bool:
    """Return whether the user may change and stop an analysis."""
    return request_context().owns(job.record.owner)


def may_stop(task: Task) -> bool:
    """Return whether the user owns a task, or is an administrator."""
    context = request_context()
    return context.owns(task.owner) or task.visible_to(context.principal)


def cancel(task: Task) -> None:
    """Cancel a task if the user may."""
    if may_stop(task):
        application().tasks.cancel(task)


def is_loopback_client() -> bool:
    """Return whether the browser runs on the server's computer."""
    return request_context().loopback


def current_session() -> Session | None:
    """Return the session of the page's browser."""
    return auth.find_session(page_caller(), st.session_state.get(_SESSION))


def attach_session(cookie: str) -> None:
    """Sign this tab in for as long as it is open."""
    st.session_state[_SESSION] = cookie


def sign_in_error() -> AccountError | None:
    """Return why a signed-in person is a guest for now."""
    session = current_session()
    try:
        if session is not None:
            session.principal()
    except Unreachable as error:
        return error
    except AccountError:
        pass
    return None


def page_caller() -> Caller:
    """Return the connection of the page."""
    if not _compat.in_script_run():
        raise RuntimeError("the caller is known while a page is drawn, not in a thread of its own")
    headers = st.context.headers
    every = ((name, value) for name in headers for value in headers.get_all(name))
    return Caller(
        st.context.ip_address, lower_names(every), st.context.cookies.to_dict(), _speaks_tls()
    )


def request_caller(request: HTTPConnection) -> Caller:
    """Return the connection of a request to one of the server's own routes."""
    return Caller.of_request(request, tls=_speaks_tls())


def _speaks_tls() -> bool:
    return bool(st.get_option("server.sslCertFile"))
