"""Who is in labelled files: who is left out, who is put together; the network on real faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from detector.errors import UsageError
from detector.evaluation import identity
from detector.evaluation.labels import Item
from detector.signals import auxiliary


def item(name, label=0, group=""):
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
        item("stranger"),
        item("actor", group="g"),
        item("its fake", 1, "g"),
        item("fake of a known face", 1, "h"),
        item("her original", group="h"),
        item("no face"),
    ]
    kept, note = identity.apart(asked, [item("trained"), item("trained fake", 1)])
    assert [i.name for i in kept] == ["stranger", "her original"]
    assert "4 of 6 files left out" in note and "one of 1 trained on" in note


def test_without_the_network_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=auxiliary.IDENTITY.title) as caught:
        identity.embed([item("x")])
    assert "unmask fetch mobilefacenet" in caught.value.hint


@pytest.mark.shared
def test_a_person_is_known_again_and_a_stranger_is_not(shared, astronaut, monkeypatch, tmp_path):
    """A portrait darker, smaller and compressed, against an actor's face of the labelled set."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    target = tmp_path / "weights" / auxiliary.IDENTITY.files[0].path
    target.parent.mkdir(parents=True)
    target.symlink_to(shared / "weights/mobilefacenet/mobilefacenet.pt")
    paths = [tmp_path / "one.png", tmp_path / "two.jpg"]
    cv2.imwrite(str(paths[0]), astronaut[..., ::-1])
    small = cv2.resize((astronaut * 0.7).astype(np.uint8), None, fx=0.7, fy=0.7)
    cv2.imwrite(str(paths[1]), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    paths.append(sorted((shared / "data/train/real/DFDC_faces").glob("*.jpg"))[0])
    (tmp_path / "text.png").write_text("no face")
    items = [Item(p, p.name, 0, "image", "m", p.name, "s") for p in paths]
    nothing = item(str(tmp_path / "text.png"))
    cache = tmp_path / "faces.npz"
    found = identity.embed([*items, nothing], cache=cache)
    one, two, other = (found[str(path)] for path in paths)
    assert one @ two > 0.7 > identity.SAME
    assert max(one @ other, two @ other) < 0.5
    assert str(nothing.file) not in found
    monkeypatch.setattr(identity, "_faces", None)
    again = identity.embed([*items, nothing], cache=cache)
    assert all(np.array_equal(again[name], found[name]) for name in found)
