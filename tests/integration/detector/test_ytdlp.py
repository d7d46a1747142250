"""Pages with a player: the real yt-dlp in a process of its own, behind our proxy."""

import base64
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import yt_dlp

from detector import plugins
from detector.errors import Canceled, InputError
from detector.links import LinkRules, fetch, pages_allowed
from detector.links.fetch import posted_by
from detector.schema.origin import Posted
from tests.conftest import write_clip
from tests.support import hostile_readers, speech
from tests.support.links import (
    PRIVATE,
    PUBLIC,
    endless,
    redirect,
    resolver,
    serving,
    small_internet,
    whole,
)
from ytdlp import downloader, runner
from ytdlp.proxy import LinkProxy
from ytdlp.runner import explained, video

RULES = LinkRules(max_bytes=5 << 20, seconds=60, read_timeout=10, ports=None)
NAMES = {"clips.example": [PUBLIC], "inside.example": [PRIVATE], "2130706433": [PRIVATE]}
resolve = resolver(NAMES)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=2).read_bytes()


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    monkeypatch.delenv("UNMASK_OFFLINE", raising=False)
    monkeypatch.setenv("UNMASK_LINKS", "1")
    monkeypatch.setenv("UNMASK_YTDLP", "1")
    small_internet(monkeypatch)


@pytest.fixture
def web(clip):
    with serving(PUBLIC, {"/clip.mp4": whole(clip, Content_Type="video/mp4")}) as server:
        server.answers["/watch"] = page(server.url("clips.example", "/clip.mp4"))
        yield server


def page(*sources, kind="video/mp4", head=""):
    videos = "".join(f'<video><source src="{url}" type="{kind}"></video>' for url in sources)
    head = f"<title>A talk: part 1/2</title>{head}"
    text = f"<!doctype html><html><head>{head}</head><body>{videos}</body></html>"
    return whole(text.encode(), Content_Type="text/html; charset=utf-8")


def fetched(url, tmp_path, **options):
    with (tmp_path / "file").open("w+b") as target:
        return fetch(url, target, RULES, resolve=resolve, **options), target.read()


def refused(url, tmp_path, rules=RULES):
    with (tmp_path / "file").open("w+b") as target, pytest.raises(InputError) as raised:
        fetch(url, target, rules, resolve=resolve)
    assert raised.value.message.endswith(".") and "clip.mp4" not in raised.value.message
    return raised.value


def test_the_video_of_a_page_is_fetched(web, clip, tmp_path):
    told: list[int] = []
    found, content = fetched(
        web.url("clips.example", "/watch"),
        tmp_path,
        on_progress=lambda done, total: told.append(done),
    )
    assert content == clip
    assert found.size == len(clip) and found.name.endswith(".mp4")
    assert found.name.startswith("A_talk")
    assert told[1:] == sorted(told[1:]) and told[-1] >= len(clip), "the page, then its video"
    assert not list(Path(tmp_path).glob("*.part"))


@pytest.mark.parametrize(
    "environment",
    [{"UNMASK_YTDLP": ""}, {"UNMASK_YTDLP": "0"}, {"UNMASK_LINKS": ""}, {"UNMASK_OFFLINE": "1"}],
)
def test_it_is_off_unless_links_and_it_are_on(environment, monkeypatch):
    assert pages_allowed()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not pages_allowed()


def test_without_it_a_page_is_a_page(web, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "pages", list)
    assert refused(web.url("clips.example", "/watch"), tmp_path).code == "link_page"
    assert [path for path, _headers in web.came] == ["/watch"]


def test_a_file_never_goes_through_it(web, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "pages", lambda: [None])
    assert fetched(web.url("clips.example", "/clip.mp4"), tmp_path)[0].size


@pytest.mark.parametrize("way", ["address", "name", "redirect", "other spelling"])
def test_a_page_leads_to_nothing_private(web, clip, tmp_path, way):
    with serving(PRIVATE, {"/clip.mp4": whole(clip)}) as inside:
        to = {
            "address": inside.url(PRIVATE, "/clip.mp4"),
            "name": inside.url("inside.example", "/clip.mp4"),
            "redirect": web.url("clips.example", "/moved.mp4"),
            "other spelling": f"http://2130706433:{inside.server_port}/clip.mp4",
        }[way]
        web.answers["/moved.mp4"] = redirect(inside.url(PRIVATE, "/clip.mp4"))
        web.answers["/trap"] = page(to)
        error = refused(web.url("clips.example", "/trap"), tmp_path)
        assert error.code in ("link_private", "link_unknown_host"), error.message
        assert not inside.came


def test_past_its_proxy_it_reaches_nothing(tmp_path):
    """A yt-dlp that was taken over: its process has one port, one folder, and no programs."""
    from detector.isolation import Sandbox

    with (
        socket.create_server(("127.0.0.1", 0)) as proxy,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = proxy.getsockname()[1], other.getsockname()[1]
        with Sandbox(downloader._LIMITS) as box:
            reached = box.call(
                hostile_readers.reached,
                *ports,
                str(tmp_path),
                returns=list[int],
                reads=(),
                writes=tmp_path,
                port=ports[0],
            )
    # The proxy, its folder; not another port, UDP, a file, a program, another folder.
    assert reached == [1, 1, 0, 0, 0, 0, 0]


def test_a_video_that_is_too_large_is_left(web, tmp_path):
    web.answers["/big.mp4"] = endless(bytes(1 << 16), 0.0, before=b"\0\0\0\x18ftypmp42")
    web.answers["/big"] = page(web.url("clips.example", "/big.mp4"))
    error = refused(web.url("clips.example", "/big"), tmp_path, replace(RULES, max_bytes=1 << 20))
    assert error.code == "too_large" and "1 MB" in error.message


def test_a_video_that_drips_is_left(web, tmp_path):
    web.answers["/slow.mp4"] = endless(b"x", 0.2, before=b"\0\0\0\x18ftypmp42")
    web.answers["/slow"] = page(web.url("clips.example", "/slow.mp4"))
    begun = time.monotonic()
    error = refused(web.url("clips.example", "/slow"), tmp_path, replace(RULES, seconds=8))
    assert error.code == "link_slow" and time.monotonic() - begun < 50


def test_it_can_be_stopped(web, tmp_path):
    web.answers["/slow.mp4"] = endless(b"x", 0.1, before=b"\0\0\0\x18ftypmp42")
    web.answers["/slow"] = page(web.url("clips.example", "/slow.mp4"))
    cancel = threading.Event()

    def stop_soon(done, total):
        if any(path == "/slow.mp4" for path, _headers in web.came):  # the video, not its page
            cancel.set()

    with pytest.raises(Canceled):
        fetched(web.url("clips.example", "/slow"), tmp_path, cancel=cancel, on_progress=stop_soon)
    assert web.left.wait(10)


def test_several_videos_and_none_are_said(web, tmp_path):
    one = web.url("clips.example", "/clip.mp4")
    web.answers["/several"] = page(one, one.replace("/clip", "/other"))
    web.answers["/none"] = page()
    assert refused(web.url("clips.example", "/several"), tmp_path).code == "link_unsupported"
    error = refused(web.url("clips.example", "/none"), tmp_path)
    assert error.code == "link_unsupported" and "No video" in error.message


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"is_live": True}, "link_live"),
        ({"live_status": "is_upcoming"}, "link_live"),
        ({"duration": 3 * 3600}, "link_too_long"),
        ({"filesize": 10 << 20}, "too_large"),
    ],
)
def test_what_is_known_before_is_refused_before(found, code, tmp_path, monkeypatch):
    said = {"url": "http://127.0.0.1:9/x", "id": "x", "title": "x", "ext": "mp4", **found}
    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", lambda self, url, **options: said)
    with pytest.raises(InputError, check=lambda e: e.code == code):
        video("http://x.example", str(tmp_path), "http://127.0.0.1:9", 5 << 20, 120)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("[site] x: Sign in to confirm your age. Use --cookies", "link_sign_in"),
        ("ERROR: [site] This video is only available for registered users", "link_sign_in"),
        ("Private video. Sign in if you've been granted access", "link_sign_in"),
        ("Unsupported URL: https://example.org/signin?token=hush", "link_unsupported"),
        ("[site] This video is DRM protected", "link_unsupported"),
        ("The uploader has not made this video available in your country", "link_status"),
        ("This live event will begin in 3 hours", "link_live"),
        ("Video unavailable. This video has been removed by the uploader", "link_status"),
        ("Unable to download webpage: HTTP Error 404: Not Found", "link_status"),
        ("Unable to download webpage: HTTP Error 403: Forbidden", "link_page"),
        ("HTTPConnectionPool(host='127.0.0.1', port=40410): Read timed out.", "link_page"),
        ("something else at https://example.org/?token=hush", "link_page"),
    ],
)
def test_what_it_says_becomes_a_sentence_of_ours(said, code):
    error = explained(said)
    assert error.code == code and "hush" not in error.message and error.message.endswith(".")


def password(proxy):
    word = base64.b64encode(proxy.url.split("//")[1].split("@")[0].encode()).decode()
    return f"Proxy-Authorization: Basic {word}\r\n"


def asked(proxy, head, *, word=True):
    """What the proxy answers to the head of a request."""
    shown = password(proxy) if word else ""
    with socket.create_connection(("127.0.0.1", proxy.port), 20) as link:
        link.sendall(f"{head}\r\n{shown}\r\n".encode())
        answer = b""
        while piece := link.recv(1 << 16):
            answer += piece
        return answer


@pytest.fixture
def proxy():
    with LinkProxy(RULES, threading.Event(), resolve=resolve) as opened:
        yield opened


def test_it_passes_on_a_request_without_what_is_its_own(web, proxy):
    url = web.url("clips.example", "/clip.mp4?x=1")
    answer = asked(proxy, f"GET {url} HTTP/1.1\r\nHost: clips.example\r\nProxy-Connection: x")
    assert answer.startswith(b"HTTP/1.1 200") and b"ftyp" in answer
    (path, headers), *_ = web.came
    assert path == "/clip.mp4?x=1" and headers["Connection"] == "close"
    assert not [name for name in headers if name.lower().startswith("proxy-")]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("CONNECT inside.example:443 HTTP/1.1", 403),
        ("CONNECT 127.0.0.1:22 HTTP/1.1", 403),
        ("CONNECT [::1]:443 HTTP/1.1", 403),
        ("CONNECT 169.254.169.254:80 HTTP/1.1", 403),
        ("GET http://169.254.169.254/latest HTTP/1.1", 403),
        ("GET http://nobody.example/ HTTP/1.1", 403),
        ("GET /etc/passwd HTTP/1.1", 400),
        ("GET file:///etc/passwd HTTP/1.1", 400),
        ("GET ftp://clips.example/ HTTP/1.1", 400),
        ("GET http://me:pw@clips.example/ HTTP/1.1", 400),
        ("CONNECT clips.example:99999 HTTP/1.1", 400),
        ("nonsense", 400),
    ],
)
def test_it_leads_nowhere_else(proxy, head, status):
    assert asked(proxy, head).startswith(f"HTTP/1.1 {status}".encode())


def test_it_is_nobody_elses(web, proxy):
    head = f"GET {web.url('clips.example', '/clip.mp4')} HTTP/1.1"
    assert asked(proxy, head, word=False).startswith(b"HTTP/1.1 407") and not web.came


def test_its_ports_are_those_of_the_rules(web):
    with LinkProxy(replace(RULES, ports=frozenset({443})), threading.Event()) as proxy:
        assert asked(proxy, f"CONNECT {PUBLIC}:{web.server_port} HTTP/1.1").startswith(
            b"HTTP/1.1 403"
        )
    assert proxy.refused is not None and not web.came


def test_a_tunnel_goes_both_ways_and_is_counted(proxy):
    with socket.create_server((PUBLIC, 0)) as echo:

        def repeat():
            link, _address = echo.accept()
            with link:
                while piece := link.recv(100):
                    link.sendall(piece)

        threading.Thread(target=repeat, daemon=True).start()
        with socket.create_connection(("127.0.0.1", proxy.port), 20) as link:
            head = f"CONNECT clips.example:{echo.getsockname()[1]} HTTP/1.1\r\n"
            link.sendall(f"{head}{password(proxy)}\r\n".encode())
            assert link.recv(100).startswith(b"HTTP/1.1 200")
            link.sendall(b"hello")
            assert link.recv(100) == b"hello"
    assert proxy._count == 5


MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">
<Period>
<AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.64001e" bandwidth="200000"
 width="320" height="240"><BaseURL>{video}</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="a" codecs="mp4a.40.2" bandwidth="64000"
 audioSamplingRate="48000"><BaseURL>{audio}</BaseURL></Representation></AdaptationSet>
</Period></MPD>"""


def test_separate_tracks_are_joined(web, tmp_path):
    write_clip(tmp_path / "picture.mp4", seconds=2)
    speech.write(tmp_path / "sound.m4a", np.zeros(96_000), rate=48_000, format="mp4")
    picture, sound = ((tmp_path / f).read_bytes() for f in ("picture.mp4", "sound.m4a"))
    web.answers["/picture.mp4"] = whole(picture, Content_Type="video/mp4")
    web.answers["/sound.m4a"] = whole(sound, Content_Type="audio/mp4")
    manifest = MANIFEST.format(
        video=web.url("clips.example", "/picture.mp4"), audio=web.url("clips.example", "/sound.m4a")
    )
    web.answers["/clip.mpd"] = whole(manifest.encode(), Content_Type="application/dash+xml")
    web.answers["/watch"] = page(web.url("clips.example", "/clip.mpd"), kind="application/dash+xml")
    fetched(web.url("clips.example", "/watch"), tmp_path)
    with av.open(str(tmp_path / "file")) as opened, av.open(str(tmp_path / "picture.mp4")) as alone:
        assert [stream.type for stream in opened.streams] == ["video", "audio"]
        ours = [bytes(p) for p in opened.demux(video=0) if p.size]
        assert ours == [bytes(p) for p in alone.demux(video=0) if p.size], "encoded anew"


def test_who_posted_it_and_when_is_read_from_the_page(web, tmp_path):
    head = (
        '<meta property="og:site_name" content="Example News">'
        '<meta name="author" content="A. Writer\u202e">'
        '<meta property="article:published_time" content="2026-11-02T10:00:00Z">'
    )
    web.answers["/article"] = page(web.url("clips.example", "/clip.mp4"), head=head)
    source = fetched(web.url("clips.example", "/article"), tmp_path)[0].source
    assert source is not None and (said := source.posted) is not None
    assert said.title.startswith("A talk") and said.by == "A. Writer"
    assert said.date == "2026-11-02T10:00:00Z"
    assert not fetched(web.url("clips.example", "/watch"), tmp_path)[0].source


def test_what_yt_dlp_says_of_the_account_goes_first():
    known = {"title": "T", "uploader": "Channel", "upload_date": "20261102"}
    said = runner._posted(known | {"webpage_url_domain": "x.y"})
    found = posted_by(said, {"by": "other", "site": "Site"})
    assert found == Posted(title="T", by="Channel", date="2026-11-02", site="x.y")
    assert posted_by({"title": "T"}, {}) is None, "a title alone says nothing of who"
