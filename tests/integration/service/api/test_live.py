"""A camera over a WebSocket: JPEG frames in, what is read in them out."""

import io
import json
import socket

import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from detector.schema.summary import FoundFootage
from service.context import Scope
from service.live.viewers import Viewers
from tests.conftest import camera
from tests.support.live_stand_in import StandInEngine
from tests.support.waiting import until


def jpeg(rgb, form="JPEG"):
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, form)
    return out.getvalue()


GRAY = jpeg(np.full((480, 640, 3), 90, np.uint8))


@pytest.fixture
def engine(application):
    engine = StandInEngine()
    application.__dict__["viewers"] = Viewers(lambda: engine, 1)
    return engine


@pytest.fixture
def address(url):
    return f"{url.replace('http', 'ws', 1)}/v1/live"


@pytest.fixture
def link(address, engine):
    with connect(address) as opened:
        yield opened


def messages(link, kind):
    for text in link:
        message = json.loads(text)
        if message["type"] == kind:
            yield message


def test_frames_go_in_and_verdicts_come_out(link, engine, application):
    def sent_for_a_while():
        link.send(GRAY)
        return engine.opened[0].frames[-1:] > [0.5]

    until(sent_for_a_while)
    assert {"time", "score", "mean", "label"} <= set(next(messages(link, "frame")))
    link.send("end")
    assert next(messages(link, "end"))["result"] is None
    until(lambda: application.viewers.running == 0)
    assert engine.opened[0].closed == 1


def test_known_footage_is_told_once(link, engine, application):
    until(lambda: bool(engine.opened))
    viewer = application.viewers._open[0]
    for matched in (9, 8):
        viewer.known = FoundFootage(
            match_sha256="0" * 64, name="rally.mp4", source="/press", start=2.0, mirrored=False,
            matched=matched, asked=12,
        )  # fmt: skip
        if matched == 9:
            known = next(messages(link, "known"))
    assert known == {
        "type": "known", "name": "rally.mp4", "source": "/press", "matched": 9, "asked": 12
    }  # fmt: skip
    link.send("end")
    kinds = [json.loads(text)["type"] for text in link]
    assert "known" not in kinds and kinds[-1] == "end"


@pytest.mark.parametrize(
    "sent",
    [b"", b"no picture", jpeg(np.zeros((9, 9, 3), np.uint8), "PNG"), GRAY[:400],
     jpeg(np.zeros((8, 5000, 3), np.uint8)), "something"],
    ids=["empty", "noise", "png", "half", "wide", "text"],
)  # fmt: skip
def test_what_is_no_frame_ends_the_session_with_a_sentence(link, application, sent):
    link.send(sent)
    error = next(messages(link, "error"))["error"]
    assert error["code"] in ("bad_frame", "bad_message") and error["message"].endswith(".")
    with pytest.raises(ConnectionClosed):
        link.recv()
    assert link.close_code == 1007
    until(lambda: application.viewers.running == 0)


def test_who_leaves_frees_the_place(address, engine):
    with connect(address) as first:
        first.send(GRAY)
        with pytest.raises(InvalidStatus) as full:
            connect(address)
        assert full.value.response.status_code == 503
        assert json.loads(full.value.response.body)["error"]["code"] == "too_many_viewers"
        first.socket.shutdown(socket.SHUT_RDWR)  # to close it would wait for who reads from it

    def let_in():
        try:
            connect(address).close()
        except InvalidStatus:
            return False
        return True

    until(let_in)


def test_a_stranger_and_a_reader_see_no_camera(address, engine, application):
    for headers, status in (
        ({"Origin": "https://evil.example"}, 401),
        ({"X-API-Key": "um_none"}, 401),
        ({"X-API-Key": application.keys.add("r", (Scope.READ,))[1]}, 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers)
        assert refused.value.response.status_code == status
    assert not engine.opened


def test_a_revoked_key_ends_the_session(address, engine, application):
    key, text = application.keys.add("a", (Scope.READ, Scope.ANALYZE))
    with connect(address, additional_headers={"X-API-Key": text}) as link:
        link.send(GRAY)
        application.keys.revoke(key.id)
        with pytest.raises(ConnectionClosed):
            while True:
                link.recv()
        assert link.close_code == 1008
    until(lambda: application.viewers.running == 0)


def test_a_face_is_read_by_the_real_engine_and_kept(application, client, address):
    picture = camera((640, 480))
    with connect(f"{address}?keep=scores&models=texture") as link:
        until(lambda: json.loads(link.recv())["type"] == "ready")
        lines = []
        for number in range(400):
            link.send(jpeg(picture(number)))
            try:
                while message := json.loads(link.recv(0.1)):
                    lines.append(message)
            except TimeoutError:
                pass
            scored = [line for line in lines if line.get("faces")]
            if len(scored) > 2 and scored[-1]["time"] > 1.5:
                break
        assert scored[-1]["faces"][0]["id"] == "A" and 0 <= scored[-1]["score"] <= 1
        link.send("end")
        result = next(messages(link, "end"))["result"]
    view = client.get(result).json()
    assert view["state"] == "done" and view["result"]["media"]["live"]
