"""The Models page, drawn by Streamlit without a browser; downloads come from a server made here."""

from unittest.mock import Mock

import pytest

from dashboard import labels, session
from dashboard.pages.models import card, view
from detector import selfcheck, weights
from detector.errors import WeightsError
from detector.models import inventory, registry
from detector.presentation import models
from detector.schema.analysis import Question
from service.context import LOCAL, Principal, PrincipalKind
from service.tasks.kinds import SELF_CHECK
from tests.support.pages import come_as, html, page, texts
from tests.support.waiting import until

_WHOLE = Question.SYNTHESIS.spec.task

pytestmark = pytest.mark.usefixtures("jobs")


def found(words):
    return page("models").text_input(key="models-find").set_value(words).run()


def test_every_ready_model_has_its_label():
    text = html(page("models"))
    for spec in registry.list_models():
        if spec.bundled:
            ours = card.overall(spec)
            assert ours[0].left_out, "what does not flatter comes first"
            assert f"<h3>{labels.plain(spec)}</h3>" in text
            assert all(f"<b>{m.value:.2f}</b>" in text for m in ours)
            assert str(card._calibrated(spec)) in text if spec.calibration else True
            flatter = len(ours) > 1 and ours[1].value > ours[0].value
            assert ("which flatter" in card._accuracy(spec)) is flatter
    assert f"of {len(registry.list_models())} ready" in text
    assert "not measured here yet" in text


def test_clips_that_a_calibration_took_in_two_forms_are_counted_once():
    versions = registry.get_spec("timbre").calibration.clips
    text = html(page("models"))
    told = f"on {versions // 2:,} recordings in {versions:,} versions, each judged by weights"
    assert versions % 2 == 0 and told in text
    spec = registry.get_spec("texture")
    assert card._calibrated(spec) == f"on {spec.calibration.clips:,} clips"
    assert f"on {spec.calibration.clips:,} clips, each" not in text


def test_a_card_says_where_an_operating_point_is_from():
    at = found("meso4-df")
    assert "not here; its own score decides, at 0.5" in html(at)
    at.button(key="more-meso4-df").click().run()
    assert "Says fake above" in html(at) and "pipeline.py, compute_accuracy" in html(at)
    at = found("classnseg")
    assert "not yet: shown as uncalibrated" in html(at)


def test_the_strong_model_is_offered_once_and_calmly():
    at = page("models")
    title = registry.get_spec(registry.manifest().recommended[0].id).title
    assert "The bundled models are small." in html(at) and title in html(at)
    at.button(key="offer-no").click().run()
    assert "The bundled models are small." not in html(at)


def test_a_failed_download_leaves_the_offer_with_the_reason(monkeypatch):
    offered = inventory.offered()[0]

    fail = Mock(side_effect=WeightsError("The server answered 404."))
    monkeypatch.setattr(weights, "fetch", fail)
    downloads = session.application().downloads
    downloads.start(offered.spec.id, lambda progress: fail(offered), LOCAL)
    until(lambda: (one := download(offered.spec.id)) and not one.active)
    try:
        at = page("models")
        card = html(at).split("The bundled models are small.")[1]
        assert offered.recommended in card and "The server answered 404." in card
        assert at.button(key="offer").label == "Try again"
        first = texts(page())
        assert f"{offered.spec.title}" in first and "the strongest published open model." in first
        assert "Its last download ended: The server answered 404." in first
    finally:
        downloads.dismiss(offered.spec.id, LOCAL)


def test_only_who_runs_the_server_changes_what_is_on_it(monkeypatch):
    come_as(monkeypatch, Principal("guest:a", PrincipalKind.GUEST))
    at = page("models")
    text = html(at)
    assert "<h3>Texture of the face</h3>" in text and "its administrator can add it" in text
    assert "The bundled models are small." not in text
    keys = {str(button.key) for button in at.button}
    assert {key for key in keys if key.startswith("more-")}
    changing = ("get-", "delete-", "accept-", "check-", "self-", "bring-", "offer", "cancel-")
    assert [key for key in keys if key.startswith(changing)] == []


def test_offline_offers_nothing(monkeypatch):
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert "The bundled models are small." not in html(page("models"))


def test_filters_search_and_table():
    at = found("mesoinception")
    text = html(at)
    assert "MesoInception4" in text and "<h3>Texture of the face</h3>" not in text
    at.text_input(key="models-find").set_value("no such thing").run()
    assert "Nothing matches" in html(at)
    at.text_input(key="models-find").set_value("").run()
    at.segmented_control(key="models-state").set_value("ready").run()
    ready = [s for s in inventory.inventory() if s.ready]
    assert html(at).count('class="um-model"') == len(ready)
    at.segmented_control(key="models-view").set_value("table").run()
    assert len(at.dataframe[0].value) == len(ready)


@pytest.mark.parametrize(("asked", "shown"), [(_WHOLE, _WHOLE), ("nothing known", "all")])
def test_an_address_may_ask_for_the_models_of_one_question(asked, shown):
    at = page("models", q=asked)
    assert at.segmented_control(key="models-question").value == shown
    assert ("<h3>Texture of the face</h3>" in html(at)) is (shown == "all")


def test_more_cards_come_when_asked():
    at = page("models")
    before = html(at).count('class="um-model"')
    at.button(key="models-more").click().run()
    assert html(at).count('class="um-model"') == before + view.PAGE


def test_all_files_are_read_and_the_outcome_said():
    at = page("models")
    at.button(key="check-files").click().run()
    assert "are what they should be" in html(at)


SENTENCE = "No connection. Put the file in the weights folder; Check all files will find it."


def download(model):
    return session.application().downloads.find(model, LOCAL)


@pytest.fixture
def forgotten():
    """A published model of which no try to download it is remembered, before or after."""
    spec = registry.get_spec("meso4-df")
    yield spec
    until(lambda: not ((one := download(spec.id)) and one.active))
    session.application().downloads.dismiss(spec.id, LOCAL)
    inventory.remember_failure(spec.id, "")


@pytest.mark.parametrize(
    ("fault", "says", "calm"),
    [
        (WeightsError("No connection to x.", code="no_connection"), SENTENCE, True),
        (WeightsError("It broke off.", code="connection_lost"), "goes on there", True),
        (WeightsError("The server answered 404."), "The server answered 404.", False),
    ],
)
def test_what_did_not_come_says_why_and_nothing_against_the_model(
    monkeypatch, forgotten, caplog, fault, says, calm
):
    def fail(spec, progress=None):
        raise fault from OSError(-2, "Name or service not known")

    monkeypatch.setattr(weights, "fetch", fail)
    at = found(forgotten.id)
    assert at.button(key=f"get-{forgotten.id}").label.startswith("Download ")
    at.button(key=f"get-{forgotten.id}").click().run()
    until(lambda: (one := download(forgotten.id)) and not one.active)
    at.run()
    text = html(at)
    tone = "um-caption" if calm else "um-warn"
    said = next(part for part in text.split("<p ") if says in part)
    assert said.startswith(f'class="{tone}" role="status"')
    assert "unmask fetch meso4-df --from FILE" in said  # see `test_registry`
    # It merely isn't here: no chip that speaks against it, and nothing of the system's own words.
    assert inventory.status(forgotten.id).state == "available"
    assert "Not downloaded" in text and "Can’t be used" not in text
    assert "rrno" not in text and "Name or service" not in text
    assert at.button(key=f"get-{forgotten.id}").label == "Try again"
    assert "Name or service not known" in caplog.text


def test_another_file_than_the_published_one_is_said(monkeypatch, forgotten):
    other = WeightsError("Not the one the manifest states.", code="weights_corrupted")
    monkeypatch.setattr(weights, "fetch", Mock(side_effect=other))
    at = found(forgotten.id)
    at.button(key=f"get-{forgotten.id}").click().run()
    until(lambda: inventory.status(forgotten.id).state == "failed")
    until(lambda: not ((one := download(forgotten.id)) and one.active))
    at.run()
    assert "File does not match" in html(at) and "does not match its checksum" in html(at)
    assert at.button(key=f"get-{forgotten.id}").label == "Download again"


def test_a_license_is_accepted_before_its_model_is_fetched(monkeypatch):
    limited = [s for s in inventory.inventory() if s.state == "available" and s.spec.research_only]
    assert limited, "the catalog holds no model of a restricted license that can be downloaded"
    spec = limited[0].spec
    download = Mock()
    monkeypatch.setattr(inventory, "download", download)
    at = found(spec.id)
    at.button(key=f"get-{spec.id}").click().run()
    assert not download.called and spec.license_weights.split(";")[0] in html(at)
    at.button(key=f"accepted-{spec.id}").click().run()
    until(lambda: download.called)
    assert [given.args[0] for given in download.call_args_list] == [spec.id]
    assert weights.accepted_license(spec) is not None


def test_a_self_check_runs_beside_the_page_and_is_shown(monkeypatch):
    real = selfcheck.selfcheck
    monkeypatch.setattr(
        selfcheck, "selfcheck", lambda progress: real(["texture"], progress=progress)
    )
    at = page("models")
    at.button(key="self-check").click().run()
    running = session.application().self_checks.find(SELF_CHECK, LOCAL)
    until(lambda: not running.active)
    assert not running.error
    at.run()
    table = at.table[0].value
    assert table["Model"].tolist() == ["Texture of the face"] and table["Files"].tolist() == [
        "verified"
    ]
    assert "ms a frame here" in html(at)
    with monkeypatch.context() as patch:
        come_as(patch, Principal("guest:a", PrincipalKind.GUEST))
        stranger = page("models")
        assert not stranger.table  # who did not start it
        assert "ms a frame here" in html(stranger)  # how fast this computer is holds for all


def test_a_file_that_does_not_fit_is_named_as_the_person_named_it():
    at = page("models")
    uploader = next(u for u in at.file_uploader if u.label.startswith("Its file"))
    uploader.upload("my best.pth", b"no weights", "application/octet-stream")
    next(s for s in at.selectbox if s.label.startswith("What it is")).select("dfb_meso4")
    next(b for b in at.button if b.label == "Check and add").click().run()
    said = html(at)
    assert "The weight file my best.pth can&#39;t be read" in said
    assert "/tmp" not in said and "my-best" not in said


def test_the_form_is_empty_after_a_model_was_added(monkeypatch):
    added = Mock(title="Mine", id="mine")
    monkeypatch.setattr(view.user_models, "add", Mock(return_value=added))
    at = page("models")
    next(u for u in at.file_uploader if u.label.startswith("Its file")).upload("a.pth", b"a", "")
    next(s for s in at.selectbox if s.label.startswith("What it is")).select("dfb_meso4")
    next(b for b in at.button if b.label == "Check and add").click().run()
    assert "Mine was added as mine." in html(at)
    assert next(s for s in at.selectbox if s.label.startswith("What it is")).value is None


def test_a_crop_is_told_in_words():
    assert "1.5 times the face box" in models.crop(registry.get_spec("texture"))
    assert "16 frames" in models.crop(registry.get_spec("videomae"))
    fused = models.crop(registry.get_spec("lrcn-fused"))
    assert "next to it a square of 2 times the face box; 8 frames 0.08 s apart" in fused
    assert "placed by its landmarks and not turned" in models.crop(registry.get_spec("clip"))
