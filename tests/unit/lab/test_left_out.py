"""`lab.bench.left_out`: the first table of docs/accuracy.md, on scores with a known answer."""

import csv

import numpy as np

from lab.bench import left_out
from lab.evaluation.left_out import COLUMNS

FACTS = "list", "clip", "seconds", "group"


def write(folder):
    """Write scores of 40 sources with an original and a fake of it each, short in every second
    source; the fake scores higher, but for one source in four."""
    chance = np.random.default_rng(0)
    scores, sheet = folder / "left_out.csv", folder / "faces.csv"
    with scores.open("w", newline="") as to, sheet.open("w", newline="") as facts:
        rows, sheet_rows = csv.writer(to), csv.writer(facts)
        rows.writerow(COLUMNS)
        sheet_rows.writerow(FACTS)
        for number in range(40):
            for label in ("real", "fake"):
                name, kind = f"{label}/{number}.mp4", "whole" if label == "fake" else ""
                sheet_rows.writerow(["faces8", name, 1.0 if number % 2 else 2.0, "g"])
                high = (label == "fake") != (number % 4 == 0)
                known = f"data/faces8/{name}", label, f"s{number}", "video", kind, "faces8"
                for model in left_out.MODELS:
                    logit = (2.0 if high else -2.0) + chance.normal(0, 0.1)
                    rows.writerow([*known, f"fold{number % 5}", "as it is", model, logit])
    return scores, sheet


def test_the_table_says_how_clips_are_ranked(tmp_path):
    lines = left_out.table(*write(tmp_path)).splitlines()
    table = {line.split(" | ")[0].strip("| "): line for line in lines}
    assert set(table) >= {"all fakes", "`faces8`", "generated heads alone", "under 1.1 s"}
    assert table["all fakes"].count("(40 / 40)") == 4
    assert table["under 1.1 s"].count("1.000 [1.000, 1.000] (20 / 20)") == 4
    assert table["fake above a genuine clip of its footage"].count("0.750 [") == 4
    assert "altered faces alone" not in table, "there are none"
