"""The words of a report: likelihood, never fact."""

import shlex
from datetime import datetime, tzinfo

from detector.decision.numbers import at_most, logit, printed, wilson
from detector.messages import measured, states
from detector.messages.coverage import covered
from detector.messages.format import capital, percent, signed
from detector.schema.analysis import (
    Analysis,
    Answer,
    Audio,
    Basis,
    Calibration,
    Label,
    Media,
    ModelResult,
    Question,
    Tally,
)
from detector.schema.origin import Credential, EarlierVerdict
from detector.vision.detection import MEASURED

GLYPHS: dict[Label, str] = {
    Label.FAKE: "▲",
    Label.REAL: "○",
    Label.INCONCLUSIVE: "?",
    Label.NOT_APPLICABLE: "–",
}
CREDENTIALS: dict[str, str] = {
    "none": "None. Most files have none, so this says nothing either way.",
    "trusted": "Valid, signed by somebody on the trust list of this installation.",
    "untrusted": "Valid, but signed by somebody who is not on a trust list here.",
    "invalid": "Invalid: the file and its manifest don't belong together, or a signature is wrong.",
    "elsewhere": "The file names an address where a manifest is kept. Nothing was fetched.",
    "unreadable": "There is one, but it could not be read.",
}
SOURCES: dict[str, str] = {
    "trainedAlgorithmicMedia": "made by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "composed, with parts made by a trained model",
    "algorithmicMedia": "made by an algorithm",
    "digitalCapture": "recorded by a digital camera",
    "computationalCapture": "recorded by a camera that computes its pictures",
    "composite": "composed of several pictures",
    "compositeCapture": "composed of several recordings",
    "humanEdits": "edited by a person",
    "minorHumanEdits": "edited by a person, a little",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "screenCapture": "captured from a screen",
    "digitalArt": "drawn by a person with software",
    "digitalCreation": "made by a person with software",
    "negativeFilm": "scanned from negative film",
    "print": "scanned from a print",
}
"""IPTC digital source types (cv.iptc.org/newscodes/digitalsourcetype) in words."""


def answered(question: Question, answer: Answer) -> str:
    """Return a question's answer in a table."""
    if not answer.evaluated:
        return "Not asked: no model for it"
    if answer.undecided_secondary:
        return "Not decided"
    return states.headline(answer.label, question, answer.lean)


def bars(analysis: Analysis, answer: Answer) -> list[tuple[str, str, bool]]:
    """Return name, log odds and whether a model's of each part and the sum, adding up in print."""
    if answer.probability is None or not answer.contributions:
        return []
    titles = {m.id: m.plain or m.title for m in analysis.models}
    total = round(10 * logit(answer.probability))
    tenths = printed([part.logit for part in answer.contributions], total)
    rows = [
        (
            states.contribution(part.kind, part.id, titles.get(part.id, "")),
            signed(value / 10),
            part.kind == "model",
        )
        for part, value in zip(answer.contributions, tenths, strict=True)
        if value or part.kind == "model"
    ]
    return [*rows, (f"Combined, {percent(answer.probability)}", signed(total / 10), False)]


def statistics(question: Question, answer: Answer, *, odds: bool = True) -> list[str]:
    """Return how often the thresholds erred, on what data, and how `odds` are made."""
    limits, out = answer.thresholds, []
    untouched, manipulated = question.spec.real_word, question.spec.fake_word
    if answer.basis in (Basis.PUBLISHED, Basis.SUBSET, Basis.CUSTOM):
        out.append(f"Judged {states.basis(answer.basis)}.")
    elif limits.own and limits.false_positive_rate is not None:
        rate = percent(limits.false_positive_rate)
        out.append(
            f"At most {rate} of {untouched} clips like yours score above the upper threshold, by "
            f"{limits.data}."
        )
    else:
        alarms, misses = limits.false_positives, limits.false_negatives
        unit = measured.unit(limits)
        out += _share(alarms, limits.false_positive_rate, f"{untouched} {unit}", "above the upper")
        if not limits.one_sided:
            out += _share(
                misses, limits.false_negative_rate, f"{manipulated} {unit}", "below the lower"
            )
        if limits.data:
            out.append(f"Measured on {limits.data}.")
        if some := measured.of_these(limits):
            out.append(some)
    if limits.never_decide:
        out.append(
            "No threshold made 95 % of the answers right on sources left out, so there is a "
            "likelihood and no verdict."
        )
    elif not limits.can_clear and answer.basis is not Basis.PUBLISHED:
        out.append(
            "We can't clear a file: the installed models aren't reliable enough to call it "
            "untouched. On sources left out, no lower threshold made 95 % of such answers right."
        )
    if odds and answer.odds is not None:
        out.append(
            f"The interval is of the {answer.odds.clips} clips with a score near this one, each "
            "scored by a fit that had seen nothing of its group of sources; the groups were drawn "
            f"anew. It assumes as many {manipulated} as {untouched} clips."
        )
    return out


def _share(tally: Tally | None, rate: float | None, kind: str, where: str) -> list[str]:
    """How many files of a kind lie where they should not; empty where nobody said."""
    if tally is None:
        return [] if rate is None else [f"{percent(rate)} of {kind} score {where} threshold."]
    return [
        f"In our tests {tally.count or 'none'} of {tally.files} {kind} scored {where} "
        f"threshold (at most {percent(at_most(tally))}, with 95 % confidence)."
    ]


def file_rows(media: Media) -> list[tuple[str, str]]:
    """Return what the file is, as (name, value)."""
    if media.kind == "audio":
        return _sound_rows(media)
    picture = f"{media.width} × {media.height} px, {media.codec}"
    if media.pixel_format:
        picture += f", {media.pixel_format}"
    if media.fps and media.kind != "image":
        uneven = " on average" if media.variable_frame_rate else ""
        picture += f", {media.fps:.4g} frames a second{uneven}"
    rows = [
        ("Kind", f"{media.kind}, {media.container}"),
        ("Size", f"{media.size:,} bytes"),
        ("Picture", picture),
    ]
    if media.live:
        rows[:2] = [("Kind", "a live session: frames were scored as they came, none was kept")]
    if media.duration:
        rows.append(("Length", f"{media.duration:.2f} s, about {media.frame_count or 0:,} frames"))
    if media.bit_rate:
        rows.append(("Bit rate", f"{media.bit_rate / 1e6:.2f} Mbit/s"))
    if media.rotation:
        rows.append(("Rotation", f"{media.rotation}° clockwise, to stand upright"))
    if media.turned:
        rows.append(("Turned", f"{media.turned}° clockwise, beyond the file's own rotation"))
    if media.kind == "video" and not media.live:
        sound = "none"
        if audio := media.audio:
            sound = _sound(audio)
        rows.append(("Sound", sound))
    return rows


def _sound(audio: Audio) -> str:
    """Return "aac, stereo, 44,100 Hz"."""
    channels = {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels")
    return f"{audio.codec}, {channels}, {audio.sample_rate:,} Hz"


def _sound_rows(media: Media) -> list[tuple[str, str]]:
    rows = [("Kind", f"sound, {media.container}"), ("Size", f"{media.size:,} bytes")]
    if audio := media.audio:
        sound = _sound(audio)
        rows.append(("Sound", sound))
        if heard := audio.speech:
            spoken = f"{heard.seconds:.1f} s, of it {heard.speech_seconds:.1f} s of speech"
            rows.append(("Listened to", spoken))
    if media.duration:
        rows.append(("Length", f"{media.duration:.2f} s"))
    if media.bit_rate:
        rows.append(("Bit rate", f"{media.bit_rate / 1e3:.0f} kbit/s"))
    return rows


def credential_rows(credential: Credential) -> list[tuple[str, str]]:
    """Return what the signed origin says, as (name, value)."""
    rows = [("Signed origin (C2PA)", CREDENTIALS[credential.state])]
    signer = ", ".join(p for p in (credential.signer, credential.organization) if p)
    rows += [
        ("Signed by", f"{signer} {credential.signed or ''}".strip() if signer else ""),
        ("Claimed by", credential.generator or ""),
        ("It says", ", ".join(SOURCES.get(s, s) for s in credential.sources)),
        ("Steps", "; ".join(credential.actions)),
        ("Made from", ", ".join(credential.ingredients)),
        ("Kept at", credential.address or ""),
        ("Problems", ", ".join(credential.problems)),
    ]
    if credential.state == "untrusted" and not credential.trust_list:
        rows.append(("Trust list", "None is configured here, so no signer is trusted."))
    return [(name, value) for name, value in rows if value]


def says(analysis: Analysis, model: ModelResult) -> str:
    """Return a model's reading, neutral where its question stays open."""
    if model.label is None:
        return ""
    if analysis.verdict.undecided(model.question):
        return f"{GLYPHS[Label.NOT_APPLICABLE]} Not decided"
    return f"{GLYPHS[model.label]} {states.state(model.label, model.question)}"


def counted(analysis: Analysis, model: ModelResult) -> str:
    """Return whether a model counts, and if not, why."""
    if model.counted and analysis.verdict.uncounted(model.question):
        return "no: its question is not decided"
    return "yes" if model.counted else f"no: {model.not_counted_because or 'not said'}"


def weights(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the hash of each model's weights; of two models of one file, that it is one."""
    rows, first = [], dict[str, ModelResult]()
    for model in analysis.models:
        if not model.scored or not model.weights_sha256:
            continue
        known = first.setdefault(model.weights_sha256, model)
        value = model.weights_sha256
        if known is not model:
            about = ""
            if model.question is not None and model.question is not known.question:
                about = f", asked “{states.question(model.question)}”"
            value = f"those of {known.title}: the same network{about}"
        rows.append((f"Weights, {model.title}", value))
    return rows


def calibrations(analysis: Analysis) -> list[str]:
    """Return what the figures were fitted on: their domain, beyond which they promise nothing."""
    fitted: dict[str, list[str]] = {}
    for model in analysis.models:
        if model.counted and model.calibration is not None:
            fitted.setdefault(_clips(model.calibration), []).append(model.title)
    for question, ensemble in analysis.ensembles.items():
        if ensemble.calibration is not None and analysis.verdict.answers[question].evaluated:
            fitted.setdefault(_clips(ensemble.calibration), []).append("all together")
    return [f"{', '.join(dict.fromkeys(names))}: {data}" for data, names in fitted.items()]


def _clips(map: Calibration) -> str:
    """Return what a map was fitted on, and how many of that ask its question."""
    some = measured.part_of(map.clips, map.data)
    return f"{map.clips} that ask this question, of {map.data}" if some else map.data


def absent(analysis: Analysis) -> list[str]:
    """Return what was not measured and why; of whom, where that is not so of everybody."""
    everybody = {signal.subject for signal in analysis.signals}
    missing: dict[tuple[str, str], dict[str | None, None]] = {}
    for signal in analysis.signals:
        if signal.reading == "absent":
            missing.setdefault((signal.title, signal.how_to_read), {})[signal.subject] = None
    lines, titles = [], list(dict.fromkeys(signal.title for signal in analysis.signals))
    for (title, why), whom in sorted(missing.items(), key=lambda pair: titles.index(pair[0][0])):
        named = [] if whom.keys() == everybody else sorted(filter(None, whom))
        people = f" ({', '.join(named)})" if named else ""
        lines.append(f"{title}{people}{f': {why}' if why else ''}")
    return lines


def when(moment: datetime, zone: tzinfo) -> str:
    """Return a time of day in a time zone: "28 November 2026, 12:00 UTC+01:00"."""
    here = moment.astimezone(zone)
    return f"{here:%d %B %Y, %H:%M} {_zone_name(here)}"


def zone(moment: datetime, zone: tzinfo) -> str:
    """Return the name of a time zone, and how far it is from UTC where that does not say it."""
    here = moment.astimezone(zone)
    name = _zone_name(here)
    return name if name.startswith("UTC") else f"{name} ({_offset(here)})"


def _zone_name(moment: datetime) -> str:
    name = moment.tzname() or ""
    return name if name[:1].isalpha() else _offset(moment)  # some have no name but +0545


def _offset(moment: datetime) -> str:
    return f"UTC{moment.isoformat()[-6:]}"


def operating_point(question: Question, answer: Answer) -> str:
    """Return from which likelihood on something is said, in a sentence."""
    limits = answer.thresholds
    if limits.never_decide:
        return "Operating point: none; every likelihood is inconclusive."
    low = "" if limits.one_sided else f", {states.zone('REAL')} below {percent(limits.low)}"
    return (
        f"Operating point: {states.zone('FAKE', question)} above {percent(limits.high)}{low}, else "
        "inconclusive."
    )


def error_rates(question: Question, answer: Answer) -> list[tuple[str, str, str, str]]:
    """Return how often the thresholds erred, as (error, count, rate, 95 % interval)."""
    limits, spec, rows = answer.thresholds, question.spec, []
    if answer.basis not in (Basis.MEASURED, Basis.OWN):
        return []
    sides = [(f"{spec.real_word} called {spec.fake_word}", limits.false_positives)]
    if not limits.one_sided:
        sides.append((f"{spec.fake_word} called {spec.real_word}", limits.false_negatives))
    for name, tally in sides:
        if tally is not None:
            low, high = wilson(tally.count, tally.files)
            rate = f"{100 * tally.count / tally.files:.1f} %"
            ends = f"{100 * low:.1f} to {100 * high:.1f} %"
            rows.append((capital(name), f"{tally.count} of {tally.files}", rate, ends))
    return rows


def not_tested(analysis: Analysis) -> list[str]:
    """Return what this analysis did not look at, a sentence each."""
    out = [
        f"{states.question(question)} No model that was asked here answers that."
        for question, answer in analysis.verdict.answers.items()
        if not answer.evaluated
    ]
    out += [
        f"{model.title}: not counted, {model.not_counted_because}."
        for model in analysis.models
        if not model.counted and model.not_counted_because
    ]
    coverage = analysis.coverage
    if coverage is not None and coverage.frames > coverage.sampled:
        out.append(
            f"{coverage.frames - coverage.sampled:,} of {coverage.frames:,} frames were not looked "
            f"at; the longest stretch without one is {coverage.longest_gap:.1f} s."
        )
    if analysis.robustness is None:
        out.append("Whether the verdict survives compression, scaling and noise was not tried.")
    if analysis.comparison is None and analysis.media.kind != "audio" and not analysis.media.live:
        out.append("The file was not compared with an original.")
    out.append(
        "The error rates hold for material like that which they were measured on; other cameras, "
        "generators, people and kinds of processing were not tested."
    )
    return out


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
    if mix and mix.weights:
        weights = ",".join(f"{id}={weight:g}" for id, weight in mix.weights.items())
        parts += ["--weights", weights]
    if mix:
        parts += ["--min-models", f"{mix.min_models}"]
    return " ".join([*parts, "--json", "again.json"])


def moments(number: int) -> str:
    """Return 1 as "1 moment"."""
    return f"{number} {'moment' if number == 1 else 'moments'}"


def windows(number: int) -> str:
    """Return 1 as "1 window of speech"."""
    return f"{number} {'window' if number == 1 else 'windows'} of speech"


def looked(analysis: Analysis) -> list[tuple[str, str]]:
    """Return what of the file was analyzed, as (name, value)."""
    settings, kind = analysis.settings, analysis.media.kind
    part = f", from {settings.start:g} s" if settings.start else ""
    part += f", to {settings.end:g} s" if settings.end is not None else ""
    if kind == "audio":
        spans = sum(len(subject.spans) for subject in analysis.subjects)
        return [("Listened to", f"{windows(spans)}{part}")]
    rate = f"{settings.fps:.1f}" if analysis.media.live else f"{settings.fps:g}"
    sampling = {
        "uniform": "spread evenly",
        "keyframes": "where the picture changes",
        "fps": f"{rate} a second",
        "closer": "more of them where the score moves",
    }[settings.sampling]
    if seen := covered(analysis.coverage):
        sampling += f"; {seen}"
    all_of_it = f"{moments(len(analysis.timestamps))}, {sampling}{part}"
    return [
        ("Looked at", "the picture" if kind == "image" else all_of_it),
        ("Smallest face", f"{settings.min_face} px wide"),
        ("Face detector", MEASURED[settings.faces].title),
    ]


def earlier(verdict: EarlierVerdict, media: Media) -> str:
    """Return what stands in the file from an earlier analysis, and that it counts for nothing."""
    where = "into its metadata" if verdict.where == "metadata" else "beside it"
    likelihood = "" if verdict.likelihood is None else f", {verdict.likelihood} % likelihood"
    when = f", on {verdict.analyzed}" if verdict.analyzed else ""
    label = states.state(verdict.label) if verdict.label in set(Label) else verdict.label
    same = " of this very file" if verdict.sha256 == media.sha256 else ""
    return (
        f"An earlier verdict{same} was written {where}: “{label}{likelihood}”{when}. Anybody can "
        "write that; it had no influence here."
    )
