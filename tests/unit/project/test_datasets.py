"""The data sheets of `datasets/`: every row is complete enough to be used."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from detector.evaluation.labels import read_labels

SHEETS = Path(__file__).parents[3] / "datasets"


def read(name: str) -> list[dict[str, str]]:
    with (SHEETS / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return read("faces.csv")


def test_every_clip_is_listed_once_with_a_label_and_a_repository(rows):
    assert len({(row["list"], row["clip"]) for row in rows}) == len(rows)
    assert {row["label"] for row in rows} == {"real", "fake"}
    for row in rows:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", row["repository"]), row
        types = {"real"} if row["label"] == "real" else {"region", "whole", ""}
        assert row["type"] in types, row


def test_a_clip_with_a_path_can_be_cut_again(rows):
    located = [row for row in rows if row["path"]]
    assert located
    for row in located:
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]), row
        assert float(row["start"]) >= 0 and float(row["seconds"]) >= 0.9, row
        x, y, width, height = map(int, row["crop"].split())
        assert x >= 0 and y >= 0 and width == height >= 64, row
        assert row["type"] and row["says"], row


def test_talks_have_sources_enough_and_a_window_of_three_seconds():
    """What lips beside a voice were measured on, at most twelve clips of a source and label."""
    talks = read("talks.csv")
    count = Counter((row["repository"], row["label"]) for row in talks)
    assert max(count.values()) <= 12
    assert min(Counter(label for _source, label in count).values()) >= 40
    for row in talks:
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]) and row["path"], row
        assert float(row["start"]) >= 0 and 2.3 <= float(row["seconds"]) <= 6.1, row
        width, height = map(int, row["crop"].split()[2:])
        assert width == height >= 64 and row["type"] and row["says"], row
        assert bool(row["method"]) <= (row["label"] == "fake"), row


@pytest.mark.parametrize(("name", "least"), [("pictures.csv", 1000), ("portraits.csv", 400)])
def test_pictures_are_labels_that_the_recipe_reads(name, least):
    items = read_labels(SHEETS / name)
    assert len({item.name for item in items}) == len(items) > least
    for item in items:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", item.source), item
        assert item.note == "face" or item.name.startswith(f"{item.source}/"), item
        assert (item.method != "none") == bool(item.label), item


def test_portraits_can_be_built_again_and_are_of_sources_that_pictures_csv_lacks():
    """The layer that ships learned from `pictures.csv`."""
    rows = read("portraits.csv")
    assert not {row["source"] for row in rows} & {row["source"] for row in read("pictures.csv")}
    kinds = Counter(
        (row["source"], row["label"], row["note"].partition(";")[0] == "photo") for row in rows
    )
    assert max(kinds.values()) <= 3
    for row in rows:
        assert re.fullmatch(r"[0-9a-f]{40}", row["commit"]) and row["says"], row


def test_a_voice_has_a_source_a_window_and_who_says_what_it_is():
    voices = read("voices.csv")
    assert all(row["repository"] and row["says"] for row in voices)
    assert all(bool(row["system"]) is (row["label"] == "fake") for row in voices)
    located = [row for row in voices if row["list"] == "voice5"]
    assert located
    for row in located:
        assert row["path"] and re.fullmatch(r"[0-9a-f]{40}", row["commit"]), row
        assert float(row["start"]) >= 0 and 1.4 <= float(row["seconds"]) <= 3.6, row
    assert max(Counter((row["repository"], row["label"]) for row in located).values()) <= 12
