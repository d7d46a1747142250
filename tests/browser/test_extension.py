"""The browser extension in Chromium, with the server's real API: what a click on a page leads to.

Chromium's prompt for a permission can't be pressed by a program, so the copy of the extension that
is loaded here has the hosts and the recording of tabs beforehand, unless a test is about that.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
from contextlib import contextmanager

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from detector.errors import Canceled
from service.context import Scope
from tests.conftest import portrait, write_clip
from tests.support.api import served
from tests.support.applications import application as opened
from tests.support.browser import driver
from tests.support.links import serving, whole
from tests.support.processes import ROOT
from tests.unit.service.test_jobs import SAMPLE, Analyzer
from tools import programs

EXTENSION = ROOT / "extension"
HERE, THERE = "127.0.0.1", "localhost"
"""Two names of this computer: two origins to a browser."""
RED, BLUE = (200, 30, 40), (20, 40, 190)
VERDICT = re.compile("manipulated|generated|tell|sign")
EVERYWHERE = {"host_permissions": ["<all_urls>"]}


class Keeping(Analyzer):
    """Stands in for the networks, and keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.given: list[bytes] = []

    def analyze(self, path, settings=None, *, name=None, observe=None, cancel=None):
        content = path.read_bytes()
        self.given.append(content)
        while not self.go.wait(0.01):
            if cancel.is_set():
                raise Canceled
        update = {"name": name, "sha256": sha256(content)}
        return SAMPLE.model_copy(
            update={"media": SAMPLE.media.model_copy(update=update), "settings": settings}
        )


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pictures, a clip and a sound on a web server of two names, by path."""
    folder = tmp_path_factory.mktemp("web")

    def png(picture):
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return stream.getvalue()

    clip = write_clip(folder / "clip.mp4", seconds=12.0, size=(320, 240), audio=True)
    found = {
        "face.png": png(Image.fromarray(portrait((320, 240)))),
        "red.png": png(Image.new("RGB", (200, 200), RED)),
        "blue.png": png(Image.new("RGB", (180, 180), BLUE)),
        "slow.png": png(Image.new("RGB", (210, 210), BLUE)),
        "slower.png": png(Image.new("RGB", (190, 190), RED)),
        "icon.png": png(Image.new("RGB", (24, 24), BLUE)),
        "clip.mp4": clip.read_bytes(),
    }
    return found


PAGES = {
    "pictures": '<img src="/red.png"><img src="/blue.png"><img src="/icon.png">'
    '<div style="height:3000px"></div><img src="/face.png">',
    "slow": '<img src="/slow.png"><img src="/slower.png">',
    "foreign": '<img src="http://localhost:{port}/face.png">',
    "video": '<body style="margin:0"><video src="http://localhost:{port}/clip.mp4" width=320 '
    "autoplay muted loop></video>",
    "blob": "<video autoplay muted loop></video><script>fetch('/clip.mp4').then(r => r.blob())"
    ".then(b => document.querySelector('video').src = URL.createObjectURL(b))</script>",
    "protected": "<video src='/clip.mp4' muted></video><script>navigator"
    ".requestMediaKeySystemAccess('org.w3.clearkey', [{initDataTypes: ['webm'], "
    "videoCapabilities: [{contentType: 'video/webm; codecs=\"vp8\"'}]}])"
    ".then(a => a.createMediaKeys()).then(k => document.querySelector('video').setMediaKeys(k))"
    ".then(() => document.title = 'locked')</script>",
    "sound": "<audio src='/clip.mp4' controls></audio>",
}


@pytest.fixture(scope="module")
def web(files):
    kinds = {"png": "image/png", "mp4": "video/mp4"}
    answers = {
        f"/{name}": whole(content, Content_Type=kinds[name.rpartition(".")[2]])
        for name, content in files.items()
    }
    answers["/favicon.ico"] = whole(b"", status=404)
    with serving("127.0.0.1", answers) as started:
        for name, text in PAGES.items():
            html = f"<!doctype html><title>{name}</title>" + text.replace(
                "{port}", str(started.server_port)
            )
            answers[f"/{name}"] = whole(html.encode(), Content_Type="text/html")
        yield started


@pytest.fixture(scope="module")
def analyzer():
    return Keeping()


@pytest.fixture(scope="module")
def application(tmp_path_factory, analyzer):
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_DATA", str(data))
        with opened(data, analyzer) as app:
            yield app


@pytest.fixture(scope="module")
def server(application):
    with served(application) as address:
        yield address.replace("127.0.0.1", "localhost")


@contextmanager
def extended(folder, **changes):
    """Open Chromium with a copy of the extension whose manifest is changed; yield a `Person`."""
    copy = folder / "extension"
    shutil.copytree(EXTENSION, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    for key, value in changes.items():
        manifest[key] = manifest[key] + value
    manifest["optional_permissions"] = []
    (copy / "manifest.json").write_text(json.dumps(manifest))
    digest = hashlib.sha256(str(copy).encode()).hexdigest()[:32]
    id = "".join(chr(ord("a") + int(c, 16)) for c in digest)
    with driver() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=programs.chromium(),
            headless=False,
            args=[
                "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                f"--disable-extensions-except={copy}", f"--load-extension={copy}",
                f"--allowlisted-extension-id={id}", "--autoplay-policy=no-user-gesture-required",
            ],
        )  # fmt: skip
        try:
            yield Person(context, id)
        finally:
            context.close()


class Person:
    """Whoever uses the extension: clicks in a page's menu, and looks at the panel."""

    def __init__(self, context, id):
        self.context = context
        self.id = id
        self.worker = (context.service_workers or [context.wait_for_event("serviceworker")])[0]
        self.page = context.pages[0]
        self.tab = self.worker.evaluate("chrome.tabs.query({}).then(([tab]) => tab)")
        with context.expect_page() as panel:  # a window of its own: the page's tab stays in front
            self.worker.evaluate(
                "id => chrome.windows.create({url: `chrome-extension://${id}/panel.html`})", id
            )
        self.panel = panel.value
        self.panel.wait_for_load_state()

    def pair(self, server, code):
        form = self.panel.locator("#pairing")
        form.get_by_label("Address").fill(server)
        form.get_by_label("Code").fill(code)
        form.get_by_role("button", name="Connect").click()

    def visit(self, url):
        self.page.goto(url)
        return self

    def click(self, menu, **info):
        """Choose an item of the page's context menu, as Chromium reports it, and wait until the
        panel has begun."""
        before = self.checks.count()
        self.page.bring_to_front()
        self.worker.evaluate(
            "([info, tab]) => chrome.contextMenus.onClicked.dispatch({frameId: 0, ...info}, tab)",
            [{"menuItemId": menu, **info}, self.tab | {"url": self.page.url}],
        )
        expect(self.checks.nth(before)).to_be_attached()

    def judged(self, check=None):
        """Return the SHA-256 of the file behind a result, the latest by default."""
        link = (check or self.checks.first).get_by_role("link", name="Open the full result")
        id = link.get_attribute("href").rpartition("=")[2]
        get = "([path]) => chrome.storage.local.get().then(({server, key}) => fetch(server + path, "
        get += "{headers: {Authorization: `Bearer ${key}`}})).then((answer) => answer.json())"
        return self.panel.evaluate(get, [f"/v1/analyses/{id}"])["result"]["media"]["sha256"]

    @property
    def checks(self):
        return self.panel.locator("#checks > li")


@pytest.fixture(scope="module")
def person(tmp_path_factory, server, application):
    folder = tmp_path_factory.mktemp("browser")
    with extended(folder, permissions=["tabCapture"], **EVERYWHERE) as someone:
        someone.pair(server, application.pairing.begin())
        expect(someone.panel.locator("#pairing")).to_be_hidden()
        yield someone


@pytest.fixture
def here(web):
    return f"http://{HERE}:{web.server_port}"


def test_a_picture_is_two_clicks_from_its_verdict(person, here, files):
    person.visit(f"{here}/pictures").click("media", mediaType="image", srcUrl=f"{here}/red.png")
    check = person.checks.first
    expect(check.locator(".verdict")).to_have_text(VERDICT)
    expect(check).to_contain_text("red.png")
    link = check.get_by_role("link", name="Open the full result")
    assert re.fullmatch(r"http://localhost:\d+/\?a=[\w-]{22}", link.get_attribute("href"))
    assert person.judged() == sha256(files["red.png"])


@pytest.mark.parametrize("name", ["face.png", "clip.mp4"])
def test_a_file_of_another_origin_is_fetched_whole(person, web, here, files, name):
    url = f"http://{THERE}:{web.server_port}/{name}"
    person.visit(f"{here}/foreign").click("media", mediaType="image", srcUrl=url)
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    assert person.judged() == sha256(files[name])


def test_a_blob_is_read_in_its_page(person, here, files):
    person.visit(f"{here}/blob")
    person.page.wait_for_function("document.querySelector('video').readyState > 2")
    url = person.page.evaluate("document.querySelector('video').src")
    assert url.startswith("blob:")
    person.click("media", mediaType="video", srcUrl=url)
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    assert person.judged() == sha256(files["clip.mp4"])


def test_a_sound_is_sent_as_it_is(person, here, files):
    person.visit(f"{here}/sound").click("media", mediaType="audio", srcUrl=f"{here}/clip.mp4")
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    assert person.judged() == sha256(files["clip.mp4"])


def test_a_link_to_a_file_is_fetched_and_one_to_a_page_is_refused(person, here, files):
    person.visit(f"{here}/pictures").click("link", linkUrl=f"{here}/face.png")
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    assert person.judged() == sha256(files["face.png"])
    person.click("link", linkUrl=f"{here}/video")
    expect(person.checks.first).to_contain_text("leads to a page")


def playing(person, url):
    person.visit(url)
    person.page.wait_for_function("document.querySelector('video').currentTime > 0.2")
    return person.page.evaluate("document.querySelector('video').currentSrc")


def test_a_frame_is_what_the_tab_shows_of_the_video(person, here, analyzer):
    url = playing(person, f"{here}/video")
    person.click("frame", mediaType="video", srcUrl=url)
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    shown = np.asarray(Image.open(io.BytesIO(analyzer.given[-1])).convert("RGB"))
    assert shown.shape == (240, 320, 3) and shown.std() > 20, "the clip's size, and no blank tab"


def test_the_last_seconds_are_recorded_from_the_tab(person, here, analyzer, tmp_path):
    url = playing(person, f"{here}/video")
    person.click("seconds", mediaType="video", srcUrl=url)
    expect(person.checks.first).to_contain_text(re.compile(r"Recording, \d s left"))
    expect(person.checks.first.locator(".verdict")).to_be_visible()
    (file := tmp_path / "recorded.webm").write_bytes(analyzer.given[-1])
    with av.open(str(file)) as recorded:
        pictures = [frame.to_ndarray(format="rgb24") for frame in recorded.decode(video=0)]
    assert len(pictures) > 8 and pictures[0].shape == (240, 320, 3)
    assert pictures[len(pictures) // 2].std() > 20


def test_a_protected_video_is_refused_in_words(person, here):
    person.visit(f"{here}/protected")
    expect(person.page).to_have_title("locked")
    person.click("frame", mediaType="video", srcUrl=f"{here}/clip.mp4")
    expect(person.checks.first).to_contain_text("protected (DRM)")


def test_the_pictures_in_view_are_checked_one_after_another(person, here, files):
    person.visit(f"{here}/pictures").click("page")
    expect(person.panel.locator("#count")).to_contain_text("2 of 2 pictures checked")
    wanted = [sha256(files["blue.png"]), sha256(files["red.png"])]
    assert [person.judged(check) for check in person.checks.all()[:2]] == wanted


def test_stop_ends_a_series_and_its_check(person, here, analyzer):
    analyzer.go.clear()
    person.visit(f"{here}/slow").click("page")
    expect(person.panel.locator("#count")).to_contain_text("Picture 1 of 2")
    expect(person.checks.first.get_by_role("progressbar")).to_be_visible()
    person.panel.get_by_role("button", name="Stop").click()
    expect(person.checks.first).to_contain_text("Stopped.")
    analyzer.go.set()
    expect(person.panel.locator("#count")).to_contain_text("0 of 2 pictures checked")


def test_a_server_that_is_not_running_is_said_with_its_command(person, here, server):
    person.panel.evaluate("chrome.storage.local.set({server: 'http://localhost:9'})")
    person.visit(f"{here}/pictures").click("media", mediaType="image", srcUrl=f"{here}/red.png")
    expect(person.checks.first).to_contain_text("No server answers at http://localhost:9.")
    expect(person.checks.first).to_contain_text("make run")
    person.panel.evaluate("server => chrome.storage.local.set({server})", server)


def test_a_revoked_key_checks_nothing(person, here, application):
    id = person.panel.evaluate("chrome.storage.local.get().then(({keyId}) => keyId)")
    key, text = application.keys.add("other", (Scope.READ, Scope.ANALYZE))
    old = person.panel.evaluate("chrome.storage.local.get().then(({key}) => key)")
    person.panel.evaluate("key => chrome.storage.local.set({key})", text)
    application.keys.revoke(key.id)
    person.visit(f"{here}/pictures").click("media", mediaType="image", srcUrl=f"{here}/red.png")
    expect(person.checks.first).to_contain_text("not connected")
    person.panel.evaluate("key => chrome.storage.local.set({key})", old)
    assert application.keys.find(old).id == id


def test_a_hostile_page_gets_nothing_and_starts_nothing(person, here, analyzer, server):
    """It knows the server and the extension's id, and has a script of its own."""
    person.visit(f"{here}/pictures")
    begun = len(analyzer.given)
    attack = """async ([server, id]) => {
        const json = {"Content-Type": "application/json"};
        const tries = {
            read: () => fetch(`${server}/v1/analyses`).then((answer) => answer.json()),
            send: () => fetch(`${server}/v1/analyses`, {method: "POST", body: new FormData()})
                .then((answer) => answer.status),
            pair: () => fetch(`${server}/v1/pairings`, {method: "POST", body: "{}", headers: json})
                .then((answer) => answer.json()),
            file: () => fetch(`chrome-extension://${id}/panel.html`).then((page) => page.text()),
            message: () => new Promise((done) => chrome.runtime.sendMessage(id, "run", done)),
        };
        const got = {};
        for (const [name, go] of Object.entries(tries))
            got[name] = await go().then(String, () => "refused");
        return got;
    }"""
    got = person.page.evaluate(attack, [server, person.id])
    assert set(got.values()) == {"refused"}, got
    frame = f"<iframe src='chrome-extension://{person.id}/panel.html'></iframe>"
    person.page.set_content(frame)
    assert "pairing" not in person.page.frames[-1].content()
    assert len(analyzer.given) == begun
    assert not person.page.evaluate("Object.keys(window).some((name) => /unmask/i.test(name))")


def test_without_a_permission_the_panel_asks_for_the_host(tmp_path, web, here, server, application):
    with extended(tmp_path) as person:
        person.pair(server, "WRONG-CODE")
        expect(person.panel.get_by_role("alert")).to_contain_text("This code is not valid")
        person.pair(server, application.pairing.begin())
        expect(person.panel.locator("#idle")).to_be_visible()
        url = f"http://{HERE}:{web.server_port}/face.png"
        person.visit(f"{here}/foreign").click("media", mediaType="image", srcUrl=url)
        expect(person.checks.first).to_contain_text(f"The file is on {HERE}:{web.server_port}")
        expect(person.panel.get_by_role("button", name="Allow and check")).to_be_visible()


def test_the_extension_is_small_and_asks_for_little():
    lines = sum(len(file.read_text().splitlines()) for file in EXTENSION.glob("*.js"))
    assert lines <= 1000
    manifest = json.loads((EXTENSION / "manifest.json").read_text())
    allowed = {"activeTab", "contextMenus", "scripting", "sidePanel", "storage"}
    assert set(manifest["permissions"]) == allowed
    assert manifest["host_permissions"] == ["http://localhost/*"]
    assert "content_scripts" not in manifest and "externally_connectable" not in manifest
    assert "web_accessible_resources" not in manifest


def test_web_ext_finds_no_error():
    """Mozilla's linter; it warns of what Chromium alone reads."""
    command = ["npx", "--yes", "web-ext@10.7.0", "lint", "--output=json"]
    done = subprocess.run(
        [*command, f"--source-dir={EXTENSION}"], capture_output=True, text=True, check=False
    )
    assert json.loads(done.stdout)["errors"] == [], done.stdout
