"""Cameras by their address, as a server watches them: in a confined worker, for a viewer."""

import logging
import socket
import threading
from dataclasses import replace
from unittest.mock import Mock

import pytest

from detector import isolation, media
from detector.errors import MediaError
from detector.isolation import Sandbox
from detector.links import LinkRefused
from detector.links import cameras as library
from detector.live import LiveSettings
from detector.media.limits import WORKER, WORKER_PRELOAD
from service import startup
from service.config import Config
from service.live import cameras
from service.live.viewers import LiveOptions, SessionRetention, Viewers
from tests.support import hostile_readers
from tests.support.cameras import listening, mjpeg, rtsp, secrets_in
from tests.support.links import PRIVATE, serving
from tests.support.live_stand_in import StandInEngine
from tests.support.waiting import until

LOGIN = "ann:s3cret"


@pytest.fixture
def apart():
    """Media are read in workers, as on every server."""
    media.isolate()
    yield
    isolation.stop_isolating()


@pytest.fixture
def engine():
    return StandInEngine()


@pytest.fixture
def crowd(engine):
    made = Viewers(lambda: engine, 2)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def newsroom(monkeypatch):
    """An operator whose cameras are on this computer."""
    for variable in ("UNMASK_CAMERAS", "UNMASK_CAMERA_NETWORKS", "UNMASK_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("UNMASK_CAMERAS", "1")
    monkeypatch.setenv("UNMASK_CAMERA_NETWORKS", "10.1.0.0/16, 127.0.0.1/32")


def allow(monkeypatch, *ports):
    monkeypatch.setenv("UNMASK_CAMERA_PORTS", ",".join(map(str, ports)))


def followed(crowd, url):
    viewer = crowd.open(LiveSettings(), LiveOptions(keep=SessionRetention.NOTHING))
    cameras.follow(viewer, cameras.address(url))
    return viewer


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("kind", ["rtsp", "http"])
def test_a_camera_is_watched_until_the_viewer_ends(crowd, engine, kind, monkeypatch, caplog):
    monkeypatch.setattr(logging, "_logRecordFactory", logging.getLogRecordFactory())
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    startup.install_log_filter()  # as every server does
    caplog.set_level(logging.INFO)
    over_http = serving(PRIVATE, {"/key-7": mjpeg(login=LOGIN)})
    with over_http as web, rtsp(PRIVATE, login=LOGIN) as camera:
        allow(monkeypatch, web.server_port, camera.port)
        url = camera.url(PRIVATE, f"{LOGIN}@")
        if kind == "http":
            url = web.url(f"{LOGIN}@{PRIVATE}", "/key-7?token=hush")
        viewer = followed(crowd, url)
        until(lambda: viewer.frames > 5 or viewer.ended)
        assert viewer.picture().shape == (480, 640, 3)
        assert crowd.find(viewer.token) is viewer and crowd.find("x" * 22) is None
        viewer.end()
        until(lambda: not _watching())
        assert viewer.failure is None and engine.opened[0].closed
        assert crowd.find(viewer.token) is None
    assert not secrets_in(caplog.text)


@pytest.mark.usefixtures("apart")
def test_a_hanging_camera_holds_up_nobody(crowd, monkeypatch):
    mute, port = listening(PRIVATE)
    allow(monkeypatch, port)
    with mute:
        viewer = followed(crowd, f"rtsp://{LOGIN}@{PRIVATE}:{port}/key-7")
        until(_watching)
        viewer.end()
        until(lambda: not _watching())
    assert viewer.frames == 0 and viewer.ended


@pytest.mark.usefixtures("apart")
def test_a_camera_that_is_not_there_is_said_to_the_viewer(crowd, monkeypatch, caplog):
    mute, port = listening(PRIVATE)
    mute.close()
    allow(monkeypatch, port)
    viewer = followed(crowd, f"rtsp://{LOGIN}@{PRIVATE}:{port}/key-7")
    until(lambda: viewer.ended)
    assert isinstance(viewer.failure, MediaError) and viewer.failure.code == "refused"
    assert not secrets_in(f"{viewer.failure.message}{viewer.failure.hint}{caplog.text}")


def test_an_error_of_ours_tells_no_address(crowd, monkeypatch, caplog):
    broken = Mock(side_effect=RuntimeError("rtsp://ann:s3cret@camera/key-7"))
    monkeypatch.setattr(library.CameraStream, "frames", broken)
    viewer = followed(crowd, f"rtsp://{LOGIN}@{PRIVATE}/key-7")
    until(lambda: viewer.ended)
    assert viewer.failure is not None and "RuntimeError" in caplog.text
    assert not secrets_in(caplog.text + viewer.failure.message)


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"UNMASK_CAMERAS": ""}, "cameras_off"),
        ({"UNMASK_CAMERAS": "0"}, "cameras_off"),
        ({"UNMASK_OFFLINE": "1", "UNMASK_CAMERA_NETWORKS": ""}, "cameras_off"),
        ({}, "link_refused"),  # of its port
    ],
)
def test_they_are_off_unless_the_operator_says_otherwise(environment, code, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LinkRefused, check=lambda e: e.code == code):
        cameras.address("rtsp://127.0.0.1:9/x")


def test_a_private_network_has_to_be_named(crowd, monkeypatch):
    monkeypatch.setenv("UNMASK_CAMERA_NETWORKS", "10.1.0.0/16")
    viewer = followed(crowd, "rtsp://127.0.0.1/x")
    until(lambda: viewer.ended)
    assert viewer.failure.code == "link_private"
    assert "UNMASK_CAMERA_NETWORKS" in viewer.failure.hint


@pytest.mark.parametrize("value", ["everything", "10.0.0.0/33", "10.0.0.7/8"])
def test_a_network_that_is_none_stops_the_server(value, monkeypatch):
    monkeypatch.setenv("UNMASK_CAMERA_NETWORKS", value)
    with pytest.raises(SystemExit, match="UNMASK_CAMERA_NETWORKS names no network"):
        cameras.rules()
    assert Config.model_fields["cameras"].default is False


def test_offline_only_the_named_networks_are_left(monkeypatch):
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert cameras.allowed() and not cameras.rules().public


def test_a_worker_reaches_its_one_port_and_nothing_else():
    with (
        socket.create_server(("127.0.0.1", 0)) as open_port,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = open_port.getsockname()[1], other.getsockname()[1]
        with Sandbox(replace(WORKER, timeout=60), WORKER_PRELOAD) as box:
            tried = hostile_readers.reaching
            (said,) = box.frames(tried, *ports, port=ports[0], size=(4, 4), notes=[], timeout=60)
    # One pixel each: the port it has, another one, UDP, a file, a program.
    assert said.rgb[0, :, 0].tolist() == [1, 0, 0, 0, 0]


def _watching():
    return any(thread.name == "camera" for thread in threading.enumerate())
