"""What a result says of the footage that it shows, and where that leads: known footage, the
comparison with it, and what its owner alone sees and presses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import ANY, Mock

import av
import cv2
import pytest
import skimage.data

from dashboard import session
from detector import media, paths
from detector.comparison.fingerprint import fingerprint
from detector.schema.analysis import Label
from detector.schema.comparison import ComparisonFinding, Generation, SpaceAlignment, TimeAlignment
from detector.schema.summary import ANALYSES
from service import originals as engine
from service.context import Principal, PrincipalKind
from service.originals import Originals
from service.records.model import LOCAL, MissedLookup, Preferences, State
from service.tasks.jobs import Jobs
from tests.conftest import write_clip
from tests.support.applications import compared
from tests.support.copies import CopyOptions, write_copy
from tests.support.kept import put
from tests.support.pages import OWNER, buttons, come_as, page, press, run, texts
from tests.support.result_sample import make_analysis, make_clip
from tests.support.tasks import ended

Found = ComparisonFinding
Finds = Callable[..., None]
SECONDS = 8.0
"""of the clips, which tell as much of what is looked for as longer ones"""
IN_LIBRARY = "The same footage is in your library"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("press", "elsewhere"):
        (folder / name).mkdir()
    cup = cv2.resize(skimage.data.coffee(), (320, 240))
    return {
        "press": make_clip(folder / "press" / "press <i>1.webm", fps=5, duration=SECONDS),
        "shared": make_clip(folder / "shared.webm", duration=SECONDS),
        "other": write_clip(folder / "elsewhere" / "other.mp4", seconds=0.6, picture=lambda n: cup),
    }


@pytest.fixture
def finds(monkeypatch):
    """Have every comparison come to a finding, without a look at the files."""

    def find(finding, *, matched=24, **more):
        figures = {
            "time": TimeAlignment(compared=24, matched=matched, offset=2.0),
            "face_difference": 13.04, "background_difference": 1.12, "noise_threshold": 2.0, **more,
        }  # fmt: skip
        compare = lambda *_, **given: compared(given, finding, **figures)  # noqa: E731
        monkeypatch.setattr(engine, "compare", compare)

    return find


def known():
    return session.application().originals.library


def analyzed(jobs, path, *, fake=True, owner=LOCAL):
    analysis = make_analysis(path, fake=fake).model_copy(update={"media": media.probe(path)})
    id = put(paths.data(), path, analysis, owner=owner)
    return session.application().find(OWNER, id)


def looked_for(job):
    """The same after its original was looked for."""
    app = session.application()
    app.originals.enqueue_lookup(job)
    task = app.originals.lookup(OWNER.principal, job)
    assert task is not None and ended(task).error == ""
    return job


def found_in_library(jobs, clips, finds, finding, **more):
    """The result of a copy of footage in the library, with what comparing them finds."""
    finds(finding, **more)
    known().add_folder(LOCAL, clips["press"].parent)
    return looked_for(analyzed(jobs, clips["shared"]))


def banner(at):
    """The words of the banner; empty without one."""
    found = re.findall(r'<p class="um-say"><b>(.*?)</b></p>.*?<p>(.*?)</p>', texts(at), re.DOTALL)
    assert len(found) <= 1
    return " | ".join(found[0]) if found else ""


def head(at):
    found = re.search(r'<h2 class="um-verdict[^>]*>.*?</span><span>(.*?)</span></h2>', texts(at))
    return found[1]


def today():
    return f"{datetime.now(UTC):%-d %b %Y}"


def test_what_a_live_session_recorded_is_looked_for_too(jobs, clips, finds):
    finds(Found.NOTHING_DIFFERS)
    known().add_folder(LOCAL, clips["press"].parent)
    app, scope = session.application(), session.application().scope(OWNER)
    shown = media.probe(clips["shared"]).model_copy(update={"live": True})
    analysis = make_analysis().model_copy(update={"media": shown})
    recorded, unrecorded = (
        app.find(OWNER, app.keep_live(analysis, "live.webm", scope=scope, media=film))
        for film in (clips["shared"], None)
    )
    task = app.originals.lookup(OWNER.principal, recorded)
    assert task is not None and ended(task).error == ""
    assert banner(page(a=recorded.key)).startswith(f"{IN_LIBRARY}: nothing differs")
    assert app.originals.lookup(OWNER.principal, unrecorded) is None, "nothing of it is kept"


def test_the_banner_names_the_original_and_opens_the_comparison(jobs, clips, finds):
    finds(Found.FACE_DIFFERS)
    known().add_folder(LOCAL, clips["press"].parent)
    press_job = analyzed(jobs, clips["press"])
    shared = looked_for(analyzed(jobs, clips["shared"]))
    at = page(a=shared.key)
    folder = clips["press"].parent.resolve()
    assert banner(at) == (
        f"{IN_LIBRARY}: only the face differs | press &lt;i&gt;1.webm, added {today()} from "
        f"{folder}. Begins at 00:02 of it. 24 of 24 moments match. Measured against press "
        "&lt;i&gt;1.webm: face 13.0, elsewhere 1.1 gray levels."
    )
    assert step(at) == ""  # the banner leads there
    # One thing stands out of all that can be pressed.
    report = next(b for b in at.get("download_button") if b.proto.label == "Report")
    opened = next(b for b in at.button if b.label == "Open the comparison")
    assert (opened.proto.type, report.proto.type) == ("primary", "secondary")
    at = press(at, "Open the comparison")
    assert "Finding of the comparison" in texts(at)
    assert at.query_params == {"a": shared.key, "b": press_job.key}


def test_a_manipulated_copy_heads_the_result_over_the_detectors_own_answer(jobs, clips, finds):
    finds(Found.FACE_DIFFERS)
    known().add_folder(LOCAL, clips["press"].parent)
    job = analyzed(jobs, clips["shared"], fake=False)
    before = job.analysis
    assert before.verdict.label is Label.REAL
    at = page(a=job.key)
    assert head(at) == "No sign of manipulation found" and banner(at) == ""
    number = re.search(r"<b>\d+ %</b> likelihood", texts(at))
    at = page(a=looked_for(job).key)
    assert head(at) == "Manipulated copy of press &lt;i&gt;1.webm"
    assert number[0] in texts(at), "counts nothing in the detectors' number"
    percent = re.search(r"\d+ %", number[0])
    assert f"Detectors alone: {percent[0]}, no sign of manipulation found." in texts(at)
    assert jobs.store.analysis(LOCAL, job.key).verdict == before.verdict


def test_what_is_not_the_original_is_taken_back_and_stays_so(jobs, clips, finds):
    shared = found_in_library(jobs, clips, finds, Found.FACE_DIFFERS)
    at = page(a=shared.key)
    # Also under thresholds of the person's own, which are decided from what was analyzed.
    at.slider(key=f"result.{shared.key}.widget.thresholds").set_value((30, 99))
    assert head(run(at)).startswith("Manipulated copy of")
    at = press(at, "Not the original")
    assert head(at) == "Can’t tell" and banner(at) == ""
    gone = ("Detectors alone", "Nothing in your library", "shows the same footage")
    assert not any(said in texts(at) for said in gone)
    looked_for(shared)
    for job in (shared, looked_for(analyzed(jobs, clips["shared"]))):
        at = page(a=job.key)
        assert head(at) == "Likely manipulated" and banner(at) == ""
        assert "Not the original" not in buttons(at)


@pytest.mark.parametrize(
    ("finding", "more", "said"),
    [
        (Found.MOUTH_DIFFERS, {}, f"{IN_LIBRARY}: only the mouth differs"),
        (Found.NOTHING_DIFFERS, {}, f"{IN_LIBRARY}: nothing differs"),
        (Found.NOTHING_DIFFERS, {"matched": 20},
         "Part of this footage is in your library: nothing differs"),
        (Found.TRANSFORMED, {"space": SpaceAlignment(mirrored=True)},
         f"{IN_LIBRARY}: mirrored; nothing else differs"),
        (Found.OTHER_EDITS, {}, f"{IN_LIBRARY}: more than faces differs"),
        (Found.FACE_DIFFERS, {"generation": Generation(younger="original")},
         f"{IN_LIBRARY}: a face differs; which of the two was changed is open"),
        (Found.NOT_SAME_FOOTAGE, {},
         "Another clip of the same scene is in your library: press &lt;i&gt;1.webm"),
    ],
)  # fmt: skip
def test_each_finding_has_its_words(jobs, clips, finds, finding, more, said):
    at = page(a=found_in_library(jobs, clips, finds, finding, **more).key)
    assert banner(at).split(" | ")[0] == said
    assert ("Begins at" in banner(at)) is finding.same_footage
    accused = finding in (Found.MOUTH_DIFFERS, Found.FACE_DIFFERS) and not more
    assert head(at).startswith("Manipulated copy of") is accused


def test_what_was_merely_analyzed_is_called_no_original(jobs, clips, finds):
    finds(Found.FACE_DIFFERS)
    looked_for(analyzed(jobs, clips["press"]))
    at = page(a=looked_for(analyzed(jobs, clips["shared"])).key)
    assert banner(at).startswith(
        "Already among your analyses: a face differs; which of the two was changed is "
        f"open | press &lt;i&gt;1.webm, analyzed {today()}. "
    )
    assert head(at) == "Likely manipulated"
    assert "Not the original" not in buttons(at) and "Don’t tell again" in buttons(at)
    assert step(at) == ""


def test_a_copy_of_what_was_merely_analyzed_is_no_proof_of_anything(jobs, clips, finds):
    finds(Found.NOTHING_DIFFERS)
    looked_for(analyzed(jobs, clips["press"]))
    at = page(a=looked_for(analyzed(jobs, clips["shared"])).key)
    assert banner(at).split(" | ")[0] == "Already among your analyses"
    rows = texts(at).split('<div class="um-questions">')[1].split("</div></div>")[0]
    said = "Same footage as press &lt;i&gt;1.webm, which you analyzed (likely manipulated)"
    assert "Same footage as another file?" in rows and said in rows
    assert (
        "check_circle"
        not in rows.split("Same footage as another file?")[1].split("Is a face fake?")[0]
    )
    assert "its original" not in texts(at) and "the original may be" not in texts(at)


def test_a_stated_original_is_told_whose_original_it_is(jobs, clips, finds):
    finds(Found.FACE_DIFFERS)
    shared = looked_for(analyzed(jobs, clips["shared"]))
    original = looked_for(analyzed(jobs, clips["press"]))
    assert "which of the two was changed is open" in banner(page(a=original.key))
    assert (
        ended(
            session.application().originals.compare(OWNER, shared, original, original=original)
        ).error
        == ""
    )
    assert head(page(a=shared.key)) == "Manipulated copy of press &lt;i&gt;1.webm"
    at = page(a=original.key)
    assert head(at) == "Likely manipulated" and "is open" not in texts(at)
    assert banner(at).startswith("This file is named as the original of shared.webm: only the face")
    at = press(at, "Open the comparison")
    assert at.query_params == {"a": shared.key, "b": original.key}


def test_footage_of_which_fingerprints_alone_are_kept_is_not_compared(jobs, clips, tmp_path):
    owner = "guest:other"
    known().add_folder(owner, clips["press"].parent)
    exported = tmp_path / "prints"
    exported.write_bytes(b"".join(known().export(owner)))
    with exported.open("rb") as file:
        known().import_prints(LOCAL, file)
    shared = looked_for(analyzed(jobs, clips["shared"]))
    found = session.application().originals.found(OWNER, shared)
    at = page(a=shared.key)
    said = IN_LIBRARY if found.matched == found.asked else "Part of this footage is in your library"
    assert banner(at) == (
        f"{said} | press &lt;i&gt;1.webm, from fingerprints imported {today()}. Begins at "
        f"00:00 of it. {found.matched} of {found.asked} frames match."
    )
    assert "Only its fingerprints are stored here." in texts(at)
    assert not {"Open the comparison", "Compare with it"} & set(buttons(at))
    known().store.remove_source(LOCAL, "import")
    assert banner(page(a=shared.key)) == ""


@pytest.mark.parametrize("source", ["import", ANALYSES])
def test_a_cropped_copy_is_known_by_the_face_in_it(jobs, clips, finds, tmp_path, source):
    press = media.probe(clips["press"])
    known().add_prints(LOCAL, fingerprint(clips["press"], press), press, source)
    with av.open(str(clips["press"])) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    crop = CopyOptions(crop=(0.12, 0.1, 0.14, 0.1))
    cropped = write_copy(tmp_path / "cropped.mp4", frames, 25, crop)
    shared = looked_for(analyzed(jobs, cropped))
    found = session.application().originals.found(OWNER, shared)
    assert found.by_faces
    place = "is in your library" if source == "import" else "is among your analyses"
    said = banner(page(a=shared.key))
    assert said.startswith(f"Footage of this face, framed otherwise, {place} | press &lt;i&gt;1")
    assert f"The face matches in {found.matched} of {found.asked} frames." in said


def test_an_original_in_a_folder_is_analyzed_for_the_comparison(jobs, clips, finds, monkeypatch):
    shared = found_in_library(jobs, clips, finds, Found.NOTHING_DIFFERS)
    submit = Mock(side_effect=lambda *_: analyzed(jobs, clips["press"]))
    monkeypatch.setattr(Jobs, "submit", submit)
    at = press(page(a=shared.key), "Open the comparison")
    submit.assert_called_once_with(ANY, "press <i>1.webm", ANY, ANY)
    assert "Finding of the comparison" in texts(at)
    assert at.query_params["a"] == shared.key and at.query_params["b"] != shared.key


def test_who_has_an_address_or_a_link_sees_the_finding_and_presses_nothing(
    jobs, clips, finds, monkeypatch
):
    finds(Found.FACE_DIFFERS)
    known().add_folder(LOCAL, clips["press"].parent)
    looked_for(analyzed(jobs, clips["press"]))
    shared = looked_for(analyzed(jobs, clips["shared"]))
    owners = page(a=shared.key)
    folder = str(clips["press"].parent.resolve())
    assert folder in texts(owners)
    share = jobs.store.share(LOCAL, shared.key, timedelta(hours=1), datetime.now(UTC))
    come_as(monkeypatch, Principal("guest:other", PrincipalKind.GUEST))
    by_address = page(a=shared.key)
    for at in (by_address, page(s=share.token)):
        assert head(at) == "Manipulated copy of press &lt;i&gt;1.webm"
        assert not {"Open the comparison", "Compare with it", "Not the original"} & {*buttons(at)}
        assert "your library" not in texts(at) and "your analyses" not in texts(at)
        assert folder not in str([element.proto for element in at.main])
    assert banner(by_address).startswith("Compared with press &lt;i&gt;1.webm: only the face")
    press(owners, "Not the original")  # of a page that was drawn for its owner
    assert jobs.store.analysis(LOCAL, shared.key).comparison is not None


def step(at):
    """What the card says of comparing; empty where it says nothing of it."""
    found = re.findall(r'<div class="um-next">.*?<h3>(.*?)</h3><p>(.*?)</p>', texts(at))
    return next((f"{h} | {p}" for h, p in found if "ompare with" in h or "the original" in h), "")


@pytest.mark.parametrize("why", ["gone", "other footage"])
def test_what_cannot_be_opened_or_is_other_footage_is_no_step(jobs, clips, finds, why, monkeypatch):
    finding = Found.NOT_SAME_FOOTAGE if why == "other footage" else Found.NOTHING_DIFFERS
    shared = found_in_library(jobs, clips, finds, finding)
    if why == "gone":  # who does not sit here opens no folder
        come_as(monkeypatch, OWNER.principal)
    at = page(a=shared.key)
    assert banner(at) and step(at).startswith("Compare with an original | Footage of the same")


def test_a_library_that_has_nothing_says_so_where_the_original_is_looked_for(
    jobs, clips, monkeypatch
):
    shared = looked_for(analyzed(jobs, clips["shared"]))
    assert step(page(a=shared.key)).startswith("Compare with an original"), "it is empty"
    known().add_folder(LOCAL, clips["other"].parent)
    looked_for(shared)
    at = page(a=shared.key)
    assert banner(at) == ""
    assert step(at).startswith("Find the original | No match in 1 other file. Footage")
    at = press(at, "Compare two clips")
    assert at.query_params == {"a": shared.key, "w": "clips"}
    with monkeypatch.context() as patch:
        come_as(patch, Principal("guest:other", PrincipalKind.GUEST))
        assert "No match in" not in texts(page(a=shared.key))
    jobs.store.save_preferences(LOCAL, Preferences(find_originals=False))
    assert "No match in" not in texts(page(a=shared.key))


@pytest.fixture
def lookup(monkeypatch):
    """A lookup that runs until it is told to have ended."""
    task = SimpleNamespace(active=True, state=State.RUNNING)
    monkeypatch.setattr(Originals, "lookup", lambda self, person, job: task)
    return task


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (Found.NOTHING_DIFFERS, "nothing differs"),
        (Found.FACE_DIFFERS, "only the face differs"),  # near-proof waits for nobody
    ],
)
def test_what_a_lookup_found_comes_into_its_own_row_until_it_is_asked_for(
    jobs, clips, finds, monkeypatch, finding, said
):
    finds(finding)
    known().add_folder(LOCAL, clips["press"].parent)
    shared = analyzed(jobs, clips["shared"])
    task = SimpleNamespace(active=True, state=State.RUNNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Originals, "lookup", lambda self, person, job: task)
        at = page(a=shared.key)
        assert "Looking for the original in your library" in texts(at)
    looked_for(shared)
    task.active, task.state = False, State.DONE
    monkeypatch.setattr(Originals, "lookup", lambda self, person, job: task)
    assert "Looking for" not in texts(run(at))
    if finding is not Found.FACE_DIFFERS:
        assert banner(at) == "" and f"{IN_LIBRARY}</p>" in texts(at)
        at = press(at, "Show")
    assert banner(at).startswith(f"{IN_LIBRARY}: {said} | press")
    assert "Show" not in buttons(at)


def test_an_empty_library_is_not_worth_a_word(jobs, clips, lookup):
    at = page(a=analyzed(jobs, clips["shared"]).key)
    assert "your library" not in texts(at)
    lookup.active, lookup.state = False, State.DONE
    assert "your library" not in texts(run(at))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.DONE, "No other file in your library matches"),
        (State.CANCELED, "Your library was not searched to its end"),
    ],
)
def test_what_was_not_found_is_said_in_the_row_as_well(jobs, clips, lookup, state, said):
    known().add_folder(LOCAL, clips["other"].parent)
    shared = analyzed(jobs, clips["shared"])
    at = page(a=shared.key)
    lookup.active, lookup.state = False, state
    assert said in texts(run(at))
    assert said not in texts(page(a=shared.key)), "who did not see it begin"


@pytest.mark.parametrize(
    ("matched", "refused", "said"),
    [
        (4, False, "shows a part of this footage: 4 of 32 frames match, too few to name it"),
        (0, True, "but for those that you said are not its original"),
    ],
)
def test_files_that_match_too_little_or_were_refused_are_not_denied(
    jobs, clips, lookup, matched, refused, said
):
    known().add_folder(LOCAL, clips["other"].parent)
    shared = analyzed(jobs, clips["shared"])
    at = page(a=shared.key)
    store = session.application().originals.lookups
    if refused:
        store.refuse(LOCAL, shared.record.sha256, "ab" * 32)
    store.save(LOCAL, shared.record.sha256, MissedLookup(1, matched, 32))
    lookup.active, lookup.state = False, State.DONE
    assert said in texts(run(at)) and "Only this file" not in texts(at)
