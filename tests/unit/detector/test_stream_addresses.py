"""Addresses of streams that can't be one get a sentence, in the library and on the command line."""

import pytest

from cli import main
from detector.errors import UsageError
from detector.media.stream import Stream

ODD = ["rtsp://camera:99999/x", "rtsp://[::1/", "http://camera:x/", "rtsp://[ab/"]


@pytest.mark.parametrize("address", ODD)
def test_an_address_that_is_none_is_refused_in_a_sentence(address, capsys):
    with pytest.raises(UsageError, match="can't be read"):
        Stream(address)
    assert main(["live", address]) == 2
    assert "our failure" not in capsys.readouterr().err


def test_the_password_of_such_an_address_is_not_repeated():
    with pytest.raises(UsageError) as refused:
        Stream("rtsp://ann:secret@camera:99999/x")
    assert "secret" not in refused.value.advice
