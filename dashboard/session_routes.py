"""Requests around signing in, where a browser gets its cookie: a script run can't set one.

    POST /session/begin            a page that signed in takes its cookie, for a ticket
    GET  /session/with/<provider>  off to Google or GitHub
    GET  /session/return/<nonce>   back from there, or from a link in an e-mail
    POST /session/return           the same, after a person said yes in another browser

Nothing that signs in is done on a mere GET from a browser that did not begin: mail scanners open
links, and a link could belong to somebody else's account. Where to go afterwards is ours alone to
say; no address of it comes from a request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard import i18n, labels, session
from dashboard.cookies import cookie
from dashboard.hosting import base_path
from dashboard.i18n import _
from dashboard.theme import plain
from service import auth
from service.auth.caller import GUEST, SESSION, Caller, digest
from service.auth.problems import AccountError, account_error, code_of_supabase
from service.auth.steps import AuthReturnContext, Purpose, SignedIn

if TYPE_CHECKING:
    from service.auth.flows import AuthService

MAX_BODY = 4096
"""bytes of a request; a ticket and a code are short."""
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Addresses here hold codes: they go into no cache and no other site's log."""


def routes() -> list[Route]:
    """Return the addresses that signing in and out goes through."""
    base = base_path()
    return [
        Route(f"{base}/session/begin", _begin, methods=["POST"]),
        Route(f"{base}/session/with/{{provider}}", _oauth, methods=["GET"]),
        Route(f"{base}/session/return/{{nonce}}", _return, methods=["GET"]),
        Route(f"{base}/session/return", _confirm, methods=["POST"]),
    ]


async def _begin(request: Request) -> Response:
    caller, service = session.request_caller(request), auth.auth_service()
    if service is None or not caller.from_own_page:
        return Response(status_code=403, headers=_PRIVATE)
    secret = caller.cookie(GUEST)
    try:
        ticket = json.loads(await _body(request)).get("ticket")
        if not isinstance(ticket, str) or secret is None:
            raise account_error("expired")
        signed = await run_in_threadpool(service.redeem, ticket, digest(secret))
    except (ValueError, AttributeError, AccountError):
        return Response(status_code=403, headers=_PRIVATE)
    return await _attach(Response(status_code=204, headers=_PRIVATE), signed, caller, service)


async def _oauth(request: Request) -> Response:
    caller, service, base = session.request_caller(request), auth.auth_service(), base_path()
    # Only a click on our own page begins: a foreign one shall not send people off.
    if service is None or caller.header("sec-fetch-site") not in ("", "same-origin", "none"):
        return _to(base, "account")
    if caller.cookie(GUEST) is None:
        return _to(base, "cookies")
    try:
        url = await run_in_threadpool(
            service.begin_oauth, request.path_params["provider"], AuthReturnContext.of(caller, base)
        )
    except AccountError as error:
        return _to(base, error.code)
    return RedirectResponse(url, 303, headers=_PRIVATE)


async def _return(request: Request) -> Response:
    caller, service, base = session.request_caller(request), auth.auth_service(), base_path()
    if service is None:
        return _to(base, "account")
    nonce = request.path_params["nonce"]
    asked = request.query_params
    pending = await run_in_threadpool(service.pending, nonce)
    if error := asked.get("error_code") or asked.get("error"):
        return _to(base, code_of_supabase(error))
    code, token_hash, kind = asked.get("code"), asked.get("token_hash"), asked.get("type", "")
    if not code and not token_hash:
        # The address was confirmed and Supabase put the tokens behind a #, where no server sees
        # them; ours stay out of addresses. They are signed in with the password they just chose.
        confirmed = pending is not None and pending.purpose is Purpose.CONFIRM
        return _to(base, "confirmed" if confirmed else "expired")
    secret = caller.cookie(GUEST)
    begun_here = pending is not None and secret is not None and pending.browser == digest(secret)
    if begun_here:
        return await _finish(caller, service, base, nonce, code, token_hash, kind)
    if pending is None and not token_hash:
        return _to(base, "expired")
    if pending is not None and pending.purpose is Purpose.OAUTH:
        return _to(base, "elsewhere")
    # A mail program may show links in a browser of its own: who says yes there, may.
    email = pending.email if pending else ""
    fields = {"nonce": nonce, "code": code, "token_hash": token_hash, "type": kind}
    with i18n.use_locale(caller.header("accept-language")):
        return _question(email, {name: value for name, value in fields.items() if value})


async def _confirm(request: Request) -> Response:
    caller, service, base = session.request_caller(request), auth.auth_service(), base_path()
    if service is None or not caller.from_own_page:
        return Response(status_code=403, headers=_PRIVATE)
    try:
        sent = parse_qs((await _body(request)).decode("ascii"))
    except ValueError:
        return _to(base, "expired")
    given = {name: values[0] for name, values in sent.items()}
    nonce, code, token_hash = given.get("nonce", ""), given.get("code"), given.get("token_hash")
    pending = await run_in_threadpool(service.pending, nonce)
    if not token_hash and (not code or pending is None or pending.purpose is Purpose.OAUTH):
        return _to(base, "expired")
    return await _finish(caller, service, base, nonce, code, token_hash, given.get("type", ""))


async def _finish(
    caller: Caller,
    service: AuthService,
    base: str,
    nonce: str,
    code: str | None,
    token_hash: str | None,
    kind: str,
) -> Response:
    try:
        if token_hash:
            signed = await run_in_threadpool(service.confirm, token_hash, kind)
            await run_in_threadpool(service.forget, nonce)
        else:
            signed = await run_in_threadpool(service.finish, nonce, code or "")
    except AccountError as error:
        return _to(base, error.code)
    answer = _to(base, "") if not signed.reset else _account(base)
    return await _attach(answer, signed, caller, service)


async def _attach(
    response: Response, signed: SignedIn, caller: Caller, service: AuthService
) -> Response:
    """Hand the cookie over; who sat in this browser before leaves."""
    if (old := caller.cookie(SESSION)) and (former := service.sessions.find(old)):
        await run_in_threadpool(service.sign_out, former)
    response.headers.append("set-cookie", cookie(SESSION, signed.cookie, caller, round(signed.ttl)))
    return response


def _question(email: str, fields: dict[str, str]) -> Response:
    """A page of its own that asks whether to sign in here."""
    said = (
        _(
            "This link was asked for in another browser. It signs you in as {email} here. If you "
            "did not ask for it, close this page."
        ).format(email=f"<b>{labels.escape(email)}</b>")
        if email
        else _(
            "This link was asked for in another browser. It signs you in here. If you did not ask "
            "for it, close this page."
        )
    )
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{labels.escape(value)}">'
        for name, value in fields.items()
    )
    body = (
        f"<h1>{_('Sign in here?')}</h1><p>{said}</p>"
        f'<form method="post" action="../return">{hidden}<button>{_("Sign in")}</button></form>'
    )
    return HTMLResponse(
        plain.page(_("Sign in"), body),
        headers={
            **_PRIVATE,
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
            "form-action 'self'; frame-ancestors 'none'",
            # Not no-referrer: with it a browser would name no origin with the form.
            "Referrer-Policy": "same-origin",
        },
    )


def _to(base: str, code: str) -> Response:
    """The sign-in page, with what it shall say; the first page without anything to say.

    The empty fragment is there on purpose: without one, a browser would carry over the tokens that
    an older kind of link has behind its #.
    """
    if not code:
        return RedirectResponse(f"{base}/#", 303, headers=_PRIVATE)
    return RedirectResponse(f"{base}/account?said={quote(code)}#", 303, headers=_PRIVATE)


def _account(base: str) -> Response:
    return RedirectResponse(f"{base}/account#", 303, headers=_PRIVATE)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError("too long")
    return body
