"""Authentication of API requests: an API key, or a program on this computer.

Without accounts, a program on this computer is its owner, as a browser on it is
(`service.auth.identify`); any other caller sends a key. A request with a key acts as that key's
principal, wherever it comes from.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from detector.sentences import _
from service import auth, limits
from service.api.errors import Forbidden, Unauthorized
from service.application import Application
from service.auth.caller import Caller
from service.context import PrincipalKind, RequestContext, Scope

HEADER = "X-API-Key"  # Where a key may stand instead of `Authorization: Bearer`


def application(connection: HTTPConnection) -> Application:
    """Return the application of this server."""
    get: Callable[[], Application] = connection.app.state.application
    return get()


App = Annotated[Application, Depends(application)]


class KeyHeader(SecurityBase):
    """Dependency that reads the API key of a request or WebSocket (FastAPI's own reads no
    WebSockets)."""

    model = HTTPBearer(description=f"A key of `unmask keys add`; or in the header {HEADER}.")
    scheme_name = "key"

    def __call__(self, connection: HTTPConnection) -> str:
        kind, _space, text = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and text.strip():
            return text.strip()
        return connection.headers.get(HEADER, "").strip()


Shown = Annotated[str, Security(KeyHeader())]


def identify(
    connection: HTTPConnection, application: App, shown: Shown, needed: SecurityScopes
) -> RequestContext:
    """Return the principal of a request. Raise Unauthorized for an unknown caller, Forbidden if the
    key lacks the scope, RateLimitExceeded after too many requests."""
    caller = Caller.of_request(connection)
    context = _with_key(application, caller, shown, needed.scopes) if shown else _here(caller)
    limits.count_request(context)
    connection.state.principal = context.principal.id
    return context


def in_force(connection: HTTPConnection, application: Application) -> bool:
    """Return whether a connection's credentials are still valid: a stream may outlive its key."""
    shown = KeyHeader()(connection)
    return not shown or application.keys.find(shown) is not None


def _with_key(
    application: Application, caller: Caller, shown: str, needed: list[str]
) -> RequestContext:
    key = application.keys.find(shown)
    if key is None:
        limits.count_rejected(caller.address)
        hint = _("Who runs this server can make another: unmask keys add NAME")
        raise Unauthorized(_("This API key is not valid, or no longer in force."), hint=hint)
    missing = [scope for scope in needed if scope not in key.scopes]
    if missing:
        raise Forbidden(
            _("This API key lacks the scope {scopes}.").format(scopes=", ".join(missing))
        )
    return RequestContext(key.principal, address=caller.address)


def _here(caller: Caller) -> RequestContext:
    principal = auth.identify(caller, None)
    if principal is None or principal.kind is not PrincipalKind.LOCAL:
        text = _("This server answers programs on its own computer, and those with a key.")
        raise Unauthorized(text, hint=_("Send one: Authorization: Bearer um_…"))
    return RequestContext(principal, address=caller.address, loopback=caller.loopback)


Reader = Annotated[RequestContext, Security(identify, scopes=[Scope.READ])]
Analyst = Annotated[RequestContext, Security(identify, scopes=[Scope.ANALYZE])]
ModelKeeper = Annotated[RequestContext, Security(identify, scopes=[Scope.MODELS])]
Observer = Annotated[RequestContext, Security(identify, scopes=[Scope.METRICS])]
