"""The words of a report: likelihood, never fact."""

from __future__ import annotations

from detector.decision.numbers import at_most
from detector.messages.format import capital, percent
from detector.origin import Credential, EarlierVerdict
from detector.results import Analysis, Answer, Audio, Label, Media, ModelResult, Question, Tally

STATES: dict[Label, str] = {
    Label.FAKE: "Likely manipulated",
    Label.REAL: "No sign of manipulation found",
    Label.INCONCLUSIVE: "Inconclusive",
    Label.NOT_APPLICABLE: "Could not be judged",
}
GLYPHS: dict[Label, str] = {
    Label.FAKE: "▲",
    Label.REAL: "○",
    Label.INCONCLUSIVE: "?",
    Label.NOT_APPLICABLE: "–",
}
QUESTIONS: dict[Question, str] = {
    Question.MANIPULATION: "Was a face altered?",
    Question.SYNTHESIS: "Was the whole picture made by a machine?",
}
_MACHINE_MADE: dict[Label, str] = {
    Label.FAKE: "Likely machine-made",
    Label.REAL: "No sign of a machine-made picture found",
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


def state(label: Label, question: Question | None = None) -> str:
    """What is said, in the words of the question."""
    if question is Question.SYNTHESIS:
        return _MACHINE_MADE.get(label, STATES[label])
    return STATES[label]


def meaning(answer: Answer) -> str:
    """What the thresholds of an answer mean, in a sentence or two."""
    limits = answer.thresholds
    alarms = _share(limits.false_positives, limits.false_positive_rate, "untouched")
    missed = _share(limits.false_negatives, limits.false_negative_rate, "manipulated")
    if limits.own:
        return f"At most {alarms} like yours land above the upper one, by {limits.data}."
    parts = []
    if alarms:
        parts.append(f"{alarms} landed above the upper one")
    if missed:
        parts.append(f"{missed} below the lower one")
    measured = capital(" and ".join(parts))
    if measured and limits.data:
        measured += f", measured on {limits.data}"
    moved = "These thresholds were moved by hand for this result." if limits.custom else ""
    return " ".join(part for part in (measured and f"{measured}.", moved) if part)


def _share(tally: Tally | None, rate: float | None, kind: str) -> str:
    """How many files of a kind, with what such a count leaves likely; empty where nobody said."""
    if tally is None:
        return "" if rate is None else f"{percent(rate)} of {kind} files"
    return (
        f"{tally.count or 'none'} of {tally.clips} {kind} clips (so at most "
        f"{percent(at_most(tally))} of such, 95 % sure)"
    )


def file_rows(media: Media) -> list[tuple[str, str]]:
    """What the file is, as (name, value)."""
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
        rows.append(("Turned", f"{media.turned}° clockwise, since faces were only found so"))
    if media.kind == "video" and not media.live:
        audio = media.audio
        sound = (
            f"{audio.codec}, {audio.channels} channels, {audio.sample_rate:,} Hz" if audio else ""
        )
        rows.append(("Sound", sound or "none"))
    return rows


def _sound(audio: Audio | None) -> str:
    if audio is None:
        return "none"
    return f"{audio.codec}, {audio.channels} channels, {audio.sample_rate:,} Hz"


def credential_rows(credential: Credential) -> list[tuple[str, str]]:
    """What the signed origin says, as (name, value)."""
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
        rows.append(("Trust list", "None is configured here, so nobody is trusted."))
    return [(name, value) for name, value in rows if value]


def counted(model: ModelResult) -> str:
    """Whether a model counts, and if not, why."""
    return "yes" if model.counted else f"no: {model.not_counted_because or 'not said'}"


def calibrations(analysis: Analysis) -> list[str]:
    """What the figures were fitted on: their domain, beyond which they promise nothing."""
    fitted: dict[str, list[str]] = {}
    for model in analysis.models:
        if model.counted and model.calibration is not None:
            fitted.setdefault(model.calibration.data, []).append(model.title)
    for question, ensemble in analysis.ensembles.items():
        if ensemble.calibration is not None and analysis.verdict.answers[question].asked:
            fitted.setdefault(ensemble.calibration.data, []).append("all together")
    return [f"{', '.join(names)}: {data}" for data, names in fitted.items()]


def earlier(verdict: EarlierVerdict, media: Media) -> str:
    """What stands in the file from an earlier analysis, and that it counts for nothing."""
    where = "into its metadata" if verdict.where == "metadata" else "beside it"
    likelihood = "" if verdict.likelihood is None else f", {verdict.likelihood} % likelihood"
    when = f", on {verdict.analyzed}" if verdict.analyzed else ""
    known = {label.value: text for label, text in STATES.items()}
    said = known.get(verdict.label, verdict.label)
    same = " of this very file" if verdict.sha256 == media.sha256 else ""
    return (
        f"An earlier verdict{same} was written {where}: “{said}{likelihood}”{when}. Anybody can "
        "write that; it had no influence here."
    )
