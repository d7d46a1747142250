"""Groups of sources that are left out together."""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from detector.errors import UsageError
from detector.evaluation import groups, methods
from detector.evaluation.labels import read_labels

KNOWN = ["app-swaps", "face-edits", "app-swaps", "reenactment"]


@dataclass(frozen=True)
class File:
    source: str
    person: str


def test_a_kind_of_manipulation_is_left_out_as_a_whole():
    assert groups.names() == (
        "research-swaps", "app-swaps", "live-swaps", "benchmarks", "face-edits", "lip-sync",
        "reenactment", "heads",
    )  # fmt: skip
    assert groups.fold_of(File("iperov/DeepFaceLive", "x")) == "live-swaps"
    assert groups.fold_of(File("hyunkeup/DeepFake-Video-Detection", "x")) == "benchmarks"


def test_a_source_that_nobody_named_is_not_parted_and_stays_where_it_is():
    folds = {n: groups.fold_of(File(f"somebody/source-{n}", "x")) for n in range(200)}
    assert set(folds.values()) == set(groups.names())
    # Of the name alone: known figures, so that no later run draws other folds.
    assert [folds[n] for n in range(4)] == KNOWN
    assert folds[7] == groups.fold_of(File("somebody/source-7", "someone else"))


def test_whoever_is_left_out_is_not_learned_from_in_another_source():
    files = [
        File("iperov/DeepFaceLive", "anna"),
        File("iperov/DeepFaceLive", "ben"),
        File("yuangan/eat", "anna"),
        File("yuangan/eat", "cleo"),
    ]
    rest, held = groups.leave_out(files, "live-swaps")
    assert held == files[:2]
    assert rest == files[3:]
    assert groups.leave_out(files, "live-swaps,heads") == ([], files)
    with pytest.raises(UsageError, match="There is no fold 'swaps'"):
        groups.leave_out(files, "swaps")


def test_sources_are_left_out_while_their_kind_stays():
    files = [
        File("deepcs233/deepcs233.github.io", "anna"),
        File("sberbank-ai/sber-swap", "ben"),
        File("iperov/DeepFaceLive", "anna"),
    ]
    fold = groups.fold_of(files[0], groups.SOURCES)
    assert fold in groups.names(groups.SOURCES)
    assert groups.fold_of(files[0]) == groups.fold_of(files[1])
    rest, held = groups.leave_out(files, fold)
    assert held == files[:1] and rest == files[1:2]
    # A fold of one table beside one of the other would leave out what neither says.
    with pytest.raises(UsageError, match="There is no fold"):
        groups.leave_out(files, f"live-swaps,{fold}")


@pytest.mark.parametrize("name", ["folds.toml", "source_folds.toml"])
def test_a_source_is_in_one_fold_only(name):
    table = tomllib.loads((Path(groups.__file__).parent / name).read_text())
    sources = [source for several in table.values() for source in several]
    assert [s for s, n in Counter(sources).items() if n > 1] == []


@pytest.mark.shared
@pytest.mark.parametrize("table", ["kinds", "sources"])
def test_all_clips_are_left_out_once_and_nobody_is_on_both_sides(shared, table):
    labels = shared / "data" / "train.csv"
    clips = [item for item in read_labels(labels) if item.kind == "video"]
    out: list[str] = []
    for fold in groups.names() if table == "kinds" else groups.names(groups.SOURCES):
        rest, held = groups.leave_out(clips, fold)
        out += [clip.name for clip in held]
        assert not {clip.source for clip in rest} & {clip.source for clip in held}
        assert not {clip.person for clip in rest} & {clip.person for clip in held}
        labels_held = Counter(clip.label for clip in held)
        assert labels_held[0] >= 20 and labels_held[1] >= 15, fold
        if table == "sources":  # each kind of fake stays on both sides
            for side in (rest, held):
                kinds = Counter(methods.family(clip.method) for clip in side if clip.label)
                assert min(kinds[kind] for kind in ("face swap", "lip-sync", "talking head")) >= 5
    assert sorted(out) == sorted(clip.name for clip in clips)
