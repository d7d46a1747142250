"""Addresses of older services, with their fields."""

import pytest

from service.api.routes import legacy
from tests.unit.service.test_jobs import SAMPLE

FILE = ("clip.mp4", b"bytes of a clip", "video/mp4")


@pytest.mark.parametrize("field", ["file", "video"])
def test_upload_video_gives_a_score_a_frame_and_their_mean(client, analyzer, field):
    answer = client.post("/upload-video", files={field: FILE}, data={"frames_per_video": "24"})
    assert answer.status_code == 200 and set(answer.json()) == {"pred_scores", "mean_score"}
    scores = answer.json()["pred_scores"]
    worst = SAMPLE.judged[0]
    assert scores == [frame.score for frame in worst.frames if frame.score is not None]
    assert answer.json()["mean_score"] == pytest.approx(sum(scores) / len(scores))
    (analysis,) = client.get("/v1/analyses").json()
    assert client.get(analysis["href"]).json()["result"]["settings"]["frames"] == 24


@pytest.mark.parametrize("path", legacy.ADDRESSES)
def test_the_others_give_the_verdict_in_a_few_fields(client, path):
    said = client.post(path, files={"image": FILE}).json()
    verdict = SAMPLE.verdict
    assert said["success"] is True and said["prediction"] == verdict.label
    assert said["fake_probability"] == pytest.approx(verdict.probability)
    assert said["is_fake"] is {"FAKE": True, "REAL": False}.get(verdict.label)
    above = [score > verdict.thresholds.high for score in legacy.scores(SAMPLE)]
    assert said["fake_frame_ratio"] == pytest.approx(sum(above) / len(above)) and any(above)
    assert said["faces_detected"] == 2 and said["frames_analyzed"] == len(SAMPLE.timestamps)
    assert client.get(said["analysis"]).json()["state"] == "done"


@pytest.mark.parametrize("path", legacy.BATCH_ADDRESSES)
def test_several_files_are_a_batch(client, path):
    answer = client.post(path, files=[("files", FILE), ("files", ("b.mp4", b"other", "video/mp4"))])
    assert answer.status_code == 202 and len(answer.json()["items"]) == 2
    assert client.get(answer.json()["href"]).status_code == 200


def test_who_does_not_wait_gets_the_analysis(client, analyzer):
    analyzer.go.clear()
    answer = client.post("/api/analyze", params={"wait": 0}, files={"file": FILE})
    assert answer.status_code == 202 and answer.json()["task"]["href"]
    analyzer.go.set()


def test_they_refuse_as_all_do(client):
    assert client.post("/upload-video", json={}).status_code == 415
    assert client.post("/upload-video", data={"frames_per_video": "3"}).status_code == 422
    assert client.get("/upload-video").status_code == 405
    stranger = {"Host": "unmask.example.org"}
    answer = client.post("/api/analyze", files={"file": FILE}, headers=stranger)
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "unauthorized"
