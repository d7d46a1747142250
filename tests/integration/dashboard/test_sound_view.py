"""The result of a sound as Streamlit draws it, without a browser."""

import csv
import io
import re

import numpy as np
import pytest

from dashboard.components.timeline import sound
from dashboard.result import sound_view
from detector.decision import decide
from detector.explain.sound import SoundMap
from detector.presentation import answers, looks, markdown, people, series
from detector.report import as_pdf, collect
from detector.report.table import scores
from detector.schema.analysis import (
    EmpiricalOdds,
    Label,
    PerturbationResult,
    Question,
    Robustness,
    SpeechMeasurement,
)
from detector.schema.media import SoundSource
from tests.support import pages
from tests.support import result_sample as picture_sample
from tests.support.pages import texts
from tests.support.pdf import text_of
from tests.support.result_sample import make_clip
from tests.support.voice_sample import make_analysis, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("voice") / "message.wav")


def test_a_cloned_voice_is_said_in_words(clip):
    analysis = make_analysis(clip)
    assert analysis.verdict.label is Label.FAKE
    page = texts(pages.result(clip, analysis, "message.wav"))
    assert "<span>Likely cloned</span></h2>" in page and "The voice, 00:01 to 00:07" in page
    assert "Voice cloned?" in page and "Is a face fake?" not in page
    assert "Speakers are not told apart" in page or "speakers are not told apart" in page
    assert "10.0 of 13.0 s, good" in page and "up to 7.8 kHz, full" in page
    assert "28 dB below speech, good" in page and "Voice traces" in page
    assert "Who made the voice, or whose it imitates." in page
    assert "Person" not in page and "Smallest face" not in page and "0×0" not in page


def test_a_sound_has_a_page_whatever_its_id(clip):
    page = texts(pages.result(clip, make_analysis(clip), "message.wav", "PJcr0onm__OCPs5HTiiJfw"))
    assert "<span>Likely cloned</span></h2>" in page and "SHA-256" in page


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        (SpeechMeasurement(seconds=13), "No speech in this sound"),
        (SpeechMeasurement(seconds=13, music_ratio=1.0), "100 % of what is heard holds tones"),
        (
            SpeechMeasurement(seconds=13, spans=[(1, 2.4)]),
            "1.4 s of speech; these models need 2 s.",
        ),
    ],
)
def test_what_can_not_be_judged_says_why(clip, heard, words):
    analysis = make_analysis(clip, heard=heard)
    analysis.subjects.clear()
    for model in analysis.models:
        model.scored = 0
    page = texts(pages.result(clip, decide(analysis), "message.wav"))
    assert "Could not be judged" in page and words in page and "um-scale" not in page


def test_without_a_calibrated_model_the_scores_are_shown_and_decide_nothing(clip):
    page = texts(pages.result(clip, make_analysis(clip, calibrated=False), "message.wav"))
    assert "Could not be judged" in page and "nobody has measured from which score" in page
    assert "Not judged: no calibrated model" in page


def test_the_view_holds_what_was_heard_and_scored(clip):
    analysis = make_analysis(clip)
    peaks, pictures = sound_view._pictures(str(clip), "hash", 13.0, False, SoundSource()) or (
        np.zeros(0),
        {},
    )
    assert len(peaks) == 900 and set(pictures) == {"mel", "mfcc"}
    data = sound.view_data(analysis, peaks, pictures["mel"], time=3.0)
    wave, _mel, score = data["html"].split("<section")[1:]
    assert re.findall(r'data-time="(.*?)"', wave) == ["1.0", "8.0"]
    assert re.findall(r"left: ([\d.]+)%; width: ([\d.]+)%", wave) == [
        (f"{100 * start / 13:.3f}", f"{100 * (end - start) / 13:.3f}")
        for start, end in ((1, 7), (8, 12))
    ]

    def levels(css):
        """The scores at which lines begin, read back from the lane's height."""
        paths = " ".join(re.findall(rf'class="{css}" d="(.*?)"', score))
        tops = re.findall(r"M\S+ ([\d.]+)", paths)
        return [round(1 - float(top) / sound.SCORE, 2) for top in tops]

    assert levels("curve fake")[:2] == [0.95, 0.97]
    assert (levels("curve muted dashed"), data["end"]) == ([0.3, 0.86], 13.0)
    mfcc = sound.view_data(analysis, peaks, pictures["mfcc"], mfcc=True, time=3.0)
    shown = [re.findall(r'<img .*?alt="(.+?)"', view["html"]) for view in (data, mfcc)]
    assert all(len(alts) == 1 for alts in shown) and shown[0] != shown[1]
    assert all(re.search(r'<svg [^>]*aria-label="[^"]+"', lane) for lane in (wave, score))
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures.values())
    assert sound_view._pictures("/nowhere.wav", "hash", 13.0, False, SoundSource()) is None


def test_the_tabs_of_a_sound_speak_of_no_face(clip):
    page = pages.result(clip, make_analysis(clip), "message.wav")
    said = texts(page)
    assert "this file has only sound" in said and "goes through MP3, Opus and a telephone" in said
    assert "5 windows" in said and "frames" not in said and "this person" not in said
    assert "towards cloned" in said and "towards manipulated" not in said
    assert "towards real" in said and "towards untouched" not in said
    assert not [toggle for toggle in page.toggle if "faces" in toggle.label]
    (tabs,) = page.get("tab_container")
    opened = page.tabs[tabs.proto.tab_container.default_tab_index]
    assert opened.label == "Models", "a tab with content"


def test_odds_of_a_voice_assume_clones_and_real_voices(clip):
    analysis = make_analysis(clip)
    odds = EmpiricalOdds(share=0.8, low=0.7, high=0.9, clips=60)
    analysis.verdict.odds = odds
    said = "\n".join(markdown.of_sections([answers.how_we_know(analysis)]))
    assert "as many cloned as real voices" in said and "as many manipulated" not in said


def test_what_came_of_its_trials_is_said_in_words_of_a_sound(clip):
    def trial(name, title, score, label):
        return PerturbationResult(condition=name, title=title, probability=score, label=label)

    tried = Robustness(
        question=Question.VOICE, start=0, end=12, sampled=3, seconds=4.2,
        unchanged=trial("none", "as it is", 0.95, Label.FAKE),
        trials=[
            trial("mp3-32", "MP3 at 32 kbit/s", 0.93, Label.FAKE),
            trial("snr-10", "noise 10 dB below the voice", 0.2, Label.REAL),
        ],
    )  # fmt: skip
    analysis = decide(make_analysis(clip).model_copy(update={"robustness": tried}))
    assert analysis.verdict.label is Label.INCONCLUSIVE  # a verdict that turns around is none
    said = texts(pages.result(clip, analysis, "message.wav")).replace("\u00a0", " ")
    changes = "the verdict of this part changes under noise 10 dB below the voice (1 of 2)."
    assert f"Fragile: {changes}" in said
    assert "3 windows of speech from 00:00.0 to 00:12.0, the same in each, in 4.2 s." in said
    assert "−75 points" in said and "MP3 at 32 kbit/s" in said and "whole clip" not in said
    pdf = text_of(as_pdf(collect(analysis)))
    assert "3 windows of speech from 00:00.0 to 00:12.0, the same in each" in pdf
    assert "under noise 10 dB below the voice (1 of 2)" in pdf


def test_the_highest_windows_lead_there(clip):
    page = pages.result(clip, make_analysis(clip), "message.wav")
    links = [b for b in page.button if (b.key or "").startswith("result.k.widget.voice.")]
    assert [b.label for b in links] == [
        "00:03 to 00:05: score 97", "00:05 to 00:07: score 96", "00:01 to 00:03: score 95",
    ]  # fmt: skip
    links[1].click().run()
    assert page.session_state["result.k.time"] == 5 and page.session_state["result.k.seek"] == 1


def test_a_voice_is_a_lane_of_its_windows(clip):
    analysis = make_analysis(clip)
    lane = series.lane(analysis, analysis.subjects[0])
    assert lane.times == (2, 4, 6, 9, 11) and set(lane.models) == {"voice", "aasist:l"}
    assert [(gap.start, gap.end, gap.word) for gap in lane.gaps] == [
        (0, 1, "not scored"), (7, 8, "not scored"), (12, 13, "not scored"),
    ]  # fmt: skip


def test_the_scores_are_a_table_as_well(clip):
    analysis = make_analysis(clip)
    lane = series.lane(analysis, analysis.subjects[0])
    numbers, rows = people.scores(analysis, [lane])
    assert [row["Time"] for row in rows[:2]] == ["00:01.0 to 00:03.0", "00:03.0 to 00:05.0"]
    assert [row[numbers[0]] for row in rows[:2]] == [95, 97]
    assert rows[0]["Reading"] == "▲ Likely cloned"
    page = pages.result(clip, analysis, "message.wav")
    assert not page.exception and len(page.dataframe) == 1
    assert "four decimals" in texts(page)


def test_what_a_score_rests_on_is_said_and_drawn(clip):
    analysis = make_analysis(clip)
    falls = np.zeros((5, 8), np.float32)
    falls[2, 3] = 1.0
    drawn = SoundMap(falls, np.arange(6) * 1000.0, np.linspace(1, 5, 9), 2.0)
    model = analysis.models[0]
    said = looks.sound(drawn, model).replace("\u00a0", " ")
    assert "hiding 2,000 to 3,000 Hz from 00:02.5 to 00:03.0 lowers" in said
    assert "from 88 % to 73 %" in said
    none = SoundMap(-falls, drawn.bands, drawn.times, 2.0)
    assert "hiding no part lowers" in looks.sound(none, model) and none.map.max() == 0
    over = sound.rests_on(drawn.map, 1.0, 5.0, said)
    data = sound.view_data(analysis, np.zeros((2, 2)), "", time=0.0, rests=over)
    (rests,) = re.findall(r'<img class="rests" .*?>', data["html"])
    assert f'alt="{said}"' in rests.replace("\u00a0", " ")
    assert 'src="data:image/png' in rests
    window = sound_view.window_at(analysis, 5.4, "voice")
    assert (window.start, window.end) == (5, 7)


def test_the_voice_of_a_video_stands_beside_its_people(tmp_path):
    video = make_clip(tmp_path / "talk.webm")
    silent = texts(pages.result(video, picture_sample.make_analysis(video)))
    assert "The voice" not in silent and "Sound over time" not in silent
    analysis = picture_sample.make_analysis(video)
    spoken = make_analysis(write_clip(tmp_path / "message.wav"), calibrated=False)
    analysis.media.audio = spoken.media.audio
    analysis.subjects.append(spoken.subjects[0])
    page = texts(pages.result(video, decide(analysis)))
    assert "The voice" in page and "Sound over time" in page and "10.0 of 13.0 s, good" in page
    assert "All speech is judged as one voice" in page
    assert "2 people" in page and page.count("not in frame") == silent.count("not in frame")


def test_the_table_has_a_row_a_window(clip):
    rows = list(csv.DictReader(io.StringIO(scores(make_analysis(clip)))))
    assert [row["time_s"] for row in rows] == ["1.000", "3.000", "5.000", "8.000", "10.000"]
    assert {row["person"] for row in rows} == {"voice"} and float(rows[0]["voice"]) > 0.9


def test_the_report_is_of_a_sound(clip):
    text = text_of(as_pdf(collect(make_analysis(clip), clip)))
    assert "Likely cloned" in text and "Voice cloned?" in text
    assert "0 × 0" not in text and "towards cloned" in text
    assert "The voice" in text and "5 of 5" in text and "pcm_s16le, mono" in text
    assert (
        "Listened to 13 s, of it 10 s of speech (5 windows of speech)" in text
        and "towards cloned" in text
    )
    for word in ("The people", "Person", "Face width", "Smallest face", "moments"):
        assert word not in text, word
