"""The preview of a file over HTTP, before anything is analyzed."""

import base64
import io

import pytest
from PIL import Image

from tests.conftest import write_clip
from tests.integration.service.api.test_analyses import nothing_left, refusal
from tests.support import speech


def test_a_clip_shows_what_it_is_and_its_middle(client, application, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", seconds=1, size=(320, 240))
    files = {"file": ("../clip.mp4", clip.read_bytes(), "video/mp4")}
    answer = client.post("/v1/media", files=files)
    assert answer.status_code == 200, answer.text
    media = answer.json()["media"]
    assert (media["name"], media["kind"], media["codec"]) == ("clip.mp4", "video", "h264")
    assert (media["width"], media["height"], media["fps"]) == (320, 240, 25.0)
    assert media["size"] == clip.stat().st_size and media["duration"] == pytest.approx(1, abs=0.1)
    picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["picture"])))
    assert (picture.format, picture.size) == ("WEBP", (320, 240))
    assert nothing_left(application) and client.get("/v1/analyses").json() == []


def test_a_sound_has_no_picture(client, tmp_path):
    voice = speech.write(tmp_path / "voice.wav", speech.speech(2.0))
    answer = client.post("/v1/media", files={"file": ("voice.wav", voice.read_bytes())}).json()
    assert answer["media"]["kind"] == "audio" and answer["picture"] is None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"files": {"file": ("clip.mp4", b"no clip")}}, "unsupported"),
        ({"data": {"url": "https://example.org/a.mp4"}}, "no_file"),
        ({"data": {"frames": "8"}}, "no_file"),
    ],
)
def test_what_is_no_file_is_refused(client, sent, code):
    answer = client.post("/v1/media", **sent)
    assert answer.status_code == 422 and refusal(answer)["code"] == code
