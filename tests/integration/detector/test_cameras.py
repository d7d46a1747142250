"""Cameras by their address: what is watched, what is refused, and that no password is told."""

import base64
import socket
import ssl
import threading
import time
from dataclasses import replace
from ipaddress import ip_network

import pytest

from detector.errors import InputError, MediaError
from detector.links import LinkRefused, LinkRules
from detector.links.cameras import CameraAddress, CameraStream, Relay, parse
from tests.conftest import camera
from tests.support.cameras import SIZE, listening, mjpeg, moved, rtsp, same, secrets_in
from tests.support.certificates import certificate
from tests.support.links import (
    PRIVATE,
    PUBLIC,
    redirect,
    resolver,
    secure,
    serving,
    small_internet,
    whole,
)

RULES = LinkRules(ports=None)
NEWSROOM = replace(RULES, networks=(ip_network("127.0.0.1/32"),))
NAMES = {"cam.example": [PUBLIC], "inside.example": [PRIVATE], "mixed.example": [PUBLIC, PRIVATE]}
LOGIN = "ann:s3cret"
FILMED = [camera(SIZE)(number) for number in range(50)]
"""What cameras here show; the first pictures are lost while it is found out what comes."""


resolve = resolver(NAMES)


@pytest.fixture(autouse=True)
def _internet(monkeypatch):
    small_internet(monkeypatch)


@pytest.fixture
def web():
    with serving(PUBLIC, {"/video": mjpeg()}) as server:
        yield server


def stream_of(url, rules=RULES, **options):
    given = {"stop": threading.Event(), "resolve": resolve} | options
    return CameraStream(parse(url, rules), rules, **given)


def watched(url, rules=RULES, *, pictures=3, **options):
    """The first pictures of a camera."""
    stop = threading.Event()
    out = []
    for _time, rgb in stream_of(url, rules, stop=stop, **options).frames():
        out.append(rgb)
        if len(out) == pictures:
            stop.set()
    return out


def refused(url, rules=RULES, **options):
    with pytest.raises(InputError) as raised:
        watched(url, rules, **options)
    told = f"{raised.value.message} {raised.value.hint}"
    assert raised.value.message.endswith(".") and not secrets_in(told), told
    return raised.value


def test_jpegs_over_http_are_watched(web):
    pictures = watched(web.url("cam.example", "/video"))
    assert len(pictures) == 3 and any(same(pictures[0], frame) for frame in FILMED)
    assert web.came[0][1]["Host"] == f"cam.example:{web.server_port}"


def test_a_camera_that_speaks_rtsp_is_watched():
    with rtsp(PUBLIC, login=LOGIN) as server:
        pictures = watched(server.url("cam.example", f"{LOGIN}@"))
    assert len(pictures) == 3 and any(same(pictures[0], frame) for frame in FILMED)
    methods = [method for method, _headers in server.came]
    assert methods[-1] == "PLAY" and "DESCRIBE" in methods


@pytest.mark.parametrize("told", ["", "ann:wr0ng@"])
def test_without_the_password_nobody_is_let_in(told):
    with rtsp(PUBLIC, login=LOGIN) as server:
        error = refused(server.url("cam.example", told))
        assert error.code == "denied" and "wr0ng" not in error.message + error.hint
    with serving(PUBLIC, {"/video": mjpeg(login=LOGIN)}) as web:
        assert refused(web.url(f"{told}cam.example", "/video")).code == "denied"


def test_a_password_is_sent_when_it_is_asked_for_and_only_to_its_camera(web):
    with serving(PUBLIC, {"/video": mjpeg(login=LOGIN)}) as mine:
        mine.answers["/moved"] = redirect(web.url("cam.example", "/elsewhere"))
        assert watched(mine.url(f"{LOGIN}@cam.example", "/video"))
        first, second = (headers for _path, headers in mine.came)
        assert "Authorization" not in first
        assert second["Authorization"] == f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        web.answers["/elsewhere"] = mjpeg(login=LOGIN)
        assert refused(mine.url(f"{LOGIN}@cam.example", "/moved")).code == "denied"
        assert all("Authorization" not in headers for _path, headers in web.came)


def test_a_redirect_over_http_is_followed_by_the_rules(web):
    web.answers["/moved"] = redirect("/video")
    assert watched(web.url("cam.example", "/moved"))
    with serving(PRIVATE, {"/video": mjpeg()}) as inside:
        web.answers["/in"] = redirect(inside.url(PRIVATE, "/video"))
        assert refused(web.url("cam.example", "/in")).code == "link_private"
        assert not inside.came


def test_an_own_network_is_watched_where_it_is_named():
    with serving(PRIVATE, {"/video": mjpeg()}) as inside:
        url = inside.url("inside.example", "/video")
        assert refused(url).code == "link_private"
        assert not inside.came
        assert watched(url, NEWSROOM)
        elsewhere = replace(RULES, networks=(ip_network("10.0.0.0/8"),))
        assert refused(url, elsewhere).code == "link_private"
        # Without the Internet the named networks are all there is.
        assert watched(url, replace(NEWSROOM, public=False))


def test_where_there_is_no_internet_only_the_named_networks_are_watched(web):
    url = web.url("cam.example", "/video")
    assert refused(url, replace(NEWSROOM, public=False)).code == "link_private"
    assert refused(web.url("mixed.example", "/video"), RULES).code == "link_private"
    assert not web.came


def test_a_clouds_secrets_are_no_camera():
    everything = replace(RULES, networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    for host in ("169.254.169.254", "168.63.129.16", "100.100.100.200"):
        assert refused(f"http://{host}/latest", everything).code == "link_private"


def test_an_rtsp_camera_that_is_elsewhere_leads_nobody_there():
    with rtsp(PRIVATE) as inside:
        with rtsp(PUBLIC, say=moved(inside.url(PRIVATE))) as server:
            assert refused(server.url("cam.example")).code == "link_redirects"
        assert not inside.came


@pytest.mark.parametrize(
    "line",
    [
        b"RTSP/1.0  302 Moved\r\n",
        b"RT\rSP/1.0 302 Moved\r\n",
        b"RTSP/9 +0307\r\n",
        b"RTSP/1.0 \x0b 301\n",
        b"RTSP/" + b"1" * 900 + b" 302 Moved\r\n",
    ],
)
def test_no_spelling_of_a_redirect_gets_through(line):
    with rtsp(PRIVATE) as inside:
        location = f"Location: {inside.url(PRIVATE)}\r\n\r\n".encode()

        def say(handler, method, headers):
            if method != "DESCRIBE":
                return None
            cseq = f"CSeq: {headers['cseq']}\r\n".encode()
            for piece in (line[:7], line[7:] + cseq):  # in two packets
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(0.05)
            return location

        with rtsp(PUBLIC, say=say) as server:
            assert refused(server.url("cam.example")).code == "link_redirects"
        assert not inside.came


def test_what_is_no_video_is_refused(web):
    web.answers["/page"] = whole(b"<!doctype html><p>Watch!", Content_Type="text/html")
    assert "no video that we can read" in refused(web.url("cam.example", "/page")).message
    web.answers["/gone"] = lambda handler: handler.begin(404, Content_Length="0")
    assert refused(web.url("cam.example", "/gone")).code == "not_found"


def test_a_playlist_leads_nowhere(web):
    with serving(PRIVATE, {"/one.ts": whole(b"x" * 400)}) as inside:
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{inside.url(PRIVATE, '/one.ts')}\n"
        kind = "application/vnd.apple.mpegurl"
        web.answers["/live.m3u8"] = whole(text.encode(), Content_Type=kind)
        refused(web.url("cam.example", "/live.m3u8"))
        assert not inside.came


def test_nobody_there_and_no_name_are_said(web):
    with rtsp(PUBLIC) as server:
        gone = server.url("cam.example")
    assert refused(gone).code == "refused"
    assert refused("rtsp://nobody.example/").code == "link_unknown_host"


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_says_nothing_is_left(scheme, monkeypatch):
    mute, port = listening(PUBLIC)
    with mute:
        stream = stream_of(f"{scheme}://{LOGIN}@cam.example:{port}/key-7")
        stream._timeouts = (0.5, 0.5)
        with pytest.raises(MediaError) as raised:
            next(stream.frames())
    assert raised.value.code == "no_answer" and not secrets_in(raised.value.message)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_who_stops_waits_for_no_camera(scheme):
    mute, port = listening(PUBLIC)
    stop, begun = threading.Event(), time.monotonic()
    with mute:
        stream = stream_of(f"{scheme}://cam.example:{port}/", stop=stop)
        threading.Timer(0.3, stop.set).start()
        assert not list(stream.frames())
    assert time.monotonic() - begun < 9, "it waited for the camera"


def test_a_lost_camera_is_called_again_and_looked_at_anew():
    """A name that leads elsewhere the second time gains nothing."""
    with rtsp(PUBLIC) as server, rtsp(PRIVATE) as inside:
        asked: list[str] = []

        def turning(host, port):
            asked.append(host)
            return [PUBLIC] if len(asked) < 3 else [PRIVATE]

        lost: list[str] = []
        stream = stream_of(
            server.url("cam.example"), lost=lambda said, wait: lost.append(said), resolve=turning
        )
        stream._pauses = (0.05,)
        with pytest.raises(LinkRefused) as raised:
            for _time, _rgb in stream.frames():
                pass
        assert raised.value.code == "link_private" and len(asked) == 3
        assert len(lost) == 2 and not secrets_in(" ".join(lost))
        assert not inside.came


def test_a_secure_camera_has_to_be_the_one_of_its_name(tmp_path):
    path = certificate(tmp_path, "cam.example")
    trust = ssl.create_default_context(cafile=str(path))
    with serving(PUBLIC, {"/video": mjpeg()}) as web:
        secure(web, path)
        url = web.url("cam.example", "/video").replace("http:", "https:")
        assert watched(url, verify=trust)
        NAMES["other.example"] = [PUBLIC]
        assert "certificate" in refused(url.replace("cam.", "other."), verify=trust).message
    with rtsp(PUBLIC) as server:
        secure(server, path)
        url = server.url("cam.example").replace("rtsp:", "rtsps:")
        assert watched(url, verify=trust)
        assert "certificate" in refused(url.replace("cam.", "other."), verify=trust).message


def test_only_the_first_who_connects_here_is_passed_on(web):
    target = CameraAddress("http", "cam.example", web.server_port, "/video")
    rules = replace(RULES, seconds=5, read_timeout=5)
    with Relay(target, rules, threading.Event(), resolve=resolve) as relay:
        first = socket.create_connection(("127.0.0.1", relay.port))
        first.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert first.recv(20).startswith(b"HTTP/1.0 200")
        with pytest.raises(OSError):
            second = socket.create_connection(("127.0.0.1", relay.port), timeout=5)
            second.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert second.recv(20) == b""
            raise OSError("closed")
        first.close()
    assert relay._thread.alive is False
