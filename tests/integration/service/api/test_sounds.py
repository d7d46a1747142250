"""A sound over HTTP: judged by the bundled model of voices, and taken away as a report."""

import httpx

from detector.schema.analysis import Analysis, Modality, Question
from tests.support.api import served
from tests.support.applications import application
from tests.support.pages import ANALYZER
from tests.support.pdf import text_of
from tests.support.voice_sample import write_clip
from tests.support.waiting import PATIENT


def test_a_sound_is_judged_and_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    message = write_clip(tmp_path / "message.wav")
    with (
        application(tmp_path, ANALYZER, probes=True) as app,
        served(app) as url,
        httpx.Client(base_url=url, timeout=PATIENT) as client,
    ):
        files = {"file": ("message.wav", message.read_bytes(), "audio/wav")}
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
