"""A made result for the tests of the result view: two people, gaps, three models and one that is
not counted, and a small clip that shows two faces where the result says.

Scores are made up on purpose, to reach every state; nothing here was computed from the clip.
"""

import functools
import hashlib
import io
import math
from datetime import UTC, datetime

import av
import numpy as np
from skimage.data import astronaut

from detector.decision import decide
from detector.schema.analysis import (
    Analysis,
    Audio,
    Calibration,
    Ensemble,
    FileKind,
    FrameSegment,
    Label,
    Media,
    Modality,
    ModelResult,
    PerturbationResult,
    Quality,
    Question,
    ReasonCode,
    Settings,
    Software,
    SpanSegment,
    Subject,
    Thresholds,
    Verdict,
)
from tests.support import likelihoods

WIDTH, HEIGHT, DURATION = 640, 360, 14.2
FACE = (168, 60, 272, 200)
"""Where the face is in scikit-image's astronaut, px of its 512."""
SCALE = 0.62


def corner(person, time):
    """Where the picture of a person stands in the clip: they sway."""
    sway = 24 * math.sin(time * 0.9 + (1.4 if person == "B" else 0.0))
    return (int((330 if person == "B" else 20) + sway), int(42 + 6 * math.cos(time)))


def box(person, time):
    """The face of a person in px of the clip."""
    x, y = corner(person, time)
    x0, y0, x1, y1 = (v * SCALE for v in FACE)
    if person == "B":  # mirrored
        x0, x1 = 512 * SCALE - x1, 512 * SCALE - x0
    return (x + x0, y + y0, x + x1, y + y1)


def in_frame(person, time):
    """Person B comes in after 1.4 s."""
    return person == "A" or time >= 1.4


def problem(person, time):
    """Person A turns away for a moment."""
    return ReasonCode.TURNED_AWAY if person == "A" and 3.2 <= time <= 4.6 else None


def make_clip(path, *, fps=10, duration=DURATION):
    """Write the clip that belongs to `make_analysis`: VP9 in WebM, which every browser plays."""
    path.write_bytes(_encoded(fps, duration))
    return path


@functools.cache
def _encoded(fps, duration):
    side = int(512 * SCALE)
    rows = (np.arange(side) / SCALE).astype(int)
    person = {"A": astronaut()[rows][:, rows]}
    person["B"] = person["A"][:, ::-1]
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as out:
        stream = out.add_stream("libvpx-vp9", rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0"}
        for index in range(round(duration * fps)):
            time = index / fps
            rgb = np.full((HEIGHT, WIDTH, 3), (38, 44, 52), np.uint8)
            for who in ("A", "B"):
                if not in_frame(who, time):
                    continue
                x, y = corner(who, time)
                left, right = max(x, 0), min(x + side, WIDTH)
                rgb[y : y + side, left:right] = person[who][: HEIGHT - y, left - x : right - x]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode())
    return file.getvalue()


def make_analysis(
    path=None, *, name="council statement.webm", frames=32, fake=True, people="AB", whole=None,
    picture=None,
):  # fmt: skip
    """A decided `Analysis` of the clip; `whole` and `picture` are logits of generated heads and of
    a generated picture."""
    moments = [round(DURATION * (i + 0.5) / frames, 3) for i in range(frames)]
    calibration = Calibration(scale=1.1, offset=-0.2, data="240 held-out clips", clips=240)
    models = [
        ModelResult(
            id="sbi", title="SBI", kind="frame", task="face manipulation", calibration=calibration,
            weight=0.4, weights_sha256="a" * 64, finding="Blending edge along the jaw",
            confused_by="heavy compression", scored=max(2 * frames - 6, 1), seconds=6.4,
        ),
        ModelResult(
            id="xcep", title="Xception", kind="frame", task="face manipulation",
            calibration=calibration, weight=0.4, weights_sha256="b" * 64,
            finding="Texture of the skin differs from its surroundings",
            confused_by="beauty filters", scored=max(2 * frames - 6, 1), seconds=9.1,
        ),
        ModelResult(
            id="clip", title="VideoMAE", kind="video", task="face manipulation",
            calibration=calibration, weights_sha256="c" * 64,
            finding="Flicker from frame to frame", confused_by="dropped frames", scored=12,
            seconds=21.7, weight=0.2,
        ),
        ModelResult(
            id="meso4", title="MesoNet-4", kind="frame", task="face manipulation",
            not_counted_because="not downloaded", scored=0,
        ),
    ]  # fmt: skip
    tracks = [_track(who, moments, fake and who == "B", len(people) > 1) for who in people]
    sha = hashlib.sha256(path.read_bytes()).hexdigest() if path else "0" * 64
    size = path.stat().st_size if path else 1_300_000
    thresholds = Thresholds(
        low=0.3, high=0.7, false_positive_rate=0.05, false_negative_rate=0.12,
        data="240 held-out clips",
    )  # fmt: skip
    ensembles = {Question.MANIPULATION: Ensemble(models=["sbi", "xcep", "clip"])}
    if whole is not None:
        _ask_of_the_whole(models, tracks, ensembles, calibration, whole)
    if picture is not None:
        _ask_of_the_picture(models, tracks, ensembles, calibration, picture, moments)
    analysis = Analysis(
        id="made", created=datetime(2026, 11, 20, 10, 42, tzinfo=UTC),
        media=Media(
            name=name, sha256=sha, kind="video", size=size, width=WIDTH, height=HEIGHT,
            duration=DURATION, fps=25.0, frame_count=355, variable_frame_rate=False,
            container="webm", codec="vp9", pixel_format="yuv420p", bit_rate=700_000,
            audio=Audio(codec="aac", channels=1, sample_rate=48_000, duration=DURATION),
        ),
        settings=Settings(), verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=thresholds),
        ensembles=ensembles, likelihoods=_likelihoods(models, thresholds),
        models=models, subjects=tracks, timestamps=moments,
        timings={"read": 0.4, "decode": 2.2, "faces": 8.1, "verdict": 0.1, "total": 38.2},
        software=Software(version="0.1.0", python="3.11", torch="2.13.0", device="cpu",
                          backend="torch"),
    )  # fmt: skip
    return decide(analysis)


def _likelihoods(models, thresholds):
    found = likelihoods.fitted(models, thresholds)
    limits = Thresholds(low=0.1, probably_low=0.2, high=0.9, probably_high=0.8, data="made")
    found[FileKind.PICTURE].thresholds = limits
    return found


def _ask_of_the_whole(models, tracks, ensembles, calibration, logit):
    model = ModelResult(
        id="synth", title="Synthesis", kind="frame", task="whole-image synthesis",
        calibration=calibration, weights_sha256="d" * 64,
        finding="A picture as generators make it", confused_by="heavy smoothing",
        scored=60, seconds=4.2,
    )  # fmt: skip
    models.insert(3, model)
    ensembles[Question.SYNTHESIS] = Ensemble(models=["synth"])
    for track in tracks:
        for face in track.frames:
            if face.logits:
                face.logits["synth"] = logit + 0.4 * math.sin(face.time)


def _ask_of_the_picture(models, tracks, ensembles, calibration, logit, moments):
    if not tracks:
        for model in models:
            model.scored = 0
    models.append(
        ModelResult(
            id="picture", title="Picture", plain="AI-generated picture", kind="image",
            task="picture synthesis", calibration=calibration, weights_sha256="e" * 64,
            finding="A picture as generators make it", confused_by="heavy smoothing",
            scored=len(moments), seconds=3.1,
        )
    )  # fmt: skip
    ensembles[Question.PICTURE] = Ensemble(models=["picture"])
    frames = [
        FrameSegment(
            index=index, time=time, box=(0.0, 0.0, float(WIDTH), float(HEIGHT)),
            quality=Quality(width=WIDTH, sharpness=90.0, brightness=110.0),
            logits={"picture": logit + 0.3 * math.sin(time)},
        )
        for index, time in enumerate(moments)
    ]  # fmt: skip
    tracks.append(
        Subject(
            id="picture", modality=Modality.PICTURE, start=moments[0], end=moments[-1],
            thumbnail_time=moments[0], frames=frames,
        )
    )  # fmt: skip


def make_picture():
    """The same for a still picture of the astronaut, with one face."""
    return _still(make_analysis(name="portrait.png", frames=1, people="A", fake=False), FACE)


def make_landscape(logit):
    """The same for a picture without a face."""
    made = make_analysis(name="hills.png", frames=1, people="", picture=logit)
    return _still(made, (0.0, 0.0, 512.0, 512.0))


def _still(analysis, box):
    media = analysis.media.model_copy(
        update={"kind": "image", "duration": None, "fps": None, "frame_count": None,
                "width": 512, "height": 512, "container": "png", "codec": "png", "audio": None,
                "bit_rate": None, "size": 400_000}
    )  # fmt: skip
    face = analysis.judged[0].frames[0].model_copy(update={"box": box, "time": 0.0})
    models = [
        m.model_copy(update={"scored": 1 if m.kind != "video" and m.scored else 0})
        for m in analysis.models
    ]
    track = analysis.judged[0].model_copy(
        update={"frames": [face], "spans": [], "start": 0.0, "end": 0.0}
    )
    return decide(
        analysis.model_copy(
            update={"media": media, "subjects": [track], "timestamps": [0.0], "models": models}
        )
    )


def trial(name, probability, error=None):
    """Labeled by the thresholds of `make_analysis`."""
    label = Label.INCONCLUSIVE
    if probability is not None and not 0.3 <= probability <= 0.7:
        label = Label.FAKE if probability > 0.7 else Label.REAL
    return PerturbationResult(
        condition=name, title=name, probability=probability, label=label, error=error
    )


def _track(who, moments, fake, several):
    random = np.random.default_rng(ord(who))
    seen = [(i, t) for i, t in enumerate(moments) if in_frame(who, t)]
    faces = []
    for index, time in seen:
        bad = problem(who, time)
        x0, y0, x1, y1 = box(who, time)
        level = 2.2 + 1.6 * math.sin((time - 3) / 14 * 2 * math.pi) if fake else -2.3
        if fake and 9.0 < time < 10.4:
            level = -0.8
        logits = {
            "sbi": level + 0.5 + random.normal(0, 0.3),
            "xcep": level - 0.3 + random.normal(0, 0.4),
        }
        faces.append(
            FrameSegment(
                index=index, time=time, box=(x0, y0, x1, y1),
                landmarks=[
                    (x0 + fx * (x1 - x0), y0 + fy * (y1 - y0))
                    for fx, fy in ((0.32, 0.4), (0.7, 0.4), (0.52, 0.6), (0.36, 0.78), (0.68, 0.78))
                ],
                quality=Quality(
                    width=x1 - x0, sharpness=60.0, brightness=120.0, confidence=0.99,
                    yaw=0.9 if bad else 0.1, problem=bad,
                ),
                logits={} if bad else logits,
            )
        )  # fmt: skip
    starts = np.arange(seen[0][1], moments[-1] - 0.5, 2.2) if len(moments) > 1 else []
    windows = [
        SpanSegment(
            start=float(s), end=float(s) + 0.6,
            logits={"clip": (0.4 if fake else -1.2) + float(random.normal(0, 0.5))},
        )
        for s in starts
    ]  # fmt: skip
    return Subject(
        id=who, side=("left" if who == "A" else "right") if several else None,
        start=seen[0][1], end=seen[-1][1], thumbnail_time=seen[len(seen) // 2][1],
        frames=faces, spans=windows,
    )  # fmt: skip
