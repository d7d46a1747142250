"""What is said of a copy beside its original."""

import pytest

from cli.compare import MANIPULATED, OTHER_FOOTAGE, ROLES_OPEN, status
from detector.presentation import brief
from detector.presentation import comparison as words
from detector.schema.analysis import Media
from detector.schema.comparison import (
    ComparedPerson,
    Comparison,
    ComparisonFinding,
    Edit,
    Generation,
    GenerationHint,
    MovementTrace,
    SharedMovement,
    SpaceAlignment,
    Span,
    TimeAlignment,
)


def media(name, duration=20.0):
    return Media(
        name=name, sha256="0" * 64, kind="video" if duration else "image", size=1, width=640,
        height=360, duration=duration, container="mp4", codec="h264",
    )  # fmt: skip


def person(name, part, *spans):
    spans = [Span(start=a, end=b) for a, b in spans]
    fields = {"difference": 13.0, "noise_threshold": 2.0, "moments": 9}
    return ComparedPerson(id=name, changed_region=part, spans=spans, **fields)


def made(finding, **more):
    fields: dict[str, object] = {
        "copy_media": media("shared.mp4"),
        "original_media": media("rally.mov"),
        "finding": finding,
        "time": TimeAlignment(compared=75, matched=75),
        "role_source": "stated",
    }
    return Comparison.model_validate(fields | more)


def test_a_manipulated_copy_is_said_with_person_and_time():
    people = [person("A", "face", (2.0, 7.0)), person("B", "none")]
    comparison = made(ComparisonFinding.FACE_DIFFERS, people=people)
    assert words.sentence(comparison) == (
        "Manipulated copy of rally.mov: the face of Person A differs from 00:02 to 00:07, "
        "the rest is the same footage"
    )
    assert words.headline(comparison) == "Manipulated copy of rally.mov"
    assert brief.of_comparison(comparison)[0] == f"{words.sentence(comparison)}."


def test_a_short_clip_s_times_have_tenths():
    comparison = made(
        ComparisonFinding.MOUTH_DIFFERS,
        copy_media=media("s.mp4", 3.0),
        people=[person("A", "mouth", (0.3, 2.0))],
    )
    assert "only the mouth differs, from 00:00.3 to 00:02.0" in words.lead(comparison)


def test_an_original_that_is_younger_takes_the_accusation_back():
    younger = Generation(
        younger="original",
        hints=[
            GenerationHint(code="smaller", younger="original", params={"width": 640, "height": 360})
        ],
    )
    comparison = made(
        ComparisonFinding.FACE_DIFFERS, generation=younger, people=[person("A", "face")]
    )
    assert comparison.roles_doubtful
    assert "younger file" in words.headline(comparison)
    assert "Manipulated" not in words.sentence(comparison)
    assert (
        "Looks like the younger file",
        "the original is the smaller picture, 640 × 360",
    ) in words.figures(comparison)


@pytest.mark.parametrize("finding", list(ComparisonFinding))
def test_every_finding_has_words(finding):
    comparison = made(finding, space=SpaceAlignment(mirrored=True, kept=0.7))
    for text in (words.headline(comparison), words.lead(comparison), words.sentence(comparison)):
        assert text
        assert "{" not in text


def test_where_nothing_can_be_said_nobody_is_said_not_to_differ():
    people = [person("A", "none"), person("B", "none")]
    clear = made(ComparisonFinding.NOTHING_DIFFERS, people=people)
    open_ = made(ComparisonFinding.NOT_COMPARABLE, people=people)
    assert any(
        "Person B:" in line and "does not differ" in line for line in brief.of_comparison(clear)
    )
    assert any("Person B:" in line and "open" in line for line in brief.of_comparison(open_))
    assert not any("does not differ" in line for line in brief.of_comparison(open_))


def test_what_differs_elsewhere_is_said_beside_the_face():
    edit = Edit(box=(0, 0, 9, 9), spans=[Span(start=1.0, end=3.0)], difference=30.0)
    comparison = made(
        ComparisonFinding.OTHER_EDITS, edits=[edit], people=[person("A", "face", (2, 7))]
    )
    assert words.lead(comparison) == (
        "The same footage, but more than faces differs, from 00:01 to 00:03. "
        "The face of Person A differs, from 00:02 to 00:07."
    )


def test_stretches_of_several_people_are_joined():
    people = [person("A", "face", (2, 7)), person("B", "face", (6, 9), (12, 13))]
    spans = made(ComparisonFinding.FACE_DIFFERS, people=people).spans
    assert [(s.start, s.end) for s in spans] == [(2, 9), (12, 13)]
    assert len(made(ComparisonFinding.FACE_DIFFERS, people=people).model_dump_json()) > 100


def both_orders(**more):
    """A genuine clip and its fake, compared in both orders, with the detectors' scores."""
    people = [person("A", "face", (2.0, 7.0))]
    fields = {"people": people, "role_source": "unknown", **more}
    fake, real = media("fake.mp4"), media("real.mp4")
    return (
        made(ComparisonFinding.FACE_DIFFERS, copy_media=fake, original_media=real,
             copy_score=0.87, original_score=0.19, **fields),
        made(ComparisonFinding.FACE_DIFFERS, copy_media=real, original_media=fake,
             copy_score=0.19, original_score=0.87, **fields),
    )  # fmt: skip


def test_the_order_of_two_files_accuses_neither():
    for comparison in both_orders():
        assert not comparison.accuses and comparison.roles_doubtful
        assert words.sentence(comparison) == (
            "Same footage, another face; we can’t tell which is the original; "
            "the detectors suspect fake.mp4 (87 against 19)"
        )
        assert words.lead(comparison).endswith(
            "Which of the two was changed is open. The detectors suspect fake.mp4 (87 against 19)."
        )
        rows = dict(words.figures(comparison))
        assert "fake.mp4: 87 %" in rows["Detectors, alone"]
        assert "real.mp4: 19 %" in rows["Detectors, alone"]
        assert rows["Which is the original"].startswith("not known")
        assert set(words.titles(comparison)) == {"fake.mp4", "real.mp4"}
        assert status(comparison) == ROLES_OPEN
        for hint in ("copy", "original"):
            generation = Generation(younger=hint)
            hinted = comparison.model_copy(update={"generation": generation})
            assert not hinted.accuses, "traces can be copied or removed"
            assert words.headline(hinted) == words.headline(comparison)


def test_a_statement_stands_unless_the_detectors_say_the_opposite():
    right, wrong = both_orders(role_source="stated")
    assert right.accuses and words.headline(right) == "Manipulated copy of real.mp4"
    assert status(right) == MANIPULATED
    assert dict(words.figures(right))["Which is the original"] == "real.mp4: a person said so"
    assert wrong.contradicted and not wrong.accuses
    assert words.sentence(wrong) == (
        "Same footage, another face; fake.mp4 was named the original, but the detectors suspect "
        "it; the detectors suspect fake.mp4 (87 against 19)"
    )
    assert status(wrong) == ROLES_OPEN
    assert set(words.titles(wrong)) == {"fake.mp4", "real.mp4"}
    registered = wrong.model_copy(update={"role_source": "registered"})
    assert registered.accuses, "a person added it to the library as an original"


@pytest.mark.parametrize(
    ("scores", "suspected", "said"),
    [
        ((0.87, 0.19), "copy", "the detectors suspect shared.mp4 (87 against 19)"),
        ((0.19, 0.87), "original", "the detectors suspect rally.mov (87 against 19)"),
        ((0.55, 0.45), None, "the detectors suspect neither of the two (55 against 45)"),
        ((0.85, 0.85), None, "the detectors suspect both of the two (85 against 85)"),
        ((0.40, 0.05), None, "the detectors suspect neither of the two (40 against 5)"),
        ((0.87, None), None, ""),
        ((None, None), None, ""),
    ],
)
def test_the_detectors_suspect_a_file_that_stands_out_alone(scores, suspected, said):
    comparison = made(
        ComparisonFinding.FACE_DIFFERS, copy_score=scores[0], original_score=scores[1]
    )
    assert comparison.suspected == suspected
    assert words.suspicion(comparison) == said


def test_two_files_of_one_name_are_told_apart():
    same = made(ComparisonFinding.FACE_DIFFERS, role_source="unknown", copy_score=0.9,
                original_score=0.1, original_media=media("shared.mp4"))  # fmt: skip
    assert "suspect shared.mp4 (first file) (90 against 10)" in words.sentence(same)


def test_a_signature_names_the_original():
    people = [person("A", "face", (2.0, 7.0))]
    unknown = made(ComparisonFinding.FACE_DIFFERS, people=people, role_source="unknown")
    signed = unknown.model_copy(update={"generation": Generation(younger="copy", proven=True)})
    assert signed.accuses and words.headline(signed) == "Manipulated copy of rally.mov"
    other = unknown.model_copy(update={"generation": Generation(younger="original", proven=True)})
    assert not other.accuses
    stated = other.model_copy(update={"role_source": "stated"})
    assert not stated.accuses, "the signature says that the copy is the original"


@pytest.mark.parametrize("finding", list(ComparisonFinding))
def test_what_was_merely_seen_before_is_called_no_original(finding):
    whole = made(finding, role_source="unknown", space=SpaceAlignment(mirrored=True, kept=0.7))
    part = whole.model_copy(update={"excerpt": Span(start=2.0, end=5.0)})
    younger = whole.model_copy(update={"generation": Generation(younger="original")})
    for seen in (whole, part, younger):
        for said in (words.headline, words.lead, words.short, words.against):
            assert "original" not in said(seen).replace("which is the original", "")
    assert words.question(seen=True) == "Same footage as another file?"
    same = made(ComparisonFinding.NOTHING_DIFFERS, role_source="unknown")
    assert words.headline(same) == words.short(same) == "Both files show the same footage"
    assert words.against(same).endswith("the other file may be manipulated itself.")
    assert words.limits(same).startswith("Whether the footage is genuine: the other file may be")


def test_the_answer_beside_the_detectors_is_short_and_no_proof_of_what_it_is_not():
    same = made(ComparisonFinding.NOTHING_DIFFERS, face_difference=1.4, background_difference=1.3)
    assert words.question() == "Differs from its original?"
    assert words.short(same) == "Nothing differs"
    assert words.against(same) == (
        "Measured against rally.mov: face 1.4, elsewhere 1.3 gray levels. That is no proof that it "
        "is genuine: the original may be manipulated itself."
    )
    face = made(ComparisonFinding.FACE_DIFFERS, face_difference=13.0, background_difference=1.1)
    assert words.against(face) == (
        "Measured against rally.mov: face 13.0, elsewhere 1.1 gray levels."
    )
    assert words.short(face) == "Only the face differs"
    cropped = made(ComparisonFinding.TRANSFORMED, space=SpaceAlignment(mirrored=True, kept=0.7))
    assert words.short(cropped) == "Cropped and mirrored; nothing else differs"


def test_a_face_that_moves_alike_is_told_with_what_else_it_may_be():
    shared = SharedMovement(
        score=13.1, needed=8.5, seconds=10.2, start=0.5, offset=3.0, step=0.04,
        traces=[
            MovementTrace(what=what, correlation=r, of_copy=[0.0, 1.0], of_original=[0.0, 1.0])
            for what, r in (("head", 0.97), ("features", 0.85))
        ],
    )  # fmt: skip
    comparison = made(ComparisonFinding.SAME_MOVEMENT, movement=shared)
    assert comparison.finding.related and not comparison.finding.same_footage
    assert not comparison.accuses
    assert words.sentence(comparison) == "Another picture, but its face moves as the original’s"
    for cause in ("generated", "two cameras", "too poor"):
        assert cause in words.lead(comparison)
    rows = dict(words.figures(comparison))
    assert rows["The head moves alike"].startswith("0.97")
    assert rows["Over"] == "10.2 s, from 0.5 s of the copy and 3.5 s of the original on"
    assert rows["How far from chance"].startswith("13.1, told from 8.5")
    assert "rally.mov" in words.against(comparison) and "0.85" in words.against(comparison)
    assert "two cameras" in words.limits(comparison)
    assert status(comparison) == OTHER_FOOTAGE
    assert Comparison.model_validate(comparison.model_dump(mode="json")) == comparison
    anew = made(ComparisonFinding.SAME_MOVEMENT, movement=shared, reason="other_shapes")
    assert words.sentence(anew) == "The same scene and movement, but in other shapes"
    for text in (words.lead(anew), words.limits(anew)):
        assert "machine" in text and "encoder" in text and "two cameras" not in text


def test_what_is_merely_laid_over_it_accuses_no_face():
    edit = Edit(box=(0, 0, 9, 9), spans=[Span(start=1.0, end=3.0)], difference=30.0, kind="overlay")
    marked = made(ComparisonFinding.OTHER_EDITS, edits=[edit], people=[person("A", "none")])
    assert words.headline(marked) == "Same footage, with something laid over it"
    assert words.lead(marked).startswith("Something is laid over the same footage from 00:01 to")
    assert words.short(marked) == "Something is laid over it"


def test_a_part_of_the_copy_is_never_said_to_be_all_of_it():
    part = Span(start=2.0, end=5.0)
    for finding in ("nothing_differs", "transformed", "other_edits"):
        comparison = made(finding, excerpt=part, space=SpaceAlignment(mirrored=True))
        assert words.headline(comparison).startswith("Part of it is the same footage, ")
        assert words.sentence(comparison) == words.headline(comparison)
        assert words.lead(comparison).startswith(
            "The copy shows this original from 00:02 to 00:05. Of what else it shows this says "
            "nothing."
        )
    clear = made(ComparisonFinding.NOTHING_DIFFERS, excerpt=part)
    assert words.short(clear) == "Part of it is the same footage; nothing differs there"
    fake = made(ComparisonFinding.FACE_DIFFERS, excerpt=part, people=[person("A", "face", (3, 4))])
    assert words.sentence(fake).endswith("differs from 00:03 to 00:04; it shows other footage, too")


@pytest.mark.parametrize(
    ("rate", "even", "said"),
    [
        (0.8, True, ["slowed to 80 %"]),
        (1.25, True, ["sped up to 125 %"]),
        (-1.0, True, ["played backwards"]),
        (-0.5, True, ["played backwards", "slowed to 50 %"]),
        (1.04, True, []),
        (0.8, False, []),
    ],
)
def test_how_fast_it_is_played_is_said_where_it_is_sure(rate, even, said):
    time = TimeAlignment(compared=24, matched=24, rate=rate, even=even)
    assert words.changes(made(ComparisonFinding.TRANSFORMED, time=time)) == said
