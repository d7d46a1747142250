"""Options of `unmask train` and `unmask evaluate` that take several values, or none."""

from pathlib import Path

import pytest

from cli import command


@pytest.mark.parametrize(
    "order", [["a.csv", "--conditions"], ["--conditions", "--frames", "4", "a.csv"]]
)
def test_conditions_without_a_value_are_few(order):
    assert command("evaluate").make_context("evaluate", order).params["conditions"] == "few"


def test_baselines_without_a_value_are_all_and_a_value_is_kept():
    evaluate = command("evaluate")
    bare = evaluate.make_context("evaluate", ["a.csv", "--baselines", "--conditions"])
    named = evaluate.make_context(
        "evaluate", ["a.csv", "--baselines", "x,y", "--conditions", "all"]
    )
    assert (bare.params["baselines"], bare.params["conditions"]) == ("all", "few")
    assert (named.params["baselines"], named.params["conditions"]) == ("x,y", "all")


def test_train_takes_several_weights_after_one_option():
    arguments = ["clip", "--data", "set.csv", "-o", "out", "--weights", "A", "B", "--begin", "clip"]
    params = command("train").make_context("train", arguments).params
    assert [Path(path) for path in params["weights"]] == [Path("A"), Path("B")]
