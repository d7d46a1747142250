"""Links: what is fetched, what is refused, and with which sentence. Real servers on loopback."""

import io
import ssl
import threading
import time
import zlib
from dataclasses import replace

import pytest

from detector.errors import Canceled, InputError
from detector.links import LinkRules, fetch, is_link, opener
from detector.links import rules as configured
from detector.network.addresses import is_public, may_connect, parse
from tests.support.certificates import certificate
from tests.support.links import (
    PNG,
    PRIVATE,
    PUBLIC,
    endless,
    redirect,
    resolver,
    secure,
    serving,
    small_internet,
    whole,
)

RULES = LinkRules(max_bytes=5 << 20, seconds=20, read_timeout=10, ports=None)
PICTURE = PNG.read_bytes()
NAMES = {"clips.example": [PUBLIC], "inside.example": [PRIVATE], "mixed.example": [PUBLIC, PRIVATE]}

resolve = resolver(NAMES)


@pytest.fixture(autouse=True)
def _links_on(monkeypatch):
    monkeypatch.setenv("UNMASK_LINKS", "1")
    monkeypatch.delenv("UNMASK_OFFLINE", raising=False)
    small_internet(monkeypatch)


@pytest.fixture
def web():
    with serving(PUBLIC, {"/a%20clip.png": whole(PICTURE)}) as server:
        yield server


@pytest.fixture
def inside():
    with serving(PRIVATE, {"/secret.png": whole(PICTURE)}) as server:
        yield server


def refused(url, rules=RULES, target=None, **options):
    with pytest.raises(InputError) as raised:
        fetch(url, target or io.BytesIO(), rules, **{"resolve": resolve} | options)
    assert raised.value.message.endswith(".")
    return raised.value


def fetched(url, tmp_path, rules=RULES, **options):
    with (tmp_path / "file").open("w+b") as target:
        link = fetch(url, target, rules, **{"resolve": resolve} | options)
        content = target.read()
    assert link.size == len(content)
    return link.name, content


def disk_refused(tmp_path, url, rules=RULES, **options):
    """As `refused`, with a real file: what is looked into has one."""
    with (tmp_path / "file").open("w+b") as target:
        return refused(url, rules, target, **options)


def test_a_link_becomes_a_file(web, tmp_path):
    url = web.url("clips.example", "/a%20clip.png?token=secret")
    assert fetched(url, tmp_path) == ("a clip.png", PICTURE)
    ((path, headers),) = web.came
    assert path.endswith("?token=secret")
    assert headers["Host"] == f"clips.example:{web.server_port}"
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Referer", "Authorization"} & set(headers)


def test_links_are_off_unless_somebody_says_so(web, monkeypatch):
    url = web.url("clips.example", "/a%20clip.png")
    monkeypatch.delenv("UNMASK_LINKS")
    assert refused(url).code == "links_off"
    monkeypatch.setenv("UNMASK_LINKS", "1")
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert refused(url).code == "links_off"
    assert not web.came


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "link_invalid"),
        ("clip.mp4", "link_invalid"),
        ("https://", "link_invalid"),
        ("http://exa mple/", "link_unknown_host"),
        ("http://clips.example:99999/", "link_refused"),
        ("https://clips.example/" + "x" * 2000, "link_invalid"),
        ("ftp://clips.example/x", "link_refused"),
        ("gopher://clips.example/x", "link_refused"),
        ("file:///etc/passwd", "link_invalid"),
        ("http://ann:secret@clips.example/x", "link_refused"),
        ("http://ann@clips.example/x", "link_refused"),
        ("http://nobody.example/x", "link_unknown_host"),
        ("http://inside.example/x", "link_private"),
        ("http://mixed.example/x", "link_private"),
        ("http://169.254.169.254/latest/meta-data/", "link_private"),
    ],
)
def test_odd_and_private_addresses_are_refused(url, code):
    assert refused(url).code == code


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "0x7f000001", "2130706433", "0", "[::1]", "[::ffff:10.0.0.1]", "[::]",
     "[::ffff:7f00:1]", "0177.0.0.1"],
)  # fmt: skip
def test_other_spellings_of_this_computer_are_this_computer(host):
    with pytest.raises(InputError) as raised:
        fetch(f"http://{host}/x", io.BytesIO(), RULES)
    assert raised.value.code in ("link_private", "link_unknown_host", "link_invalid")


def test_only_the_ports_of_the_web_unless_others_are_named(web, tmp_path, monkeypatch):
    url = web.url("clips.example", "/a%20clip.png")
    assert str(web.server_port) in refused(url, configured(5 << 20)).message
    monkeypatch.setenv("UNMASK_LINKS_PORTS", f"8080, {web.server_port}")
    assert fetched(url, tmp_path, configured(5 << 20))[1] == PICTURE
    assert not configured(1).private


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "0.0.0.0", "::1",
     "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1",
     "255.255.255.255", "::ffff:127.0.0.1", "::7f00:1", "fe80::1%eth0", "fec0::1", "fc00::1",
     "fd00:ec2::254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1",
     "3fff::1", "ff02::1", "::"],
)  # fmt: skip
def test_what_is_not_public(address):
    assert not is_public(address)
    assert is_public("93.184.216.34") and is_public("2606:2800:220:1:248:1893:25c8:1946")


def test_an_intranet_still_keeps_the_secrets_of_its_cloud():
    for address in ("127.0.0.1", "10.1.2.3", "::1", "fc00::1", "100.64.0.1", "::ffff:10.0.0.1"):
        assert not may_connect(address) and may_connect(address, private=True)
    secrets = "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"
    for address in (*secrets, "224.0.0.1", "0.0.0.0", "::", "fe80::1", "255.255.255.255"):
        assert not may_connect(address, private=True), address


def test_an_intranet_may_be_fetched_from(inside, tmp_path):
    url = inside.url("inside.example", "/secret.png")
    assert fetched(url, tmp_path, replace(RULES, private=True))[1] == PICTURE


def test_a_redirect_is_followed_and_takes_no_cookie_along(web, tmp_path):
    web.answers["/go"] = redirect("/a%20clip.png", Set_Cookie="who=you; Path=/")
    assert fetched(web.url("clips.example", "/go"), tmp_path)[1] == PICTURE
    assert [path for path, _headers in web.came] == ["/go", "/a%20clip.png"]
    assert not any({"Cookie", "Referer"} & set(headers) for _path, headers in web.came)


def test_a_redirect_to_a_private_address_is_not_followed(web, inside):
    for number, where in enumerate((PRIVATE, "inside.example", "mixed.example")):
        web.answers[f"/{number}"] = redirect(inside.url(where, "/secret.png"))
        assert refused(web.url("clips.example", f"/{number}")).code == "link_private"
    assert not inside.came


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("file:///etc/passwd", "link_refused"),
        ("ftp://clips.example/x", "link_refused"),
        ("http://ann:secret@clips.example/x", "link_refused"),
        ("http://[bad/", "link_unknown_host"),
    ],
)
def test_a_redirect_to_something_odd_is_not_followed(web, to, code):
    web.answers["/go"] = redirect(to)
    assert refused(web.url("clips.example", "/go")).code == code


def test_a_redirect_may_not_leave_the_ports_either(web):
    web.answers["/go"] = redirect("http://clips.example:22/x")
    rules = replace(RULES, ports=frozenset({web.server_port}))
    assert "22" in refused(web.url("clips.example", "/go"), rules).message


def test_redirects_have_an_end(web):
    web.answers["/go"] = redirect("/go")
    assert refused(web.url("clips.example", "/go")).code == "link_redirects"
    assert len(web.came) == RULES.max_redirects + 1


def test_the_body_of_a_redirect_is_not_read(web, tmp_path):
    def flood(handler):
        handler.begin(302, Location="/a%20clip.png")
        while True:
            handler.wfile.write(b"x" * 65536)

    web.answers["/go"] = flood
    assert fetched(web.url("clips.example", "/go"), tmp_path)[1] == PICTURE
    assert web.left.wait(10)


def test_a_name_that_changes_its_address_gains_nothing(web, inside, monkeypatch, tmp_path):
    """DNS rebinding: what was looked at is what is connected to."""
    told = [[PUBLIC], [PRIVATE]]
    monkeypatch.setitem(NAMES, "turns.example", [])
    inside.answers["/a%20clip.png"] = whole(PICTURE)

    def changing(host, port):
        return told.pop(0) if host == "turns.example" else resolve(host, port)

    url = web.url("turns.example", "/a%20clip.png")
    assert fetched(url, tmp_path, resolve=changing)[1] == PICTURE
    assert told == [[PRIVATE]], "resolved once"
    told = [[PUBLIC], [PRIVATE]]
    web.answers["/go"] = redirect("/a%20clip.png")
    error = refused(web.url("turns.example", "/go"), resolve=changing)
    assert error.code == "link_private" and not inside.came


def test_an_address_that_does_not_answer_is_followed_by_the_next(web, monkeypatch, tmp_path):
    from detector.network import addresses

    known = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda a: a == "127.0.0.3" or known(a))
    monkeypatch.setitem(NAMES, "two.example", ["127.0.0.3", PUBLIC])
    assert fetched(web.url("two.example", "/a%20clip.png"), tmp_path)[1] == PICTURE
    monkeypatch.setitem(NAMES, "two.example", ["127.0.0.3"])
    assert refused(web.url("two.example", "/a%20clip.png")).code == "link_unreachable"


def test_a_server_that_drips_is_left(web, tmp_path):
    web.answers["/drip"] = endless(b"x", 0.05, before=PICTURE[:5000])
    error = disk_refused(tmp_path, web.url("clips.example", "/drip"), replace(RULES, seconds=1))
    assert error.code == "link_slow" and web.left.wait(10)


def test_a_server_that_drips_its_headers_is_left_too(web):
    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: 1\r\n")
            handler.wfile.flush()
            web.left.wait(0.05)

    web.answers["/drip"] = drip
    error = refused(web.url("clips.example", "/drip"), replace(RULES, seconds=1))
    assert error.code in ("link_slow", "link_broken")


def test_a_server_that_says_nothing_is_left(web):
    web.answers["/hang"] = lambda handler: web.left.wait(60) and None
    error = refused(web.url("clips.example", "/hang"), replace(RULES, read_timeout=0.5))
    web.left.set()
    assert error.code == "link_slow"


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline(web):
    def hanging(host, port):
        web.left.wait(60)
        return []

    error = refused("http://clips.example/x", replace(RULES, seconds=0.5), resolve=hanging)
    assert error.code == "link_slow" and not web.left.is_set()
    web.left.set()


def test_a_lying_length_is_found_out(web, tmp_path):
    web.answers["/short"] = whole(PICTURE, Content_Length=str(len(PICTURE) + 10))
    assert disk_refused(tmp_path, web.url("clips.example", "/short")).code == "link_broken"
    web.answers["/long"] = whole(PICTURE + b"x" * 999, Content_Length=str(len(PICTURE)))
    assert fetched(web.url("clips.example", "/long"), tmp_path)[1] == PICTURE


def test_three_gigabytes_are_refused_before_the_first_byte(web):
    web.answers["/big"] = whole(b"", Content_Length=str(3 << 30))
    error = refused(web.url("clips.example", "/big"))
    assert error.code == "too_large" and "5 MB" in error.message


def test_what_has_no_end_is_cut_at_the_limit(web, tmp_path):
    web.answers["/endless"] = endless(b"\x00" * 65536, 0, before=PICTURE[:5000])
    assert disk_refused(tmp_path, web.url("clips.example", "/endless")).code == "too_large"
    assert (tmp_path / "file").stat().st_size <= RULES.max_bytes and web.left.wait(10)


def test_what_is_packed_is_not_unpacked(web, tmp_path):
    """50 MB of zeros in 50 kB: as an encoding, and as a file."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = bomb.compress(bytes(50 << 20)) + bomb.flush()
    web.answers["/encoded"] = whole(packed, Content_Encoding="gzip", Content_Type="video/mp4")
    assert refused(web.url("clips.example", "/encoded")).code == "link_packed"
    web.answers["/clip.mp4.gz"] = whole(packed)
    assert disk_refused(tmp_path, web.url("clips.example", "/clip.mp4.gz")).code == "unsupported"
    assert (tmp_path / "file").stat().st_size <= len(packed)


def test_a_page_in_place_of_a_video_is_refused_before_it_is_read(web, tmp_path):
    page = b"<!DOCTYPE html><html><body>" + b"<p>Watch!</p>" * 1000
    web.answers["/watch.mp4"] = endless(page, 0.01)
    error = disk_refused(tmp_path, web.url("clips.example", "/watch.mp4"))
    assert error.code == "link_page" and error.hint
    assert web.left.wait(10)
    web.answers["/small"] = whole(b"<html></html>", Content_Type="video/mp4")
    assert disk_refused(tmp_path, web.url("clips.example", "/small")).code == "link_page"


def test_a_playlist_is_not_followed(web, tmp_path):
    web.answers["/list.m3u8"] = whole(f"#EXTM3U\nhttp://{PRIVATE}/secret.ts\n".encode())
    assert disk_refused(tmp_path, web.url("clips.example", "/list.m3u8")).code == "reference"


def test_nothing_behind_a_link(web):
    web.answers["/empty"] = whole(b"")
    assert refused(web.url("clips.example", "/empty")).code == "empty"
    for status in (204, 304, 401, 403, 404, 410, 429, 500):
        web.answers["/status"] = lambda handler, status=status: handler.begin(status)
        assert refused(web.url("clips.example", "/status")).code == "link_status"


@pytest.mark.parametrize(("name", "trusted"), [("clips.example", True), ("other.example", True),
                                               ("clips.example", False)])  # fmt: skip
def test_a_certificate_is_that_of_the_name_though_the_address_is_called(
    web, tmp_path, name, trusted
):
    pem = certificate(tmp_path, name)
    secure(web, pem)
    trust = ssl.create_default_context(cafile=pem) if trusted else None
    url = web.url("clips.example", "/a%20clip.png").replace("http:", "https:")
    if name == "clips.example" and trusted:
        assert fetched(url, tmp_path, verify=trust)[1] == PICTURE
    else:
        error = disk_refused(tmp_path, url, verify=trust)
        assert error.code == "link_unreachable"
        assert "certificate" in error.message and not web.came


def test_who_looks_on_can_stop_it(web, tmp_path):
    def stop(done, total):
        assert total == len(PICTURE)
        raise InputError(f"Stopped after {done}.")

    url = web.url("clips.example", "/a%20clip.png")
    assert disk_refused(tmp_path, url, on_progress=stop).message.startswith("Stopped")


@pytest.mark.parametrize("silent", [False, True])
def test_it_can_be_stopped_while_nothing_comes(web, silent, tmp_path):
    web.answers["/slow.gif"] = (
        (lambda handler: web.left.wait(30) and None)
        if silent
        else endless(b"", 1.0, before=b"GIF89a")
    )
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    begun = time.monotonic()
    with (tmp_path / "file").open("w+b") as target, pytest.raises(Canceled):
        url = web.url("clips.example", "/slow.gif")
        fetch(url, target, RULES, cancel=cancel, resolve=resolve)
    web.left.set()
    assert time.monotonic() - begun < RULES.read_timeout, "it waited for the server"


def test_a_list_opens_its_links_into_a_folder(inside, tmp_path, monkeypatch):
    bring = opener(inside.url(PRIVATE, "/secret.png"))
    with pytest.raises(InputError):
        bring(tmp_path)
    (tmp_path / "link").unlink()
    monkeypatch.setenv("UNMASK_LINKS_PRIVATE", "1")
    monkeypatch.setenv("UNMASK_LINKS_PORTS", str(inside.server_port))
    path, source = bring(tmp_path)
    assert path.read_bytes() == PICTURE and source is None, "no page says who posted it"


def test_what_is_a_link():
    assert is_link("https://clips.example/a") and is_link(" HTTP://x")
    assert not any(map(is_link, ("clip.mp4", "/http://x", "rtsp://x", "file:///x", "")))
    assert parse(" https://clips.example/a ", RULES).host == "clips.example"
