"""The models of a result: what each says, and how much it counts."""

from dataclasses import dataclass

from detector.messages import states
from detector.messages.format import score, took
from detector.presentation import Block, Section, Table, Text, facts, measured
from detector.schema.analysis import Analysis, Calibration, Label, ModelResult
from detector.sentences import _, count, say


@dataclass(frozen=True)
class ModelRow:
    """One model in words; a text is empty where there is nothing to say."""

    name: str  # what it looks for, else its own name
    title: str  # its own name, where that is another
    task: str
    score: str
    label: Label  # of its reading, NOT_APPLICABLE where its question stays open
    reading: str
    left_out: str  # that it is no part of the verdict, and why
    looks: str  # "12 frames"
    time: str
    weight: str
    calibrated: str
    of_them: str  # what of the calibration's clips that number is


def section(analysis: Analysis) -> Section:
    """Return what each model says, what it was fitted on, and the hash of its weights."""
    heads = (
        _("Model"), _("Made for"), _("Score"), _("Says"), _("Counted"), _("Scored"), _("Weight"),
    )  # fmt: skip
    cells = [
        (
            f"{row.name} ({row.title})" if row.title else row.name,
            row.task,
            row.score,
            f"{states.GLYPHS[row.label]} {row.reading}",
            row.left_out or _("yes"),
            row.looks,
            row.weight,
        )
        for row in rows(analysis)
    ]
    blocks: list[Block] = [Table(heads, cells)]
    if fitted := calibrations(analysis):
        blocks.append(Text(_("Calibrated on, and good for files like these:"), "strong"))
        blocks += [Text(line) for line in fitted]
    text = _("The weights are those of Unmask {version}, each named by the sha256 of its file.")
    blocks.append(Text(text.format(version=analysis.software.version), "note"))
    return Section(_("The models"), (*blocks, facts(weights(analysis))))


def rows(analysis: Analysis) -> list[ModelRow]:
    """Return a row for each model."""
    return [row(analysis, model) for model in analysis.models]


def row(analysis: Analysis, model: ModelResult) -> ModelRow:
    """Return one model's."""
    name, label, reading = plain(model), Label.NOT_APPLICABLE, _("no score")
    if model.label is not None:
        open = analysis.verdict.undecided(model.question)
        label = label if open else model.label
        reading = _("Not decided") if open else states.state(label, model.question, short=True)
    still, out = analysis.media.kind == "image", left_out(analysis, model)
    return ModelRow(
        name=name,
        title="" if name == model.title else model.title,
        task=say(model.task),
        score="" if model.probability is None else score(model.probability),
        label=label,
        reading=reading,
        left_out=out,
        looks=looks(model.scored, "image" if still else model.kind) if model.scored else "",
        time="" if model.seconds is None else took(model.seconds),
        weight=f"{model.weight:g}" if model.weight and not out else "",
        calibrated=_calibrated(model),
        of_them=_("that ask its question") if _partly(model.calibration) else "",
    )


def plain(model: ModelResult) -> str:
    """Return what a model looks for, as a name for a person; its own name where there is none."""
    return states.contribution("model", model.id, model.plain or model.title)


def looks(number: int, kind: str) -> str:
    """Return how often a model of a kind ("frame", "video", "audio", …) looked: "12 frames"."""
    if kind in ("video", "audio"):
        return count(number, "window", "windows")
    if kind == "image":
        return count(number, "picture", "pictures")
    return count(number, "frame", "frames")


def left_out(analysis: Analysis, model: ModelResult) -> str:
    """Return that a model's score is no part of the verdict, and why; empty where it is."""
    if model.counted and not analysis.verdict.uncounted(model.question):
        return ""
    why = _("its question is not decided")
    if not model.counted:
        why = states.not_counted(model.not_counted_because)
    return _("not counted: {why}").format(why=why)


def _calibrated(model: ModelResult) -> str:
    if model.calibration is not None:
        return measured.fitted_on(model.calibration)
    return _("no, not measured here") if model.operating_point else _("no")


def _partly(calibration: Calibration | None) -> bool:
    return calibration is not None and measured.part_of(calibration.clips, calibration.data)


def weights(analysis: Analysis) -> list[tuple[str, str]]:
    """Return the hash of each model's weights; of two models of one file, that it is one."""
    rows, first = [], dict[str, ModelResult]()
    for model in analysis.models:
        if not model.scored or not model.weights_sha256:
            continue
        known = first.setdefault(model.weights_sha256, model)
        value = model.weights_sha256
        if known is not model:
            value = _("those of {model}: the same network").format(model=plain(known))
            if model.question is not None and model.question is not known.question:
                text = _("those of {model}: the same network, asked “{question}”")
                asked = states.question(model.question)
                value = text.format(model=plain(known), question=asked)
        rows.append((_("Weights, {model}").format(model=plain(model)), value))
    return rows


def calibrations(analysis: Analysis) -> list[str]:
    """Return what the figures were fitted on: their domain, beyond which they promise nothing."""
    fitted: dict[str, list[str]] = {}
    for model in analysis.models:
        if model.counted and model.calibration is not None:
            fitted.setdefault(_clips(model.calibration), []).append(plain(model))
    for question, ensemble in analysis.ensembles.items():
        if ensemble.calibration is not None and analysis.verdict.answers[question].evaluated:
            everything = _("all together")
            fitted.setdefault(_clips(ensemble.calibration), []).append(everything)
    return [f"{', '.join(dict.fromkeys(names))}: {data}" for data, names in fitted.items()]


def _clips(map: Calibration) -> str:
    """Return what a map was fitted on, and how many of that ask its question."""
    if not _partly(map):
        return say(map.data)
    text = _("{number} that ask this question, of {data}")
    return text.format(number=map.clips, data=say(map.data))
