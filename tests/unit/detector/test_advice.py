"""The sentence under a headline, and what to do next: each action has its result and words."""

from dataclasses import replace

import pytest

from cli.analyze import summary
from detector.decision import decide
from detector.decision.next_steps import MOST, ActionCode, Facts, NextStep, SameFootage, next_steps
from detector.decision.reasons import UNLIKE
from detector.messages.format import clock, percent
from detector.presentation import actions, joint, lead, markdown, verdict
from detector.schema.analysis import (
    Analysis,
    Basis,
    Coverage,
    Label,
    Question,
    Reason,
    Signal,
    Thresholds,
    Verdict,
)
from detector.schema.comparison import ComparisonFinding
from detector.schema.origin import Provenance
from tests.support.result_sample import make_analysis, make_picture
from tests.unit.detector import test_comparison_words


def scored(*scores):
    """One person's scores, a second apart; the threshold is 0.7."""
    made = make_analysis(people="B")
    (subject,) = made.judged
    frames = [
        face.model_copy(update={"time": float(n), "score": score})
        for n, (face, score) in enumerate(zip(subject.frames, scores, strict=False))
    ]
    made.subjects = [subject.model_copy(update={"frames": frames})]
    return made


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.1, 0.8, 0.9, 0.1, 0.1, 0.8, 0.8, 0.1], "00:01 to 00:02 and 00:05 to 00:06"),
        ([0.1, 0.8, 0.9, 0.6, 0.8, 0.8, 0.1, 0.1], "00:01 to 00:05"),  # one dip ends nothing
        ([0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1], "00:02"),
        ([0.8, 0.9, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1], "00:00 to 00:01"),  # one moment is no stretch
        ([0.8, 0.8, 0.1, 0.1] * 4, "4 stretches within 00:00 to 00:13"),
        ([0.1, 0.2, 0.6, 0.1, 0.6, 0.1, 0.1, 0.1], "00:02"),  # under the threshold: the highest
    ],
)
def test_every_stretch_over_the_threshold_is_named(scores, said):
    made = scored(*scores)
    assert lead.strongest(made, made.judged[0]) == said


def test_stretches_that_read_as_one_time_are_one():
    """Of a clip of two seconds, "00:00 to 00:01 and 00:01 to 00:02" was said."""
    made = scored(*[0.9] * 5, *[0.1] * 2, *[0.9] * 2)
    for frame in made.judged[0].frames:
        frame.time /= 4
    assert lead.strongest(made, made.judged[0]) == "00:00 to 00:02"


def cut_short(analysis, id, frames_left):
    """Decide anew with a person who is seen in the first frames alone that have a score."""

    def cut(subject):
        frames = [frame for frame in subject.frames if frame.logits][:frames_left]
        return subject.model_copy(update={"frames": frames, "spans": []})

    subjects = [cut(s) if s.id == id else s for s in analysis.judged]
    return decide(analysis.model_copy(update={"subjects": subjects}))


def test_who_is_left_out_is_named_with_the_reason():
    both = make_analysis()
    for frame in (frame for s in both.judged if s.id == "A" for frame in s.frames):
        frame.logits.update({model: x + 2.0 for model, x in frame.logits.items()})
    made = cut_short(both, "B", 2)
    assert made.verdict.subject == "A"
    left, leads = (next(s for s in made.judged if s.id == id) for id in "BA")
    assert left.probability is not None and leads.probability is not None
    assert left.probability > leads.probability, "or this proves nothing"
    number = percent(left.probability)
    said = f"Left out: Person\u00a0B ({number}, too few frames)."
    assert said in lead.others(made) and said.replace("\u00a0", " ") in summary(made)
    assert "Can’t tell for Person\u00a0B" not in lead.others(made)
    assert lead.left_out(make_analysis()) == []


def test_three_of_32_moments_give_the_file_no_odds():
    whole = make_analysis(people="B")
    few = cut_short(whole, "B", 3)
    between = Thresholds(low=0.01, high=0.99)
    answer = decide(few, thresholds=between).verdict
    assert answer.label is Label.INCONCLUSIVE
    assert answer.odds is None


def test_a_picture_made_by_a_machine_accuses_nobody_in_it():
    made = make_analysis()
    other = next(s for s in made.seen if s.id != made.verdict.subject)
    assert lead.others(made) == "No sign of manipulation found for Person\u00a0A (left)."
    other.label = Label.FAKE
    made.verdict.question = Question.PICTURE
    assert lead.others(made) == ""


def test_of_several_people_a_generated_head_is_named():
    """Of two, "The head" did not say whose."""
    made = make_analysis(whole=3.0)
    assert made.verdict.question is Question.SYNTHESIS
    first = made.verdict.subject
    (other,) = {s.id for s in made.seen} - {first}
    assert lead.sentence(made).startswith(f"Mostly the head of Person\u00a0{first} (")
    assert f"Person\u00a0{other} (" in lead.others(made)
    alone = make_analysis(whole=3.0, people="B")
    assert lead.sentence(alone).startswith("Mostly the head, ")


FAKE, PROBABLY, OPEN, CLEAR = (
    Label.FAKE, Label.PROBABLY_FAKE, Label.INCONCLUSIVE, Label.REAL
)  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "sound", "lips", "code", "said"),
    [
        (FAKE, FAKE, None, "both_fake", "both look fake, as in generated clips"),
        (FAKE, CLEAR, None, "picture_fake", "and the voice real, as in face swaps"),
        (PROBABLY, OPEN, "usual", "picture_fake_voice_open", "cloned stays open"),
        (CLEAR, PROBABLY, "unusual", "voice_fake", "was given another voice"),
        (OPEN, FAKE, None, "voice_fake_picture_open", "The voice looks cloned; whether"),
        (CLEAR, CLEAR, None, "neither", "Neither what is seen nor the voice"),
        (CLEAR, OPEN, None, "voice_open", "no sign of manipulation; whether the voice"),
        (OPEN, CLEAR, None, "picture_open", "no sign of cloning; whether"),
        (OPEN, OPEN, None, "open", "both stay open"),
    ],
)
def test_a_video_with_a_voice_has_one_joint_answer(picture, sound, lips, code, said):
    made = make_analysis(people="B")
    one = made.verdict.answers[Question.MANIPULATION]
    made.verdict.answers = {
        Question.MANIPULATION: _answered(one, picture, 0.91),
        Question.VOICE: _answered(one, sound, 0.84),
    }
    if lips:
        made.signals = [Signal(id="lips", title="", value="", reading=lips, how_to_read="")]
    text = joint.sentence(made).replace("\u00a0", " ")
    if code == "open":
        assert text == "", "decided parts only"
        return
    assert text.startswith("Together: ") and said in text and "%" not in text
    assert (f"Lips: {lips}." in text) is bool(lips)
    # The page draws the paragraphs, the PDF and Markdown the opening, a terminal the summary.
    carried = [*verdict.paragraphs(made), summary(made)]
    carried += markdown.of_sections([verdict.opening(made, picture=None)])
    assert sum(text in " ".join(one.split()).replace("\u00a0", " ") for one in carried) == 3
    written = made.model_dump(mode="json")["joint"]
    assert (written["says"], written["lips"], written["picture"]) == (code, lips, None)
    assert Analysis.model_validate(made.model_dump()) == made


def test_only_a_video_with_a_judged_voice_has_a_joint_answer():
    assert make_analysis().joint is None and joint.sentence(make_analysis()) == ""
    assert make_picture().joint is None


def _answered(one, says, probability):
    return one.model_copy(update={"label": says, "probability": probability})


EVERYTHING = Facts(
    closer=480, closer_seconds=175.0, strong="GenD", strong_bytes=1_230_000_000, untouched=24
)


def codes(analysis, facts=EVERYTHING):
    return [action.code for action in next_steps(analysis, facts)]


def said(analysis, label):
    """The same file with another verdict."""
    verdict = analysis.verdict.model_copy(update={"label": label})
    return analysis.model_copy(update={"verdict": verdict})


@pytest.fixture
def clear():
    """Inconclusive, of good material, looked at closely."""
    made = make_analysis(people="A")
    evidence = [e.model_copy(update={"rating": "good", "params": {**e.params, "width": 200}})
                for e in made.evidence]  # fmt: skip
    return said(made.model_copy(update={"evidence": evidence}), Label.INCONCLUSIVE)


def long(analysis):
    """The same moments over four minutes."""
    moments = [t * 17 for t in analysis.timestamps]
    media = analysis.media.model_copy(update={"duration": 241.0, "frame_count": 6000})
    seen = Coverage(sampled=32, frames=6000, longest_gap=7.6, shots=4, shots_seen=4)
    return analysis.model_copy(update={"timestamps": moments, "media": media, "coverage": seen})


def test_who_was_in_front_of_a_camera_is_asked_and_not_for_a_file(clear):
    media = clear.media.model_copy(update={"live": True})
    session = clear.model_copy(update={"media": media})
    for label in (Label.INCONCLUSIVE, Label.FAKE, Label.REAL):
        found = codes(said(long(session), label).model_copy(update={"media": media}))
        assert found[:2] == [ActionCode.TEST_LIVE, ActionCode.REACH]
        assert (ActionCode.ADD_MODEL in found) is (label is not Label.FAKE)
    step = actions.step(next_steps(session, EVERYTHING)[0])
    assert step.head == "Test them while they are on camera" and step.button == "What to ask for"
    assert len(actions.how_to("test_live")) == 4 and "call" in actions.how_to("reach")[0].lower()


def test_a_long_clip_is_looked_at_closer_first(clear):
    assert ActionCode.LOOK_CLOSER not in codes(clear)
    found = next_steps(long(clear), EVERYTHING)
    assert found[0].code is ActionCode.LOOK_CLOSER
    words = actions.step(found[0])
    assert words.why == "32 of 6,000 frames so far. A short change can hide between them."
    assert (words.button, words.cost) == ("Look at 480 moments", "about 3 min here")
    one = clear.judged[0].frames[9]
    one.score = 0.98
    why = actions.step(next_steps(long(clear), EVERYTHING)[0]).why
    assert why == f"At {clock(one.time)} the score reaches 98 %. {words.why}"


def test_faces_found_turned_are_offered_first(clear):
    sideways = long(clear)
    sideways.media.faces_turned = 90
    found = next_steps(sideways, EVERYTHING)
    assert found[0].code is ActionCode.TURN
    assert actions.step(found[0]).button == "Analyze it turned by 90°"
    for facts in (Facts(may_run=False), replace(EVERYTHING, file_there=False)):
        assert ActionCode.TURN not in codes(sideways, facts)


def test_the_film_behind_a_picture_is_offered(clear):
    motion = long(clear)
    motion.media.film = 1.7
    found = next_steps(motion, EVERYTHING)
    assert found[0].code is ActionCode.FILM
    assert "1.7 s of film" in actions.step(found[0]).why
    for facts in (Facts(may_run=False), replace(EVERYTHING, file_there=False)):
        assert ActionCode.FILM not in codes(motion, facts)


def test_nothing_is_started_from_somebody_elses_result(clear):
    there = codes(long(clear), Facts(may_run=False))
    assert there == [ActionCode.ASK_ORIGINAL, ActionCode.CHECK_ORIGIN]


@pytest.mark.parametrize("label", [Label.FAKE, Label.INCONCLUSIVE, Label.REAL])
def test_a_report_advises_what_a_page_offers(clear, label):
    """It knows nothing of the reader's models and clips."""
    made = said(long(clear), label)
    made.media.film = 1.7
    page = next_steps(made, Facts(closer=480, closer_seconds=175.0))
    words = [f"{step.head}. {step.why}" for step in map(actions.step, page)]
    assert actions.said(made) == words
    *_title, film, first, _last = (block.text for block in actions.blocks(made))
    assert film.startswith("Analyze the film behind this picture. ")
    asked = {
        Label.FAKE: "Compare with an original. Footage of the same scene in which only the face",
        Label.INCONCLUSIVE: "Look closer. 32 of 6,000 frames so far.",
        Label.REAL: "Look closer. 32 of 6,000 frames so far.",
    }
    assert first.startswith(asked[label])
    closely = {"settings": made.settings.model_copy(update={"sampling": "closer"})}
    assert "Look closer" not in " ".join(actions.said(made.model_copy(update=closely)))


def test_a_finding_is_held_against_an_original(clear):
    found = codes(said(long(clear), Label.FAKE))
    assert found[0] is ActionCode.COMPARE_ORIGINAL
    assert ActionCode.ADD_MODEL not in found and ActionCode.LOOK_CLOSER not in found


@pytest.mark.parametrize("label", [Label.FAKE, Label.INCONCLUSIVE, Label.REAL])
def test_footage_at_hand_is_compared_whatever_was_found(clear, label):
    known = replace(EVERYTHING, same=SameFootage("rally.mov"))
    found = codes(said(long(clear), label), known)
    place = 0 if label is Label.FAKE else 1
    assert found[place] is ActionCode.COMPARE_ORIGINAL
    assert found.count(ActionCode.COMPARE_ORIGINAL) == 1
    assert ActionCode.COMPARE_ORIGINAL not in codes(clear, replace(known, may_run=False))


@pytest.mark.parametrize(
    ("stated", "head", "why"),
    [
        (True, "Compare with its original", "that is near-proof."),
        (False, "Compare with the same footage", "one of them was changed."),
    ],
)
def test_footage_at_hand_is_an_original_where_a_person_says_so(clear, stated, head, why):
    same = SameFootage("a.mov", is_original=stated)
    words = actions.step(next_steps(clear, Facts(same=same))[0])
    assert words.why == f"a.mov shows the same footage. If only the face differs, {why}"
    assert (words.head, words.button, words.cost) == (head, "Open", "")


@pytest.mark.parametrize("label", [Label.FAKE, Label.INCONCLUSIVE, Label.REAL])
def test_footage_that_was_compared_is_no_step_any_more(clear, label):
    compared = replace(EVERYTHING, same=SameFootage("rally.mov", compared=True))
    assert ActionCode.COMPARE_ORIGINAL not in codes(said(long(clear), label), compared)
    # Also with a file that is gone since.
    comparison = test_comparison_words.made(ComparisonFinding.FACE_DIFFERS)
    with_it = said(long(clear), label).model_copy(update={"comparison": comparison})
    assert ActionCode.COMPARE_ORIGINAL not in codes(with_it)


@pytest.mark.parametrize(
    ("files", "head", "why"),
    [
        (3480, "Find the original", "No match in 3,480 other files. Footage of the same "),
        (1, "Find the original", "No match in 1 other file. Footage of the same "),
        (0, "Compare with an original", "Footage of the same scene in which only the face differs"),
    ],
)
def test_a_library_that_has_nothing_says_among_how_many_files(clear, files, head, why):
    first = next_steps(said(clear, Label.FAKE), Facts(searched=files))[0]
    words = actions.step(first)
    assert first.code is ActionCode.COMPARE_ORIGINAL
    assert words.head == head and words.why.startswith(why)
    assert words.button == "Compare two clips"


def test_an_absent_strong_model_is_offered_while_nothing_is_found(clear):
    assert ActionCode.ADD_MODEL in codes(clear)
    assert ActionCode.ADD_MODEL not in codes(clear, Facts())
    step = actions.step(next_steps(clear, EVERYTHING)[0])
    assert step.cost == "1.2 GB to download" and step.button == "Add GenD"


def test_poor_material_asks_for_the_original(clear):
    squeezed = [e.model_copy(update={"rating": "fair"}) if e.code == "compression" else e
                for e in clear.evidence]  # fmt: skip
    assert codes(clear.model_copy(update={"evidence": squeezed}))[0] is ActionCode.ASK_ORIGINAL
    small = make_analysis(people="A")  # 64 px
    assert next_steps(small, EVERYTHING)[0].params["width"] == 64


@pytest.mark.parametrize(
    ("clips", "basis", "offered"),
    [
        (18, Basis.MEASURED, False),
        (19, Basis.MEASURED, True),
        (19, Basis.PUBLISHED, True),
        (19, Basis.OWN, False),
        (19, Basis.CUSTOM, False),
    ],
)
def test_nineteen_untouched_clips_make_a_threshold_ones_own(clear, clips, basis, offered):
    verdict = clear.verdict.model_copy(update={"basis": basis})
    made = clear.model_copy(update={"verdict": verdict})
    assert (ActionCode.OWN_THRESHOLD in codes(made, Facts(untouched=clips))) is offered


def test_no_sign_is_no_proof(clear):
    assert ActionCode.CHECK_ORIGIN in codes(said(clear, Label.REAL), Facts())


def test_of_an_undecided_still_the_original_and_a_search_come_first():
    still = said(make_picture(), Label.INCONCLUSIVE)
    facts = Facts(strong="GenD", strong_bytes=1)
    assert codes(still, facts)[:2] == [ActionCode.ASK_ORIGINAL, ActionCode.CHECK_ORIGIN]
    assert ActionCode.CHECK_ORIGIN not in codes(said(make_picture(), Label.FAKE), facts)[:1]


def test_at_most_three_and_each_once():
    for made in (
        make_analysis(),
        long(make_analysis(fake=False)),
        make_analysis(fake=False, whole=0.0),
        make_picture(),
    ):
        for facts in (EVERYTHING, Facts()):
            found = codes(decide(made), facts)
            assert 1 <= len(found) <= MOST and len(set(found)) == len(found)


def test_a_file_that_was_not_judged_has_its_own_page():
    assert codes(decide(make_analysis().model_copy(update={"subjects": []}))) == []


@pytest.mark.parametrize(
    ("live", "advised"),
    [
        (False, [ActionCode.ASK_ORIGINAL, ActionCode.CHECK_ORIGIN]),
        (True, [ActionCode.TEST_LIVE, ActionCode.REACH]),
    ],
)
@pytest.mark.parametrize("code", UNLIKE)
def test_of_what_is_unlike_all_that_was_tested_a_person_finds_out_more(code, live, advised):
    made = make_analysis()
    limits = made.verdict.thresholds
    reasons = [Reason(code=code)]
    made.verdict = Verdict(label=Label.NOT_APPLICABLE, thresholds=limits, reasons=reasons)
    made.media = made.media.model_copy(update={"live": live})
    assert codes(made) == advised


def test_every_action_has_its_words():
    params = {
        "moments": 480, "looked": 32, "frames": 6000, "seconds": 60.0, "why": "copies",
        "title": "GenD", "bytes": 10**9, "clips": 20, "needed": 19,
        "degrees": 90, "maker": "Google", "px": 20,
    }  # fmt: skip
    for code in ActionCode:
        step = actions.step(NextStep(code, params))
        assert step.head and step.why.endswith(".") and step.button


def test_a_file_of_a_tool_with_a_verifier_is_checked_there_first(clear):
    marked = clear.model_copy(update={"provenance": Provenance(maker="Google")})
    first, *rest = next_steps(marked, EVERYTHING)
    assert first.code is ActionCode.CHECK_SYNTHID and len(rest) == MOST - 1
    words = actions.step(first)
    assert "Google" in words.head and "no hit proves nothing" in words.why
    assert any("screenshot" in line for line in actions.how_to("check_synthid"))
    assert ActionCode.CHECK_SYNTHID not in codes(clear)
