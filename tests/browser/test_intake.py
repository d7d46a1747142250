"""Files that come by the clipboard, by a drop anywhere, and from another app (share target)."""

import base64
import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.support.browser import serve, wait_ready, wait_verdict
from tests.support.links import PRIVATE, serving, whole
from tests.support.samples import samples


@pytest.fixture(scope="module")
def web():
    with serving(PRIVATE, {}) as started:
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory, web):
    data = tmp_path_factory.mktemp("data")
    allowed = {"UNMASK_LINKS": "1", "UNMASK_LINKS_PRIVATE": "1"}
    with serve(data, UNMASK_LINKS_PORTS=str(web.server_port), **allowed) as started:
        yield started


@pytest.fixture(scope="module")
def picture():
    return next(s.path for s in samples() if s.path.suffix == ".jpg").read_bytes()


HAND_OVER = """([kind, name, mime, data, text]) => {
    const given = new DataTransfer();
    if (data) {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        given.items.add(new File([bytes], name, {type: mime}));
    }
    if (text) given.setData("text/plain", text);
    const init = {bubbles: true, cancelable: true};
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {...init, clipboardData: given})
        : new DragEvent("drop", {...init, dataTransfer: given});
    document.body.dispatchEvent(event);
}"""


def hand_over(page, kind, content=b"", name="screenshot.png", text=""):
    data = base64.b64encode(content).decode()
    page.evaluate(HAND_OVER, [kind, name, "image/jpeg", data, text])


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped_anywhere(visit, picture, kind):
    page = visit().page
    wait_ready(page)
    expect(page.get_by_text("Ctrl+V")).to_be_visible()
    hand_over(page, kind, picture)
    wait_verdict(page)


def test_a_link_is_pasted(visit, web, picture):
    web.answers["/someone.jpg"] = whole(picture)
    page = visit().page
    wait_ready(page)
    hand_over(page, "paste", text=f"http://{PRIVATE}:{web.server_port}/someone.jpg")
    wait_verdict(page)


def test_a_file_that_is_pasted_on_compare_is_compared_there(visit, picture):
    page = visit().page
    page.goto(page.url.rstrip("/") + "/compare")
    expect(page.get_by_text("Ctrl+V").first).to_be_visible()
    expect(page.locator('[class*="st-key-bring-"] input[type="file"]').first).to_be_attached()
    hand_over(page, "paste", picture, "one.jpg")
    expect(page).to_have_url(re.compile(r"/compare\?(.*&)?a=[\w-]{22}"))


def test_another_app_shares_a_file_or_a_link(server, picture, web):
    """As Android does it: the browser itself posts the form, with the guest's cookies."""
    web.answers["/shared.jpg"] = whole(picture)
    url = f"{server.url}/share"
    by_browser = {"Sec-Fetch-Site": "none", "Origin": "null"}
    sent = {"file": ("note.jpg", picture, "image/jpeg")}
    answer = httpx.post(url, files=sent, headers=by_browser)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/?a=")
    text = f"Look at this: http://{PRIVATE}:{web.server_port}/shared.jpg"
    answer = httpx.post(url, files={"text": (None, text)}, headers=by_browser)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/?fetch=")
    answer = httpx.post(url, files={"text": (None, "hello")}, headers=by_browser)
    assert answer.status_code == 422 and "no file and no link" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_a_form_of_another_site_shares_nothing(server, picture, site):
    headers = {"Sec-Fetch-Site": site} if site else {}
    sent = {"file": ("note.jpg", picture, "image/jpeg")}
    assert httpx.post(f"{server.url}/share", files=sent, headers=headers).status_code == 403


def test_the_page_can_be_installed(visit, server):
    person = visit()
    page = person.page
    wait_ready(page)
    manifest = httpx.get(f"{server.url}/app.webmanifest").json()
    assert manifest["share_target"]["action"] == "/share"
    for icon in manifest["icons"]:
        answer = httpx.get(f"{server.url}{icon['src']}")
        assert answer.headers["content-type"] == "image/png"
    problems = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")
    errors = {one["errorId"] for one in problems["installabilityErrors"]}
    assert errors <= {"in-incognito"}, "a test's visitor is one; nothing else is missing"
    worker = page.evaluate("navigator.serviceWorker.ready.then((found) => found.active.scriptURL)")
    assert worker == f"{server.url}/service-worker.js"
    assert page.evaluate("caches.keys()") == [], "nothing of a person is kept by the browser"
