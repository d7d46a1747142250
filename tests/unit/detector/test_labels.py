"""Which class means fake: names as hubs have them, and the ones that say nothing."""

import pytest

from detector.errors import LabelOrderError
from detector.models.labels import fake_index, meaning, require_agreement


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        ({0: "Real", 1: "Fake"}, 1),  # dima806
        ({0: "Realism", 1: "Deepfake"}, 1),  # prithivMLmods v2
        ({0: "Deepfake", 1: "Real"}, 0),  # prithivMLmods Exp-02-21: the other order
        ({0: "deepfake", 1: "real"}, 0),  # shylhy
        ({"0": "fake", "1": "real"}, 0),  # keys as JSON has them
        ({0: "artificial", 1: "human"}, 0),
        ({0: "AI-Generated", 1: "authentic"}, 0),
        ({0: "not_fake", 1: "fake"}, 1),
        ({0: "non-fake image", 1: "Deep Fake image"}, 1),
        ({0: "DeepFake", 1: "BonaFide"}, 0),
        (["bona fide", "spoof"], 1),
        ({0: "real", 1: "Manipulated Face"}, 1),
        ({0: "fake"}, 1),  # one output, of fake
        ({0: "real"}, 0),  # one output, of real
    ],
)
def test_names_that_say_it(labels, index):
    assert fake_index(labels) == index


@pytest.mark.parametrize(
    "labels",
    [
        {0: "LABEL_0", 1: "LABEL_1"},
        {0: "0", 1: "1"},
        {0: "real", 1: "LABEL_1"},
        {0: "real", 1: "authentic"},
        {0: "fake", 1: "deepfake"},
        {0: "real", 1: "gan", 2: "diffusion"},
        {0: "cat", 1: "fake"},
        {0: "real fake", 1: "fake"},
        {0: "LABEL_0"},
    ],
)
def test_names_that_do_not_say_it_are_refused(labels):
    with pytest.raises(LabelOrderError, match="Wolf") as caught:
        fake_index(labels, name="Wolf")
    assert "--fake" in caught.value.hint
    # The names are shown, so that a person can choose.
    assert all(name in caught.value.message for name in labels.values())


def test_a_person_may_say_it():
    labels = {0: "LABEL_0", 1: "LABEL_1"}
    assert fake_index(labels, "label_0") == 0
    assert fake_index(labels, 1) == 1
    # Also against the names: an author has said that his own map is inverted.
    assert fake_index({0: "Realism", 1: "Deepfake"}, "Realism") == 0
    assert fake_index({0: "LABEL_0"}, 1) == 1 and fake_index({0: "LABEL_0"}, 0) == 0
    with pytest.raises(LabelOrderError, match="no class 'fake'; its classes are 0: LABEL_0"):
        fake_index(labels, "fake")


def test_meaning():
    assert meaning("Fake") is True and meaning("unaltered") is False
    assert meaning("NotReal") is True
    assert meaning("face") is None and meaning("") is None and meaning("LABEL_1") is None


NAMED = {"0": "Real", "1": "Fake"}


@pytest.mark.parametrize(
    "label2id",
    [
        {"Fake": 0, "Real": 1},
        {"real": 1, "fake": 0},
        {"deepfake": 0, "authentic": 1},  # other words for the same
        {"Real": 0, "Fake": 0},
    ],
)
def test_two_maps_that_say_different_orders_are_refused(label2id):
    config = {"id2label": NAMED, "label2id": label2id}
    with pytest.raises(
        LabelOrderError, match="Wolf contradicts itself: id2label says 0: Real"
    ) as it:
        require_agreement(config, "Wolf")
    assert "--fake NUMBER" in it.value.hint
    with pytest.raises(LabelOrderError):
        require_agreement(config, "Wolf", "Fake")  # of which number is just what is not known
    for number in (0, 1, "1"):
        require_agreement(config, "Wolf", number)


@pytest.mark.parametrize(
    "label2id",
    [
        None,
        {},
        {"Real": 0, "Fake": 1},
        {"REAL": "0", "fake": "1"},
        {"LABEL_0": 0, "LABEL_1": 1},  # what transformers writes where nobody said a word
        {"authentic": 0, "deepfake": 1},
    ],
)
def test_two_maps_that_say_the_same_pass(label2id):
    require_agreement({"id2label": NAMED, "label2id": label2id}, "Wolf")


def test_maps_that_are_none():
    with pytest.raises(LabelOrderError, match="something else than numbers"):
        require_agreement({"id2label": NAMED, "label2id": {"Fake": "one"}}, "Wolf")
