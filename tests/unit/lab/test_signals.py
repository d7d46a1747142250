"""`lab.bench.signals`: ranges on genuine clips and AUC on fakes, from measurements with a known
answer."""

from pathlib import Path

import numpy as np
import pytest

from detector.evaluation.labels import Item
from lab.bench import signals


def measured(count=160):
    """Clips of 40 sources and their measurements: fakes blink less, and their lips lie to both
    sides of genuine ones; the flow tells nothing."""
    chance, items, rows = np.random.default_rng(0), [], {}
    for number in range(count):
        fake, name = number % 2, f"{number}.mp4"
        items.append(Item(Path(name), name, fake, "video", "x", name, f"s{number // 4}"))
        lips = chance.normal(0, 0.3, 4)
        lips[0] += fake * chance.choice([-2, 2])
        rows[name] = {
            "file": name,
            "signals": {"blink": chance.normal(-3 * fake), "flow": chance.normal()},
            "material": "small, heavy" if number % 4 < 2 else "large, light",
            "lips": lips.tolist() if number % 8 < 6 else None,
            "eyes": [6, 30.0],
        }
    del rows["0.mp4"]["signals"]["flow"]
    rows["1.mp4"] = {"file": "1.mp4"}  # shows nobody
    rows["2.mp4"] = {"file": "2.mp4", "error": "unreadable"}
    return items, rows


def test_signals_are_measured_on_the_clips_that_have_them(capsys):
    items, rows = measured()
    made = signals.report(items, rows, None)
    blink, flow = made["auc"]["blink"], made["auc"]["flow"]
    assert blink["value"] < 0.1 and flow["low"] < 0.5 < flow["high"]
    assert (blink["genuine"], blink["fakes"], flow["genuine"]) == (79, 79, 78)
    known = [rows[item.name] for item in items if not item.label and item.name != "2.mp4"]
    genuine = [row["signals"]["blink"] for row in known]
    spread = made["ranges"]["blink"]
    assert spread["p95"] == pytest.approx(np.percentile(genuine, 95), abs=1e-4)
    assert (spread["files"], spread["sources"]) == (79, 40)
    assert {kind: found["blink"]["files"] for kind, found in made["materials"].items()} == {
        "small, heavy": 40, "large, light": 39,
    }  # fmt: skip
    assert made["blinking"]["rate"] == 12.0 and made["blinking"]["files"] == 79
    lines = (line.split(" | ") for line in capsys.readouterr().out.splitlines())
    auc = {line[0].strip("| "): line[4] for line in lines if len(line) > 4}
    assert auc["lips: two-sided score"] > "0.9" > auc["lips: near"]
