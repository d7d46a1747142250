"""A folder says which of its files are real by its layout."""

import json

import pytest

from detector.errors import InputError
from detector.evaluation.labels import read_labels


def laid_out(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_real_and_fake_folders(tmp_path):
    items = read_labels(laid_out(tmp_path, "real/a.mp4", "Fake/b/c.png", "fake/x.txt", "d.mp4"))
    assert {(i.name, i.label, i.kind) for i in items} == {
        ("real/a.mp4", 0, "video"),
        ("Fake/b/c.png", 1, "image"),
    }
    assert all(item.file.is_file() for item in items)


def test_faceforensics_fakes_share_the_group_of_their_footage(tmp_path):
    items = read_labels(
        laid_out(
            tmp_path,
            "original_sequences/youtube/c23/videos/000.mp4",
            "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
            "original_sequences/actors/c23/videos/01__walking.mp4",
            "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__walking__ABC.mp4",
        )
    )
    real = {i.name.split("/")[-1]: i for i in items if not i.label}
    fake = {i.method: i for i in items if i.label}
    pairs = ((real["000.mp4"], fake["Deepfakes"]),
             (real["01__walking.mp4"], fake["DeepFakeDetection"]))  # fmt: skip
    for original, made in pairs:
        assert (original.group, original.source) == (made.group, made.source)
        assert original.person == made.person


def test_celeb_df_names_its_people(tmp_path):
    items = read_labels(
        laid_out(
            tmp_path,
            "Celeb-real/id0_0001.mp4",
            "Celeb-real/id0_0002.mp4",
            "Celeb-synthesis/id0_id5_0001.mp4",
            "YouTube-real/00001.mp4",
        )
    )
    labels = {i.name: i.label for i in items}
    assert sum(labels.values()) == labels["Celeb-synthesis/id0_id5_0001.mp4"] == 1
    people = {i.name: i.person for i in items}
    assert len({people[name] for name in people if "id0" in name}) == 1
    assert people["YouTube-real/00001.mp4"] != people["Celeb-real/id0_0001.mp4"]


def test_dfdc_reads_its_metadata(tmp_path):
    laid_out(tmp_path, "part_0/a.mp4", "part_0/b.mp4", "part_0/c.mp4")
    said = {"a.mp4": {"label": "FAKE", "original": "b.mp4"}, "b.mp4": {"label": "REAL"}}
    (tmp_path / "part_0/metadata.json").write_text(json.dumps(said))
    items = {i.name: i for i in read_labels(tmp_path)}
    assert {name: i.label for name, i in items.items()} == {"part_0/a.mp4": 1, "part_0/b.mp4": 0}
    assert len({i.group for i in items.values()}) == 1


def test_a_folder_that_says_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="Nothing in"):
        read_labels(laid_out(tmp_path, "a.mp4"))
