"""Files that a training did not see: people are told apart by their faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cli import main
from detector.errors import UsageError
from detector.evaluation.labels import Item, read_labels
from lab.evaluation import identity, mobilefacenet
from lab.training.recipe import hold_out


def test_people_of_training_are_not_seen(tmp_path, monkeypatch):
    rows = ["file,label,kind,method,group,source"]
    for who in "abcdefghij":
        rows.append(f"{who}-real.png,real,image,none,{who},s")
        rows.append(f"{who}-fake.png,fake,image,face swap,{who},s")
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(rows) + "\n")
    recipe = tmp_path / "made.toml"
    recipe.write_text('recipe = "finetune"\nimages = 10\nholdout_images = 0.4\n')
    asked: dict[str, list[str]] = {}

    def exclude(items, trained, **_):
        asked.update(items=[i.name for i in items], trained=[i.name for i in trained])
        return items[2:], "Two left out."

    monkeypatch.setattr(identity, "exclude_known", exclude)
    plan = hold_out(str(recipe))
    found, note = identity.unseen(labels, trained=labels, recipe=plan)
    assert len(asked["items"]) == 8 and len(asked["trained"]) == 12
    assert not {n[0] for n in asked["items"]} & {n[0] for n in asked["trained"]}
    assert [item.name for item in found] == asked["items"][2:] and note == "Two left out."
    alone, note = identity.unseen(labels, recipe=plan)
    assert [item.name for item in alone] == asked["items"] and note == ""
    elsewhere = tmp_path / "other.csv"
    elsewhere.write_text(labels.read_text())
    (tmp_path / "out").mkdir()
    out = tmp_path / "out" / "unseen.csv"
    call = ["data", "unseen", str(elsewhere), str(out), "--trained", str(labels)]
    assert main([*call, "--recipe", str(recipe)]) == 0
    assert len(asked["items"]) == 20 and len(asked["trained"]) == 12
    written = read_labels(out)
    assert [item.file.resolve().name for item in written] == asked["items"][2:]
    assert {item.file.resolve().parent for item in written} == {tmp_path}


def labelled(name, label=0, group=""):
    return Item(Path(name), name, label, "image", "m", group or name, "s")


def at(degrees):
    """A direction in the plane: the cosine of two is that of the angle between them."""
    radians = np.deg2rad(degrees)
    return np.array([np.cos(radians), np.sin(radians)])


def test_people_of_training_are_left_out(monkeypatch):
    faces = {
        "trained": 0, "trained fake": 90,
        "stranger": 90, "actor": 30, "its fake": 90, "fake of a known face": 20, "her original": 95,
    }  # fmt: skip
    monkeypatch.setattr(
        identity,
        "embed",
        lambda items, **_: {i.name: at(faces[i.name]) for i in items if i.name in faces},
    )
    asked = [
        labelled("stranger"),
        labelled("actor", group="g"),
        labelled("its fake", 1, "g"),
        labelled("fake of a known face", 1, "h"),
        labelled("her original", group="h"),
        labelled("no face"),
    ]
    kept, note = identity.exclude_known(asked, [labelled("trained"), labelled("trained fake", 1)])
    assert [i.name for i in kept] == ["stranger", "her original"]
    assert "4 of 6 files left out" in note and "one of 1 trained on" in note


def test_without_the_network_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=mobilefacenet.WEIGHTS.title) as caught:
        identity.embed([labelled("x")])
    assert "unmask fetch mobilefacenet" in caught.value.hint


@pytest.mark.shared
def test_a_person_is_known_again_and_a_stranger_is_not(shared, astronaut, monkeypatch, tmp_path):
    """A portrait darker, smaller and compressed, against an actor's face of the labelled set."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    target = tmp_path / "weights" / mobilefacenet.WEIGHTS.files[0].path
    target.parent.mkdir(parents=True)
    target.symlink_to(shared / "weights/mobilefacenet/mobilefacenet.pt")
    paths = [tmp_path / "one.png", tmp_path / "two.jpg"]
    cv2.imwrite(str(paths[0]), astronaut[..., ::-1])
    small = cv2.resize((astronaut * 0.7).astype(np.uint8), None, fx=0.7, fy=0.7)
    cv2.imwrite(str(paths[1]), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    paths.append(sorted((shared / "data/train/real/DFDC_faces").glob("*.jpg"))[0])
    (tmp_path / "text.png").write_text("no face")
    items = [Item(p, p.name, 0, "image", "m", p.name, "s") for p in paths]
    nothing = labelled(str(tmp_path / "text.png"))
    cache = tmp_path / "faces"
    found = identity.embed([*items, nothing], cache=cache)
    one, two, other = (found[str(path)] for path in paths)
    assert one @ two > 0.7 > identity.SAME
    assert max(one @ other, two @ other) < 0.5
    assert str(nothing.file) not in found
    monkeypatch.setattr(identity, "_faces", None)
    again = identity.embed([*items, nothing], cache=cache)
    assert all(np.array_equal(again[name], found[name]) for name in found)
