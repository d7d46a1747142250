"""Files on which the product failed, with what is right for each (`../shared/bugs/README.md`)."""

import csv
from collections import defaultdict
from heapq import nlargest
from pathlib import Path

import av
import numpy as np
import pytest

from detector import media
from detector.audio import sound
from detector.decision import decide
from detector.decision.numbers import logit
from detector.errors import MediaError
from detector.presentation import lead
from detector.schema.analysis import CaveatCode, Label, Question, Settings
from tests.support.speech import write

pytestmark = pytest.mark.shared
ROOT = Path(__file__).resolve().parents[3]


def judged(analyzer, shared, name):
    return analyzer.analyze(shared / "bugs" / name, Settings())


def moved(found, twin):
    """Return how far apart the verdicts of two files are, in logits."""
    one, other = found.verdict.probability, twin.verdict.probability
    assert one is not None and other is not None
    return abs(logit(one) - logit(other))


def kinds(analysis):
    caveats = analysis.verdict.caveats
    return [c.params["kind"] for c in caveats if c.code is CaveatCode.UNMEASURED_MATERIAL]


@pytest.mark.parametrize(
    ("name", "twin", "most"),
    [
        ("av1_film_grain.mp4", "av1_no_grain_twin.mp4", 0.7),
        ("untouched_smoothed.mp4", "untouched_smoothed_twin.mp4", 2.0),
    ],
)
def test_untouched_material_of_other_texture_is_never_fake(analyzer, shared, name, twin, most):
    found, plain = (judged(analyzer, shared, one) for one in (name, twin))
    assert "fake" not in (found.verdict.label.side, plain.verdict.label.side)
    assert moved(found, plain) <= most


def test_few_colors_are_named_and_give_no_odds(analyzer, shared):
    found = judged(analyzer, shared, "fake_256_colours.gif")
    assert kinds(found) == ["few_colors"]
    assert found.verdict.odds is None


def test_interlaced_material_is_deinterlaced_and_named(analyzer, shared):
    names = ("interlaced.mp4", "interlaced_twin_deinterlaced.mp4")
    found, twin = (judged(analyzer, shared, name) for name in names)
    assert moved(found, twin) <= 0.7
    assert kinds(found) == ["interlaced"] and found.verdict.label.side != "real"
    assert any("interlaced" in note for note in found.media.notes)
    about = media.probe(shared / "bugs" / names[1])
    assert not about.interlaced and not about.notes


@pytest.mark.parametrize(
    ("name", "duration", "frames", "tolerance"),
    [
        ("clock_restarts.ts", 3.5, 105, 0.01),
        ("video_starts_late.mkv", 2.0, 50, 0.01),
        ("two_frames_in_9s.mkv", 9.0, 2, 0.1),
        ("hidden_lead_in.mp4", 0.48, 12, 0.001),
        ("uneven_at_the_end.mp4", 5.73, 100, 0.01),
        ("intra_refresh.ts", 2.0, 50, 0.01),
    ],
)
def test_lengths_and_counts(shared, name, duration, frames, tolerance):
    path = shared / "bugs" / name
    about = media.probe(path)
    assert about.duration == pytest.approx(duration, abs=tolerance)
    assert about.frame_count == frames
    assert about.notes == []
    times = [frame.time for frame in decoded(path, about, 200)]
    assert times == sorted(set(times))
    assert len(times) == frames


def decoded(path, about, count):
    notes: list[str] = []
    times = [(number + 0.5) * about.duration / count for number in range(count)]
    found = list(media.decode(path, about, times, notes=notes))
    assert notes == []
    return found


def test_a_clock_that_restarts_goes_on(shared):
    path = shared / "bugs" / "clock_restarts.ts"
    for frame in decoded(path, media.probe(path), 70):
        bars = frame.rgb[4:12].mean(axis=(0, 2)).reshape(10, 32)[:, 8:24].mean(axis=1)
        number = sum(1 << bit for bit, level in enumerate(bars) if level > 127)
        right = 30 * frame.time + (512 - 60 if frame.time > 2.0 - 0.01 else 0)
        assert number == round(right), frame.time


def test_uneven_frame_rates_are_told_by_all_frames(shared):
    about = media.probe(shared / "bugs" / "uneven_at_the_end.mp4")
    assert about.variable_frame_rate and about.fps is not None
    assert 17.4 <= about.fps <= 17.5


def test_intra_refresh_has_pictures_everywhere(shared):
    path = shared / "bugs" / "intra_refresh.ts"
    about = media.probe(path)
    assert len(decoded(path, about, 7)) == 7
    for at, shown in ((1.0, 1.0), (1.5, 1.48), (1.9, 1.88)):
        assert media.frame_at(path, about, at).time == pytest.approx(shown, abs=0.04)


@pytest.mark.parametrize("name", ["voice_with_cover_mjpeg.mp4", "voice_with_cover.webm"])
def test_a_cover_is_no_video(analyzer, shared, name):
    found = judged(analyzer, shared, name)
    assert found.media.kind == "audio"
    assert found.media.duration == pytest.approx(6.0, abs=0.05)
    assert found.media.audio.duration == found.media.duration
    assert any(result.scored for result in found.models)


def test_the_default_video_is_judged(analyzer, shared):
    found = judged(analyzer, shared, "two_videos_face_default.mp4")
    assert (found.media.width, found.media.height) == (480, 440)
    assert len(found.timestamps) == len(found.seen[0].frames) == 32
    assert [note for note in found.media.notes if "640 × 480" in note]


def test_a_size_that_changes_keeps_its_proportions(analyzer, shared):
    path = shared / "bugs" / "turned_midway.ts"
    about = media.probe(path)
    assert (about.width, about.height) == (480, 272)
    notes: list[str] = []
    frames = list(media.decode(path, about, np.arange(0.05, 1.9, 0.1).tolist(), notes=notes))
    for frame in frames:
        lit = np.flatnonzero(frame.rgb.max(axis=(0, 2)) > 24)
        wide = lit[-1] - lit[0] + 1
        right = 480 if frame.time < 0.99 else 272 * 272 / 440
        assert wide == pytest.approx(right, abs=4), frame.time
    assert len(notes) == 1 and "size" in notes[0] and "damaged" not in notes[0]
    found = judged(analyzer, shared, path.name)
    faces = [frame.time for subject in found.seen for frame in subject.frames]
    assert min(faces) < 1.0 < max(faces)


def test_hdr_is_mapped_to_sdr(analyzer, shared):
    names = ("hdr_hlg.mov", "hdr_sdr_twin.mov")
    for time in (0.12, 1.0, 1.84):
        mapped, twin = (
            media.frame_at(path, media.probe(path), time).rgb.astype(float)
            for path in (shared / "bugs" / name for name in names)
        )
        assert np.abs(mapped - twin).mean() <= 4
    assert moved(*(judged(analyzer, shared, name) for name in names)) <= 0.5
    assert [n for n in media.probe(shared / "bugs" / names[0]).notes if "HDR" in n]


def test_color_profiles_are_applied(analyzer, shared):
    paths = [shared / "bugs" / name for name in ("icc_display_p3.png", "still_twin.png")]
    shown, twin = (media.frame_at(path, media.probe(path), 0).rgb.astype(float) for path in paths)
    assert np.abs(shown - twin).mean() <= 0.5
    assert moved(*(judged(analyzer, shared, path.name) for path in paths)) <= 0.3


def test_heic_turned_by_exif_alone(analyzer, shared):
    found = judged(analyzer, shared, "heic_turned_by_exif_only.heic")
    assert (found.media.width, found.media.height) == (640, 448)
    assert len(found.people) == 1


def test_chained_ogg_is_heard_whole(shared):
    path = shared / "bugs" / "voice_chained.ogg"
    about = media.probe(path)
    assert about.duration == pytest.approx(6.0, abs=0.1)
    notes: list[str] = []
    blocks = list(sound.read(path, [(0.0, about.duration or 0.0)], notes=notes))
    assert blocks[-1].end == pytest.approx(6.0, abs=0.1) and not notes
    second = next(block for block in blocks if block.start >= 3.0)
    assert second.samples.std() > 0.01


def test_encrypted_media_is_named(shared):
    with pytest.raises(MediaError, match="encrypted", check=lambda e: e.code == "encrypted"):
        media.probe(shared / "bugs" / "encrypted.mp4")


# --- the second set (`../shared/bugs4/README.md`): sound that vanishes ----------------------------


def heard(analyzer, shared, name):
    return analyzer.analyze(shared / "bugs4" / name, Settings(), scores_only=True)


def voice_likelihood(found):
    return found.verdict.answers[Question.VOICE].probability


@pytest.fixture(scope="module")
def twin_likelihood(analyzer, shared):
    return voice_likelihood(heard(analyzer, shared, "voice_twin.flac"))


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("voice_channels_opposed.m4a", "nearly lost"),
        ("voice_on_track_4_of_6.flac", "number 4 was heard"),
        ("voice_in_second_track.m4a", "track 2 was heard"),
        ("voice_in_second_default_track.mp4", "track 2 was heard"),
        ("voice_float_not_scaled.wav", "turned down to its peak"),
    ],
)
def test_a_voice_is_heard_wherever_the_file_holds_it(analyzer, shared, twin_likelihood, name, note):
    found = heard(analyzer, shared, name)
    assert voice_likelihood(found) == pytest.approx(twin_likelihood, abs=0.1)
    assert any(note in sentence for sentence in found.media.notes)


def test_a_sound_of_nine_channels_never_ends_the_analysis_of_the_picture(analyzer, shared):
    found = heard(analyzer, shared, "sound_of_9_channels.mov")
    assert found.verdict.answers[Question.MANIPULATION].probability == pytest.approx(0.12, abs=0.1)
    assert found.media.audio.speech.spans and not found.media.notes


def test_ambisonic_sound_is_heard_by_its_first_channel(analyzer, shared):
    found = heard(analyzer, shared, "sound_ambisonic.ogg")
    assert found.media.audio.channels == 4 and found.media.audio.speech.speech_seconds > 0.8


def test_the_two_sides_of_a_call_are_judged_each_by_itself(analyzer, shared, tmp_path):
    with av.open(str(shared / "bugs4" / "call_two_voices.ogg")) as call:
        rate = call.streams.audio[0].rate
        planes = np.hstack([frame.to_ndarray() for frame in call.decode(audio=0)])
    alone = write(tmp_path / "left.wav", planes[0], rate=rate)
    found = heard(analyzer, shared, "call_two_voices.ogg")
    sides = {subject.id: subject.probability for subject in found.judged}
    assert set(sides) == {"left", "right"} and found.verdict.subject == "left"
    by_itself = voice_likelihood(analyzer.analyze(alone, Settings(), scores_only=True))
    assert sides["left"] == pytest.approx(by_itself, abs=0.02) and sides["right"] < 0.4
    assert lead.sides(found).startswith("The\u00a0left\u00a0voice: ")


@pytest.mark.timeout(900)
def test_no_model_chosen_alone_calls_the_likeliest_untouched_clips_fake(analyzer, shared):
    """Of 72 clips those that score highest with weights that never saw them. The models are those
    with a band of `FAKE` (`test_only_bands_that_were_measured_call_a_file_fake`)."""
    ids = ["clip", "clip-generated", "picture"]
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    with (ROOT / "datasets" / "left_out.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            if (row["set"], row["label"], row["version"]) == ("calib", "real", "as it is"):
                scores[row["model"]][row["file"]] = float(row["logit"])
    nearest = {
        name for id in {*ids} & {*scores} for name in nlargest(3, scores[id], scores[id].get)
    }
    assert len(nearest) >= 4
    for name in nearest:
        found = analyzer.analyze(shared / name, Settings(models=ids, frames=8), scores_only=True)
        labels = [decide(found, models=[id]).verdict.label for id in ids]
        assert Label.FAKE not in labels, (name, labels)
