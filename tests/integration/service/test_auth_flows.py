"""Signing in against a recorded contract of the auth server."""

import logging
import re
import time
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard import labels, session_routes
from dashboard.components import status_cards
from dashboard.cookies import GuestCookie
from service import auth
from service.application import Application
from service.auth import Accounts, PrincipalKind, Role, flows, sessions
from service.auth.caller import GUEST, SESSION, AuthReturnContext, Caller, digest
from service.auth.flows import AuthService
from service.auth.problems import AccountError, Unreachable
from service.auth.session_store import EncryptedSessionStore
from service.records.store import RecordScope
from tests.support.fake_auth import KEY, PASSWORD, URL, FakeAuth
from tests.support.pages import APP, press
from tests.support.pages import html as text
from tests.support.waiting import PATIENT, at_once

HOME = "http://unmask.example"
HERE = AuthReturnContext(digest("browser-of-mine-0000000"), "203.0.113.9", HOME)
ADA = "ada@example.org"


@pytest.fixture
def fake():
    return FakeAuth()


@pytest.fixture
def ada(fake):
    return fake.add(ADA)


@pytest.fixture
def service(fake, tmp_path, monkeypatch):
    for name in ("UNMASK_PUBLIC_URL", "UNMASK_LOCAL", "UNMASK_TRUST_PROXY", "UNMASK_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    kept = Accounts(URL, KEY, providers=("google", "github"))
    service = AuthService(kept, EncryptedSessionStore(tmp_path), fake.pool)
    monkeypatch.setattr(auth, "auth_service", lambda: service)
    monkeypatch.setattr(auth, "accounts", lambda: kept)
    return service


def enter(service, email=ADA):
    """Sign in with the password, as a page without cookies would."""
    return service.sessions.find(service.begin_tab_session(service.sign_in(email, PASSWORD, HERE)))


def refused(code):
    return pytest.raises(AccountError, check=lambda e: e.code == code and e.message.endswith("."))


def test_a_new_address_is_confirmed_first(fake, service):
    assert service.sign_up(ADA, PASSWORD, HERE) is None
    assert fake.mails[0]["to"] == ADA
    assert fake.mails[0]["redirect_to"].startswith(f"{HOME}/session/return/")
    with refused("unconfirmed"):
        service.sign_in(ADA, PASSWORD, HERE)


def test_who_signs_up_twice_learns_nothing_of_others(fake, service, ada):
    assert service.sign_up(ADA, "another password", HERE) is None
    fake.confirm = False
    assert service.sign_up(ADA, "another password", HERE) is None
    assert service.sign_up("new@example.org", PASSWORD, HERE) is not None


def test_a_wrong_password_and_a_wrong_address_say_the_same(service, ada):
    said = []
    for email, password in ((ADA, "wrong"), ("nobody@example.org", PASSWORD)):
        with pytest.raises(AccountError) as refused:
            service.sign_in(email, password, HERE)
        said.append(str(refused.value))
    assert said[0] == said[1] == "The e-mail address or the password is wrong."


def test_links_say_nothing_of_who_has_an_account(fake, service):
    service.send_link("nobody@example.org", HERE)
    service.send_reset("nobody@example.org", HERE)
    assert fake.mails == []


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (429, "over_request_rate_limit", "too_many"),
        (422, "weak_password", "weak"),
        (422, "signup_disabled", "closed"),
        (400, "validation_failed", "address"),
        (400, "email_provider_disabled", "not_offered"),
        (400, "captcha_failed", "captcha"),
        (500, "unexpected_failure", "unreachable"),
        (418, "something_new", "account"),
    ],
)
def test_each_refusal_has_a_sentence(fake, service, status, code, ours):
    fake.refuse["signup"] = (status, code)
    with refused(ours):
        service.sign_up(ADA, PASSWORD, HERE)


def test_the_server_can_be_away(fake, service):
    fake.down = True
    with pytest.raises(Unreachable, match="can’t be reached"):
        service.sign_in(ADA, PASSWORD, HERE)


def test_passwords_are_not_tried_for_ever(fake, service, ada):
    for number in range(flows.MAX_TRIES):
        place = AuthReturnContext(HERE.browser, f"203.0.113.{number}", HOME)
        with pytest.raises(AccountError, match="wrong"):
            service.sign_in(ADA, f"guess {number}", place)
    asked = len(fake.seen)
    with refused("too_many"):
        service.sign_in(ADA.upper(), PASSWORD, AuthReturnContext("", "198.51.100.1", HOME))
    assert len(fake.seen) == asked  # one visitor can't use up what Supabase allows this server


def test_mails_are_not_sent_for_ever(fake, service, ada):
    for _ in range(flows.MAX_MAILS):
        service.send_link(ADA, HERE)
    with refused("too_many_mails"):
        service.send_reset(ADA, HERE)
    assert len(fake.mails) == flows.MAX_MAILS


def test_roles_come_from_the_server_alone(fake, service):
    """Every account of the fake claims in its user_metadata to be an admin."""
    for role, meant in (
        (None, Role.ANALYST),
        ("viewer", Role.VIEWER),
        ("admin", Role.ADMIN),
        ("emperor", Role.VIEWER),
    ):
        fake.add(ADA, role=role)
        person = enter(service).principal()
        assert person.role is meant
        assert (person.kind, person.email) == (PrincipalKind.USER, ADA)
        service._tries.clear()


def test_two_tabs_refresh_once(fake, service, ada):
    fake.lasts = 5
    seat = enter(service)
    fake.lasts = 3600
    at_once(lambda _: seat.client(), range(8))
    refreshes = [r for r in fake.seen if r.url.params.get("grant_type") == "refresh_token"]
    assert len(refreshes) == 1
    assert seat.principal().email == ADA


def test_who_is_known_stays_while_the_server_is_away(fake, service, monkeypatch, ada):
    seat = enter(service)
    seat.principal()
    fake.down = True
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0)
    assert seat.principal().email == ADA
    monkeypatch.setattr(sessions, "GRACE_SECONDS", 0)
    with pytest.raises(Unreachable):
        seat.principal()
    asked = len(fake.seen)
    with pytest.raises(Unreachable):
        seat.principal()
    assert len(fake.seen) == asked  # not at each drawing of the page
    fake.down = False
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 0)
    assert seat.principal().email == ADA


def test_sign_out_works_without_the_server(fake, service, ada):
    cookie = service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE))
    seat = service.sessions.find(cookie)
    fake.down = True
    service.sign_out(seat)
    fake.down = False
    assert service.sessions.find(cookie) is None


def test_sign_out_here_leaves_others_in_and_everywhere_does_not(fake, service, ada):
    fake.add("bob@example.org")
    cookies = [service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE)) for _ in range(3)]
    bob = service.begin_tab_session(service.sign_in("bob@example.org", PASSWORD, HERE))
    places = [service.sessions.find(cookie) for cookie in (*cookies, bob)]
    for place in places:
        assert place and place.principal()
    service.sign_out(places[0])
    assert [service.sessions.find(cookie) is not None for cookie in cookies] == [False, True, True]
    service.sign_out_everywhere(places[1])
    assert [service.sessions.find(cookie) for cookie in cookies] == [None, None, None]
    assert service.sessions.find(bob) is places[3]
    assert places[3].principal().email == "bob@example.org"


def test_everywhere_is_not_claimed_when_it_is_not_so(fake, service, ada):
    seat = enter(service)
    seat.principal()
    fake.down = True
    with pytest.raises(Unreachable):
        service.sign_out_everywhere(seat)
    fake.down = False
    assert seat.principal().email == ADA


def test_the_disk_holds_no_token_and_no_cookie(fake, service, tmp_path, ada):
    cookie = service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE))
    service.send_link(ADA, HERE)
    nonce = fake.mails[0]["redirect_to"].rsplit("/", 1)[1]
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("sessions.sqlite*"))
    secrets = [cookie, nonce, ADA, PASSWORD, *fake._access, *fake._refresh, "of-google"]
    assert digest(cookie).encode() in stored
    assert [secret for secret in secrets if secret.encode() in stored] == []
    for name in ("sessions.key", "sessions.sqlite"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_another_key_signs_everybody_out_and_breaks_nothing(
    fake, service, tmp_path, monkeypatch, ada
):
    cookie = service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE))
    monkeypatch.setenv("UNMASK_SECRET_KEY", "x" * 32)
    other = AuthService(service.accounts, EncryptedSessionStore(tmp_path), fake.pool)
    assert other.sessions.find(cookie) is None
    assert other.sessions.find(other.begin_tab_session(other.sign_in(ADA, PASSWORD, HERE)))
    monkeypatch.setenv("UNMASK_SECRET_KEY", "short")
    with pytest.raises(SystemExit, match="32 characters"):
        EncryptedSessionStore(tmp_path)


def test_what_is_kept_ends_or_is_taken_once(tmp_path):
    now = [1000.0]
    store = EncryptedSessionStore(tmp_path, lambda: now[0])
    store.put("flow", "a", "body", 10.0)
    assert store.get("flow", "a") == "body"
    now[0] = 1010.0
    assert store.get("flow", "a") is None
    assert store.take("flow", "a") is None
    assert not store.change("flow", "a", "again")
    store.put("ticket", "a", "body", 10.0)
    assert [store.take("ticket", "a") for _ in range(2)] == ["body", None]
    assert not store.change("ticket", "a", "back from the dead")


@pytest.fixture
def app(service):
    def who(request):
        caller = Caller.of_request(request)
        person = auth.identify(caller, auth.find_session(caller))
        return JSONResponse({"id": person.id if person else None, "email": person and person.email})

    pages = [Route(path, lambda request: HTMLResponse("<p>")) for path in ("/", "/account")]
    return Starlette(
        routes=[*pages, Route("/who", who), *session_routes.routes()],
        middleware=[Middleware(GuestCookie)],
    )


def browser(app):
    client = TestClient(app, base_url=HOME, follow_redirects=False)
    client.get("/")
    assert client.cookies.get(GUEST)
    return client


def place_of(client):
    return AuthReturnContext(digest(client.cookies[GUEST]), "203.0.113.9", HOME)


def ticket_for(client, service):
    """What a sign-in with the password gives the script of a page in this browser."""
    session = service.sign_in(ADA, PASSWORD, HERE)
    return {"ticket": service.ticket(session, place_of(client).browser)}


def post(client, path, origin=HOME, **sent):
    return client.post(path, headers={"origin": origin}, **sent)


def path_of(address):
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def said(answer):
    """What the sign-in page is to say."""
    assert answer.status_code == 303
    parts = urlsplit(answer.headers["location"])
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/account")
    return parse_qs(parts.query)["said"][0]


def test_a_ticket_gives_a_cookie_that_no_script_sees(service, app, ada):
    mine = browser(app)
    ticket = ticket_for(mine, service)
    answer = post(mine, "/session/begin", json=ticket)
    assert answer.status_code == 204
    assert answer.headers["cache-control"] == "no-store"
    made = SimpleCookie(answer.headers["set-cookie"])[SESSION]
    assert made["httponly"]
    assert made["samesite"] == "Lax"
    assert int(made["max-age"]) == 30 * 86400
    assert mine.get("/who").json()["email"] == ADA
    assert browser(app).get("/who").json()["email"] == ""
    assert post(mine, "/session/begin", json=ticket).status_code == 403


def test_a_stolen_ticket_is_worth_nothing(service, app, ada):
    mine, thief = browser(app), browser(app)
    session = service.sign_in(ADA, PASSWORD, HERE)
    ticket = service.ticket(session, place_of(mine).browser)
    assert post(thief, "/session/begin", json={"ticket": ticket}).status_code == 403
    # It is used up by that, too.
    assert post(mine, "/session/begin", json={"ticket": ticket}).status_code == 403
    bare = TestClient(app, base_url=HOME)
    ticket = service.ticket(session, digest(""))
    assert post(bare, "/session/begin", json={"ticket": ticket}).status_code == 403


def test_another_site_can_not_sign_people_in(fake, service, app, ada):
    """Login CSRF: the attacker's ticket or link, the victim's browser."""
    victim = browser(app)
    ticket = ticket_for(victim, service)
    for origin in ("https://evil.example", "null", ""):
        assert post(victim, "/session/begin", origin, json=ticket).status_code == 403, origin
    assert victim.post("/session/begin", json=ticket).status_code == 403
    service.send_link(ADA, HERE)
    fields = parse_qs(urlsplit(fake.follow(fake.mails[0])).query)
    nonce = fake.mails[0]["redirect_to"].rsplit("/", 1)[1]
    form = {"nonce": nonce, "code": fields["code"][0]}
    assert post(victim, "/session/return", "https://evil.example", data=form).status_code == 403
    assert SESSION not in victim.cookies


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"ticket": 1}', b"\xff\xfe", b"x" * 9000])
def test_nonsense_gets_no_cookie(app, service, body):
    answer = post(browser(app), "/session/begin", content=body)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_planted_cookie_is_worth_nothing(service, app, ada):
    """Session fixation."""
    victim = browser(app)
    planted = "A" * 22
    victim.cookies.set(SESSION, planted)
    answer = post(victim, "/session/begin", json=ticket_for(victim, service))
    assert SimpleCookie(answer.headers["set-cookie"])[SESSION].value != planted
    thief = browser(app)
    thief.cookies.set(SESSION, planted)
    assert thief.get("/who").json()["email"] == ""


def test_a_second_sign_in_ends_the_first(service, app, ada):
    mine, first = browser(app), ""
    for _ in range(2):
        answer = post(mine, "/session/begin", json=ticket_for(mine, service))
        made = SimpleCookie(answer.headers["set-cookie"])[SESSION].value
        assert service.sessions.find(made) is not None
        first = first or made
    assert service.sessions.find(first) is None


def test_oauth_comes_back_to_the_browser_that_began(fake, service, app, ada):
    mine, thief = browser(app), browser(app)
    away = mine.get("/session/with/google")
    assert away.status_code == 303
    address = away.headers["location"]
    assert address.startswith(f"{URL}/auth/v1/authorize?")
    assert "verifier" not in address
    back = path_of(fake.vouch(address, ada))
    assert said(thief.get(back)) == "elsewhere"  # and it used nothing up
    home = mine.get(back)
    assert home.status_code == 303
    assert home.headers["location"] == "/#"
    assert home.headers["referrer-policy"] == "no-referrer"
    assert mine.get("/who").json()["email"] == ADA
    assert said(mine.get(back)) == "expired"
    # What the provider gave for itself is not kept.
    session = service.sessions.find(mine.cookies[SESSION]).client().auth.get_session()
    assert session.provider_token is None


def test_oauth_without_the_right_verifier_fails(fake, service, app, ada):
    mine = browser(app)
    first = mine.get("/session/with/github").headers["location"]
    second = mine.get("/session/with/github").headers["location"]
    code = parse_qs(urlsplit(fake.vouch(first, ada)).query)["code"][0]
    other = parse_qs(urlsplit(second).query)["redirect_to"][0]
    assert said(mine.get(f"{urlsplit(other).path}?code={code}")) == "expired"
    assert SESSION not in mine.cookies


def test_oauth_begins_on_our_page_with_what_is_offered(app, service):
    mine = browser(app)
    assert said(mine.get("/session/with/facebook")) == "not_offered"
    foreign = mine.get("/session/with/google", headers={"sec-fetch-site": "cross-site"})
    assert said(foreign) == "account"
    bare = TestClient(app, base_url=HOME, follow_redirects=False)
    assert said(bare.get("/session/with/google")) == "cookies"


def test_a_flow_is_over_in_time(fake, service, app, monkeypatch, ada):
    mine = browser(app)
    address = mine.get("/session/with/google").headers["location"]
    later = time.time() + flows.OAUTH_TTL
    monkeypatch.setattr(service._store, "_clock", lambda: later)
    assert said(mine.get(path_of(fake.vouch(address, ada)))) == "expired"


@pytest.mark.parametrize("kind", ["link", "confirm", "reset"])
def test_a_link_signs_in_where_it_was_asked_for(fake, service, app, kind):
    mine = browser(app)
    if kind == "confirm":
        service.sign_up(ADA, PASSWORD, place_of(mine))
    else:
        fake.add(ADA)
        send = service.send_link if kind == "link" else service.send_reset
        send(ADA, place_of(mine))
    home = mine.get(path_of(fake.follow(fake.mails[0])))
    assert home.headers["location"] == ("/account#" if kind == "reset" else "/#")
    assert mine.get("/who").json()["email"] == ADA
    seat = service.sessions.find(mine.cookies[SESSION])
    assert service.needs_new_password(seat) is (kind == "reset")


def test_a_link_in_another_browser_asks_first(fake, service, app, ada):
    """As on a phone whose mail program has a browser of its own."""
    service.send_link(ADA, HERE)
    back = path_of(fake.follow(fake.mails[0]))
    other = browser(app)
    for _ in range(2):
        page = other.get(back)
        assert page.status_code == 200
        assert ADA in page.text
        assert "<script" not in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert SESSION not in other.cookies
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    assert post(other, "/session/return", data=form).headers["location"] == "/#"
    assert other.get("/who").json()["email"] == ADA
    assert said(post(other, "/session/return", data=form)) == "expired"


def test_a_template_with_a_hash_works_anywhere(fake, service, app, ada):
    service.send_reset(ADA, HERE)
    hashed = fake.hash_of(fake.mails[0])
    nonce = fake.mails[0]["redirect_to"].rsplit("/", 1)[1]
    other = browser(app)
    page = other.get(f"/session/return/{nonce}?token_hash={hashed}&type=recovery")
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    assert form["token_hash"] == hashed
    assert post(other, "/session/return", data=form).headers["location"] == "/account#"
    assert other.get("/who").json()["email"] == ADA
    assert said(post(other, "/session/return", data=form)) == "expired"


@pytest.mark.parametrize("besides", ["", "&code=made-up"])
def test_a_hash_alone_signs_nobody_in(fake, service, app, besides, ada):
    """Login CSRF by a link to the attacker's own account."""
    service.send_link(ADA, HERE)
    hashed = fake.hash_of(fake.mails[0])
    victim = browser(app)
    link = f"/session/return/{'x' * 22}?token_hash={hashed}&type=magiclink{besides}"
    assert victim.get(link).status_code == 200  # the question
    assert SESSION not in victim.cookies
    assert hashed in fake._hashes


def test_what_a_link_says_is_never_markup(app, service):
    nasty = '"><script>alert(1)</script>'
    page = browser(app).get("/session/return/nothing", params={"token_hash": nasty, "type": nasty})
    assert page.status_code == 200
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("error=access_denied&error_code=otp_expired&error_description=x", "expired"),
        ("error=access_denied", "denied"),
        ("error=server_error&error_code=unexpected_failure", "account"),
        ("error_code=<script>", "account"),
        ("code=unknown", "expired"),
        ("", "expired"),
    ],
)
def test_a_dead_link_says_so(app, service, query, code):
    assert said(browser(app).get(f"/session/return/gone?{query}")) == code


def test_tokens_behind_a_hash_do_not_stay_in_the_address(fake, service, app):
    """A confirmation that was sent again comes back with tokens in the fragment."""
    service.sign_up(ADA, PASSWORD, HERE)
    service.send_confirmation(ADA, HERE)
    home = browser(app).get(urlsplit(fake.mails[1]["redirect_to"]).path)
    assert home.headers["location"].endswith("#")
    assert said(home) == "confirmed"


@pytest.mark.parametrize("way", ["next", "redirect_to", "redirect", "url", "return_to"])
def test_no_request_says_where_to_go(fake, service, app, way, ada):
    """Open redirect."""
    mine = browser(app)
    service.send_link(ADA, place_of(mine))
    back = path_of(fake.follow(fake.mails[0]))
    for path in (
        f"{back}&{way}=https://evil.example",
        f"/session/with/nobody?{way}=//evil.example",
    ):
        place = mine.get(path).headers["location"]
        assert urlsplit(place).netloc == ""
        assert "evil" not in place


def test_a_forged_host_does_not_get_into_mails(fake, service, monkeypatch, ada):
    monkeypatch.setenv("UNMASK_PUBLIC_URL", "https://unmask.example/")
    place = AuthReturnContext.of(Caller("203.0.113.9", (("host", "evil.example"),), {}), "")
    service.send_reset(ADA, place)
    assert fake.mails[0]["redirect_to"].startswith("https://unmask.example/session/return/")


def test_a_new_password_ends_all_other_sessions(fake, service, ada):
    thief = service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE))
    service.send_reset(ADA, HERE)
    nonce, code = re.search(r"/return/([^?]+)\?code=(.+)", fake.follow(fake.mails[0])).groups()
    signed = service.finish(nonce, code)
    seat = service.sessions.find(signed.cookie)
    assert signed.reset and seat is not None
    with refused("same"):
        service.set_password(seat, PASSWORD)
    assert service.needs_new_password(seat)
    service.set_password(seat, "a whole new sentence")
    assert ada.password == "a whole new sentence"
    assert not service.needs_new_password(seat)
    assert service.sessions.find(thief) is None
    assert seat.principal().email == ADA


def test_logs_and_addresses_hold_no_secret(fake, service, app, caplog, ada):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    mine = browser(app)
    service.send_link(ADA, place_of(mine))
    home = mine.get(path_of(fake.follow(fake.mails[0])))
    mine.get(path_of(fake.vouch(mine.get("/session/with/google").headers["location"], ada)))
    fake.down = True
    with pytest.raises(Unreachable):
        service.sign_in(ADA, PASSWORD, HERE)
    fake.down = False
    service.sign_out(service.sessions.find(mine.cookies[SESSION]))
    secrets = [*fake._access, *fake._refresh, PASSWORD, ADA, mine.cookies[SESSION]]
    told = caplog.text.replace("httpcore", "")
    assert [secret for secret in secrets if secret in told] == []
    addresses = [str(request.url) for request in fake.seen] + [home.headers["location"]]
    assert [s for s in secrets for address in addresses if s in address] == []


@pytest.fixture
def page(service):
    def script():
        from dashboard.pages.account import view as page

        page.draw()

    return AppTest.from_function(script, default_timeout=PATIENT)


def fill(page, email, password):
    page.text_input[0].set_value(email)
    page.text_input[1].set_value(password)


def test_sign_in_and_out_on_the_page(page, ada):
    """Without cookies, as AppTest and a Space's frame have it: the tab stands in for them."""
    page.run()
    assert "Sign in" in text(page)
    fill(page, ADA, "wrong")
    press(page, "Sign in")
    assert "password is wrong" in text(page)
    assert page.text_input[0].value == ADA
    fill(page, ADA, PASSWORD)
    press(page, "Sign in")
    assert "Your account" in text(page) and ADA in text(page)
    assert not page.exception
    press(page, "Sign out")
    assert "You are signed out" in text(page)
    assert ADA not in str(page.session_state)


def test_the_page_says_what_is_wrong_with_what_was_typed(fake, page):
    page.run()
    fill(page, "no address", PASSWORD)
    press(page, "Sign in")
    assert "can’t be used here" in text(page)
    press(page, "Create an account")
    for password, complaint in (("short", "too short"), ("ä" * 40, "too long")):
        fill(page, ADA, password)
        press(page, "Create account")
        assert complaint in text(page)
    assert fake.seen == []


def test_sign_up_waits_for_the_mail(fake, page):
    page.run()
    press(page, "Create an account")
    fill(page, ADA, PASSWORD)
    press(page, "Create account")
    assert "Look in your inbox" in text(page)
    press(page, "Send it again")
    assert [mail["kind"] for mail in fake.mails] == ["signup", "signup"]
    press(page, "Back")
    fill(page, ADA, PASSWORD)
    press(page, "Sign in")
    assert "not confirmed yet" in text(page)
    press(page, "Send the confirmation again")
    assert "Look in your inbox" in text(page)
    assert len(fake.mails) == 3


def test_links_are_sent_from_the_page(fake, page, ada):
    page.run()
    fill(page, ADA, "")
    press(page, "Send me a sign-in link")
    assert "signs you in" in text(page)
    press(page, "Back")
    fill(page, ADA, "")
    press(page, "Forgot the password?")
    assert "new password" in text(page)
    assert [mail["kind"] for mail in fake.mails] == ["magiclink", "recovery"]


def test_a_reset_asks_for_the_new_password(fake, service, page, ada):
    service.send_reset(ADA, HERE)
    signed = service.confirm(fake.hash_of(fake.mails[0]), "recovery")
    page.session_state["auth-session"] = signed.cookie
    page.run()
    assert "Choose a new password" in text(page)
    page.text_input[0].set_value("a whole new sentence")
    press(page, "Save it")
    assert "Your password is changed" in text(page)
    assert fake.accounts[ADA].password == "a whole new sentence"


def test_only_known_words_come_from_an_address(page):
    page.query_params["said"] = "expired"
    assert "too old" in text(page.run())
    page.query_params["said"] = "<b>Send us your password</b>"
    assert "Send us" not in text(page.run())


LINK = "a" * 22


@pytest.mark.parametrize(
    ("page", "query", "opens"),
    [
        ("", {}, False),
        ("", {"s": LINK}, True),
        ("", {"s": LINK, "a": LINK}, True),
        ("models", {"s": LINK}, True),
        ("models", {}, False),
        ("settings", {"a": LINK}, False),
    ],
)
@pytest.mark.usefixtures("jobs")
def test_required_closes_every_page_but_a_link_that_was_given(
    service, monkeypatch, page, query, opens
):
    def choose(pages, position):
        assert position == "hidden"
        return next(one for one in pages if one.url_path == page)

    monkeypatch.setattr(streamlit, "navigation", choose)
    # A link that is over.
    monkeypatch.setattr(Application, "shared", lambda self, token, address="": None)
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(URL, KEY, required=True))
    app = AppTest.from_file(APP, default_timeout=PATIENT)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    shut = "Only people with an account" in text(app)
    assert shut is not opens
    # Either the form, or what the link leads to; on no page anything else.
    assert bool(app.text_input) is shut
    assert (labels.escape(status_cards.no_link().head) in text(app)) is opens
    assert not app.title


@pytest.mark.usefixtures("jobs")
def test_who_signs_in_is_where_they_wanted_to_go(fake, service, monkeypatch, ada):
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(URL, KEY, required=True))
    here = lambda self, context: RecordScope(context.principal.id, self.jobs.store)  # noqa: E731
    monkeypatch.setattr(Application, "scope", here)  # the fake answers for no records
    app = AppTest.from_file(APP, default_timeout=PATIENT).run()
    assert "What you will read" not in text(app)
    fill(app, ADA, PASSWORD)
    press(app, "Sign in")
    assert "What you will read" in text(app) and fake.seen


def test_a_guest_of_a_closed_server_may_not_analyze(service, monkeypatch):
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(URL, KEY, required=True))
    assert not auth.guest_of("x").may_analyze
    monkeypatch.setattr(auth, "accounts", lambda: Accounts(URL, KEY))
    assert auth.guest_of("x").may_analyze


def test_the_app_goes_on_for_a_guest_while_the_server_is_away(fake, service, monkeypatch, ada):
    def script():
        import streamlit as st

        from dashboard import session
        from dashboard.pages.account import view as page

        page.warn()
        st.text(session.current_user().kind)
        st.text(session.request_context().connect is None)

    cookie = service.begin_tab_session(service.sign_in(ADA, PASSWORD, HERE))
    fake.down = True
    run = AppTest.from_function(script, default_timeout=PATIENT)
    run.session_state["auth-session"] = cookie
    run.run()
    assert [t.value for t in run.text] == ["guest", "True"]
    assert "can’t be reached" in text(run)
    fake.down = False
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 0)
    run.run()
    assert [t.value for t in run.text] == ["user", "False"]
