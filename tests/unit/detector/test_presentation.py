"""A result in words, once for all surfaces: questions, how we know, models, moments, robustness."""

import gettext
import re

import pytest

from cli import analyze as command
from dashboard.result import question as page_of
from detector.decision import decide, material
from detector.presentation import (
    Grid,
    Text,
    answers,
    footage,
    models,
    people,
    pulls,
    robustness,
    signals,
    summary,
    verdict,
)
from detector.schema.analysis import (
    BandRate,
    Basis,
    Calibration,
    EmpiricalOdds,
    Label,
    Modality,
    Question,
    Robustness,
    Signal,
    Tally,
    Thresholds,
    Verdict,
)
from detector.schema.passed_over import PassedOver, PassedOverReason
from detector.schema.summary import FoundFootage
from detector.sentences import _, say, use
from tests.support.result_sample import make_analysis, make_picture, trial


def rates(found, **given):
    """The printed rows of the table of a verdict's answers, and its paragraphs in one."""
    blocks = answers.error_rates(found, **given)
    rows = [row for block in blocks if isinstance(block, Grid) for row in block.printed]
    return rows, " ".join(block.text for block in blocks if isinstance(block, Text))


class Loud(gettext.NullTranslations):
    """A language that is English in capitals, but for the names of parameters."""

    def gettext(self, message):
        return re.sub(r"(?:(?!{)[a-z])+(?![^{]*})", lambda word: word[0].upper(), message)


def test_a_rate_has_its_count_and_interval():
    limits = Thresholds(
        low=0.3, high=0.7, false_positive_rate=0.0, false_negative_rate=0.18,
        false_positives=Tally(count=0, files=1045), false_negatives=Tally(count=6, files=33),
        data="78 clips",
    )  # fmt: skip
    answer = Verdict(label=Label.INCONCLUSIVE, thresholds=limits)
    assert rates(answer) == (
        [
            ["▲ Likely manipulated", "over 70 %",
             "0 of 1,045 untouched clips: 0.0 %, 0.0 to 0.4 %"],
            ["? Can’t tell", "30 to 70 %", ""],
            ["○ No sign of manipulation found", "under 30 %",
             "6 of 33 manipulated clips: 18.2 %, 8.6 to 34.4 %"],
        ],
        "Measured on 78 clips.",
    )  # fmt: skip
    mine = Thresholds(low=0.3, high=0.7, false_positive_rate=0.05, data="your own 40", own=True)
    (first, *_), said = rates(answer.model_copy(update={"thresholds": mine, "basis": Basis.OWN}))
    assert first[2] == "at most 5 % of untouched clips like yours"
    assert said == "Set by your own 40."
    theirs = answer.model_copy(update={"basis": Basis.PUBLISHED})
    rows, said = rates(theirs)
    assert said.startswith("Only models that were not measured here are counted")
    assert all(len(row) == 2 for row in rows)


def test_the_error_rates_of_a_voice_count_cloned_and_real_ones():
    limits = Thresholds(
        low=0.3, high=0.7, data="705 clips of speech",
        false_positives=Tally(count=3, files=309), false_negatives=Tally(count=0, files=396),
    )  # fmt: skip
    odds = EmpiricalOdds(share=0.62, low=0.45, high=0.77, clips=40)
    answer = Verdict(label=Label.FAKE, thresholds=limits, odds=odds)
    rows, said = rates(answer.model_copy(update={"question": Question.VOICE}), interval=True)
    assert "It assumes as many cloned as real voices." in said
    assert rows[0][2].startswith("3 of 309 real clips")
    assert rows[-1][2].startswith("0 of 396 cloned clips")
    assert "manipulated" not in f"{rows} {said}" and "untouched" not in f"{rows} {said}"


def test_no_rate_is_given_for_an_answer_that_no_likelihood_gets():
    limits = Thresholds(
        low=0.0, high=0.9,
        data=_("{clips} clips that training left out").format(clips=479),
        false_positives=Tally(count=3, files=227), false_negatives=Tally(count=0, files=137),
    )  # fmt: skip
    answer = Verdict(label=Label.FAKE, thresholds=limits)
    rows, said = rates(answer)
    assert [row[0][2:] for row in rows] == ["Likely manipulated", "Can’t tell"]
    assert rows[0][2].startswith("3 of 227 untouched clips") and not rows[1][2]
    assert "Of these, 364 clips ask this question" in said
    assert "227 untouched, 137 manipulated." in said


def test_what_maps_were_fitted_on_is_said_once_for_each_question():
    analysis = make_analysis(whole=3.0)
    data = _("{clips} clips that training left out").format(clips=479)
    for question, ensemble in analysis.ensembles.items():
        ensemble.calibration = Calibration(scale=1, offset=0, data=data, clips=335)
        assert analysis.verdict.answers[question].evaluated
    for model in analysis.models:
        model.calibration = ensemble.calibration
    assert models.calibrations(analysis) == [
        f"SBI, Xception, VideoMAE, Synthesis, all together: 335 that ask this question, of {data}"
    ]


def test_one_file_of_two_models_is_printed_once():
    analysis = make_analysis(whole=0.9)
    (first, second, *_, synth) = [m for m in analysis.models if m.scored]
    second.weights_sha256 = synth.weights_sha256 = first.weights_sha256
    assert models.weights(analysis).printed == [
        ["Weights, SBI", "a" * 64],
        ["Weights, Xception", "those of SBI: the same network"],
        ["Weights, VideoMAE", "c" * 64],
        ["Weights, Synthesis", "those of SBI: the same network, asked “AI-generated head?”"],
    ]


def test_page_and_terminal_say_the_same_of_each_question():
    analysis = make_analysis(whole=0.9)
    rows = answers.rows(analysis)
    assert [row.leads for row in rows] == [True, False, False, False]
    page, terminal = page_of.rows(analysis).replace("\u00a0", " "), command.summary(analysis)
    for row in rows:
        assert row.question in page and row.answer in page
        said = f"{row.question} {row.answer}"
        assert (f"{said}, {row.share}" if row.share else said) in terminal
    first, second = rows[:2]
    assert first.share.endswith("of the evidence") and second.counts
    assert second.state is Label.FAKE and second.answer == "Likely AI-generated"
    assert [row.answer for row in rows if not row.evaluated] == ["Not asked by these models"] * 2


def test_bands_name_their_limits_and_what_never_decides_says_so():
    limits = Thresholds(low=0.05, probably_low=0.2, probably_high=0.75, high=0.93)
    assert answers.bands(limits, Question.VOICE) == [
        "under 5: no sign", "under 20: probably a real voice", "between: can’t tell",
        "over 75: probably cloned", "over 93: likely cloned",
    ]  # fmt: skip
    never = Thresholds(low=0.0, high=1.0)
    assert answers.bands(never, None) == ["no likelihood decides"]


def test_an_answer_has_the_share_of_right_ones_in_the_words_of_its_question():
    rate = BandRate(label=Label.FAKE, right=0.95, low=0.9, share=0.5, wrong=Tally(count=1, files=9))
    limits = Thresholds(low=0.3, high=0.7, bands=[rate])
    answer = Verdict(label=Label.FAKE, thresholds=limits, question=Question.VOICE)
    rows, _said = rates(answer)
    assert rows[0] == ["▲ Likely cloned", "over 70 %", "95 %, at least 90 %"]


def test_of_moved_thresholds_and_of_other_sets_no_rate_is_claimed():
    limits = Thresholds(low=0.3, high=0.7, false_positive_rate=0.05, data="240 clips")
    for basis in (Basis.CUSTOM, Basis.SUBSET):
        answer = Verdict(label=Label.FAKE, thresholds=limits, basis=basis)
        rows, said = rates(answer)
        assert said.endswith("was not measured.") and all(len(row) == 2 for row in rows)


@pytest.mark.parametrize("analysis", [make_analysis(), make_picture()], ids=["clip", "picture"])
def test_the_parts_sum_to_the_number_that_stands_under_the_headline(analysis):
    answer = pulls.judged(analysis)
    assert answer is not None
    whole = pulls.combined(answer)
    assert sum(row.end for row in pulls.rows(analysis)) == whole.end
    assert whole.name == f"Combined, {verdict.likelihood(analysis)}"


def test_what_stands_under_the_headline_is_not_among_the_reasons_again():
    empty = decide(make_analysis().model_copy(update={"subjects": []}))
    first, *rest = verdict.paragraphs(empty)
    assert first.startswith("We found no face") and rest == [
        "Faces under 40 px are skipped. A face seen from behind or far from the side can’t be "
        "judged."
    ]
    assert verdict.why(empty) == [] and verdict.likelihood(empty) == ""


def test_a_person_of_a_picture_is_seen_at_no_time():
    ((_who, seen, scored, width, *_rest),) = people.table(make_picture()).rows
    assert seen == "" and scored == "1 of 1" and width.endswith(" px")
    labels = {row[4].state for row in people.table(make_analysis()).rows}
    assert labels == {Label.FAKE, Label.REAL}


def test_a_change_is_told_with_how_far_it_moved_and_what_it_says():
    tried = Robustness(
        question=Question.VOICE, start=0, end=12, sampled=3, seconds=4.2,
        unchanged=trial("none", 0.95),
        trials=[trial("blur, level 2", 0.2), trial("h264", None, "no face")],
    )  # fmt: skip
    first, moved, failed = robustness.rows(tried, Thresholds(low=0.3, high=0.7))
    assert first[1:3] == ("95 %", "")
    assert moved[0] == "Blur, level 2" and moved[2] == "−75\u00a0points"
    assert moved[3].text.endswith("· changed")
    assert (*failed[:3], failed[3].text) == ("h264", "–", "no face", "no face")
    assert robustness.part(tried).startswith("3 windows of speech from 00:00.0 to 00:12.0")


def test_a_signal_over_time_stands_over_its_usual_range():
    signal = Signal(
        id="flow", title="Flow", series=[(0.0, 1.0), (2.0, 5.0)], usual=(2.0, 3.0), unit="px",
        value="3 px", reading="usual", how_to_read="",
    )  # fmt: skip
    chart = signals.over_time(signal)
    assert chart.band == [(0.0, 3.0), (2.0, 3.0)] and chart.floor == 2.0
    assert [text for _value, text in chart.ticks] == ["2", "3", "1", "5"]
    assert chart.low < 1.0 and chart.high > 5.0 and chart.said == "3 px"


def test_a_likelihood_near_a_limit_reads_the_same_in_every_place():
    """Of 88.5 % beside a limit of 87.6 a person's row, chip and sum said 88 %."""
    near = round(make_analysis(people="B").verdict.probability + 0.0004, 3)
    analysis = decide(make_analysis(people="B"), thresholds=Thresholds(low=0.1, high=near))
    said, answer = verdict.likelihood(analysis), pulls.judged(analysis)
    assert "." in said
    assert people.table(analysis).printed[0][-1] == said
    assert pulls.combined(answer).name == f"Combined, {said}"


def test_a_picture_model_of_a_video_is_meant_to_see_as_few_frames_as_it_is_made_for():
    """Its 8 of 32 were "fair" material, as if the file were to blame."""
    made = make_analysis(picture=3.0)
    (model,) = (model for model in made.models if model.question is Question.PICTURE)
    (whole,) = (s for s in made.subjects if s.modality is Modality.PICTURE)
    model.kind, model.moments = "image", 8
    assert material._planned(made, whole) == 8


def test_figures_of_models_are_not_beside_the_likelihood():
    """They are under "How we know"."""
    analysis = make_analysis(whole=3.0)
    for model in analysis.models:
        model.auc = 0.894
    assert "AUC" not in verdict.judged_by(analysis)


def test_the_counts_of_a_batch_are_said_in_the_readers_language():
    passed = [
        PassedOver(name="@eaDir", reason=PassedOverReason.THUMBNAIL, files=2),
        PassedOver(name="#recycle", reason=PassedOverReason.RECYCLE_BIN),
        PassedOver(name="run1", reason=PassedOverReason.RESULT, files=4),
    ]
    counts = summary.of_batch(1200, 3, {"unsupported": 1, "no_face": 2}, passed)
    assert counts == (
        "1200 analyzed, 3 known already, 3 failed (no_face 2, unsupported 1), "
        "7 files passed over: 2 thumbnails, 1 in a recycle bin, 4 results of Unmask"
    )
    with use(Loud()):
        assert summary.of_batch(0, 0, {}) == "0 ANALYZED"
        assert say(counts).startswith("1200 ANALYZED, 3 KNOWN ALREADY, ")


def test_a_match_of_the_library_is_worded_as_on_the_page():
    found = FoundFootage(
        match_sha256="a" * 64, name="talk.mp4", source="/press", start=3.0, mirrored=True,
        matched=3, asked=4,
    )  # fmt: skip
    said = "talk.mp4, from /press. Begins at 00:03 of it. 3 of 4 frames match."
    assert footage.line(found) == f"Part of this footage is in your library: {said}"
    searched = footage.of_search(found, bits=7, identical=False)
    assert searched == f"{said} 7 of 256 bits of a frame differ. It is mirrored."
    with use(Loud()):
        assert "OF 256 BITS OF A FRAME DIFFER" in say(searched)


def test_missing_signals_are_listed_in_a_language_that_translates_their_titles():
    class Reversed(gettext.NullTranslations):
        def gettext(self, message):
            return message[::-1]

    analysis = make_analysis()
    analysis.signals = [
        Signal(id="blinks", title="Blinking", value="–", reading="absent", how_to_read="On request")
    ]
    with use(Reversed()):
        assert signals.absent(analysis) == ["gniknilB: tseuqer nO"]
