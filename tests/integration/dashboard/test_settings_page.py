"""The Settings page as Streamlit draws it: one's own thresholds, their state, and what is set."""

import io
import threading
from datetime import UTC, datetime
from html import unescape
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import session
from detector.decision import conformal
from detector.decision.conformal import OwnCalibration
from detector.models.registry import get_spec
from detector.pipeline import Analyzer
from detector.pipeline.initial_results import result
from detector.schema.analysis import Settings
from service.context import LOCAL, Principal, PrincipalKind, Role, new_id
from service.records.model import Preferences, State
from service.storage.uploads import Upload
from service.tasks.calibrations import CalibrationRequest
from tests.support.pages import OWNER, button, come_as, press, run, texts
from tests.support.result_sample import make_analysis
from tests.support.tasks import ended
from tests.support.waiting import PATIENT
from tests.unit.detector.test_verdict import analysis, model, track, with_scores


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    return tmp_path


def _page():
    from dashboard.pages.settings import view as settings

    settings.draw()


def show():
    return run(AppTest.from_function(_page, default_timeout=PATIENT))


def own(**changes):
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "id": "abc123",
        "created": datetime(2026, 11, 20, tzinfo=UTC),
        "rate": 0.05,
        "domain": "<b>phone</b>",
        "sources": 3,
        "models": {id: result(get_spec(id)).identity for id in ("clip", "texture")},
        "clips": [float(x) for x in rng.normal(-1, 1, 40)],
    }
    return OwnCalibration.model_validate(values | changes)


def test_nothing_is_set_at_first_and_the_page_says_what_it_takes():
    at = show()
    page = texts(at)
    assert "Choose unaltered videos" in page
    assert button(at, "Set the threshold").disabled
    assert "at least 19" in at.get("file_uploader")[0].proto.label
    at.segmented_control(key="own-rate").set_value(0.01).run()
    assert "at least 99" in at.get("file_uploader")[0].proto.label
    assert "24 hours" in page and "UNMASK_RETENTION_HOURS" in page
    assert "UNMASK_SUPABASE_MEDIA" not in page


def test_where_copies_are_kept_the_page_says_so(monkeypatch):
    monkeypatch.setenv("UNMASK_SUPABASE_MEDIA", "on")
    assert "of an account’s files, as long as their results" in texts(show())


def test_what_is_kept_is_shown_switched_and_deleted():
    conformal.keep(own())
    at = show()
    page = texts(at)
    assert "At most 5 % false alarms" in page and "40 of 3 recordings" in page
    assert "&lt;b&gt;phone" in page and "<b>phone" not in page
    assert "only for clips like these" in page and "In use" in page
    assert "These 40 clips are of only 3 recordings" in page
    assert "Whole face and Texture of the face" in page
    at.toggle(key="own-on").set_value(False).run()
    assert not conformal.load().on and "Switched off" in texts(at)
    at.button(key="delete-abc123").click().run()
    assert conformal.load().calibrations == []


def test_what_was_made_for_other_weights_is_not_called_in_use():
    conformal.keep(own(models={"texture": "a" * 64}))
    page = texts(show())
    assert "Its models have changed" in page and "In use" not in page


def test_a_stranger_can_look_and_not_change(monkeypatch, data):
    conformal.keep(own())
    come_as(monkeypatch, Principal("guest:a", PrincipalKind.GUEST))
    at = show()
    assert "At most 5 % false alarms" in texts(at) and "unmask calibrate --real" in texts(at)
    # What concerns their own results is theirs to choose.
    assert [t.key for t in at.toggle] == ["settings-originals"]
    assert not [b for b in at.button if b.label == "Delete"]
    assert not at.get("file_uploader") and not at.text_input
    assert str(data) not in texts(at)


def test_an_admin_elsewhere_changes_thresholds_and_names_no_folder(monkeypatch, data):
    conformal.keep(own())
    come_as(monkeypatch, Principal("4f1c", PrincipalKind.USER, Role.ADMIN))
    at = show()
    assert at.toggle and at.get("file_uploader")
    assert "Or a folder on this computer" not in [field.label for field in at.text_input]
    assert str(data) not in texts(at)


class Scorer:
    """Stands for the analyzer: a score from the clip's content, no network."""

    def __init__(self):
        self.settings: list[Settings] = []
        self.wait: threading.Event | None = None

    def analyze(self, path, settings, *, cancel=None):
        if self.wait:
            self.wait.wait(PATIENT)
        self.settings.append(settings)
        content = path.read_bytes()
        score = 0.1 + 0.02 * len(content)
        made = analysis([track("A", with_scores(*[score] * 5, id="texture"))], [model("texture")])
        made.media.sha256 = content.hex().ljust(64, "0")[:64]
        return made


@pytest.fixture
def scorer(monkeypatch):
    made = Scorer()
    monkeypatch.setattr(
        Analyzer, "analyze", lambda self, *file, **more: made.analyze(*file, **more)
    )
    return made


def current():
    return session.application().calibrations.current(LOCAL)


def finish():
    run = current()
    assert run is not None
    return ended(run)


def write_clips(folder, count, different=99):
    clips = [folder / f"{number}.mp4" for number in range(count)]
    for number, clip in enumerate(clips):
        clip.write_bytes(b"z" * (number % different + 1))
    return clips


def start(clips, uploads=None):
    request = CalibrationRequest(clips, ["texture"], 0.05, "", uploads=uploads)
    return session.application().calibrations.start(request, LOCAL)


def test_a_folder_is_read_where_it_is_and_the_threshold_kept(scorer, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write_clips(folder, 20)
    at = show()
    at.text_input(key="own-what").set_value("my phone")
    at.text_input(key="own-folder").set_value(str(folder)).run()
    assert "each folder is taken as one" in texts(at)
    at.pills(key="own-models").set_value(["texture"]).run()
    press(at, "Set the threshold")
    run = finish()
    assert not run.error and run.done == run.total == 20
    assert scorer.settings[0].models == ["texture"]
    at.run()
    assert any("Set by 20 clips" in s.value for s in at.success)
    kept = conformal.load().calibrations[0]
    assert kept.domain == "my phone" and len(kept.clips) == 20
    assert kept.models == {"texture": model("texture").identity} and kept.sources == 1
    assert "20 clips are of only 1 recording" in at.warning[0].value
    at.button(key="own-done").click().run()
    assert current() is None and "my phone" in texts(at)
    assert len(list(folder.iterdir())) == 20


def test_too_few_clips_are_refused_before_anything_runs(scorer, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.mp4").write_bytes(b"x")
    at = show()
    at.text_input(key="own-folder").set_value(str(tmp_path / "mine")).run()
    press(at, "Set the threshold")
    shown = unescape(at.error[0].value)
    assert "at least 19 clips" in shown
    assert shown.endswith("Add clips: the highest rate here, 10 %, takes 8 more clips.")
    for number in range(9):
        (tmp_path / "mine" / f"{number}.mp4").write_bytes(b"x")
    press(at, "Set the threshold")
    shown = unescape(at.error[0].value)
    assert shown.endswith("Add clips, or choose 10 %, for which these are enough.")
    at.text_input(key="own-folder").set_value("/nowhere").run()
    press(at, "Set the threshold")
    assert "not a folder" in at.error[0].value
    assert current() is None and not scorer.settings


def test_clips_that_can_not_be_judged_leave_too_few_for_the_rates_offered(scorer, tmp_path):
    start(write_clips(tmp_path, 19, different=6))  # copies count once
    assert finish().code == "too_few_clips"
    shown = unescape(show().error[0].value)
    assert "not 6." in shown and "14 %" not in shown
    assert shown.endswith("1 % takes 99, 2 % takes 49, 5 % takes 19 and 10 % takes 9.")


def test_uploads_say_how_many_recordings_they_are_of(scorer):
    at = show()
    files = [(f"{n}.mp4", b"y" * (n + 1), "video/mp4") for n in range(19)]
    at.file_uploader[0].set_value(files).run()
    assert button(
        at, "Set the threshold"
    ).disabled and "Say how many different recordings" in texts(at)
    at.number_input(key="own-sources").set_value(12).run()
    assert "19 clips. They are deleted" in texts(at)
    press(at, "Set the threshold")
    assert finish().result.sources == 12
    at.run()
    assert at.success and not at.warning


def test_uploaded_clips_are_deleted_at_the_end(scorer, data):
    files = [(f"../{n}.mp4", io.BytesIO(b"y" * (n + 1))) for n in range(19)]
    kept = session.application().calibrations.keep_clips(files)
    assert all(path.parent == kept[0].parent and path.parent.parent == data for path in kept)
    start(kept, kept[0].parent)
    assert finish().result is not None
    assert not kept[0].parent.exists()


def test_one_run_at_a_time_and_it_can_be_stopped(scorer, tmp_path):
    scorer.wait = threading.Event()
    clips = write_clips(tmp_path, 19)
    run = start(clips)
    with pytest.raises(Exception, match="Another calibration"):
        start(clips)
    button(show(), "Cancel").click().run()
    assert run.cancel.is_set()
    scorer.wait.set()
    finish()


def test_a_fault_of_ours_is_said_with_what_to_look_for_in_the_log(scorer, tmp_path, monkeypatch):
    monkeypatch.setattr(scorer, "analyze", Mock(side_effect=ZeroDivisionError))
    start(write_clips(tmp_path, 19))
    run = finish()
    assert run.error and run.reference
    shown = show().error[0].value.replace("&#45;", "-").replace("&#46;", ".")
    assert shown == f"{run.error} Reference {run.reference}"


def test_whoever_wants_no_originals_looked_for_says_so(data):
    at = show()
    scope = session.application().scope(OWNER)
    assert scope.store.preferences(scope.owner).find_originals
    watching = Preferences(watched=("/press",))
    scope.store.save_preferences(scope.owner, watching)
    at.run()
    at.toggle(key="settings-originals").set_value(False).run()
    chosen = scope.store.preferences(scope.owner)
    assert chosen == watching.model_copy(update={"find_originals": False}), "the rest stays"


def test_results_are_counted_and_what_failed_is_none():
    jobs, scope = session.application().jobs, session.application().scope(OWNER)
    jobs.import_result(make_analysis(), "live", scope)
    failed = jobs._record(Upload(new_id(), "", 0), scope, "notes.txt", Settings())
    scope.store.add(failed.model_copy(update={"state": State.FAILED}))
    assert scope.store.usage(scope.owner).records == 2
    page = texts(show())
    assert "1 result. All that is kept takes" in page and "with files; the files" in page
