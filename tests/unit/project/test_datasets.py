"""The data sheets of `datasets/`: every row is complete enough to be used."""

import csv
import re
from pathlib import Path

import pytest

from detector.evaluation.labels import read_labels

SHEETS = Path(__file__).parents[3] / "datasets"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (SHEETS / "faces.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


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


def test_pictures_are_labels_that_the_recipe_reads():
    items = read_labels(SHEETS / "pictures.csv")
    assert len({item.name for item in items}) == len(items) > 1000
    for item in items:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", item.source), item
        assert item.note == "face" or item.name.startswith(f"{item.source}/"), item
        assert (item.method != "none") == bool(item.label), item
