"""The addresses of cameras: which are refused, and that no password is told."""

import pytest

from detector.links import LinkRefused, LinkRules
from detector.links.cameras import parse
from tests.support.cameras import secrets_in

RULES = LinkRules(ports=None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not the address of a camera"),
        ("/dev/video0", "not the address of a camera"),
        ("file:///etc/passwd", "not the address of a camera"),
        ("udp://ann:s3cret@cam.example/key-7", "udp:// is not watched"),
        ("gopher://cam.example/", "gopher:// is not watched"),
        ("rtsp://ann:s3cret@cam.example:9/key-7", "Port 9 "),
        ("rtsp://" + "x" * 2000, "not the address of a camera"),
        ("http://[::1/", "not the address of a camera"),
    ],
)
def test_odd_addresses_are_refused_without_telling_them(url, words):
    with pytest.raises(LinkRefused) as raised:
        parse(url, LinkRules(ports=frozenset({554})))
    told = f"{raised.value.message} {raised.value.hint}"
    assert words in told and not secrets_in(told)


def test_what_is_shown_of_an_address_holds_no_password():
    address = parse("rtsp://ann:s3cr%40t@cam.example:8554/live?x=1", RULES)
    assert (address.username, address.password) == ("ann", "s3cr@t")
    assert address.public == "rtsp://cam.example:8554/live?x=1"
    assert "s3cr" not in repr(address)
