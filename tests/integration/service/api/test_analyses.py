"""Analyses over HTTP: a real client against a real server on loopback."""

import base64
import http.client
import io
import json
import re
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from websockets.sync.client import connect

from detector.schema.analysis import Analysis, Label, Modality, Question
from service.api import PATHS
from service.limits import MEGABYTE
from tests.conftest import write_clip
from tests.support import speech
from tests.support.api import served
from tests.support.applications import application
from tests.support.pages import ANALYZER
from tests.support.pdf import text_of
from tests.support.result_sample import make_analysis
from tests.support.samples import samples
from tests.support.waiting import PATIENT, until

FILE = {"file": ("clip.mp4", b"bytes of a clip", "video/mp4")}
STRANGER = {"Host": "unmask.example.org"}
"""Whoever opens this computer's server under another name is nobody it knows."""


def nothing_left(application):
    jobs = application.jobs
    return not list(jobs.uploads.root.iterdir()) and not jobs.store.ids("local")


def refusal(answer):
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint", "request_id", "reference"}
    assert error["message"].endswith(".") and error["request_id"] == answer.headers["X-Request-ID"]
    return error


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("filename*=UTF-8''na%C3%AFve%20clip.mp4", "naïve clip.mp4"),
        ("filename=\"x.mp4\"; filename*=utf-8''%e2%82%ac.mp4", "€.mp4"),
        ("filename*=iso-8859-1'en'caf%E9.mp4", "café.mp4"),
        ("filename*=Windows-1252''%80%20%22a%22.mp4", '€ "a".mp4'),
        ("filename*=no-such''caf%C3%A9.mp4", "café.mp4"),
        ("filename*=UTF-8''caf%E9.mp4", "caf\ufffd.mp4"),
        ("filename*=zlib''a.mp4", "a.mp4"),
        ("filename*=unicode_escape''a%5Cud800.mp4", "a?.mp4"),
        ("filename*=idna''%E9.mp4", "\ufffd.mp4"),
        ('filename="a%22b.mp4"', 'a"b.mp4'),
        ('filename="100%25.mp4"', "100%25.mp4"),
    ],
)
def test_every_way_to_name_a_file_is_read(client, header, name):
    body = (
        f'--x\r\nContent-Disposition: form-data; name="file"; {header}\r\n\r\n'
        "bytes of a clip\r\n--x--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/analyses", content=body.encode(), headers=kind)
    assert answer.status_code == 202, answer.text
    assert answer.json()["name"] == name


def test_the_film_behind_a_picture_is_analyzed_where_asked_for(client, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    film = write_clip(tmp_path / "film.mp4", seconds=0.4, size=(64, 48)).read_bytes()
    photo = (tmp_path / "photo.jpg").read_bytes()
    call = {"data": {"film": "true"}}
    kind = ("photo.jpg", photo + film, "image/jpeg")
    answer = client.post("/v1/analyses", files={"file": kind}, **call)
    assert answer.status_code == 202 and answer.json()["name"] == "photo.jpg (film).mp4"
    plain = client.post("/v1/analyses", files={"file": ("photo.jpg", photo, "image/jpeg")}, **call)
    assert plain.status_code == 422
    assert "no film behind this picture" in refusal(plain)["message"]


def test_a_file_becomes_a_task_and_then_a_result(client, analyzer, application):
    analyzer.go.clear()
    asked = {"frames": "8", "models": "texture, videomae"}
    answer = client.post("/v1/analyses", files=FILE, data=asked)
    assert answer.status_code == 202
    view = answer.json()
    assert answer.headers["Location"] == view["href"] == f"/v1/analyses/{view['id']}"
    assert view["result"] is None and view["task"]["kind"] == "analysis"
    until(lambda: client.get(view["task"]["href"]).json()["stage"] == "faces")
    running = client.get(view["task"]["href"]).json()
    assert running["state"] == "running" and 0 < running["fraction"] < 1
    assert refusal(client.get(f"{view['href']}/frames"))["code"] == "no_result"
    analyzer.go.set()
    until(lambda: client.get(view["href"]).json()["state"] == "done")
    done = client.get(view["href"]).json()
    analysis = Analysis.model_validate(done["result"])
    assert (analysis.settings.frames, analysis.settings.models) == (8, ["texture", "videomae"])
    assert done["verdict"] == analysis.verdict.label
    assert [one["id"] for one in client.get("/v1/analyses").json()] == [view["id"]]
    frames = client.get(f"{view['href']}/frames").json()["frames"]
    assert [frame["time"] for frame in frames] == analysis.timestamps
    assert {s["id"] for s in frames[-1]["subjects"]} == {"A", "B"}
    about = {"case": "2026-117", "reviewer": "Ana Ruiz"}
    place = f"{view['href']}/report.pdf"
    report = client.get(place, params=about | {"zone": "Asia/Kathmandu"})
    text = text_of(report.content, 1)
    assert all(value in text for value in about.values()) and "UTC+05:45" in text
    for other in ("Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", ""):
        answer = client.get(place, params={"zone": other})
        assert answer.status_code == 422 and "time zone" in refusal(answer)["message"]
    assert report.content.startswith(b"%PDF") and report.headers["content-type"].endswith("pdf")
    said = client.get(f"{view['href']}/report.md", params=about)
    assert said.headers["content-type"].startswith("text/markdown") and "Ana Ruiz" in said.text
    assert client.get(f"{view['href']}/report.docx").status_code == 422
    assert client.delete(view["href"]).status_code == 204
    assert client.get(view["href"]).status_code == 404 and nothing_left(application)


def test_who_waits_gets_the_result_in_the_answer(client):
    answer = client.post("/v1/analyses", params={"wait": 60}, files=FILE)
    assert answer.status_code == 200 and answer.json()["result"]["media"]["name"] == "clip.mp4"
    again = client.post("/v1/analyses", files=FILE)
    assert again.status_code == 200, "the same file and question: the same answer, at once"
    assert again.json()["id"] == answer.json()["id"]


def test_who_does_not_wait_long_enough_gets_the_task(client, analyzer):
    analyzer.go.clear()
    answer = client.post("/v1/analyses", params={"wait": 0.2}, files=FILE)
    assert answer.status_code == 202 and answer.json()["state"] in ("queued", "running")


def test_our_own_failure_is_ours_and_tells_nothing(client, analyzer, tmp_path):
    analyzer.error = RuntimeError(f"boom in {tmp_path}")
    answer = client.post("/v1/analyses", params={"wait": 60}, files=FILE)
    assert answer.status_code == 500 and str(tmp_path) not in answer.text
    assert re.fullmatch(r"[0-9A-F]{4}-[0-9A-F]{4}", refusal(answer)["reference"])


def test_events_follow_a_task_to_its_end(client, url, analyzer):
    analyzer.go.clear()
    task = client.post("/v1/analyses", files=FILE).json()["task"]["href"]
    with client.stream("GET", f"{task}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = (json.loads(line[5:]) for line in stream.iter_lines() if line[:5] == "data:")
        told = [next(events)]
        analyzer.go.set()
        told += events
    assert told[0]["state"] in ("queued", "running") and told[-1]["state"] == "done"
    with connect(f"{url.replace('http', 'ws', 1)}{task}/events") as socket:
        assert [json.loads(message)["state"] for message in socket] == ["done"]


@pytest.mark.parametrize(
    ("label", "told", "words"),
    [
        (Label.REAL, "REAL", "No sign of manipulation found: so far, 2 of 8\u00a0moments"),
        (Label.PROBABLY_FAKE, None, "Nothing to tell yet: so far, 2 of 8\u00a0moments"),
    ],
)
def test_a_running_task_tells_its_reading_and_accuses_no_file_early(
    client, url, analyzer, label, told, words
):
    analyzer.go.clear()
    whole = make_analysis()
    verdict = whole.verdict.model_copy(update={"label": label})
    analyzer.reading = whole.model_copy(update={"verdict": verdict})
    task = client.post("/v1/analyses", files=FILE).json()["task"]["href"]
    with connect(f"{url.replace('http', 'ws', 1)}{task}/events") as socket:
        views = []
        for message in socket:
            views.append(json.loads(message))
            if views[-1]["reading"]:
                analyzer.go.set()
    (reading,) = [json.loads(r) for r in {json.dumps(v["reading"]) for v in views if v["reading"]}]
    assert reading == {"label": told, "sentence": words, "moments": 2, "moments_total": 8}
    assert views[-1]["state"] == "done" and views[-1]["reading"] is None


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"json": {"url": "http://x"}}, 415, "unsupported_media_type"),
        ({"content": b"bytes", "headers": {"Content-Type": "video/mp4"}}, 415,
         "unsupported_media_type"),
        ({"data": {"url": "http://localhost/secret"}}, 422, "links_off"),
        ({"data": {"frames": "8"}}, 422, "no_file"),
        ({"files": FILE, "data": {"frames": "0"}}, 422, "invalid"),
        ({"files": FILE, "data": {"sampling": "all"}}, 422, "invalid"),
        ({"files": FILE, "data": {"models": "no-such"}}, 422, "unknown_model"),
        ({"files": FILE, "params": {"wait": -1}}, 422, "invalid"),
        ({"files": FILE, "params": {"wait": "nan"}}, 422, "invalid"),
        ({"files": [("file", FILE["file"]), ("file", FILE["file"])]}, 400, "bad_request"),
        ({"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data"}}, 400,
         "bad_request"),
        ({"content": b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nhalf",
          "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 422, "no_file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_leaves_nothing(client, application, sent, status, code):
    answer = client.post("/v1/analyses", **sent)
    assert (answer.status_code, refusal(answer)["code"]) == (status, code)
    assert nothing_left(application)


def test_too_large_is_refused_before_it_is_sent(url, monkeypatch, application):
    """Two gigabytes are announced; not one byte of them has to come."""
    monkeypatch.setenv("UNMASK_MAX_UPLOAD_MB", "2")
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.putrequest("POST", "/v1/analyses")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(2 << 30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["message"] == "A file may have 2 MB here."
    connection.close()
    assert nothing_left(application)


def test_too_large_in_chunks_is_refused_on_the_way(url, monkeypatch, application):
    monkeypatch.setenv("UNMASK_MAX_UPLOAD_MB", "1")
    sent = 0
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), 60) as link:
        link.sendall(
            b"POST /v1/analyses HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        part = b"--x\r\nContent-Disposition: form-data; name=file; filename=a.mp4\r\n\r\n"
        link.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        chunk = b"%x\r\n%s\r\n" % (1 << 16, b"0" * (1 << 16))
        with suppress(OSError):  # the server hangs up
            while sent < 200 * MEGABYTE:
                link.sendall(chunk)
                sent += 1 << 16
    assert sent < 100 * MEGABYTE and nothing_left(application)


def test_a_body_in_chunks_is_taken_as_any(client):
    def body():
        yield b"--x\r\nContent-Disposition: form-data; name=file; filename=a.mp4\r\n\r\n"
        for _ in range(50):
            yield b"0123456789" * 100
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/analyses", params={"wait": 60}, content=body(), headers=headers)
    assert answer.status_code == 200
    assert len(answer.json()["result"]["media"]["sha256"]) == 50_000, "what the stand-in was given"


def test_a_client_that_leaves_while_it_waits_finds_its_result(url, client, analyzer):
    analyzer.go.clear()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/analyses?wait=600", files=FILE, timeout=1)
    analyzer.go.set()
    until(lambda: [one["state"] for one in client.get("/v1/analyses").json()] == ["done"])


def test_a_full_queue_says_when_to_come_back(client, analyzer, application):
    analyzer.go.clear()
    answers = [
        client.post("/v1/analyses", files={"file": ("a.mp4", b"%d" % number)})
        for number in range(application.jobs.workers + 21)
    ]
    assert [a.status_code for a in answers[:-1]] == [202] * (len(answers) - 1)
    last = answers[-1]
    assert last.status_code == 503 and int(last.headers["Retry-After"]) > 0
    assert refusal(last)["code"] == "busy" or refusal(last)["hint"]
    assert client.get("/readyz").json()["checks"]["queue"] is False


def test_a_file_without_room_is_refused_and_nothing_is_left(client, application, monkeypatch):
    monkeypatch.setattr(application.jobs.uploads, "has_room", lambda size: False)
    answer = client.post("/v1/analyses", files=FILE)
    assert (answer.status_code, refusal(answer)["code"]) == (507, "disk_full")
    assert nothing_left(application)


def test_strangers_are_told_to_bring_a_key(client, url, application):
    for path in ("/v1/analyses", "/v1/models", "/v1/tasks/x", "/v1/analyses/x/frames"):
        answer = client.get(path, headers=STRANGER)
        assert answer.status_code == 401 and refusal(answer)["code"] == "unauthorized"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for headers in (STRANGER, {"Origin": "https://evil.example"}, {"X-Forwarded-For": "1.2.3.4"}):
        assert client.post("/v1/analyses", files=FILE, headers=headers).status_code == 401
    assert client.get("/healthz", headers=STRANGER).status_code == 200
    assert nothing_left(application)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/api/x", "/v2/analyses"])
def test_an_unknown_path_is_json(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and refusal(answer)["code"] == "not_found"
    assert path == "/" or PATHS.fullmatch(path)
    assert client.put("/v1/models").status_code == 405


def test_unknown_ids_are_not_found(client):
    for path in ("/v1/analyses/" + "x" * 22, "/v1/analyses/..%2f..", "/v1/tasks/none"):
        assert client.get(path).status_code == 404
        assert client.delete(path).status_code == 404
    assert client.post("/v1/models/no-such/fetch").status_code == 404


def test_models_say_what_they_need(client):
    models = client.get("/v1/models").json()
    assert any(model["ready"] for model in models)
    licensed = next((m for m in models if m["state"] == "available" and m["download"]), None)
    assert licensed["license"]


def test_a_request_id_is_given_back_and_nothing_strange_is(client):
    def given_back(id):
        return client.get("/healthz", headers={"X-Request-ID": id}).headers["X-Request-ID"]

    assert given_back("job-7") == "job-7"
    assert re.fullmatch(r"[0-9a-f]{16}", given_back("a b"))


def test_the_log_names_the_route_and_no_secret(client, caplog):
    caplog.set_level("INFO", logger="unmask.api")
    view = client.post("/v1/analyses", params={"wait": 60}, files=FILE).json()
    client.get(view["href"])

    def lines():
        return [json.loads(r.getMessage()) for r in caplog.records if r.name == "unmask.api"]

    # A line is written when its answer is out.
    until(lambda: {line["route"] for line in lines()} >= {"/v1/analyses", "/v1/analyses/{id}"})
    assert all(line["principal"] == "local" and line["ms"] >= 0 for line in lines())
    # The client of this test logs the addresses that it asks for; so does the web server once
    # another test of this process has set up the dashboard's logging. Neither is a line of ours.
    theirs = ("httpx", "uvicorn")
    logged = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(theirs))
    assert logged and view["id"] not in logged and "clip.mp4" not in logged


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


def test_a_sound_is_judged_and_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    message = next(sample.path for sample in samples() if sample.id == "cloned")
    with (
        application(tmp_path, ANALYZER, probes=True) as app,
        served(app) as url,
        httpx.Client(base_url=url, timeout=PATIENT) as client,
    ):
        files = {"file": (message.name, message.read_bytes(), "application/octet-stream")}
        answer = client.post("/v1/analyses", params={"wait": 120}, files=files)
        assert answer.status_code == 200, answer.text
        view = answer.json()
        analysis = Analysis.model_validate(view["result"])
        assert analysis.media.kind == "audio" and analysis.media.audio is not None
        assert analysis.verdict.question is Question.VOICE and analysis.verdict.probability
        assert [s.modality for s in analysis.subjects] == [Modality.VOICE]
        assert analysis.provenance is not None and not analysis.signals
        text = text_of(client.get(f"{view['href']}/report.pdf").content)
        assert "Voice cloned?" in text and "of speech" in text and "0 × 0" not in text
