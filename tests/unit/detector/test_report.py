"""Reports: content, sealing, tampering, signatures, and the PDF as a picture."""

import csv
import gettext
import io
import json
import os
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pypdfium2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pypdf import PdfReader, PdfWriter

from cli import main
from detector import report
from detector.decision import decide
from detector.errors import InputError, UsageError
from detector.explain import Heatmap
from detector.messages.format import clock, percent
from detector.presentation import answers, lead, looks, run, signals
from detector.report import content
from detector.report.content import explained
from detector.report.fonts import FONT, printable
from detector.report.pages import ReportPages, height_of
from detector.report.seal import ATTACHMENT
from detector.schema.analysis import (
    CustomEnsemble,
    EmpiricalOdds,
    Modality,
    Question,
    Reason,
    ReasonCode,
    Robustness,
    Signal,
    SpanSegment,
    Subject,
    Tally,
    Thresholds,
)
from detector.schema.codes import Label
from detector.schema.comparison import ComparisonFinding
from detector.schema.origin import Fact, FrameHash, GeoLocation, Provenance
from detector.sentences import use
from detector.vision import boxes
from tests.support.pdf import text_of
from tests.support.result_sample import make_analysis, make_clip, make_picture, trial
from tests.unit.detector.test_comparison_words import made as compared
from tests.unit.detector.test_comparison_words import person

WHEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "48.85822"


class Arabic(gettext.NullTranslations):
    """A made language that is read from right to left."""

    def info(self):
        return {"language": "ar"}

    def gettext(self, message):
        return f"نص {message}"


def test_a_report_is_in_a_language_and_from_right_to_left():
    with use(Arabic()):
        content = report.collect(make_analysis(), exported=WHEN)
        pdf = report.as_pdf(content)
    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0].get_textpage()
        rects = [page.get_rect(i) for i in range(page.count_rects())]
        text = page.get_text_range()
    edge = (210 - 18) / 25.4 * 72  # pt, where lines begin
    assert sum(abs(right - edge) < 9 for _, _, right, _ in rects) > 10
    assert "نص" in text and "U+06" not in text, "the report's own font has these letters"
    assert "نوفمبر" in text
    assert "/Lang (ar)" in pdf.decode("latin-1")
    assert "نص" not in report.as_json(content).decode()


def speaker(spans):
    end = spans[-1].end
    return Subject(id="1", modality=Modality.VOICE, start=0, end=end, thumbnail_time=0, spans=spans)


@pytest.fixture(scope="module")
def analysis():
    """Two people, provenance with a place, and trials."""
    made = make_analysis(name="выступление 会議 مجلس <b>.webm")
    origin = Provenance(
        facts=[Fact(group="software", name="Software", value="Editor <i>9</i>", source="EXIF")],
        findings=["It names a camera."],
        place=GeoLocation(latitude=48.85822, longitude=2.2945, source="EXIF"),
        hashes=[FrameHash(time=1.0, phash="c2924c5532bddfc8")],
    )
    tried = Robustness(
        question=Question.MANIPULATION, start=0, end=6, sampled=12, seconds=9.5,
        unchanged=trial("none", 0.81),
        trials=[trial("crf-32", 0.75), trial("mirror", 0.5), trial("blur-2", None, "no face")],
    )  # fmt: skip
    return decide(made.model_copy(update={"provenance": origin, "robustness": tried}))


@pytest.fixture(scope="module")
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def made(analysis):
    content = report.collect(analysis, notes="First.\n\nSecond <b>note</b>.", exported=WHEN)
    return {form: write(content, None) for form, write in report.FORMS.items()}


def test_the_pdf_says_what_a_court_needs(analysis, made):
    text = text_of(made["pdf"])
    for needed in (
        "Likely manipulated",
        "likelihood",
        "What pulled which way",
        analysis.media.sha256,
        "not checked: the file was not there",
        "What this can’t tell",
        "Who changed it, or why.",
        "A likelihood is no fact about a person",
        "Is a face fake?",
        "AI-generated head?",
        "Person B",
        "240 held-out clips",
        "a" * 64,  # the weights' hash
        "MesoNet-4",
        "not counted: not downloaded",
        "PyTorch 2.13.0",
        "Second <b>note</b>.",
        "Recorded at (private)",
        SECRET,
        "says nothing either way",
        "Fragile: the verdict of this part changes under mirror",
        "It is not signed",
        "20 November 2026, 12:00 UTC",
    ):
        assert needed in text, needed
    assert "authentic" not in text.lower()
    assert "verified" not in text.lower()


def test_scores_stand_over_round_times(analysis, made):
    assert analysis.media.duration == pytest.approx(14.2)
    assert "00:00 00:03 00:06 00:09 00:12" in text_of(made["pdf"])


def test_odds_are_explained_where_they_are_printed():
    analysis = make_analysis(whole=0.9)
    odds = EmpiricalOdds(share=0.62, low=0.45, high=0.77, clips=40)
    analysis.verdict.odds = odds
    text = text_of(report.as_pdf(report.collect(analysis, exported=WHEN)))
    assert text.count("were manipulated in our tests, with 95") == 1
    assert text.count("the 40 clips with a score near this one") == 1


def test_the_first_page_says_of_whom_and_when_as_the_page_of_the_result_does():
    text = text_of(report.as_pdf(report.collect(make_analysis(), exported=WHEN)), 1)
    when = "00:01 to 00:08 and 00:10 to 00:11"
    about = f"The face of Person B (right), {when}. No sign of manipulation found for"
    assert f"Likely manipulated {about} Person A (left)." in text
    alone = text_of(report.as_pdf(report.collect(make_analysis(people="B"), exported=WHEN)), 1)
    assert f"The face of Person B, {when}." in alone


def test_a_reason_of_several_models_has_the_moment_of_the_result():
    analysis = make_analysis()
    moment, _person = lead.moment(analysis)
    together = Reason(code=ReasonCode.TOGETHER_ABOVE, params={"models": ["A", "B"], "high": 0.7})
    together.time = moment + 3
    analysis.verdict.reasons = [together]
    text = text_of(report.as_pdf(report.collect(analysis, exported=WHEN)), 1)
    assert f"look at {clock(moment)}" in text
    assert clock(moment + 3) not in text.split(" Why ")[1]


def test_what_the_sentence_at_the_top_says_is_not_said_again():
    empty = decide(make_analysis().model_copy(update={"subjects": []}))
    text = text_of(report.as_pdf(report.collect(empty, exported=WHEN)), 1)
    assert text.count("We found no face") == 1 and "Faces under 40 px are skipped." in text


def test_what_was_not_measured_is_said_of_whom_and_why():
    few, none = "No face was sharp enough.", "There is no sound."

    def signal(title, who, why):
        absent = {"value": "not measured", "reading": "absent", "how_to_read": why}
        found = {"value": "1 dB", "reading": "usual", "how_to_read": "Usual."}
        return Signal.model_validate({"id": title, "title": title, "subject": who}
                                     | (absent if why else found))  # fmt: skip

    analysis = make_analysis()
    analysis.signals = [
        signal(title, who, why)
        for who, detail in (("A", ""), ("C", few), ("B", few), ("D", "There is no texture."))
        for title, why in (("Fine detail", detail), ("Lips and voice", none))
    ]
    assert signals.absent(analysis) == [
        "Fine detail (B, C): No face was sharp enough.",
        "Fine detail (D): There is no texture.",
        "Lips and voice: There is no sound.",
    ]
    text = text_of(report.as_pdf(report.collect(analysis, exported=WHEN)))
    assert "Fine detail, A 1 dB" in text
    assert f"Not measured: · Fine detail (B, C): {few}" in text


def test_heatmaps_are_of_the_models_that_counted_as_they_pulled():
    analysis = make_analysis(whole=0.9)
    (track, *_) = analysis.seen
    pulls = analysis.verdict.contributions
    for model, pull, likelihood in (("sbi", 0.2, 0.9), ("xcep", 1.4, 0.6), ("clip", -0.3, 0.8)):
        next(part for part in pulls if part.id == model).logit = pull
        next(m for m in analysis.models if m.id == model).probability = likelihood
    next(m for m in analysis.models if m.id == "synth").probability = 0.99
    assert [m.id for m in explained(analysis, track)] == ["xcep", "sbi", "clip", "synth"]


def test_each_counted_model_has_a_heatmap_and_another_one_says_so(tmp_path, monkeypatch):
    def heatmap(path, analysis, track, time, model):
        white = np.full((8, 8, 3), 255, np.uint8)
        return Heatmap(white, np.zeros((8, 8), np.float32), f"what raised {model}", "made", None)

    monkeypatch.setattr("detector.explain.heatmap", heatmap)
    clip = make_clip(tmp_path / "clip.webm")
    analysis = make_analysis(clip, whole=0.9)
    analysis.models = [m for m in analysis.models if m.id in ("sbi", "synth")]
    shown = report.collect(analysis, clip, exported=WHEN).figures
    captions = [figure.caption for figure in shown if figure.kind == "heatmap"]
    assert captions == ["What raised sbi", "What raised synth"]
    out = analysis.models[0].model_copy(update={"counted": False})
    heat = heatmap(clip, analysis, None, 0.0, "sbi")
    assert looks.heatmap(analysis, heat, out) == "What raised sbi, not counted"


@pytest.mark.parametrize("shape", [(180, 320), (1080, 1920), (1920, 1080)])
def test_names_over_faces_can_be_read_in_a_frame_of_any_size(shape):
    height, width = shape
    gray = np.full((height, width, 3), 128, np.uint8)
    color = boxes.STROKES[Label.FAKE]
    people = [
        boxes.FaceBox((x * width, 0.0, (x + 0.1) * width, 0.3 * height), Label.FAKE, name)
        for name, x in (("Person A (left)", 0.3), ("Person B (right)", 0.88))
    ]
    frame = boxes.draw(gray, people, content.FRAME_SIDE)
    assert max(frame.shape) == content.FRAME_SIDE
    filled = (np.abs(frame.astype(int) - color).sum(axis=2) < 12).mean(axis=1)
    mm = frame.shape[0] / height_of((frame.shape[1], frame.shape[0]))
    assert (filled > 0.1).sum() > 3 * mm, "letters of 3 mm on paper"
    assert not (frame[:, -1] == 128).all(), "the name at the edge stays in the picture"


def test_names_in_other_scripts_are_printed_or_numbered(made):
    text = text_of(made["pdf"])
    assert "выступление" in text
    assert "[U+4F1A][U+8B70]" in text  # no font for it is embedded: its numbers, not boxes
    assert "UNMASK_REPORT_FONT" in text and "no font for stand as their numbers" in text
    assert printable("a会") == "a[U+4F1A]"
    assert json.loads(made["json"])["analysis"]["media"]["name"] == "выступление 会議 مجلس <b>.webm"


def test_what_somebody_writes_reads_as_it_is_written(analysis):
    """Markup is text; what turns "evil" into "live" stands as its number; length has a limit."""
    note = "\u202eevil\u202c <script>alert(1)</script> &#x202e; \x1b[31m =1+1"
    content = report.collect(analysis, notes=note, exported=WHEN)
    text = text_of(report.as_pdf(content))
    assert "[U+202E]evil[U+202C] <script>alert(1)</script> &#x202e; [U+001B][31m =1+1" in text
    assert json.loads(report.as_json(content))["notes"] == note  # data: as it is
    long = report.collect(analysis, notes="A" * 200_000, exported=WHEN)
    assert 20_000 <= text_of(report.as_pdf(long)).count("A") < 20_100


def test_a_font_that_is_none_is_refused(tmp_path, monkeypatch):
    font = tmp_path / "font.ttf"
    font.write_bytes(b"no font")
    monkeypatch.setenv(FONT, str(font))
    with pytest.raises(UsageError, match="not a font"):
        printable("a")


def test_the_pdf_looks_like_one(made):
    """Rendered: every page has ink, the verdict's color is on the first, nothing runs off."""
    with pypdfium2.PdfDocument(made["pdf"]) as document:
        assert 3 <= len(document) <= 8
        pages = [
            np.asarray(document[i].render(scale=1.0).to_pil().convert("RGB")).astype(int)
            for i in range(len(document))
        ]
    for page in pages:
        assert 0.002 < (page.sum(axis=2) < 300).mean() < 0.3
        assert (page[:, :40] == 255).all()  # margins
        assert (page[:, -40:] == 255).all()
    orange = np.abs(pages[0] - (213, 94, 0)).sum(axis=2) < 12
    assert orange[40:70].any()


def test_every_font_is_embedded_and_the_data_is_attached(made):
    reader = PdfReader(io.BytesIO(made["pdf"]))
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            assert "/FontFile2" in inner["/FontDescriptor"].get_object()
    assert json.loads(reader.attachments[ATTACHMENT][0])["analysis"]["media"]["kind"] == "video"
    assert b"pdfaid:part" in made["pdf"]


def test_equal_content_gives_equal_bytes(analysis, made):
    content = report.collect(analysis, notes="First.\n\nSecond <b>note</b>.", exported=WHEN)
    for form, write in report.FORMS.items():
        assert write(content, None) == made[form], form


def test_pictures_and_the_hash_at_export(tmp_path):
    clip = make_clip(tmp_path / "clip.webm")
    analysis = make_analysis(clip)
    content = report.collect(analysis, clip, exported=WHEN)
    assert content.sha256 == analysis.media.sha256
    assert {figure.kind for figure in content.figures} >= {"frame", "crop"}
    pdf = report.as_pdf(content)
    assert "SHA-256 at export the same" in text_of(pdf)
    assert sum(len(page.images) for page in PdfReader(io.BytesIO(pdf)).pages) >= 2

    clip.write_bytes(clip.read_bytes() + b"x")
    changed = report.collect(analysis, clip, exported=WHEN)
    assert changed.sha256 != analysis.media.sha256
    assert not changed.figures
    assert "has changed since it was analyzed" in text_of(report.as_pdf(changed))
    gone = report.collect(analysis, tmp_path / "gone.webm")
    assert gone.sha256 is None
    assert sorted(os.listdir(tmp_path)) == ["clip.webm"]  # nothing is left behind


def test_a_manipulated_copy_heads_the_report_and_the_detectors_stay_beside_it(analysis):
    original = analysis.media.model_copy(update={"name": "press.mp4", "sha256": "ab" * 32})
    found = compared(
        "face_differs", copy_media=analysis.media, original_media=original,
        people=[person("A", "face", (2.0, 7.0))],
        face_difference=13.0, background_difference=1.1, noise_threshold=2.0,
    )  # fmt: skip

    def pages(comparison):
        shown = analysis.model_copy(update={"comparison": comparison})
        return text_of(report.as_pdf(report.collect(shown, exported=WHEN)))

    text = pages(found)
    likely = f"{percent(analysis.verdict.probability or 0)} likelihood"
    assert "Manipulated copy of press.mp4" in text and "Detectors alone: " in text
    assert likely in text, "the number of the detectors is theirs, and unaltered"
    assert "the face of Person A differs from 00:02 to 00:07, the rest is the same footage" in text
    assert "ab" * 32 in text and "Who changed it, or why." in text
    same = found.model_copy(update={"finding": ComparisonFinding.NOTHING_DIFFERS, "people": []})
    text = pages(same)
    assert "Manipulated copy" not in text and "the original may be manipulated itself" in text
    assert "Differs from its original?" in text


def test_a_picture_and_a_file_without_faces_have_a_report():
    empty = make_analysis().model_copy(update={"subjects": []})
    for analysis in (make_picture(), decide(empty)):
        pdf = report.as_pdf(report.collect(analysis, exported=WHEN))
        assert analysis.media.sha256 in text_of(pdf)


def test_what_was_looked_at_is_said_in_words_that_suit_the_file():
    clip, sound = make_analysis(frames=1), make_analysis()
    assert run.looked(clip)[0].value == "1\u00a0moment, spread evenly"
    assert [*map(str, run.looked(make_picture())[0])] == ["Looked at", "the picture"]
    sound.media.kind = "audio"
    for number, said in ((1, "1 window of speech"), (3, "3 windows of speech")):
        spans = [SpanSegment(start=2.0 * i, end=2.0 * i + 2) for i in range(number)]
        sound.subjects = [speaker(spans)]
        assert [[*map(str, row)] for row in run.looked(sound)] == [["Listened to", said]]
    sound.subjects[0].modality = Modality.FACE  # windows of VideoMAE
    assert [[*map(str, row)] for row in run.looked(sound)] == [
        ["Listened to", "0 windows of speech"]
    ]


def test_the_scale_is_in_the_words_of_the_question_that_is_answered():
    face, whole = make_analysis(), make_analysis(whole=3.0, fake=False)
    for analysis, says in ((face, "likely manipulated"), (whole, "likely AI-generated")):
        assert analysis.verdict.question is not None
        pages = ReportPages("scale", "", WHEN)
        found = analysis.verdict
        pages.block(answers.scale(found.probability, found.thresholds, found.question))
        assert says in text_of(bytes(pages.output()))


def test_a_zone_that_there_is_none_of_is_not_drawn_on_the_scale():
    pages = ReportPages("scale", "", WHEN)
    pages.block(answers.scale(0.5, Thresholds(low=0.0, high=0.9), Question.MANIPULATION))
    pdf = bytes(pages.output())
    assert "no sign" not in text_of(pdf)
    with pypdfium2.PdfDocument(pdf) as document:
        page = np.asarray(document[0].render(scale=2.0).to_pil().convert("RGB")).astype(int)
    green = (page[..., 1] - page[..., 0] > 60) & (page[..., 1] - page[..., 2] > 20)
    assert not green.any()


def test_the_place_is_left_out_on_request(analysis):
    content = report.collect(analysis, exported=WHEN, place=False)
    for form, write in report.FORMS.items():
        data = write(content, None)
        text = text_of(data) if form == "pdf" else data.decode()
        assert SECRET not in text, form
        if form == "pdf":
            attached = PdfReader(io.BytesIO(data)).attachments[ATTACHMENT][0]
            assert SECRET.encode() not in attached
    assert analysis.provenance.place is not None  # the analysis itself keeps it


def test_the_table_has_a_row_for_each_person_and_moment(analysis, made):
    lines = made["csv"].decode().splitlines()
    assert lines[-1].startswith("# ")
    rows = list(csv.DictReader(lines[:-1]))
    assert len(rows) == len(analysis.judged) * len(analysis.timestamps)
    absent = [r for r in rows if r["why"] == "not_in_frame"]
    turned = [r for r in rows if r["why"] == "turned_away"]
    scored = [r for r in rows if r["score"]]
    assert absent
    assert turned
    assert all(not r["score"] for r in [*absent, *turned])
    assert all(0 <= float(r["sbi"]) <= 1 and not r["why"] for r in scored)
    person = analysis.judged[0]
    face = person.frames[0]
    (row,) = (r for r in scored if (r["person"], r["time_s"]) == (person.id, f"{face.time:.3f}"))
    assert float(row["score"]) == pytest.approx(face.score, abs=1e-4)
    assert float(row["sbi"]) == pytest.approx(face.scores["sbi"], abs=1e-4)


def test_no_two_columns_of_the_table_have_one_name():
    analysis = make_analysis(whole=0.0)
    (synth,) = [m for m in analysis.models if m.id == "synth"]
    synth.id = "clip-generated"
    head = report.scores(analysis).splitlines()[0].split(",")
    assert len(set(head)) == len(head)
    assert {"answer_manipulation", "answer_synthesis", "clip-generated", "sbi"} <= set(head)


@pytest.mark.parametrize("form", report.FORMS)
def test_a_report_is_intact_and_not_signed(form, made, analysis, save):
    found = report.verify(save(made[form], form))
    assert (found.intact, found.kind, found.signature) == (True, form, "none")
    assert found.seal.media == analysis.media.sha256
    assert "can seal it again" in " ".join(found.lines())


@pytest.mark.parametrize("form", report.FORMS)
@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.9])
def test_one_changed_byte_is_noticed(form, place, made, save):
    data = bytearray(made[form])
    at = int(len(data) * place)
    while not chr(data[at]).isalnum():
        at += 1
    data[at] = ord("7") if data[at] != ord("7") else ord("8")
    try:
        found = report.verify(save(bytes(data), form))
    except InputError as error:
        assert "seal" in error.message or "damaged" in error.message
    else:
        assert not found.intact
        assert found.changed


def test_what_was_changed_is_named(made, save):
    tree = json.loads(made["json"])
    tree["analysis"]["verdict"]["label"] = "REAL"
    found = report.verify(save(json.dumps(tree).encode(), "json"))
    assert found.changed == ("verdict",)
    assert "CHANGED" in found.lines()[0]

    tree = json.loads(made["json"])
    tree["analysis"]["subjects"][0]["frames"][0]["time"] += 1
    tree["added"] = 1
    found = report.verify(save(json.dumps(tree).encode(), "json"))
    assert set(found.changed) == {"subjects", "added was added"}

    found = report.verify(save(made["csv"].replace(b"B,", b"C,", 1), "csv"))
    assert found.changed == ("the text",)


def test_reformatted_json_is_still_intact(made, save):
    tree = json.loads(made["json"])
    assert report.verify(save(json.dumps(tree, sort_keys=True).encode(), "json")).intact


def test_a_changed_page_of_a_pdf_is_named(made, save):
    """Edited and saved by another program, with the old seal put back in."""
    seal = next(line for line in made["pdf"].split(b"\n") if line.startswith(b"%unmask-seal"))

    def saved_again(edit):
        writer = PdfWriter(clone_from=io.BytesIO(made["pdf"]))
        if edit:
            page = writer.pages[1]
            stream = page.get_contents()
            stream.set_data(stream.get_data() + b"\n0 0 m 90 90 l S\n")
            page.replace_contents(stream)
        out = io.BytesIO()
        writer.write(out)
        at = out.getvalue().rindex(b"startxref")
        return out.getvalue()[:at] + seal + b"\n" + out.getvalue()[at:]

    edited = report.verify(save(saved_again(True), "pdf"))
    assert not edited.intact
    assert edited.changed == ("page 2",)
    only_saved = report.verify(save(saved_again(False), "pdf"))
    assert not only_saved.intact
    assert "not the pages or the data" in only_saved.changed[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\nnothing\nstartxref\n0\n%%EOF\n", "no seal"),
        (b'{"analysis": {}}', "no seal"),
        (b'{"analysis": ', "damaged"),
        (b"person,time\nA,1\n", "no seal"),
        (b"[" * 100_000, "no seal"),
        (b'{"a":' * 100_000, "damaged"),
        (b'{"seal": {"sha256": "x"}}', "damaged"),
        (b"", "no seal"),
    ],
)
def test_files_without_a_good_seal_are_refused(data, said, save):
    with pytest.raises(InputError, match=said):
        report.verify(save(data, "x"))


def test_two_seals_are_refused(made, save):
    line = made["csv"].splitlines(keepends=True)[-1]
    with pytest.raises(InputError, match="more than one"):
        report.verify(save(made["csv"] + line, "csv"))


@pytest.mark.parametrize("form", report.FORMS)
def test_a_signature_is_checked(form, analysis, key, save):
    path = save(report.FORMS[form](report.collect(analysis, exported=WHEN), key), form)
    assert report.verify(path).signature == "valid"
    assert report.verify(path, key.public_key()).signature == "expected"
    other = report.verify(path, Ed25519PrivateKey.generate().public_key())
    assert (other.intact, other.signature, other.good) == (True, "other", False)


def test_a_report_sealed_again_does_not_keep_its_signature(analysis, key, save):
    """The obvious attack: change the content, seal anew, keep the old key and signature."""
    signed = json.loads(report.as_json(report.collect(analysis, exported=WHEN), key))
    forged_content = report.collect(analysis, notes="Nothing to see.", exported=WHEN)
    forged = json.loads(report.as_json(forged_content))
    forged["seal"] |= {k: signed["seal"][k] for k in ("key", "signature")}
    found = report.verify(save(json.dumps(forged).encode(), "json"), key.public_key())
    assert (found.signature, found.intact, found.good) == ("wrong", False, False)
    unsigned = report.verify(save(report.as_json(forged_content), "json"), key.public_key())
    assert not unsigned.good


def pem(key, password=None):
    how = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def test_keys_are_read_from_files(key, tmp_path, monkeypatch):
    assert report.signing_key() is None
    path = tmp_path / "key.pem"
    path.write_bytes(pem(key))
    assert report.signing_key(path).private_bytes_raw() == key.private_bytes_raw()
    monkeypatch.setenv("UNMASK_SIGNING_KEY", str(path))
    assert report.signing_key() is not None
    path.write_bytes(pem(key, b"word"))
    with pytest.raises(UsageError, match="no private key"):
        report.signing_key()
    monkeypatch.setenv("UNMASK_SIGNING_PASSWORD", "word")
    assert report.signing_key() is not None
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    monkeypatch.delenv("UNMASK_SIGNING_PASSWORD")
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        report.signing_key()
    with pytest.raises(UsageError, match="can't be read"):
        report.signing_key(tmp_path / "missing.pem")


def test_report_and_verify_on_the_command_line(analysis, key, tmp_path, capsys):
    saved, pdf = tmp_path / "a.json", tmp_path / "r.pdf"
    saved.write_text(analysis.model_dump_json())
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(pem(key))
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    made = ["report", str(saved), "-o", str(pdf), "--sign", str(private), "--no-place"]
    about = ["--case", "2026-117", "--reviewer", "Ana Ruiz", "--zone", "Asia/Kathmandu"]
    assert main([*made, *about, "--notes", "By mail."]) == 0
    assert main(["verify", str(pdf), "--key", str(public)]) == 0
    assert "Signed with the given key" in capsys.readouterr().out
    text = text_of(pdf.read_bytes())
    assert SECRET not in text
    assert "UTC+05:45" in text and "2026-117" in text and "Ana Ruiz" in text

    again = tmp_path / "again.csv"  # a JSON report is an analysis too
    as_json = tmp_path / "r.json"
    assert main(["report", str(saved), "--out", str(as_json)]) == 0
    assert main(["report", str(as_json), "--out", str(again)]) == 0
    again.write_bytes(again.read_bytes().replace(b"A,", b"B,"))
    assert main(["verify", str(again)]) == 2
    assert "CHANGED" in capsys.readouterr().out
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "{0}"], "--out"),
        (["report", "{0}", "--out", "x.docx"], "PDF, Markdown, JSON or CSV"),
        (["report", "missing.json", "--out", "x.pdf"], "no such file"),
        (["report", "{0}", "--out", "x.pdf", "--zone", "Mars/Olympus"], "time zone"),
        (["report", "{0}", "--mark", "x.mp4"], "--media"),
        (["verify", "missing.pdf"], "no such file"),
        (["analyze", "a.mp4", "b.mp4", "--report", "x.pdf"], "one file"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments, said, tmp_path, analysis, capsys):
    saved = tmp_path / "a.json"
    saved.write_text(analysis.model_dump_json())
    assert main([a.format(saved) for a in arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_speaker_is_reported_without_a_picture(tmp_path):
    analysis = make_analysis()
    analysis.subjects.append(speaker([SpanSegment(start=0.0, end=2.0, logits={"voice": -1.0})]))
    content = report.collect(decide(analysis), None)
    for form, write in report.FORMS.items():
        path = tmp_path / f"report.{form}"
        path.write_bytes(write(content, None))
        assert report.verify(path).intact
    tree = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [s["modality"] for s in tree["analysis"]["subjects"]] == ["face", "face", "voice"]


def sheets(pdf):
    """How many lines of text each page has, without its foot."""
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    return [len([line for line in page.splitlines() if line.strip()]) - 2 for page in pages]


@pytest.mark.parametrize("lines", range(0, 46, 3))
def test_no_page_has_a_few_lines_alone(lines):
    notes = "\n".join(f"Curve {number} of the notes." for number in range(lines))
    pdf = report.as_pdf(report.collect(make_analysis(), notes=notes, exported=WHEN))
    assert min(sheets(pdf)) > 8, sheets(pdf)


def test_the_first_page_has_verdict_next_steps_case_and_time_zone(analysis):
    details = report.ReportDetails("2026-117", "Ana Ruiz", timezone(timedelta(hours=1)))
    content = report.collect(analysis, exported=WHEN, details=details)
    first = text_of(report.as_pdf(content), 1)
    places = [
        first.index(part)
        for part in (
            "13:00 UTC+01:00", "Likely manipulated", "likelihood",
            "What pulled which way", "What to do next", "What this can’t tell", "Case",
            "2026-117",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "Ana Ruiz" in first and "Date and signature" in first and "UTC+01:00" in first
    data = json.loads(report.as_json(content))
    assert (data["case"], data["reviewer"]) == ("2026-117", "Ana Ruiz")


def test_it_says_where_it_decides_how_often_that_errs_and_how_to_repeat_it():
    analysis = make_analysis()
    limits = analysis.verdict.thresholds
    limits.false_positives = Tally(count=3, files=227)
    limits.false_negatives = Tally(count=0, files=137)
    text = text_of(report.as_pdf(report.collect(analysis, exported=WHEN)))
    assert "over 70 % 3 of 227 untouched clips: 1.3 %, 0.5 to 3.8 %" in text
    assert "30 to 70 %" in text
    assert "under 30 % 0 of 137 manipulated clips: 0.0 %, 0.0 to 2.7 %" in text
    assert "What was not tested" in text and "MesoNet-4: not counted: not downloaded" in text
    assert "The file was not compared with an original." in text
    assert "unmask analyze 'council statement.webm' --models sbi,xcep,clip --sampling" in text
    assert "--frames 32 --json again.json" in text


def test_the_command_repeats_the_settings():
    analysis = make_analysis()
    mix = CustomEnsemble(models=["sbi"], weights={"sbi": 2.0}, min_models=1)
    settings = {
        "sampling": "fps",
        "fps": 2.5,
        "start": 1.0,
        "end": 4.5,
        "rotate": 90,
        "ensemble": mix,
    }
    analysis.settings = analysis.settings.model_copy(update=settings)
    assert run.command(analysis) == (
        "unmask analyze 'council statement.webm' --models sbi --sampling fps --min-face 40 "
        "--fps 2.5 --frames 32 --start 1 --end 4.5 --rotate 90 --weights sbi=2 --min-models 1 "
        "--json again.json"
    )
