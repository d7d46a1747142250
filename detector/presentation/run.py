"""Run details: inputs, stages, versions, and the command that repeats the analysis."""

import shlex

from detector.messages.format import clock, stretch, took
from detector.presentation import Row, Section, Text, facts, measured, models
from detector.schema.analysis import Analysis
from detector.sentences import _, count, ngettext, say
from detector.vision.detection import MEASURED

TITLE = _("Run details")
STAGES = {
    "read": _("Reading the file"),
    "faces": _("Finding faces"),
    "sound": _("Listening"),
    "score": _("Scoring faces"),
    "signals": _("Reading signals"),
    "verdict": _("Writing the result"),
}
"""What an analysis is at, in the order of its stages."""


def section(analysis: Analysis) -> Section:
    """Return the sampled input, the time of each stage, and the versions."""
    software = analysis.software
    commit = f", {software.commit[:8]}" if software.commit else ""
    versions = f"Python {software.python}, PyTorch {software.torch}"
    made_with = (
        Row("Unmask", software.version + commit, exact=software.version + _commit(analysis)),
        Row(_("Runs on"), f"{software.backend}, {software.device}, {versions}"),
        Row(_("Result format"), analysis.schema_version),
        Row(_("Analysis"), analysis.id[:16], exact=analysis.id),
    )
    rows = (*looked(analysis), *_times(analysis), *made_with)
    return Section("run", say(TITLE), (facts(rows),))


def when(analysis: Analysis, day: str) -> Row:
    """Return the `day` of the analysis, and how long it took, if known."""
    if (seconds := analysis.timings.get("total")) is not None:
        day = _("{when}, in {time}").format(when=day, time=took(seconds))
    return Row(_("Analyzed"), day)


def again(analysis: Analysis) -> Section:
    """Return the same with the command that repeats the analysis."""
    title, made = _("How it was made, and how to run it again"), section(analysis).blocks
    if analysis.media.live:
        return Section("again", title, made)
    install = _(
        "Install Unmask {version}, fetch what is not bundled (unmask fetch; the weights have the "
        "hashes above), and run:"
    ).format(version=analysis.software.version + _commit(analysis))
    same = _("The same file, settings and weights give the same analysis number.")
    repeat = facts([(_("Command"), command(analysis))])
    return Section("again", title, (*made, Text(install), repeat, Text(same, "note")))


def looked(analysis: Analysis) -> tuple[Row, ...]:
    """Return the sampled input."""
    settings, rows = analysis.settings, list[Row]()
    if analysis.media.kind != "audio":
        sampled = count(len(analysis.timestamps), "moment", "moments")
        sampled = f"{sampled}, {measured.sampling(analysis)}"
        still = analysis.media.kind == "image"
        rows = [
            Row(
                _("Looked at"),
                _("the picture") if still else sampled,
                "" if still else measured.covered(analysis.coverage),
            ),
            Row(_("Smallest face"), _("{width}\u00a0px wide").format(width=settings.min_face)),
            Row(_("Face detector"), MEASURED[settings.faces].title),
        ]
    voices = [subject for subject in analysis.subjects if subject.modality.of_sound]
    count_of = sum(len(voice.spans) for voice in voices)
    windows = ngettext("{number} window of speech", "{number} windows of speech", count_of)
    windows = windows.format(number=count_of)
    if heard := analysis.media.audio and analysis.media.audio.speech:
        text = _("{heard}, of it {speech} of speech")
        spoken = text.format(heard=took(heard.seconds), speech=took(heard.speech_seconds))
        rows.append(Row(_("Listened to"), spoken, windows))
    elif analysis.media.kind == "audio":
        rows.append(Row(_("Listened to"), windows))
    if settings.end is not None:
        rows.append(Row(_("Part"), stretch(settings.start, settings.end)))
    elif settings.start:
        part = _("{start} to the end").format(start=clock(settings.start))
        rows.append(Row(_("Part"), part))
    return tuple(rows)


def _times(analysis: Analysis) -> list[Row]:
    """Return the time of each stage; stages overlap, so their sum exceeds the run."""
    first = {"read": STAGES["read"], "decode": _("Decoding")}  # each model's time is its score's
    stages = first | {stage: name for stage, name in STAGES.items() if stage != "score"}
    timed = [(say(name), analysis.timings.get(stage)) for stage, name in stages.items()]
    scoring = _("Scoring, {model}")
    scored = [model for model in analysis.models if model.scored]
    timed += [(scoring.format(model=models.plain(model)), model.seconds) for model in scored]
    timed.append((_("All, side by side"), analysis.timings.get("total")))
    return [Row(name, took(seconds)) for name, seconds in timed if seconds is not None]


def _commit(analysis: Analysis) -> str:
    return f", commit {analysis.software.commit}" if analysis.software.commit else ""


def command(analysis: Analysis) -> str:
    """Return the command that repeats the analysis."""
    asked, mix = analysis.settings, analysis.settings.ensemble
    ids = mix.models if mix else asked.models or [m.id for m in analysis.models if m.scored]
    parts = ["unmask", "analyze", shlex.quote(analysis.media.name), "--models", ",".join(ids)]
    if analysis.media.kind != "audio":
        parts += ["--sampling", asked.sampling, "--min-face", f"{asked.min_face}"]
        parts += ["--faces", asked.faces] if asked.faces != "mtcnn" else []
        parts += ["--fps", f"{asked.fps:g}"] if asked.sampling == "fps" else []
        parts += ["--frames", f"{asked.frames}"]
    parts += ["--start", f"{asked.start:g}"] if asked.start else []
    parts += ["--end", f"{asked.end:g}"] if asked.end is not None else []
    parts += ["--rotate", f"{asked.rotate}"] if asked.rotate is not None else []
    parts += ["--assume-speech"] if asked.assume_speech else []
    parts += ["--watch-face"] if asked.watch_face else []
    if mix and mix.weights:
        weights = ",".join(f"{id}={weight:g}" for id, weight in mix.weights.items())
        parts += ["--weights", weights]
    if mix:
        parts += ["--min-models", f"{mix.min_models}"]
    return " ".join([*parts, "--json", "again.json"])
