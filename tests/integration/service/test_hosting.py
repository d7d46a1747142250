"""The container, the Space and the server's own settings, as far as that goes without Docker."""

import base64
import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from streamlit import config

from dashboard import hosting, theme
from dashboard.server import FirstPaint
from deploy import space
from detector import isolation, media
from detector.schema.analysis import Settings
from service import startup
from service.records.model import State
from tests.conftest import camera, write_clip
from tests.support import hostile_readers as hostile
from tests.support.image import environment, ignored, of, stages
from tests.support.links import PRIVATE, everywhere, serving, whole
from tests.support.processes import ROOT
from tests.support.scopes import local
from tests.support.tasks import ended


def test_the_dockerfile_passes_its_linter():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("the linter has no wheel for this system")
    run = subprocess.run([linter, "deploy/Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and not run.stdout, run.stdout + run.stderr


def test_nothing_private_goes_into_the_image():
    private = (
        "data/uploads/x/media/a.mp4 .env .streamlit/secrets.toml .git/config "
        "tests/support/browser.py detector/__pycache__/x.pyc "
        "service/auth/__pycache__/x.pyc .venv/bin/python me.key"
    )
    assert [name for name in private.split() if not ignored(name)] == []
    needed = (
        "app.py detector/media/video.py weights/texture.safetensors .streamlit/config.toml "
        "uv.lock service/auth/caller.py"
    )
    assert [name for name in needed.split() if ignored(name)] == []


class MadeSpace:
    """As much of the hub as a push to a Space asks for."""

    def __init__(self):
        self.files: dict[str, bytes] = {"old.py": b"1", ".gitattributes": b"x"}
        self.stored: dict[str, bytes] = {}
        self.created: dict[str, Any] = {}
        self.tokens: set[str | None] = set()
        self.refuse = 0
        self.url = ""

    def answer(self, request):
        path, body = request.path.split("?")[0], request.body
        reply: Any = {}
        if not path.startswith("/put/"):  # addresses that the hub signed for one file
            self.tokens.add(request.headers.get("Authorization"))
        status = self.refuse or 200
        if status != 200:
            reply = {"error": "no"}
        elif path == "/api/repos/create":
            self.created = json.loads(body)
            reply = {"url": f"{self.url}/spaces/me/unmask", "name": "me/unmask"}
        elif path.startswith("/api/spaces/me/unmask/preupload/"):
            asked = json.loads(body)["files"]
            reply = {"files": [
                {"path": f["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if f["path"].endswith(".safetensors") else "regular"}
                for f in asked
            ]}  # fmt: skip
        elif path.endswith("/info/lfs/objects/batch"):
            reply = {"transfer": "basic", "objects": [
                {**o, "actions": {"upload": {"href": f"{self.url}/put/{o['oid']}"}}}
                for o in json.loads(body)["objects"]
            ]}  # fmt: skip
        elif path == "/api/validate-yaml":
            assert "sdk: docker" in json.loads(body)["content"]
            reply = {"errors": [], "warnings": []}
        elif path.startswith("/put/"):
            self.stored[hashlib.sha256(body).hexdigest()] = body
        elif path.startswith("/api/spaces/me/unmask/commit/"):
            self.commit(body)
            reply = {"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.url}/c/0"}
        elif path.startswith("/api/spaces/me/unmask/tree/"):
            reply = [{"type": "file", "path": name, "size": len(body), "oid": "0" * 40}
                     for name, body in self.files.items()]  # fmt: skip
        elif path.startswith("/api/spaces/me/unmask"):
            reply = {"id": "me/unmask", "sha": "0" * 40, "private": False, "tags": [],
                     "siblings": [{"rfilename": name} for name in self.files]}  # fmt: skip
        else:
            status, reply = 404, {"error": path}
        whole(json.dumps(reply).encode(), status, Content_Type="application/json")(request)

    def commit(self, body):
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                self.files[value["path"]] = self.stored[value["oid"]]
            elif item["key"] == "deletedFile":
                del self.files[value["path"]]


@pytest.fixture()
def hub(monkeypatch):
    made = MadeSpace()
    with serving(PRIVATE, everywhere(made.answer)) as server:
        made.url = server.url(PRIVATE, "")
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        monkeypatch.setenv("HF_TOKEN", "hf_made")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield made


def test_what_would_be_sent_is_shown(capsys):
    space.main(["me/unmask"])
    names = {*capsys.readouterr().out.splitlines()[:-1]}
    assert {"Dockerfile", "README.md", "app.py", "weights/texture.safetensors"} <= names
    assert not any(
        n.startswith(("tests/", "data/", ".git/", "lab/")) or "secret" in n for n in names
    )
    copied = {source for line in of(stages()[0], "COPY") for source in line.split()[:-1]}
    assert all(any(n == c or n.startswith(f"{c}/") for n in names) for c in copied)


def test_the_readme_carries_the_settings_of_a_space():
    _, front, rest = space.sent()["README.md"].decode().split("---\n", 2)
    settings = yaml.safe_load(front)
    assert settings["sdk"] == "docker" and settings["title"] == "Unmask"
    assert str(settings["app_port"]) == environment(stages()[1])["STREAMLIT_SERVER_PORT"]
    assert settings["license"] == "apache-2.0" and len(settings["short_description"]) <= 60
    assert rest.strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_a_push_sends_all_of_it_and_clears_the_rest(hub, monkeypatch, capsys):
    few = {n: s for n, s in space.sent().items() if n.count("/") < 2 and "catalog" not in n}
    monkeypatch.setattr(space, "sent", lambda: few)
    space.main(["me/unmask", "--push", "--private"])
    assert hub.created["sdk"] == "docker" and hub.created["type"] == "space"
    assert hub.created.get("visibility") == "private" or hub.created.get("private") is True
    assert set(hub.files) == {*few, ".gitattributes"}
    for name, source in few.items():
        assert hub.files[name] == (source if isinstance(source, bytes) else source.read_bytes())
    assert hub.tokens - {None} == {"Bearer hf_made"}  # the client's own questions go without
    assert "hf_made" not in capsys.readouterr().out


def test_a_push_to_a_git_remote_replaces_what_it_held(tmp_path, monkeypatch, capsys):
    few = {n: s for n, s in space.sent().items() if n.count("/") < 2 and "catalog" not in n}
    monkeypatch.setattr(space, "sent", lambda: few)
    remote, clone = tmp_path / "remote.git", tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    space.main([str(remote), "--push"])
    few.pop("NOTICE")
    space.main([str(remote), "--push"])
    subprocess.run(["git", "clone", "-q", remote, clone], check=True)
    there = {p.relative_to(clone).as_posix(): p for p in clone.rglob("*") if p.is_file()}
    pushed = {n: p.read_bytes() for n, p in there.items() if not n.startswith(".git/")}
    assert pushed == {n: s if isinstance(s, bytes) else s.read_bytes() for n, s in few.items()}
    log = ["git", "-C", remote, "rev-list", "--count", "main"]
    assert subprocess.run(log, capture_output=True, text=True).stdout.strip() == "2"


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_push_that_is_refused_says_why(hub, status):
    hub.refuse = status
    with pytest.raises(SystemExit, match=f"nothing was sent: .*{status}"):
        space.main(["me/unmask", "--push"])


def test_without_a_token_or_a_name_nothing_is_sent(hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SystemExit, match="set HF_TOKEN"):
        space.main(["me/unmask", "--push"])
    monkeypatch.setenv("HF_TOKEN", "hf_made")
    with pytest.raises(SystemExit, match="nothing was sent"):
        space.main(["me un/mask", "--push"])
    assert not hub.tokens


def test_a_secret_stops_the_push(tmp_path, monkeypatch):
    (tmp_path / "deploy").mkdir()
    for name in (*space.AT_ROOT, "README.md", "app.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "app.py").write_text('KEY = "hf_' + "a" * 34 + '"\n')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    with pytest.raises(SystemExit, match=r"looks like a secret: app\.py:1"):
        space.sent(tmp_path)


def test_no_secret_is_in_the_repository():
    assert list(space.leaks(space.tracked())) == []


@pytest.mark.parametrize(
    "text",
    [
        "hf_" + "Ab1" * 12,
        "sb_secret_" + "x" * 24,
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64,
        "AKIA" + "ABCDEFGH12345678",
        'CLIENT_SECRET = "' + "0123456789abcdef" * 2 + '"',
        "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0." + "s" * 43,
    ],
)
def test_secrets_are_known_by_their_shape(text, tmp_path):
    file = tmp_path / "config.py"
    file.write_text(f"# ours\nx = '{text}'\n")
    assert list(space.leaks([file.name], tmp_path)) == ["config.py:2"]
    file.write_text("token = os.environ['HF_TOKEN']\nsha256 = '" + "ab" * 32 + "'\n")
    assert list(space.leaks([file.name], tmp_path)) == []
    hidden = tmp_path / ".env"
    hidden.write_text("A=1")
    assert list(space.leaks([hidden.name], tmp_path)) == [".env"]


@pytest.fixture()
def settings(monkeypatch, tmp_path):
    """Puts back what a start changes for the whole process."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    factory, hook = logging.getLogRecordFactory(), threading.excepthook
    guard = config.get_option("server.enableXsrfProtection")
    yield
    logging.setLogRecordFactory(factory)
    threading.excepthook = hook
    config.set_option("server.enableXsrfProtection", guard, "test")
    isolation.stop_isolating()


def test_a_laptop_keeps_every_guard(settings, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    hosting.prepare()
    assert config.get_option("server.enableXsrfProtection") is True
    assert isolation.isolated() or not hasattr(os, "fork")
    headers = _headers()
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"].startswith("frame-ancestors 'self';")
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "camera=(self)" in headers["permissions-policy"]


def test_a_space_may_be_framed_by_its_host_alone(settings, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "me/unmask")
    hosting.prepare()
    assert config.get_option("server.enableXsrfProtection") is False
    headers = _headers()
    assert "x-frame-options" not in headers
    frames = headers["content-security-policy"].split(";")[0]
    assert frames == "frame-ancestors 'self' https://huggingface.co https://*.hf.space"


def _headers():
    page = PlainTextResponse("x", headers={"Referrer-Policy": "no-referrer"})
    app = Starlette(routes=[Route("/", lambda request: page)])
    app.add_middleware(hosting.SecureHeaders)
    with TestClient(app) as client:
        return dict(client.get("/").headers)


def test_a_typo_in_the_environment_stops_the_start(settings, monkeypatch):
    for name, value in (("UNMASK_SANDBOX", "of"), ("UNMASK_FRAME_BY", "a.org; script-src *")):
        monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit, match=name):
            hosting.prepare()
        monkeypatch.delenv(name)
    monkeypatch.setenv("UNMASK_SANDBOX", "off")
    hosting.prepare()
    assert not isolation.isolated()


def test_data_that_would_be_lost_stops_the_start(settings, monkeypatch, tmp_path):
    """Not in a Space, whose storage is an extra: there the container's own disk does."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("UNMASK_SANDBOX", "off")
    with pytest.raises(SystemExit, match=r"can't be written to .* UNMASK_DATA"):
        hosting.prepare()
    monkeypatch.setenv("SPACE_ID", "me/unmask")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    hosting.prepare()
    assert os.environ["UNMASK_DATA"] == str(tmp_path / "unmask")


TOKEN = "Ab3_-Ab3_-Ab3_-Ab3_-Ab"


@pytest.mark.parametrize(
    "line",
    [
        f"GET /file/{TOKEN} HTTP/1.1",
        f"GET /file/{TOKEN}/{TOKEN}?x=1",
        f"/shared/{TOKEN}",
        f"http://a.org/?a={TOKEN}&b=1",
        f"http://a.org/compare?b=1&s={TOKEN}",
        f"/data/uploads/{TOKEN}/media/my-holiday.mp4 is gone",
        f"[Errno 2] No such file: '/data/uploads/{TOKEN}/media/my holiday.mp4'",
        f"Authorization: Bearer {TOKEN}",
        f"sb_secret_{TOKEN}",
        f"sent um_0123456789ab_{TOKEN}{TOKEN} to /v1/analyses/{TOKEN}/frames",
        f"hf_{TOKEN}",
        f"postgres://user:{TOKEN}@host/db",
    ],
)
def test_a_line_of_the_log_opens_nothing(line):
    said = startup.clean(line)
    assert TOKEN not in said and "holiday" not in said and startup.HIDDEN in said


def test_other_lines_stay_as_they_are():
    for line in (
        "the models could not be loaded ahead",
        "analysis failed, reference 12AB-34CD",
        "texture: weights 3f9c" + "ab" * 30,
        "GET /_stcore/health 200",
        "a worker ended without an answer, status -6",
    ):
        assert startup.clean(line) == line


def test_every_logger_is_cleaned(settings, caplog):
    startup.install_log_filter()
    startup.install_log_filter()
    path = Path(f"/data/uploads/{TOKEN}/media/my-holiday.mp4")
    made = logging.getLogger("somebody.else")
    made.warning("could not read %s after %d s", path, 3)
    made.warning("%(what)s", {"what": path})
    try:
        path.read_bytes()
    except OSError:
        made.exception("a file is gone")
    web = logging.getLogger("uvicorn.access")
    web.propagate = True
    web.warning('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "GET", f"/file/{TOKEN}", "1.1", 200)

    thread = threading.Thread(target=path.read_bytes)
    thread.start()
    thread.join()
    said = caplog.text
    assert said.count(startup.HIDDEN) >= 5 and "after 3 s" in said and "FileNotFoundError" in said
    assert "a thread ended with an error" in said
    assert TOKEN not in said and "holiday" not in said
    assert isinstance(caplog.records[-2].args, tuple) and len(caplog.records[-2].args) == 5


def test_uploads_go_through_the_queue_and_leave_no_word_in_the_log(
    settings, jobs, caplog, monkeypatch, tmp_path
):
    caplog.set_level(logging.INFO)
    hosting.prepare()
    clip, picture = write_clip(tmp_path / "x.mp4", seconds=1), io.BytesIO()
    Image.fromarray(camera((96, 96))(0)).save(picture, "PNG")
    picture.seek(0)
    asked = Settings(frames=2, models=["texture"])
    with monkeypatch.context() as patch:
        patch.setattr(media, "probe_still", hostile.crash)
        bad = ended(jobs.submit(picture, "my-holiday.png", asked, local(jobs)))
    good = ended(jobs.submit(io.BytesIO(clip.read_bytes()), "my-wedding.mp4", asked, local(jobs)))
    assert bad.state is State.FAILED and not bad.fault.ours
    assert bad.fault.problem.code == "reader_crashed"
    assert good.state is State.DONE and good.analysis is not None
    assert good.analysis.media.name == "my-wedding.mp4" and good.analysis.media.width == 320
    logging.getLogger("web").info("GET %s", f"/file/{good.key}/{bad.key}")
    logging.getLogger("ours").info("%s and %s", bad.path, good.path)
    said = caplog.text
    assert "a worker ended without an answer" in said and said.count(startup.HIDDEN) >= 3
    assert not [word for word in (bad.key, good.key, "holiday", "wedding") if word in said]


def test_every_test_that_the_threat_model_names_is_there():
    """A file is named by the end of its path, `::name` is in the file that was named before it."""
    text = (ROOT / "docs" / "threat-model.md").read_text("utf-8").partition("\n## ")[2]
    named, file = [], ""
    for path, test in re.findall(r"`(?=[^`])([\w/]+\.py)?(?:::(\w+))?`", text):
        file = path or file
        named.append((file, test))
    assert len(named) > 40
    for file, test in named:
        wanted = rf"^ *def {test}\(" if test else ""
        (path,) = (ROOT / "tests").rglob(file)
        assert re.search(wanted, path.read_text("utf-8"), re.M), (file, test)


def test_the_style_sheet_comes_with_the_page_and_with_nothing_else(tmp_path):
    (tmp_path / "index.html").write_text("<html><head></head><body><p>page</p></body></html>")
    (tmp_path / "a.js").write_text("let a = '</body>'")
    app = Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path, html=True))])
    browser = TestClient(FirstPaint(app))
    accept = {"accept": "text/html,application/xhtml+xml"}
    page = browser.get("/", headers=accept)
    ours = (
        f"<style>{theme.first_paint()}</style><script>window.__streamlit = "
        '{BACKEND_BASE_URL: location.origin + "/"}</script>'
    )
    assert page.text == f"<html><head></head><body><p>page</p>{ours}</body></html>"
    assert "etag" not in page.headers and "last-modified" not in page.headers
    stamp = browser.get("/index.html").headers
    for name, value in (
        ("if-none-match", stamp["etag"]),
        ("if-modified-since", stamp["last-modified"]),
        ("range", "bytes=0-5"),
    ):
        again = browser.get("/", headers={**accept, name: value})
        assert again.status_code == 200 and again.text == page.text, name
    assert browser.get("/a.js", headers=accept).text == "let a = '</body>'"
    assert browser.get("/lost", headers=accept).status_code == 404
