"""Tables for spreadsheets: cells that would run are escaped, numbers stay numbers."""

import csv

from detector.spreadsheets import to_csv


def test_formulas_are_escaped_and_numbers_are_not():
    risky = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx", "-inf"]
    plain = ["-0.05", "+1e3", "a=b", "", "a,b"]
    text = to_csv([["head", "-y"], risky, plain, [-0.5, None, 3]])
    assert list(csv.reader(text.splitlines())) == [
        ["head", "'-y"],
        [f"'{cell}" for cell in risky],
        plain,
        ["-0.5", "", "3"],
    ]
