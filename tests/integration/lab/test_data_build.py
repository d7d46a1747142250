"""`unmask data build`: from a data sheet and a Git repository to labelled clips."""

import csv
import subprocess

import av
import numpy as np
import pytest
from scipy.io import wavfile

from cli import main
from detector import media
from detector.perturbation import sounds
from tests.support.clips import face_clip
from tests.support.speech import speech

REPOSITORY = "someone/page"
FACES = "clip,list,repository,commit,path,start,seconds,crop,label,method,year,group,person"
PICTURES = "file,label,kind,method,year,source,commit,width,height,license,note,says"
VOICES = "list,repository,commit,path,start,seconds,label,system,year,group,person"


@pytest.fixture
def mirror(tmp_path):
    """A clone with a video and a recording, and the commit that holds both."""
    folder = tmp_path / "mirror" / "someone+page" / "repo"
    folder.mkdir(parents=True)

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    (folder / "talk.mp4").write_bytes(face_clip(2, 320, 240).read_bytes())
    wavfile.write(folder / "voice.wav", 16_000, (speech(3.0) * 32_767).astype(np.int16))
    git("add", "."), git("commit", "--quiet", "-m", "media")
    return tmp_path / "mirror", git("rev-parse", "HEAD")


def build(tmp_path, mirror, columns, *rows):
    sheet, out = tmp_path / "sheet.csv", tmp_path / "out"
    sheet.write_text("\n".join([columns, *rows]) + "\n")
    assert main(["data", "build", str(sheet), "--out", str(out), "--mirror", str(mirror)]) == 0
    with (out / "labels.csv").open(newline="") as stream:
        labels = list(csv.DictReader(stream))
    with (out / "missing.csv").open(newline="") as stream:
        return out, labels, {row["clip"]: row["reason"] for row in csv.DictReader(stream)}


def test_clips_are_cut_where_the_sheet_says(tmp_path, mirror):
    folder, commit = mirror
    facts = f"faces8,{REPOSITORY},{commit}"
    rows = [
        f"fake/a.mp4,{facts},talk.mp4,0.5,0.8,10 20 200 200,fake,swap,2026,g,ann",
        f"real/b.mp4,{facts},gone.mp4,0.5,0.8,10 20 200 200,real,,2026,g,ann",
        f"real/c.mp4,{facts},,,,,real,,2026,g,ann",
        f"real/d.mp4,faces8,other/page,{commit},talk.mp4,0.5,0.8,10 20 200 200,real,,2026,g,ann",
    ]
    out, labels, missing = build(tmp_path, folder, FACES, *rows)
    assert [(row["file"], row["label"], row["method"]) for row in labels] == [
        ("fake/a.mp4", "fake", "swap")
    ]
    assert "gone.mp4" in missing["real/b.mp4"]
    assert missing["real/c.mp4"] == "its path was not recorded"
    assert missing["real/d.mp4"] == "the mirror does not hold its repository"
    made = media.probe(out / "fake/a.mp4")
    whole = media.probe(folder / "someone+page/repo/talk.mp4")
    assert (made.width, made.height) == (200, 200)
    assert made.duration == pytest.approx(0.8, abs=1.5 / whole.fps)
    first = next(_pictures(out / "fake/a.mp4", 0.0))
    there = next(_pictures(folder / "someone+page/repo/talk.mp4", 0.5))[20:220, 10:210]
    assert np.abs(first.astype(int) - there).mean() < 4
    before = (out / "fake/a.mp4").stat().st_mtime_ns
    build(tmp_path, folder, FACES, *rows)
    assert (out / "fake/a.mp4").stat().st_mtime_ns == before, "what is there is not cut again"


def _pictures(path, start):
    with av.open(path) as source:
        for frame in source.decode(video=0):
            if frame.time >= start - 1e-3:
                yield frame.to_ndarray(format="rgb24")


def test_recordings_are_cut_at_one_peak(tmp_path, mirror):
    folder, commit = mirror
    rows = [
        f"voice5,{REPOSITORY},{commit},voice.wav,1.0,1.5,fake,VITS,2021,g,ann",
        f"voice,{REPOSITORY},{commit},voice.wav,,,fake,VITS,2021,g,ann",
    ]
    out, labels, missing = build(tmp_path, folder, VOICES, *rows)
    assert [row["method"] for row in labels] == ["VITS"]
    assert list(missing.values()) == ["its time window was not recorded"]
    x = sounds.decoded(str(out / labels[0]["file"]))
    assert len(x) == pytest.approx(1.5 * 16_000, abs=2_500)  # an encoder adds silence
    assert np.abs(x).max() == pytest.approx(0.9, abs=0.1)


def test_pictures_are_whole_files_and_keep_the_columns_of_their_sheet(tmp_path, mirror):
    """The labels are what `unmask train picture` reads."""
    folder, commit = mirror
    facts = f"fake,video,Veo,2026,{REPOSITORY},{commit},320,240,,,page"
    rows = [
        f"{REPOSITORY}/talk.mp4,{facts}",
        f"{REPOSITORY}/../../other.mp4,{facts}",
        f"clips/fake/a.mp4,{facts}",
    ]
    out, labels, missing = build(tmp_path, folder, PICTURES, *rows)
    assert [row["file"] for row in labels] == [f"{REPOSITORY}/talk.mp4"]
    assert ",".join(labels[0]) == PICTURES
    there = folder / "someone+page/repo/talk.mp4"
    assert (out / REPOSITORY / "talk.mp4").read_bytes() == there.read_bytes()
    assert missing == {
        f"{REPOSITORY}/../../other.mp4": "its path leaves the repository",
        "clips/fake/a.mp4": "it is a clip or a crop of another sheet",
    }
