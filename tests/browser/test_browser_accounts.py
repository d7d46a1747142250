"""Accounts as people use them: a real browser, the real app, a live stand-in of Supabase."""

import secrets

import pytest
from playwright.sync_api import expect

from tests.support.browser import (
    DESKTOP,
    PHONE,
    open_sample,
    serve,
    until,
    wait_drawn,
    wait_ready,
    wait_verdict,
)
from tests.support.standin import PASSWORD, serve_bridge

NOTHING = "There is nothing at this address"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with (
        serve_bridge() as supabase,
        serve(
            tmp_path_factory.mktemp("data"),
            SUPABASE_URL=supabase.url,
            SUPABASE_ANON_KEY=supabase.key,
            UNMASK_SIGN_IN_WITH="google,github",
            UNMASK_GUEST_FILES_PER_HOUR="1",
        ) as started,
    ):
        yield started


def fill(page, email, password):
    wait_drawn(page)  # the form that was there before has the same fields
    page.get_by_role("textbox", name="E-mail").fill(email)
    page.get_by_role("textbox", name="Password").fill(password)


def sign_up(visit, **about):
    """A new person, signed in and at the first screen; and their address."""
    person = visit("/account", **about)
    return person, create_account(person.page)


def create_account(page):
    """On the account page: a new account's address, signed in."""
    email = f"{secrets.token_hex(6)}@example.org"
    until(
        page.get_by_role("button", name="Create an account").click,
        page.get_by_text("at least 8").wait_for,
    )
    fill(page, email, PASSWORD)
    until(page.get_by_role("button", name="Create account").click, lambda: wait_ready(page))
    return email


def sign_in(page, email, password):
    fill(page, email, password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_person_keeps_what_is_theirs_and_nobody_else_sees_it(server, visit):
    ada, email = sign_up(visit)
    open_sample(ada.page, "picture")
    verdict = wait_verdict(ada.page)
    address = ada.page.url.removeprefix(server.url)

    ada.page.reload()
    assert wait_verdict(ada.page) == verdict

    # Another person, and a guest, with the address in hand.
    bob, _ = sign_up(visit)
    bob.open(address)
    for stranger in (bob, visit(address)):
        stranger.page.get_by_text(NOTHING).wait_for()
        wait_drawn(stranger.page)
        expect(stranger.page.locator(".um-verdict")).to_have_count(0)

    ada.page.goto(f"{server.url}/account")
    ada.page.get_by_text(email).wait_for()
    until(
        ada.page.get_by_role("button", name="Sign out", exact=True).click,
        ada.page.get_by_text("You are signed out").wait_for,
    )
    ada.page.goto(server.url + address)
    ada.page.get_by_text(NOTHING).wait_for()

    # And back again, after a wrong password.
    ada.page.goto(f"{server.url}/account")
    until(
        lambda: sign_in(ada.page, email, "not the password"),
        ada.page.get_by_text("The e-mail address or the password is wrong.").wait_for,
    )
    until(lambda: sign_in(ada.page, email, PASSWORD), lambda: wait_ready(ada.page))
    ada.page.goto(server.url + address)
    assert wait_verdict(ada.page) == verdict

    cookies = {cookie["name"]: cookie for cookie in ada.page.context.cookies()}
    assert cookies["unmask-session"]["httpOnly"]
    assert cookies["unmask-session"]["value"] not in server.log.read_text()


def test_what_a_guest_analyzed_is_kept_when_they_ask_for_it(server, visit):
    ada = visit("/")
    wait_ready(ada.page)
    open_sample(ada.page, "picture")
    verdict = wait_verdict(ada.page)
    address = ada.page.url.removeprefix(server.url)
    ada.page.goto(f"{server.url}/account")
    create_account(ada.page)

    ada.page.goto(f"{server.url}/history")
    keep = ada.page.get_by_role("button", name="Keep what you analyzed as a guest")
    keep.wait_for()
    ada.page.get_by_text("Nothing here yet").wait_for()
    ada.inspect("history-guest-desktop")
    ada.inspect("history-guest-phone", size=PHONE)
    keep.click()
    ada.page.get_by_text("1 analysis is in your account now.").wait_for()
    expect(keep).to_have_count(0)
    ada.page.goto(server.url + address)
    assert wait_verdict(ada.page) == verdict
    stranger = visit(address)
    stranger.page.get_by_text(NOTHING).wait_for()


def test_a_guest_is_told_when_it_is_enough(server, visit):
    guest = visit("/")
    wait_ready(guest.page)
    open_sample(guest.page, "picture")
    guest.page.goto(server.url)
    wait_ready(guest.page)
    until(
        guest.page.locator(".st-key-open-picture button").click,
        guest.page.get_by_text("Enough for now").wait_for,
    )
    guest.page.get_by_text("This server allows 1 file an hour. Next one in").wait_for()
    guest.page.get_by_text("With an account you may bring more.").wait_for()
    guest.picture("account-quota")


def test_the_account_page_fits_and_is_styled(visit):
    guest = visit("/account")
    for size, dark in ((DESKTOP, False), (PHONE, True)):
        if dark:
            guest.open("/account", size, dark)
        guest.page.get_by_text("Continue with GitHub").wait_for()
        guest.inspect(f"account-{'phone' if size == PHONE else 'desktop'}", "account")
