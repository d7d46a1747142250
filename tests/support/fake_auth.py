"""Supabase's auth server as its documentation and its own client describe it, in memory.

Behind `httpx.MockTransport` for what no stand-in does: e-mails, links, OAuth, and each way to fail.
It holds clients to the contract: a wrong verifier, a used code or an old refresh token is refused.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

URL, KEY = "https://project.example", "sb_publishable_test"
PASSWORD = "correct horse battery"


@dataclass
class Account:
    email: str
    password: str
    confirmed: bool = True
    id: str = field(default_factory=lambda: f"00000000-0000-4000-8000-{secrets.token_hex(6)}")
    role: str | None = None

    def json(self):
        return {
            "id": self.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": self.email,
            "app_metadata": {"provider": "email"} | ({"role": self.role} if self.role else {}),
            # People write this themselves; nobody may believe it.
            "user_metadata": {"role": "admin"},
            "created_at": "2026-11-20T18:00:00Z",
            "identities": [],
        }


@dataclass
class FakeAuth:
    """An auth server, where new addresses have to be confirmed (`confirm`), that can't be reached
    (`down`), whose access tokens last so many seconds, and that keeps each e-mail: to whom, which
    kind, and the address its link would lead to."""

    confirm: bool = True
    down: bool = False
    lasts: int = 3600
    accounts: dict[str, Account] = field(default_factory=dict)
    mails: list[dict[str, str]] = field(default_factory=list)
    seen: list[httpx.Request] = field(default_factory=list)
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    _access: dict[str, Account] = field(default_factory=dict)
    _refresh: dict[str, Account] = field(default_factory=dict)
    _codes: dict[str, tuple[Account, str]] = field(default_factory=dict)
    _hashes: dict[str, tuple[Account, str]] = field(default_factory=dict)

    def add(self, email, **about):
        self.accounts[email] = Account(email, PASSWORD, **about)
        return self.accounts[email]

    def pool(self):
        return httpx.Client(transport=httpx.MockTransport(self.handle))

    def follow(self, mail):
        """Click the link of an e-mail: where the browser is sent."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = (self.accounts[mail["to"]], mail["challenge"])
        self.accounts[mail["to"]].confirmed = True
        return f"{mail['redirect_to']}?code={code}"

    def vouch(self, address, account):
        """Be Google: where the browser is sent after somebody agreed at this address."""
        asked = parse_qs(urlsplit(address).query)
        assert asked["code_challenge_method"] == ["s256"]
        code = secrets.token_urlsafe(16)
        self._codes[code] = (account, asked["code_challenge"][0])
        return f"{asked['redirect_to'][0]}?code={code}"

    def hash_of(self, mail):
        """The hash that a template with {{ .TokenHash }} would print."""
        hashed = secrets.token_hex(28)
        self._hashes[hashed] = (self.accounts[mail["to"]], mail["kind"])
        return hashed

    def handle(self, request):
        self.seen.append(request)
        if self.down:
            raise httpx.ConnectError("refused", request=request)
        path = request.url.path.removeprefix("/auth/v1/")
        assert request.headers["apikey"] == KEY
        if path in self.refuse:
            return fail(*self.refuse[path])
        body = json.loads(request.content or b"{}")
        answer: Callable[[httpx.Request, dict], httpx.Response] = getattr(self, f"_{path}")
        return answer(request, body)

    def _signup(self, request, body):
        if body["email"] in self.accounts:
            if not self.confirm:
                return fail(422, "user_already_exists")
            return httpx.Response(200, json=Account(body["email"], "").json())
        account = self.accounts[body["email"]] = Account(
            body["email"], body["password"], confirmed=not self.confirm
        )
        if not self.confirm:
            return self._session(account)
        self._mail(request, body, "signup")
        return httpx.Response(200, json=account.json())

    def _otp(self, request, body):
        assert body["create_user"] is False
        if body["email"] not in self.accounts:
            return fail(422, "otp_disabled")
        self._mail(request, body, "magiclink")
        return httpx.Response(200, json={})

    def _recover(self, request, body):
        if body["email"] in self.accounts:
            self._mail(request, body, "recovery")
        return httpx.Response(200, json={})

    def _resend(self, request, body):
        self._mail(request, body, "signup")
        return httpx.Response(200, json={})

    def _token(self, request, body):
        grant = request.url.params["grant_type"]
        if grant == "password":
            account = self.accounts.get(body["email"])
            if account is None or account.password != body["password"]:
                return fail(400, "invalid_credentials")
            if not account.confirmed:
                return fail(400, "email_not_confirmed")
            return self._session(account)
        if grant == "refresh_token":
            account = self._refresh.pop(body["refresh_token"], None)
            return self._session(account) if account else fail(400, "refresh_token_not_found")
        account, challenge = self._codes.pop(body["auth_code"], (None, ""))
        if account is None:
            return fail(404, "flow_state_not_found")
        hashed = hashlib.sha256((body["code_verifier"] or "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != challenge:
            return fail(400, "bad_code_verifier")
        return self._session(account)

    def _verify(self, request, body):
        account, kind = self._hashes.pop(body["token_hash"], (None, ""))
        if account is None or kind != body["type"]:
            return fail(403, "otp_expired")
        return self._session(account)

    def _user(self, request, body):
        account = self._access.get(request.headers["authorization"].removeprefix("Bearer "))
        if account is None:
            return fail(403, "session_not_found")
        if request.method == "PUT":
            if body["password"] == account.password:
                return fail(422, "same_password")
            account.password = body["password"]
        return httpx.Response(200, json=account.json())

    def _logout(self, request, body):
        token = request.headers["authorization"].removeprefix("Bearer ")
        account = self._access.get(token)
        if account is None:
            return fail(403, "session_not_found")
        scope = request.url.params.get("scope", "global")
        for kept in [t for t, owner in self._access.items() if owner is account]:
            if scope == "global" or (kept == token) == (scope == "local"):
                del self._access[kept]
                self._refresh.pop(f"r{kept}", None)
        return httpx.Response(204)

    def _session(self, account):
        access = secrets.token_urlsafe(24)
        self._access[access] = self._refresh[f"r{access}"] = account
        return httpx.Response(
            200,
            json={
                "access_token": access,
                "refresh_token": f"r{access}",
                "token_type": "bearer",
                "expires_in": self.lasts,
                "expires_at": int(time.time()) + self.lasts,
                "provider_token": "of-google",
                "user": account.json(),
            },
        )

    def _mail(self, request, body, kind):
        mail = {"to": body["email"], "kind": kind, "challenge": body.get("code_challenge", "")}
        self.mails.append(mail | {"redirect_to": request.url.params["redirect_to"]})


def fail(status, code):
    body: dict[str, Any] = {"code": code, "message": code}
    if code == "weak_password":
        body["weak_password"] = {"reasons": ["length"]}
    return httpx.Response(status, json=body, headers={"x-supabase-api-version": "2024-01-01"})
