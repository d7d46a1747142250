"""Training: splits and groups of sources, made fakes, interpolated weights, devices."""

import math
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from safetensors.numpy import save_file
from torch import nn

from detector.errors import InputError, UsageError
from detector.evaluation import labels as module
from detector.evaluation.labels import Item, pairs, read_labels
from detector.models.base import CropRecipe
from detector.schema.analysis import FileKind, Label, Question
from lab.evaluation import groups, left_out
from lab.evaluation.calibration import filled
from lab.evaluation.features import path_of
from lab.evaluation.groups import held_out
from lab.evaluation.left_out import PICTURES
from lab.training import results
from lab.training.augment import h264
from lab.training.cache import FACES, CacheSpec, open_cache
from lab.training.fit import TrainingOptions, half_precision
from lab.training.fuse import interpolate, slerp
from lab.training.pasted import pasted

HALF = {"image": 0.5, "video": 0.5}


def labels(folder, *rows, columns="file,label,group,source,person"):
    file = folder / "labels.csv"
    file.write_text("\n".join([columns, *rows]) + "\n")
    return read_labels(file)


def test_a_split_never_parts_takes_of_a_person():
    items = [
        Item(Path("x"), f"{who}-{take}-{label}", label, "image", "swap", f"{who}_{take}", "a/b")
        for who in ("ann", "bob", "cid", "dee", "eve", "fay")
        for take in range(3)
        for label in (0, 1)
    ]
    kept = held_out(items, {"image": 0.34})
    assert len(kept) == 2
    trained = {i.group.split("_")[0] for i in items if i.person not in kept}
    assert not trained & {i.group.split("_")[0] for i in items if i.person in kept}
    assert held_out(items[::-1], {"image": 0.34}) == kept


def test_labels_are_read_and_faults_named(tmp_path):
    first, second = labels(tmp_path, "x.mp4,REAL", "y.jpg,fake", columns="file,label")
    assert (first.label, first.kind, first.group) == (0, "video", "x.mp4")
    assert first.file == tmp_path / "x.mp4"
    assert (second.label, second.kind, second.method) == (1, "image", "unknown")
    names = ("a.heic", "b.avif", "c.ogg", "d.mpg", "e.gif")
    kinds = [i.kind for i in labels(tmp_path, *(f"{n},real" for n in names), columns="file,label")]
    assert kinds == ["image", "image", "audio", "video", "video"]
    with pytest.raises(InputError, match="Line 2"):
        labels(tmp_path, "x.mp4,true", columns="file,label")
    with pytest.raises(InputError, match="columns"):
        labels(tmp_path, "x.mp4", columns="name")


def test_labels_are_read_row_by_row_within_limits(tmp_path, monkeypatch):
    row = "x.mp4,real"
    assert len(labels(tmp_path, *[row] * 3, columns="\ufefffile,label")) == 3  # Excel's first mark
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="more than 2 files"):
        labels(tmp_path, *[row] * 3, "no.mp4,neither", columns="file,label")
    with pytest.raises(InputError, match="Line 2"):  # before the rest is read
        labels(tmp_path, "x.mp4,true", *[row] * 3, columns="file,label")
    monkeypatch.setattr(module, "MAX_SHEET_BYTES", 1 << 20)
    for text in (f"{row}\n" * 100_000, "x" * (2 << 20)):  # many rows, or a single cell
        (tmp_path / "big.csv").write_text(f"file,label\n{text}")
        with pytest.raises(InputError, match="larger than 1 MB") as refused:
            read_labels(tmp_path / "big.csv")
        assert refused.value.code == "too_large"
    (tmp_path / "big.csv").write_text(f"file,label\n{'x' * 200_000},real\n")
    with pytest.raises(InputError, match="can't be read"):
        read_labels(tmp_path / "big.csv")


def test_pairs_are_within_a_group_of_a_source():
    items = [
        Item(Path(name), name, label, "image", "swap", group, source)
        for name, label, group, source in (
            ("r", 0, "g", "a"), ("f1", 1, "g", "a"), ("f2", 1, "g", "a"), ("h", 1, "h", "a"),
            ("elsewhere", 1, "g", "c"),
        )
    ]  # fmt: skip
    assert pairs(items) == [(0, 1), (0, 2)]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        # As they occur: frames of one video ...
        ("dreamtalk_frames/video_M030_front_angry_level3_001_f04.jpg",
         "dreamtalk_frames/video_M030_front_angry_level3_001"),
        ("AniTalker_frames/lianliru_hubert_girl-lianliru_f18.jpg",
         "AniTalker_frames/lianliru_hubert_girl-lianliru"),
        ("LIA_frames/vox_driving1_f00.jpg", "LIA_frames/vox_driving1"),
        ("fake/Deepfakes_001_870_frame6.jpg", "fake/Deepfakes_001_870"),
        ("mine/ann_frame_0012.png", "mine/ann"),
        ("mine/ann/frame_0012.png", "mine/ann"),
        # ... and portraits of as many people.
        ("ffhq/00012.png", ""),
        ("zoya2244/dataset_real_00601.jpg", ""),
        ("dinablachman/data_fake_fake_27.jpg", ""),
        ("s6hib/data_real_face_471.jpg", ""),
        ("webmorphR/inst_canada_025f.jpg", ""),
        ("webmorphR/inst_smiling_front_143_08.jpg", ""),
        ("generated/female_white_84c0ac17-b48e-4fdf-82c4-fb4b3ce6d50f.jpg", ""),
        ("generated/female_white_84c0ac17-b48e-4fdf-82c4-f12345678901.jpg", ""),
        ("s6hib/_20241130135605_A_close-up_shot_of_a_elderly.jpg", ""),
        ("frame_1.png", ""),
        # A clip is a whole video, whatever it is called.
        ("clips/talk_f01.mp4", ""),
    ],
)  # fmt: skip
def test_frames_of_one_video_are_one_group(tmp_path, name, group):
    (item,) = labels(tmp_path, f"{name},real", columns="file,label")
    assert item.group == (group or name)


def test_a_group_that_is_given_stays(tmp_path):
    items = labels(tmp_path, "a/x_f01.png,real,ann,s,", "a/x_f02.png,fake,bob,s,")
    assert [item.group for item in items] == ["ann", "bob"]


def test_frames_of_one_video_are_never_on_both_sides(tmp_path):
    rows = [f"v/clip{who}_f{n:02}.jpg,real" for who in "abcdefgh" for n in range(12)]
    items = labels(tmp_path, *rows, columns="file,label")
    kept = held_out(items, HALF)
    assert len(kept) == 4
    assert len({(item.name[:7], item.person in kept) for item in items}) == 8


def test_a_name_is_one_person_in_every_source_and_kind(tmp_path):
    """Eight people, in stills of two sources and in clips of a third."""
    people = ["ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal"]
    rows = [f"one/{who}.png,real,{who}-portrait,one,{who}" for who in people]
    rows += [f"two/{n}.png,real,shot-{n}x,two,{who}" for n, who in enumerate(people)]
    rows += [f"three/{who}.mp4,real,talk-by-{who},three,{who}" for who in people[2:]]
    items = labels(tmp_path, *rows)
    by_name = {who: {i.person for i in items if who in i.named} for who in people}
    assert all(len(persons) == 1 for persons in by_name.values())
    kept = held_out(items, HALF)
    for source in ("one", "two", "three"):
        inside = {item.person in kept for item in items if item.source == source}
        assert inside == {True, False}, source
    # Clips are drawn first: three of six, who then count among the stills.
    assert len({i.person for i in items if i.kind == "video"} & kept) == 3
    assert len(kept) == 4
    assert held_out(items[::-1], HALF) == kept


def test_the_larger_source_draws_first_and_is_drawn_as_if_it_were_alone(tmp_path):
    rows = [f"big/{n}.png,real,g{n}x,big,actor-{n}" for n in range(40)]
    alone = labels(tmp_path, *rows)
    more = [f"few/{n}.png,real,h{n}x,few,actor-{n}" for n in range(3)]
    both = labels(tmp_path, *more, *rows)
    assert {i.name: i.person for i in alone}.items() <= {i.name: i.person for i in both}.items()
    assert held_out(both, HALF) == held_out(alone, HALF)
    # What is named in one source is hashed by its source and name.
    assert alone[0].person == "big:actor-0"


def test_who_is_alone_in_a_source_follows_the_others(tmp_path):
    crowd = [f"big/{n}.png,real,g{n}x,big,actor-{n}" for n in range(10)]
    alone = [f"solo-{n}/a.png,real,h,solo-{n},actor-{n}" for n in range(10)]
    items = labels(tmp_path, *crowd, *alone)
    kept = held_out(items, HALF)
    assert len(kept) == 5
    for n in range(10):
        assert len({i.person in kept for i in items if i.named.endswith(f"-{n}")}) == 1
    # With nobody to follow, a source of one is trained on.
    assert held_out(labels(tmp_path, *alone[:1]), HALF) == set()


def test_a_name_holds_for_the_whole_group_and_for_all_takes(tmp_path):
    items = labels(
        tmp_path,
        "a.mp4,real,talk_1,s,ann",
        "b.mp4,fake,talk_1,s,",
        "c.mp4,real,talk_2,s,",
        "d.mp4,real,other,t,ann",
        "e.mp4,real,other,u,",
    )
    assert len({item.person for item in items[:4]}) == 1
    assert items[4].person != items[0].person
    assert pairs(items) == [(0, 1)]


def test_takes_that_name_several_people_are_theirs(tmp_path):
    items = labels(
        tmp_path, "a.mp4,real,talk_1,s,ann", "b.mp4,fake,talk_1,s,", "c.mp4,real,talk_2,s,bob"
    )
    assert items[0].person == items[1].person != items[2].person


def test_names_that_share_a_group_are_one(tmp_path):
    rows = [
        "a.mp4,real,duo,s,ann", "b.mp4,fake,duo,s,bob", "c.mp4,real,solo,t,bob",
        "d.mp4,real,trio,t,cid",
    ]  # fmt: skip
    there, back = labels(tmp_path, *rows), labels(tmp_path, *rows[::-1])
    assert len({item.person for item in there[:3]}) == 1 and there[3].person != there[0].person
    assert {i.name: i.person for i in there} == {i.name: i.person for i in back}


def test_faces_follow_their_labels(tmp_path):
    """A person who was named after the faces were cut, and a file that was taken out since."""
    items = labels(tmp_path, "a.png,real,x,s,", "b.png,real,y,s,", "c.png,real,z,s,")
    spec, run = CacheSpec("faces", CropRecipe(size=8), 1.0), TrainingOptions(tmp_path)
    for n, item in enumerate(items):
        cuts = {"crops": np.full((1, 8, 8, 3), n, np.uint8), "places": np.zeros((1, 7, 2))}
        file = path_of(item, tmp_path / "faces", FACES)
        file.parent.mkdir(exist_ok=True)
        save_file(cuts | {"room": np.array(1.0)}, file)
    now = labels(tmp_path, "a.png,real,x,s,ann", "c.png,real,z,s,ann")
    found = open_cache(tmp_path, spec, now, run)
    assert [(e.name, e.person, e.crop(0).max()) for e in found] == [
        ("a.png", "s:ann", 0), ("c.png", "s:ann", 2),
    ]  # fmt: skip


def test_clips_collected_after_training_are_told_by_a_column(tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,face_px\na.mp4,real,120\nb.mp4,fake,\nc.mp4,fake,90\n")
    assert filled(labels, "face_px") == {"a.mp4", "c.mp4"}
    with pytest.raises(InputError, match="no column 'px'"):
        filled(labels, "px")


KNOWN = ["app-swaps", "face-edits", "app-swaps", "reenactment"]


@dataclass(frozen=True)
class File:
    source: str
    person: str


def test_a_kind_of_manipulation_is_left_out_as_a_whole():
    assert groups.names() == (
        "research-swaps", "app-swaps", "live-swaps", "benchmarks", "face-edits", "lip-sync",
        "reenactment", "heads",
    )  # fmt: skip
    assert groups.fold_of(File("iperov/DeepFaceLive", "x")) == "live-swaps"
    assert groups.fold_of(File("hyunkeup/DeepFake-Video-Detection", "x")) == "benchmarks"


def test_a_source_that_nobody_named_is_not_parted_and_stays_where_it_is():
    folds = {n: groups.fold_of(File(f"somebody/source-{n}", "x")) for n in range(200)}
    assert set(folds.values()) == set(groups.names())
    # Of the name alone: known figures, so that no later run draws other folds.
    assert [folds[n] for n in range(4)] == KNOWN
    assert folds[7] == groups.fold_of(File("somebody/source-7", "someone else"))


def test_whoever_is_left_out_is_not_learned_from_in_another_source():
    files = [
        File("iperov/DeepFaceLive", "anna"),
        File("iperov/DeepFaceLive", "ben"),
        File("yuangan/eat", "anna"),
        File("yuangan/eat", "cleo"),
    ]
    rest, held = groups.leave_out(files, "live-swaps")
    assert held == files[:2]
    assert rest == files[3:]
    assert groups.leave_out(files, "live-swaps,heads") == ([], files)
    with pytest.raises(UsageError, match="There is no fold 'swaps'"):
        groups.leave_out(files, "swaps")


def test_sources_are_left_out_while_their_kind_stays():
    files = [
        File("deepcs233/deepcs233.github.io", "anna"),
        File("sberbank-ai/sber-swap", "ben"),
        File("iperov/DeepFaceLive", "anna"),
    ]
    fold = groups.fold_of(files[0], groups.SOURCES)
    assert fold in groups.names(groups.SOURCES)
    assert groups.fold_of(files[0]) == groups.fold_of(files[1])
    rest, held = groups.leave_out(files, fold)
    assert held == files[:1] and rest == files[1:2]
    # A fold of one table beside one of the other would leave out what neither says.
    with pytest.raises(UsageError, match="There is no fold"):
        groups.leave_out(files, f"live-swaps,{fold}")


@pytest.mark.parametrize("name", ["folds.toml", "source_folds.toml"])
def test_a_source_is_in_one_fold_only(name):
    table = tomllib.loads((Path(groups.__file__).parent / name).read_text())
    sources = [source for several in table.values() for source in several]
    assert [s for s, n in Counter(sources).items() if n > 1] == []


@pytest.mark.shared
@pytest.mark.parametrize("table", ["kinds", "sources"])
def test_all_clips_are_left_out_once_and_nobody_is_on_both_sides(shared, table):
    labels = shared / "data" / "train.csv"
    clips = [item for item in read_labels(labels) if item.kind == "video"]
    out: list[str] = []
    for fold in groups.names() if table == "kinds" else groups.names(groups.SOURCES):
        rest, held = groups.leave_out(clips, fold)
        out += [clip.name for clip in held]
        assert not {clip.source for clip in rest} & {clip.source for clip in held}
        assert not {clip.person for clip in rest} & {clip.person for clip in held}
        labels_held = Counter(clip.label for clip in held)
        assert labels_held[0] >= 20 and labels_held[1] >= 15, fold
        if table == "sources":  # each kind of fake stays on both sides
            for side in (rest, held):
                kinds = Counter(module.family(clip.method) for clip in side if clip.label)
                assert min(kinds[kind] for kind in ("face swap", "lip-sync", "talking head")) >= 5
    assert sorted(out) == sorted(clip.name for clip in clips)


def rows(kind, fold, apart, count):
    """Logits of as many real files and fakes, spread evenly, `apart` between their means."""
    items = [
        Item(Path(), f"{fold}{n}{label}", label, kind, "", f"{fold}{n}", f"{kind}{n % 8}")
        for label in (0, 1)
        for n in range(count)
    ]
    spread = np.tile(np.linspace(-2, 2, count), 2) + np.repeat([-0.5, 0.5], count) * apart
    return left_out.rows_of(items, spread, fold, "as it is")


@pytest.mark.parametrize(("apart", "told"), [(3.0, True), (0.0, False)])
def test_pictures_get_limits_of_their_own_that_keep_their_promises(tmp_path, apart, told):
    clips = pd.concat([rows("video", f"sources-{n}", 4.0, 60) for n in range(4)])
    stills = rows("image", PICTURES, apart, 200)
    found = results.write(pd.concat([clips, stills]), tmp_path, "m", Question.SYNTHESIS)
    limits = found.likelihoods[FileKind.STILL].thresholds
    assert limits.false_positives is not None and limits.false_positives.files == 200
    # Where they can't be told apart no answer keeps its promise.
    assert limits.never_decide is not told
    assert all(band.right >= 0.95 for band in limits.bands if band.label is Label.FAKE)
    table = tomllib.loads((tmp_path / "calibration.toml").read_text().split("\nweight =")[0])
    assert table["likelihoods"]["still"]["thresholds"]["high"] == limits.high
    written = (tmp_path / "left_out.csv").read_text().splitlines()
    assert len(written) == 1 + len(clips) + len(stills)


def test_without_pictures_there_is_none(tmp_path):
    clips = pd.concat([rows("video", f"sources-{n}", 4.0, 60) for n in range(4)])
    found = results.write(clips, tmp_path, "m", Question.SYNTHESIS)
    assert set(found.likelihoods) == {FileKind.CLIP}


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_left_alone_where_the_cpu_has_none(able, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    network, x = nn.Linear(4, 4), torch.randn(2, 4)
    with half_precision(x.device):
        assert network(x).dtype == (torch.bfloat16 if able else torch.float32)


def test_a_device_that_nobody_asked_computes_in_fp32():
    with half_precision(torch.device("xpu")):
        assert not torch.is_autocast_enabled("xpu")


SIDE = 128


def rough(pictures, part):
    left = [np.abs(cv2.Laplacian(picture, cv2.CV_32F)).mean(2)[part].mean() for picture in pictures]
    return float(np.mean(left))


def test_the_face_loses_detail_and_its_surroundings_keep_theirs():
    face = cv2.resize(skimage.data.astronaut()[20:240, 120:340], (SIDE, SIDE))
    grain = np.random.default_rng(0).normal(0, 6, (4, SIDE, SIDE, 3))
    clip = np.clip(face + grain, 0, 255).astype(np.uint8)
    middle = np.zeros((SIDE, SIDE), bool)
    middle[70:84, 54:74] = True  # in the lower face, too
    rim = np.ones((SIDE, SIDE), bool)
    rim[6:-6, 6:-6] = False
    for seed in range(8):
        original, fake = pasted(clip, np.random.default_rng(seed))
        assert original.shape == fake.shape == clip.shape
        assert rough(fake, middle) < 0.8 * rough(original, middle)
        assert abs(rough(fake, rim) / rough(original, rim) - 1) < 0.1
        assert np.abs(fake.astype(int) - original).mean() < 8  # the same face


def test_the_same_draw_gives_the_same_fake():
    clip = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    first, again, other = (pasted(clip, np.random.default_rng(seed))[1] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def moving(side, frames=12):
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (side, side))
    return np.stack([np.roll(face, 2 * t, 1) for t in range(frames)])


@pytest.mark.parametrize("side", [96, 97])
def test_frames_keep_their_order_and_shape(side):
    clip = moving(side)
    out = h264(clip, 23)
    assert out.shape == clip.shape and out.dtype == np.uint8
    off = np.abs(out[:, None].astype(int) - clip[None]).mean((2, 3, 4))
    assert off.argmin(1).tolist() == list(range(len(clip)))
    assert h264(clip[:1], 23).shape == clip[:1].shape


def test_a_higher_factor_loses_more():
    clip = moving(96)
    lost = [np.abs(h264(clip, crf).astype(int) - clip).mean() for crf in (18, 28, 40)]
    assert lost[0] < lost[1] < lost[2] < 20


def test_the_same_clip_gives_the_same_bytes():
    clip = moving(160, 16)
    first = h264(clip, 30)
    assert all(np.array_equal(first, h264(clip.copy(), 30)) for _ in range(8))


def angle(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return math.acos(min(1.0, float(a @ b / (a.norm() * b.norm()))))


def pair(shape=(8, 3, 5)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator), 2 * torch.randn(shape, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_ends_are_the_parents_to_the_bit(dtype):
    a, b = (tensor.to(dtype) for tensor in pair())
    assert torch.equal(slerp(a, b, 0.0), a) and torch.equal(slerp(a, b, 1.0), b)
    assert slerp(a, b, 0.5).dtype == dtype


@pytest.mark.parametrize("at", [0.25, 0.5, 0.8])
def test_between_them_angle_and_length_are_shared_out(at):
    a, b = pair()
    mixed, whole = slerp(a, b, at), angle(a, b)
    assert angle(a, mixed) == pytest.approx(at * whole, abs=1e-5)
    assert angle(mixed, b) == pytest.approx((1 - at) * whole, abs=1e-5)
    assert float(mixed.norm()) == pytest.approx(
        float((1 - at) * a.norm() + at * b.norm()), rel=1e-5
    )


def test_parallel_opposite_and_empty_tensors_are_interpolated_linearly():
    a, _b = pair()
    for other in (3 * a, -a, torch.zeros_like(a)):
        torch.testing.assert_close(slerp(a, other, 0.25), 0.75 * a + 0.25 * other)
    assert torch.equal(slerp(torch.zeros(4), torch.zeros(4), 0.5), torch.zeros(4))
    assert float(slerp(torch.tensor(2.0), torch.tensor(4.0), 0.5)) == 3.0


def test_counts_are_the_nearer_network_s():
    first = {"w": pair()[0], "seen": torch.tensor(3)}
    second = {"w": pair()[1], "seen": torch.tensor(9)}
    assert [int(interpolate(first, second, at)["seen"]) for at in (0.4, 0.6)] == [3, 9]


@pytest.mark.parametrize("other", [{"w": torch.zeros(2)}, {"v": torch.zeros(3)}, {}])
def test_other_shapes_are_refused(other):
    with pytest.raises(UsageError, match="differ in"):
        interpolate({"w": torch.zeros(3)}, other, 0.5)
