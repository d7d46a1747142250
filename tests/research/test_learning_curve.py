"""The bench for learning curves: who is learned from in each run, and what its tables say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from detector.evaluation.groups import held_out_people
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import read_recipe
from research import learning_curve
from research.learning_curve import CHOICES, SHARES, CurveRun, LearningCurve
from research.sources import FOLDS, Bench


def faces(name: str, source: str, person: str, label: int) -> Faces:
    return Faces(
        name=name, label=label, kind="video", method="face swap" if label else "none",
        group=person, source=source, person=f"{source}:{person}", start=0, count=1, points=[],
        face=100.0,
    )  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> LearningCurve:
    """Ten people with a pair each in every source of the curve, and somebody alone in another."""
    clips = [
        faces(f"{fold}-{n}-{label}", FOLDS[fold][0], f"p{n}", label)
        for fold in CHOICES
        for n in range(10)
        for label in (0, 1)
    ]
    clips += [faces(f"lone-{label}", "a/lone", "one", label) for label in (0, 1)]
    plan = read_recipe("pairs")
    bench = SimpleNamespace(
        items=clips, kept=held_out_people(clips, plan), cache=SimpleNamespace(entries=clips)
    )
    stills = SimpleNamespace(entries=clips)
    return LearningCurve(cast(Bench, bench), plan, cast(FaceCache, stills), tmp_path)


def learned(made: LearningCurve, run: CurveRun) -> set[str]:
    left = made.without(run)
    return {e.person for e in made.clips if e.person not in made.bench.kept and not left(e)}


def test_a_smaller_share_of_people_is_part_of_a_larger_one(made: LearningCurve) -> None:
    shares = [learned(made, CurveRun(5, share=share)) for share in SHARES]
    for smaller, larger in pairwise(shares):
        assert smaller < larger
    everybody = {e.person for e in made.clips} - made.bench.kept
    assert shares[-1] == everybody
    assert all("a/lone:one" in share for share in shares)
    assert learned(made, CurveRun(6, share=0.25)) == learned(made, CurveRun(5, share=0.25))


def test_nothing_is_learned_from_a_source_that_is_left_out(made: LearningCurve) -> None:
    some = learned(made, CurveRun(5, unseen=("live swaps", "app swaps")))
    assert {person.split(":")[0] for person in some} == {FOLDS["FF++ and DFD"][0], "a/lone"}


def test_every_choice_of_sources_is_a_run_with_a_name_of_its_own() -> None:
    every = list(dict.fromkeys(learning_curve.runs([5, 6], ["people", "sources"])))
    assert len(every) == 2 * (len(SHARES) + 2 ** len(CHOICES) - 1)  # all of both: one run
    assert len({run.name for run in every}) == len(every)


def test_the_tables_tell_sources_never_seen_from_new_people(made: LearningCurve) -> None:
    """A made detector knows the sources that it saw, and is as often wrong as right elsewhere,
    unless it saw two."""
    labels = np.array([entry.label for entry in made.clips])
    turns = np.array([int(e.person.split("p")[-1]) % 2 if "p" in e.person[-3:] else 0
                      for e in made.clips])  # fmt: skip
    found = {}
    for run in learning_curve.runs([5], ["people", "sources"]):
        known = np.array([not any(f"{f}-" in e.name for f in run.unseen) for e in made.clips])
        if len(run.unseen) == 1:
            known[:] = True
        right = 2.0 * labels - 1
        found[run] = {"clips": np.where(known, right, right * (1 - 2 * turns))}
        found[run]["stills"] = right[[e.person in made.bench.kept for e in made.clips]]
        if run.share < 1:
            found[run]["stills"] = found[run]["stills"] * 0
    rows = [line.split(" | ") for line in learning_curve.along_sources(made, found)[2:]]
    cells = {(row[0].strip("| "), row[1]): row[2:] for row in rows}
    assert set(cells) == {(str(n), "sources never seen") for n in range(3)} | {
        (str(n), "new people of those seen") for n in (1, 2, 3)
    }
    runs, *folds, mean, _, won = cells["0", "sources never seen"]
    assert (runs, folds, won.strip(" |")) == ("1", ["0.500"] * 3, "0.50")
    assert mean.startswith("0.500")
    assert cells["1", "sources never seen"][4].startswith("0.500")
    assert cells["2", "sources never seen"][4] == "1.000 [1.00, 1.00]"
    assert cells["2", "sources never seen"][5].startswith("+0.500")
    assert cells["3", "new people of those seen"][4].startswith("1.000")
    people = [line.split(" | ") for line in learning_curve.along_people(made, found)[2:]]
    assert [row[0].strip("| ") for row in people] == ["12.5 %", "25 %", "50 %", "100 %"]
    assert people[0][4].startswith("0.500")
    assert people[0][5].startswith("+0.500")


def test_what_was_scored_is_not_trained_again(made: LearningCurve) -> None:
    run = CurveRun(5, share=0.5)
    assert made.scores(run, train=False) is None
    (made.folder / f"{run.name}.json").write_text('{"clips": [1.0], "stills": [0.5]}')
    kept = made.scores(run)
    assert kept is not None
    assert kept["clips"].tolist() == [1.0]
