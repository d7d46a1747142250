"""The Analyze page in each of its states, drawn by Streamlit without a browser."""

import io
import re
from dataclasses import replace
from functools import partial
from threading import Event
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from PIL import Image
from streamlit.testing.v1.element_tree import Block

from dashboard import labels as words
from dashboard import session, url_state
from dashboard.components import status_cards
from dashboard.pages.analyze import first_screen, running
from detector import media, messages, weights
from detector.decision import decide
from detector.errors import Canceled, MediaError
from detector.helper_process import helper
from detector.messages import states
from detector.models import registry
from detector.models.registry import list_models, manifest
from detector.pipeline import Progress
from detector.presentation import actions
from detector.samples import Sample
from detector.schema.analysis import (
    Analysis,
    FileKind,
    Label,
    Likelihood,
    Modality,
    Reason,
    ReasonCode,
    Settings,
    Thresholds,
    Verdict,
)
from service.application import Application
from service.context import Principal, PrincipalKind
from service.originals import Originals
from service.records.model import RecordsError, State
from service.tasks.jobs import refuse
from tests.support.pages import ANALYZER, button, buttons, come_as, html, page, quiet, texts
from tests.support.result_sample import make_analysis, make_clip
from tests.support.samples import samples
from tests.support.scopes import local
from tests.support.waiting import PATIENT, until

HOSTILE = '<img src=x onerror="alert(1)"> [a](javascript:b).mp4'


class StandIn:
    """Finds what it is told to, and works until `go` is set."""

    def __init__(self):
        self.go = Event()
        self.go.set()
        self.outcome: Analysis | BaseException = make_analysis()
        self.settings: list[Settings | None] = []
        self.fraction = 0.4
        self.reading: Analysis | None = None

    def analyze(self, path, settings, *, observe, cancel, **_):
        self.settings.append(settings)
        part = make_analysis().model_copy(deep=True, update={"partial": True})
        times = {"read": 0.4, "faces": 2.0, "total": 4.0}
        models = {"sbi": (9, 12), "xcep": (3, 12)}
        shown = {"models": models, "media": part.media, "partial": part}
        shown |= {"reading": self.reading, "moments": 2, "moments_total": 8}
        observe(Progress("faces", self.fraction, times, sampled=12, sampled_total=32, **shown))
        while not self.go.wait(0.01):
            if cancel.is_set():
                raise Canceled
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.fixture
def analyzer(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(ANALYZER, "analyze", stand_in.analyze)
    return stand_in


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    clip = make_clip(tmp_path / "sample.webm", duration=1.0)
    picture = tmp_path / "sample.jpg"
    Image.new("RGB", (48, 27)).save(picture)
    with quiet(tmp_path) as queue:
        session.application().gallery.samples = [
            Sample("one", "A sample", "how made", clip, picture, "video", 1.0, True, "nobody")
        ]
        # The stand-in's files are none; a file that is looked at as it arrives is a test's own.
        monkeypatch.setattr(queue, "_check", None)
        yield queue


def upload(at, data, name="clip.mp4"):
    at.file_uploader[0].upload(name, data, "video/mp4").run()
    assert not at.exception, at.exception
    return key_of(at)


def key_of(at):
    key = at.query_params["a"]
    return key if isinstance(key, str) else key[0]


def analyzed(jobs, data=b"x"):
    key = upload(page(), data)
    finished(jobs, key)
    return key, page(a=key)


def finished(jobs, key):
    until(lambda: not jobs.find(key, local(jobs)).active)
    return jobs.find(key, local(jobs))


def test_the_first_screen_says_what_will_be_read(jobs, analyzer):
    at = page()
    assert at.title[0].value == "Check a picture, a video or a voice"
    text = html(at)
    assert "Could not be judged" in text
    for label, _, _ in manifest().likelihoods[FileKind.CLIP].thresholds.zones:
        assert states.state(label) in text
    limits = [one.thresholds for one in manifest().likelihoods.values()]
    given = {label for one in limits for label, _, _ in one.zones}
    for label in set(Label) - given - {Label.NOT_APPLICABLE}:
        assert states.state(label) not in text, "only what may be said is announced"
    assert "deleted after 24" in text
    assert "A sample" in text
    assert "computed when you open" in text


def test_the_first_screen_has_one_place_for_files_and_eight_samples(jobs, analyzer, monkeypatch):
    session.application().gallery.samples = samples()
    at = page()
    assert len(at.file_uploader) == 1 and not at.text_input, "no field for links where they are off"
    assert buttons(at).count("Open") == 8
    text = html(at)
    assert "Free to use." in text
    for title in ("Generated picture", "Genuine photo", "Cloned voice", "Genuine voice"):
        assert title in text
    assert text.count("Too little to judge, or too poor.") == 1
    assert text.count("strongest published open model") == 1, "the better model is offered once"
    monkeypatch.setenv("UNMASK_LINKS", "1")
    (field,) = page().text_input
    assert field.label == "Or the address of a video or picture"


def test_the_first_start_shows_how_far_the_models_are(jobs, analyzer, monkeypatch):
    app = session.application()
    app.prepared.clear()
    bars = lambda: page().get("progress")  # noqa: E731
    monkeypatch.setattr(type(helper), "running", False)  # another test may have started it
    assert not bars(), "nothing is converted"
    monkeypatch.setattr(type(helper), "running", True)
    monkeypatch.setattr(registry, "loaded", lambda: [("texture", "cpu", 1)])
    (bar,) = bars()
    assert bar.proto.text.startswith("Preparing the models, once on this computer: 1 of ")
    app.prepared.set()
    assert not bars()


def test_no_sign_is_an_answer_where_it_was_measured_that_it_may_be_given(
    jobs, analyzer, monkeypatch
):
    ready = [spec for spec in list_models() if weights.available(spec)]
    published = ready[0].model_copy(update={"calibration": None, "operating_point": 0.5})
    monkeypatch.setattr(first_screen, "selectable", lambda: [published, *ready[1:]])
    for may in (False, True):
        limits = Thresholds(low=0.2 if may else 0.0, high=0.8)
        known = {"likelihoods": {FileKind.CLIP: Likelihood(thresholds=limits)}}
        ours = manifest().model_copy(update=known)
        monkeypatch.setattr(first_screen, "manifest", lambda ours=ours: ours)
        assert ("No sign of manipulation found" in html(page())) is may


def test_with_nothing_chosen_the_default_set_has_the_names_of_the_options(jobs, analyzer):
    at = page()
    group = next(group for group in at.button_group if group.key == "models")
    group.set_value([]).run()
    said = html(at).split("none chosen: ")[1].split("<")[0]
    assert "Texture of the face" in said and " Texture," not in said


def test_the_privacy_line_follows_the_configuration(jobs, analyzer, monkeypatch):
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", "72")
    assert "deleted after 3\u00a0days" in html(page())
    monkeypatch.setattr(Application, "replicates_media", lambda self, context: True)
    assert "deleted there after 3\u00a0days; a copy stays in your account" in html(page())


def test_only_models_that_work_are_offered(jobs, analyzer, monkeypatch):
    # One more than those that come along and don't take part of themselves.
    first = next(spec for spec in list_models() if weights.available(spec))
    known = [s.model_copy(update={"default": s.default and s is not first}) for s in list_models()]
    monkeypatch.setattr(registry, "list_models", lambda: known)
    monkeypatch.setattr(first_screen, "choose", lambda: [s for s in known if s.default])
    at = page()
    offered = [
        option for group in at.button_group if group.key == "models" for option in group.options
    ]
    specs = [spec for spec in known if weights.available(spec) and not spec.guesses]
    # By what each looks for, folded away, with the model's name and why one is off beside it.
    assert [getattr(o, "content", o) for o in offered] == [s.plain or s.title for s in specs]
    assert len(specs) < len(list_models())  # MesoNet is known and not downloaded here
    guessing = [spec.id for spec in known if spec.guesses]
    assert guessing == ["real-autoencoder"], "its AUC on sources left out is 0.52"
    assert {e.label for e in at.expander} == {"Options"}
    off = [spec for spec in specs if not spec.default]
    heads = [spec.id for spec in off if spec.family == "sequence_heads"]
    assert len(heads) == 6 and {spec.id for spec in off} == {first.id, *heads}
    assert texts(at).count("Off unless you turn it on") == len(off)
    assert all(f"Model: {spec.title}." in texts(at) for spec in specs if spec.plain)


def test_options_reach_the_analysis(jobs, analyzer):
    at = page()
    next(g for g in at.button_group if g.key == "moments").set_value(64).run()
    at.slider(key="smallest").set_value(24).run()
    at.selectbox(key="rotate").set_value(180).run()
    finished(jobs, upload(at, b"x"))
    assert (analyzer.settings[0].frames, analyzer.settings[0].min_face) == (64, 24)
    assert analyzer.settings[0].rotate == 180
    assert analyzer.settings[0].models is None


def test_several_files_are_a_batch_with_the_chosen_settings(jobs, analyzer, monkeypatch):
    went = []
    monkeypatch.setattr(url_state, "go_to", lambda name, **query: went.append((name, query)))
    clip = make_clip(jobs.uploads.root.parent / "c.webm", duration=1.0).read_bytes()
    at = page()
    next(g for g in at.button_group if g.key == "moments").set_value(64).run()
    data = (clip, clip + b"1", b"PK\x03\x04 a document")
    names = ("first.webm", HOSTILE, "notes.docx")
    brought = [(n, d, "video/webm") for n, d in zip(names, data, strict=True)]
    at.file_uploader[0].set_value(brought).run()
    assert not at.exception
    ((name, query),) = went
    scope = session.record_scope()
    items = session.application().batches.get(scope.owner, query["b"]).items
    assert name == "batch" and [item.name for item in items] == list(names)
    until(lambda: len(analyzer.settings) == 2)
    assert {settings.frames for settings in analyzer.settings} == {64}


def test_a_full_line_and_a_full_disk_refuse_in_words(jobs, analyzer, monkeypatch):
    monkeypatch.setattr(jobs, "kind", replace(jobs.kind, refuse=partial(refuse, 0)))
    at = page()
    at.file_uploader[0].upload("a.mp4", b"x", "video/mp4").run()
    assert "Enough for now" in html(at)
    assert "a" not in at.query_params
    monkeypatch.undo()


def test_while_it_runs_the_page_shows_what_is_known_and_no_verdict(jobs, analyzer):
    analyzer.go.clear()
    at = page()
    key = upload(at, make_clip(jobs.uploads.root / "c.webm", duration=1.0).read_bytes(), HOSTILE)
    until(lambda: jobs.find(key, local(jobs)).progress)
    at = page(a=key)  # as after a reload, or in another browser
    text = html(at)
    assert "No verdict yet" in text
    assert "12 of 32\u00a0frames" in text and "9 of 12" in text
    assert "Person A" in text and "Person B" in text
    assert "Likely manipulated" not in text
    assert "<img src=x" not in text and "&lt;img src=x" in text
    button(at, "Cancel").click().run()
    assert finished(jobs, key).state is State.CANCELED
    at = page(a=key)
    assert "You stopped after 12 of 32 frames. A partial run gets no verdict." in html(at)
    assert html(at).count("Canceled") == 1
    analyzer.go.set()
    button(at, "Start again").click().run()
    assert finished(jobs, key).state is State.DONE


def test_a_running_file_shows_its_reading_so_far_and_no_early_accusation(jobs, analyzer):
    analyzer.go.clear()
    whole = make_analysis()
    held = Label.PROBABLY_FAKE, "Nothing to tell yet"
    for label, head in ((Label.REAL, "No sign of manipulation found"), held):
        verdict = whole.verdict.model_copy(update={"label": label})
        analyzer.reading = whole.model_copy(update={"verdict": verdict})
        clip = make_clip(jobs.uploads.root / "c.webm", duration=1.0).read_bytes()
        at = page()
        key = upload(at, clip + label.encode())
        until(lambda key=key: jobs.find(key, local(jobs)).progress)
        at = page(a=key)
        text = html(at)
        assert "So far, 2 of 8\u00a0moments" in text and head in text
        assert "No verdict yet" not in text and "ly manipulated" not in text
        button(at, "Cancel").click().run()
        finished(jobs, key)


def test_what_is_nearly_done_is_drawn_as_soon_as_it_is_there(jobs, analyzer, monkeypatch):
    analyzer.go.clear()
    analyzer.fraction = running.NEARLY
    key = upload(page(), make_clip(jobs.uploads.root / "c.webm", duration=1.0).read_bytes())
    until(lambda: jobs.find(key, local(jobs)).progress)
    wait = running._wait

    def ends_meanwhile(job, most, *ready):
        if not ready:
            analyzer.go.set()
            most = PATIENT
        wait(job, most, *ready)

    monkeypatch.setattr(running, "_wait", ends_meanwhile)
    text = html(page(a=key))
    assert "Likely manipulated" in text and "No verdict yet" not in text


def test_a_waiting_file_tells_its_place(jobs, analyzer):
    analyzer.go.clear()
    keys = [upload(page(), b"x", f"{i}.mp4") for i in range(3)]
    text = html(page(a=keys[2]))
    assert "Waiting" in text and "1\u00a0file before yours" in text
    analyzer.go.set()
    for key in keys:
        finished(jobs, key)


def test_a_file_of_a_batch_waits_until_it_is_begun(jobs, analyzer):
    scope = local(jobs)
    job = jobs.submit(io.BytesIO(b"x"), "clip.mp4", Settings(), scope, start=False)
    at = page(a=job.key)
    assert "It was added to a batch" in html(at) and "server stopped" not in html(at)
    button(at, "Do it first").click().run()
    assert finished(jobs, job.key).state is State.DONE
    gone = jobs.submit(io.BytesIO(b"y"), "clip.mp4", Settings(), scope, start=False)
    jobs.uploads.delete(gone.key)
    assert button(page(a=gone.key), "Upload it again")


@pytest.mark.parametrize("kind", ["video", "picture"])
def test_a_file_is_shown_before_its_analysis_starts(jobs, analyzer, monkeypatch, tmp_path, kind):
    monkeypatch.setattr(jobs, "_check", media.probe)
    clip = make_clip(tmp_path / "mine.webm", duration=1.0)
    if kind == "picture":
        Image.new("RGB", (640, 360), "gray").save(clip := tmp_path / "mine.png")
    analyzer.go.clear()
    before = [upload(page(), f"{i}".encode(), f"{i}.mp4") for i in range(2)]
    key = upload(page(), clip.read_bytes(), clip.name)
    job = jobs.find(key, local(jobs))
    until(lambda: job.looked_at is not None)
    at = page(a=key)
    assert job.state is State.QUEUED and job.progress is None
    text = texts(at)
    size = words.size(clip.stat().st_size).replace("\u00a0", " ")
    length = "1.0 s · " if kind == "video" else ""
    assert f"{length}640×360 · {size}" in text and clip.name in text
    assert "Yours is next" in text or "before yours" in text
    assert len(at.get("video" if kind == "video" else "image")) == 1
    analyzer.go.set()
    for one in (*before, key):
        finished(jobs, one)


def test_who_only_has_the_address_cannot_stop_what_runs(jobs, analyzer, monkeypatch):
    analyzer.go.clear()
    owners = page()
    key = upload(owners, b"first", "first.mp4")
    come_as(monkeypatch, Principal("guest:other", PrincipalKind.GUEST))
    at = page(a=key)
    assert "first.mp4" in html(at) and not [b for b in at.button if b.label == "Cancel"]
    button(owners, "Cancel").click().run()  # of a page that was drawn for its owner
    analyzer.go.set()
    assert finished(jobs, key).state is State.DONE


def test_nothing_moves_when_a_lookup_ends(jobs, analyzer, monkeypatch):
    """What stood elsewhere would be there twice until the page is drawn."""
    task = SimpleNamespace(active=True, state=State.RUNNING)
    monkeypatch.setattr(Originals, "lookup", lambda self, person, job: task)
    monkeypatch.setattr(Originals, "others", lambda self, context, job: 1)
    at = page()
    key = upload(at, b"x")
    finished(jobs, key)
    at.run()
    assert "Looking for the original in your library" in texts(at)
    before = place(at, "result-top")
    task.active, task.state = False, State.DONE
    at.run()
    assert "No other file in your library matches" in texts(at)
    assert place(at, "result-top") == before
    later = page(a=key)  # who did not see it begin
    assert "No other file in your library matches" not in texts(later)
    assert place(later, "result-top")[-1] == before[-1]


def place(at, key):
    """Where a container stands: its number among its neighbors, from the outermost in."""

    def find(block, path):
        if getattr(block.proto, "id", "").endswith(f"-{key}"):
            return path
        below = [(n, child) for n, child in block.children.items() if isinstance(child, Block)]
        return next((found for n, child in below if (found := find(child, [*path, n]))), None)

    return find(at.main, [])


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"PK\x03\x04 a document", "letter.docx"), (b"", "empty.mp4"), (b"#EXTM3U\n", "list.m3u8")],
)
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(jobs, data, name):
    key = upload(page(), data, name)
    job = finished(jobs, key)
    assert not job.fault.ours
    at = page(a=key)
    text = html(at)
    assert "We can’t read this file" in text
    assert job.fault.problem.code in text
    button(at, "Delete the file").click().run()
    assert not job.path.exists()
    assert "a" not in at.query_params


def test_our_own_failure_gives_a_reference_and_can_be_tried_again(jobs, analyzer):
    analyzer.outcome = RuntimeError("/secret/path")
    key, at = analyzed(jobs)
    text = html(at)
    assert "Something went wrong here" in text
    assert re.search(r"Reference [0-9A-F]{4}-[0-9A-F]{4}", text)
    assert "RuntimeError" in at.code[0].value and "/secret" not in at.code[0].value
    analyzer.outcome = MediaError("It stops.")
    button(at, "Try again").click().run()
    finished(jobs, key)
    assert "We can’t read this file" in html(page(a=key))


PARAMS = {
    "looked": 32, "kind": "video", "scored": 0, "width": 31, "min_face": 40, "faces": 32, "bad": 32,
    "seconds": 0.8, "least": 1.0, "modality": "face",
}  # fmt: skip
"""What sentences of all these reasons need."""


def unjudged(code):
    analysis = make_analysis()
    verdict = Verdict(
        label=Label.NOT_APPLICABLE,
        thresholds=analysis.verdict.thresholds,
        reasons=[Reason(code=code, params=PARAMS)],
    )
    return analysis.model_copy(update={"verdict": verdict, "subjects": []})


@pytest.mark.parametrize(
    ("code", "head", "action", "change"),
    [
        (ReasonCode.NO_FACE, "No face", "Look for smaller faces", {"min_face": 20}),
        (ReasonCode.FACE_TOO_SMALL, "Face too small", "Look for smaller", {"min_face": 20}),
        (ReasonCode.TOO_BLURRED, "Too blurred", "Look at 128", {"frames": 128}),
        (ReasonCode.TOO_DARK, "Too dark", "Look at 128 moments", {"frames": 128}),
        (ReasonCode.TURNED_AWAY, "Turned away", "Look at 128", {"frames": 128}),
        (ReasonCode.CLIP_TOO_SHORT, "Clip too short", None, {}),
    ],
)
def test_what_could_not_be_judged_offers_a_real_way_on(jobs, analyzer, code, head, action, change):
    analyzer.outcome = unjudged(code)
    key, at = analyzed(jobs)
    text = html(at).replace("\u00a0", " ")
    assert head in text and messages.text(analyzer.outcome.verdict.reasons[0]) in text
    labels = [b.label for b in at.button]
    assert "Choose another file" in labels
    if action is None:
        assert not any(label.startswith("Look") for label in labels)
        return
    next(b for b in at.button if b.label.startswith(action)).click().run()
    finished(jobs, key)
    assert analyzer.settings[-1].model_dump().items() >= change.items()


def test_of_what_is_unlike_all_that_was_tested_a_person_is_told_what_to_do(jobs, analyzer):
    analyzer.outcome = unjudged(ReasonCode.UNLIKE_TESTED)
    _, at = analyzed(jobs)
    advice = actions.said(analyzer.outcome)
    assert [line.split(".")[0] for line in advice] == [
        "Ask for the camera original", "Check where it came from",
    ]  # fmt: skip
    assert all(line in html(at).replace("\u00a0", " ") for line in advice)


def test_a_face_that_was_found_turned_is_offered(jobs, analyzer):
    analyzer.outcome = unjudged(ReasonCode.NO_FACE)
    analyzer.outcome.media.faces_turned = 270
    key, at = analyzed(jobs)
    next(b for b in at.button if b.label == "Analyze it turned by 270°").click().run()
    finished(jobs, key)
    assert analyzer.settings[-1].rotate == 270


def test_without_a_face_the_whole_picture_can_be_judged(jobs, analyzer):
    analyzer.outcome = unjudged(ReasonCode.NO_FACE)
    key, at = analyzed(jobs)
    assert not any(b.label == "Judge the whole picture" for b in at.button)
    analyzer.outcome.settings.models = ["texture"]  # of faces alone
    key, at = analyzed(jobs)
    button(at, "Judge the whole picture").click().run()
    finished(jobs, key)
    asked = analyzer.settings[-1]
    assert asked.models is None and asked.ensemble is None


def test_scores_of_the_whole_picture_can_be_shown(jobs, analyzer):
    made = make_analysis()
    track = made.judged[0].model_copy(
        update={"modality": Modality.FULL_FRAME, "id": "A", "side": None}
    )
    model = made.models[0].model_copy(update={"calibration": None})
    analyzer.outcome = decide(made.model_copy(update={"subjects": [track], "models": [model]}))
    _, at = analyzed(jobs, make_clip(jobs.uploads.root / "c.webm").read_bytes())
    button(at, "Show the likelihood anyway").click().run()
    assert not at.exception
    text = html(at)
    assert "The whole picture" in text and "Person A" not in text


def test_an_unknown_address_says_so(jobs, analyzer):
    at = page(a="x" * 22)
    assert "There is nothing at this address" in html(at)
    button(at, "Analyze a file").click().run()
    assert at.title[0].value == "Check a picture, a video or a voice"


def test_records_that_cannot_be_read_are_no_fault_of_a_page(jobs, analyzer, monkeypatch):
    silent = RecordsError("Your records can't be reached just now.", hint="Try again soon.")
    monkeypatch.setattr(jobs.store, "open", Mock(side_effect=silent))
    text = html(page(a="x" * 22))
    assert "Your analyses can’t be read now" in text and "went wrong" not in text
    assert "can't be reached just now" in text.replace("&#39;", "'") and "Try again soon." in text


def test_a_page_that_breaks_shows_a_card_instead_of_a_trace(jobs, analyzer, monkeypatch):
    monkeypatch.setattr(status_cards, "not_found", Mock(side_effect=RuntimeError("/secret")))
    at = page(a="x" * 22)
    assert "This page could not be drawn" in html(at)
    assert "/secret" not in html(at)
