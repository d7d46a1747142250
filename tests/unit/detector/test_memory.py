"""Loaded models are shared, and go by turns when the budget is used up, never while they score."""

import gc
import threading
import weakref
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import nn

from detector.errors import ModelError, UsageError
from detector.models import memory
from detector.models.base import CropRecipe, Model
from detector.models.memory import ModelCache
from tests.support.specs import spec
from tests.support.waiting import at_once

SIZE = 4_000_000  # bytes of a toy


class Toy(Model):
    def __init__(self, id):
        super().__init__(spec("toy", id=id, title=id, crop=CropRecipe(size=8)))
        self.network = nn.Linear(1000, 1000, bias=False)

    def preprocess(self, picture):
        return torch.zeros(1000)

    def forward(self, batch):
        return self.network(batch)[:, :1].detach()


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setenv("UNMASK_MEMORY", "10MB")  # two toys and a half
    return ModelCache()


def get(shelf, id, device="cpu"):
    return shelf.get((id, device), SIZE, lambda: Toy(id))


def here(shelf):
    return {key[0] for key in shelf.sizes()}


def test_one_copy_for_all(shelf):
    assert get(shelf, "a") is get(shelf, "a")
    assert shelf.sizes() == {("a", "cpu"): SIZE}


def test_the_least_recently_asked_for_goes(shelf):
    gone = weakref.ref(get(shelf, "a"))
    get(shelf, "b")
    get(shelf, "a")
    get(shelf, "c")
    assert here(shelf) == {"a", "c"} and gone() is not None
    get(shelf, "b")
    assert here(shelf) == {"b", "c"}
    assert gone() is None, "its memory is not given back"


def test_what_is_in_use_stays(shelf):
    a = get(shelf, "a")
    get(shelf, "b")
    get(shelf, "c")  # "b" goes, though "a" was asked for longer ago
    assert here(shelf) == {"a", "c"} and get(shelf, "a") is a
    c = get(shelf, "c")
    with pytest.raises(
        ModelError, match=r"the models in use leave 2\.0 MB of the 10\.0 MB"
    ) as caught:
        get(shelf, "b")
    assert caught.value.code == "memory" and "UNMASK_MEMORY" in caught.value.hint
    assert here(shelf) == {"a", "c"} and c is get(shelf, "c")
    del a
    get(shelf, "b")
    assert here(shelf) == {"b", "c"}


def test_never_while_scoring(shelf):
    scoring: dict[str, int] = {}
    wrong: list[str] = []

    def run(ids):
        for id in ids:
            while True:
                try:
                    model = get(shelf, id)
                    break
                except ModelError:  # the other thread holds what there is
                    threading.Event().wait(0.001)
            alive = weakref.ref(model)
            scoring[id] = scoring.get(id, 0) + 1
            scores = model.score(np.zeros((2, 8, 8, 3), np.uint8))
            if alive() is None or scores.shape != (2,) or (id, "cpu") not in shelf.sizes():
                wrong.append(id)
            del model

    at_once(run, ("abcabc", "cbacba"))
    assert not wrong and scoring == {"a": 4, "b": 4, "c": 4}
    assert sum(shelf.sizes().values()) <= 10_000_000


def test_one_that_is_larger_than_the_budget_is_refused_before_it_is_read(shelf):
    load = Mock()
    with pytest.raises(ModelError, match=r"big needs 20\.0 MB"):
        shelf.get(("big", "cpu"), 20_000_000, load)
    load.assert_not_called()


def test_devices_have_their_own_budgets(shelf):
    for device in ("cpu", "meta"):
        for id in "ab":
            get(shelf, id, device)
    assert len(shelf.sizes()) == 4


def test_a_model_that_fails_to_load_leaves_nothing(shelf):
    with pytest.raises(ModelError, match="broken"):
        shelf.get(("a", "cpu"), SIZE, Mock(side_effect=ModelError("broken")))
    assert shelf.sizes() == {} and get(shelf, "a")


def test_dropped_models_are_freed(shelf):
    gone = weakref.ref(get(shelf, "a"))
    get(shelf, "b")
    shelf.drop(lambda key: key[0] == "a")
    gc.collect()
    assert gone() is None and here(shelf) == {"b"}


def test_what_a_model_takes():
    toy = Toy("a")
    assert memory.footprint(toy) == SIZE
    toy.run = object()
    assert memory.footprint(toy) == 2 * SIZE  # the runtime keeps a copy
    toy.other = nn.Sequential(toy.network)
    assert memory.footprint(toy) == 2 * SIZE  # shared tensors are there once


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("1500 mb", 1500 * 10**6), ("2GiB", 2 << 30), ("1000000", 10**6)],
)
def test_amounts(monkeypatch, text, size):
    monkeypatch.setenv("UNMASK_MEMORY", text)
    assert memory.budget("cpu") == size


def test_shares(monkeypatch):
    monkeypatch.setattr(memory, "total", lambda device: 1000)
    monkeypatch.setenv("UNMASK_MEMORY", "25%")
    assert memory.budget("cpu") == 250
    monkeypatch.delenv("UNMASK_MEMORY")
    assert memory.budget("cpu") == 500 and memory.budget("cuda:0") == 800
    monkeypatch.setenv("UNMASK_MEMORY", "much")
    with pytest.raises(UsageError, match=r"must be an amount of memory .*, not 'much'"):
        memory.budget("cpu")


def test_this_machine_has_memory():
    assert 1 << 28 < memory.total("cpu") < 1 << 44
