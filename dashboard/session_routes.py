"""HTTP routes of sign-in, where a browser gets its cookie: a script run can't set one.

    POST /session/begin            exchange a ticket for the cookie
    GET  /session/with/<provider>  redirect to Google or GitHub
    GET  /session/return/<nonce>   return from there, or from a link in an e-mail
    POST /session/return           the same, after a confirmation in another browser

No GET signs in a browser that did not begin the flow: mail scanners open links, and a link could
belong to another person's account. The server alone decides where to redirect afterwards; no
address comes from a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard import i18n, labels, session
from dashboard.cookies import cookie
from dashboard.hosting import base_path
from dashboard.theme import plain
from detector.sentences import _, use
from service import auth
from service.auth.caller import GUEST, SESSION, AuthReturnContext, Caller, Purpose, SignedIn, digest
from service.auth.problems import AccountError, account_error, code_of_supabase

if TYPE_CHECKING:
    from service.auth.flows import AuthService

MAX_BODY = 4096
"""bytes of a request; a ticket and a code are short."""
_FIELDS = ("nonce", "code", "token_hash", "type")
"""What a link brings; the nonce is in its path."""
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
"""Addresses here hold codes: they go into no cache and no other site's log."""


def routes() -> list[Route]:
    """Return the routes of signing in and out."""
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
    caller, service = session.request_caller(request), auth.auth_service()
    # Only a click on our own page begins: a foreign one shall not send people off.
    if service is None or caller.header("sec-fetch-site") not in ("", "same-origin", "none"):
        return _to_sign_in("account")
    if caller.cookie(GUEST) is None:
        return _to_sign_in("cookies")
    back = AuthReturnContext.of(caller, base_path())
    try:
        url = await run_in_threadpool(service.begin_oauth, request.path_params["provider"], back)
    except AccountError as error:
        return _to_sign_in(error.code)
    return RedirectResponse(url, 303, headers=_PRIVATE)


async def _return(request: Request) -> Response:
    caller, service = session.request_caller(request), auth.auth_service()
    if service is None:
        return _to_sign_in("account")
    query = {**request.query_params, "nonce": request.path_params["nonce"]}
    pending = await run_in_threadpool(service.pending, query["nonce"])
    if error := query.get("error_code") or query.get("error"):
        return _to_sign_in(code_of_supabase(error))
    token_hash = query.get("token_hash")
    if not query.get("code") and not token_hash:
        # The address was confirmed and Supabase put the tokens behind a #, where no server sees
        # them; ours stay out of addresses. They are signed in with the password they just chose.
        confirmed = pending is not None and pending.purpose is Purpose.CONFIRM
        return _to_sign_in("confirmed" if confirmed else "expired")
    secret = caller.cookie(GUEST)
    if pending is not None and secret is not None and pending.browser == digest(secret):
        return await _finish(caller, service, query)
    if pending is None and not token_hash:
        return _to_sign_in("expired")
    if pending is not None and pending.purpose is Purpose.OAUTH:
        return _to_sign_in("elsewhere")
    # A mail program may show links in a browser of its own: who says yes there, may.
    fields = {name: query[name] for name in _FIELDS if query.get(name)}
    with use(i18n.of_request(caller.header("accept-language"))):
        return _question(pending.email if pending else "", fields)


async def _confirm(request: Request) -> Response:
    caller, service = session.request_caller(request), auth.auth_service()
    if service is None or not caller.from_own_page:
        return Response(status_code=403, headers=_PRIVATE)
    try:
        sent = parse_qs((await _body(request)).decode("ascii"))
    except ValueError:
        return _to_sign_in("expired")
    form = {name: values[0] for name, values in sent.items()}
    pending = await run_in_threadpool(service.pending, form.get("nonce", ""))
    by_code = form.get("code") and pending is not None and pending.purpose is not Purpose.OAUTH
    if not form.get("token_hash") and not by_code:
        return _to_sign_in("expired")
    return await _finish(caller, service, form)


async def _finish(caller: Caller, service: AuthService, fields: Mapping[str, str]) -> Response:
    """Sign in with the fields of a link: `_FIELDS`."""
    nonce, token_hash = fields.get("nonce", ""), fields.get("token_hash")
    try:
        if token_hash:
            signed = await run_in_threadpool(service.confirm, token_hash, fields.get("type", ""))
            await run_in_threadpool(service.forget, nonce)
        else:
            signed = await run_in_threadpool(service.finish, nonce, fields.get("code", ""))
    except AccountError as error:
        return _to_sign_in(error.code)
    return await _attach(_to("account" if signed.reset else ""), signed, caller, service)


async def _attach(
    response: Response, signed: SignedIn, caller: Caller, service: AuthService
) -> Response:
    """Set the cookie and end the browser's earlier session."""
    if (old := caller.cookie(SESSION)) and (former := service.sessions.find(old)):
        await run_in_threadpool(service.sign_out, former)
    response.headers.append("set-cookie", cookie(SESSION, signed.cookie, caller, round(signed.ttl)))
    return response


def _question(email: str, fields: dict[str, str]) -> Response:
    text = _(
        "This link was asked for in another browser. It signs you in here. If you did not ask "
        "for it, close this page."
    )
    if email:
        text = _(
            "This link was asked for in another browser. It signs you in as {email} here. If you "
            "did not ask for it, close this page."
        ).format(email=f"<b>{labels.escape(email)}</b>")
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{labels.escape(value)}">'
        for name, value in fields.items()
    )
    body = (
        f"<h1>{_('Sign in here?')}</h1><p>{text}</p>"
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


def _to_sign_in(code: str) -> Response:
    return _to(f"account?said={quote(code)}")


def _to(page: str) -> Response:
    """Return a redirect to a page; without its empty fragment browsers would carry over tokens."""
    return RedirectResponse(f"{base_path()}/{page}#", 303, headers=_PRIVATE)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError("too long")
    return body
