"""The models of a result: scores, readings, weights and calibration."""

from collections.abc import Iterable, Mapping

from detector.messages import states
from detector.messages.format import score, size, took
from detector.models.base import ModelSpec
from detector.presentation import Block, Cell, Grid, Row, Section, Text, facts, measured, series
from detector.schema.analysis import Analysis, Calibration, FrameSegment, Label, ModelResult
from detector.schema.ensemble import shown_name
from detector.sentences import NBSP, _, count, numeral, say

TITLE = _("Models")


def section(analysis: Analysis) -> Section:
    """Return the table of models, their calibration sets and the hashes of their weights."""
    text = _("The weights are those of Unmask {version}, each named by the sha256 of its file.")
    blocks: list[Block] = [table(analysis)]
    if fitted := calibrations(analysis):
        blocks.append(Text(_("Calibrated on, and good for files like these:"), "subhead"))
        blocks += [Text(line) for line in fitted]
    blocks.append(Text(text.format(version=analysis.software.version), "note"))
    return Section("models", _("The models"), (*blocks, weights(analysis)))


def table(analysis: Analysis) -> Grid:
    """Return a table with a row for each model."""
    heads = (
        _("Model"), _("Looks for"), _("Score"), _("Says"), _("Scored"), _("Time"), _("Weight"),
        _("Calibrated"),
    )  # fmt: skip
    return Grid(heads, [cells(analysis, model) for model in analysis.models])


def whose(analysis: Analysis) -> str:
    """Return the person that the scores refer to, of several."""
    text = _("Scores are those of Person {person}, the most suspicious.")
    return text.format(person=analysis.people[0].id) if len(analysis.people) > 1 else ""


def reading(analysis: Analysis, model: ModelResult, label: Label, note: str = "") -> Cell:
    """Return a model's reading."""
    return Cell(states.state(label, model.question, short=True), note, label)


def about(analysis: Analysis, model: ModelResult) -> list[str]:
    """Return the calibration set of a model, and why it does not count."""
    fitted = _calibrated(model)
    if model.calibration is not None:
        fitted = measured.on_clips(model.calibration)
    return [f"{_('Calibrated')}: {fitted}", *filter(None, [left_out(analysis, model)])]


def cells(analysis: Analysis, model: ModelResult) -> tuple[str | Cell, ...]:
    """Return the table row of one model."""
    name, out = plain(model), left_out(analysis, model)
    says = Cell(_("no score"), out)
    if model.label is not None:
        says = reading(analysis, model, model.label, out)
    kind = "image" if analysis.media.kind == "image" else model.kind
    of_them = _("that ask its question") if _partly(model.calibration) else ""
    return (
        Cell(name, "" if name == model.title else model.title),
        say(model.question.spec.looks_for) if model.question else say(model.task),
        "–" if model.probability is None else score(model.probability, _edges(analysis, model)),
        says,
        looks(model.scored, kind) if model.scored else "–",
        "–" if model.seconds is None else took(model.seconds),
        numeral(model.weight, "g") if model.weight and not out else "–",
        Cell(_calibrated(model), of_them),
    )


def _edges(analysis: Analysis, model: ModelResult) -> list[float]:
    return analysis.verdict.thresholds.edges


def in_frame(analysis: Analysis, face: FrameSegment) -> Grid:
    """Return each model's score of a face in one frame, the combined one first."""
    verdict = analysis.verdict

    def row(name: str, value: float | None, note: str = "") -> tuple[str | Cell, ...]:
        if value is None:
            return name, "–", note or series.why(face)
        label = series.label_at(value, verdict.thresholds)
        says = states.state(label, verdict.question, short=True)
        number = score(value, verdict.thresholds.edges)
        return Cell(name, note), number, Cell(says, state=label)

    rows = [row(_("Combined"), face.score)]
    for model in analysis.models:
        value = face.scores.get(model.id)
        if model.scored or value is not None:
            note = "" if model.counted else _("not counted")
            rows.append(row(plain(model), value, note))
    return Grid((_("Scores in this frame"), _("Score"), _("Reading")), rows)


def costs(shown: Iterable[ModelResult], memory: Mapping[str, int]) -> Grid:
    """Return the run time of each model; `memory` is that of loaded models, bytes by id."""
    heads = _("Model"), _("Memory"), _("Scored"), _("Time"), _("Each")
    rows = []
    for model in shown:
        each = model.seconds / model.scored if model.seconds and model.scored else None
        room = memory.get(model.id)
        rows.append((
            plain(model),
            _("not loaded") if room is None else size(room),
            looks(model.scored, model.kind),
            took(model.seconds) if model.seconds else "–",
            f"{each * 1000:.0f}{NBSP}ms" if each else "–",
        ))  # fmt: skip
    return Grid(heads, rows)


def plain(model: ModelResult | ModelSpec) -> str:
    """Return the name of a model (`shown_name`) in the reader's language."""
    return say(shown_name(model))


def crop(spec: ModelSpec) -> str:
    """Return a model's input crop in a sentence."""
    recipe = spec.crop
    texts = {
        "square": _("a square of {scale} times the face box, {size}"),
        "box": _("the face box with a margin, {size}"),
        "points": _("the face set upright by its landmarks, {size}"),
        "upright": _("a square about the face, placed by its landmarks and not turned, {size}"),
        "whole": _("the whole picture, {size}"),
    }
    picture = texts[recipe.kind].format(scale=numeral(recipe.scale, "g"), size=f"{recipe.size} px")
    if recipe.around:
        picture = _("{picture}; next to it a square of {scale} times the face box").format(
            picture=picture, scale=numeral(recipe.around, "g")
        )
    if spec.kind != "video":
        return picture
    if not spec.clip_step:
        return _("{picture}; {number} frames").format(picture=picture, number=spec.clip_frames)
    return _("{picture}; {number} frames {seconds} s apart").format(
        picture=picture, number=spec.clip_frames, seconds=numeral(spec.clip_step, "g")
    )


def looks(number: int, kind: str) -> str:
    """Return the number of inputs of a model of this kind: "12 frames"."""
    if kind in ("video", "audio"):
        return count(number, "window", "windows")
    if kind == "image":
        return count(number, "picture", "pictures")
    return count(number, "frame", "frames")


def left_out(analysis: Analysis, model: ModelResult) -> str:
    """Return why a model's score does not count; empty if it counts."""
    if model.counted:
        return ""
    return _("not counted: {why}").format(why=states.not_counted(model.not_counted_because))


def _calibrated(model: ModelResult) -> str:
    if model.calibration is not None:
        return measured.fitted_on(model.calibration)
    return _("no, not measured here") if model.operating_point else _("no")


def _partly(calibration: Calibration | None) -> bool:
    return calibration is not None and measured.part_of(calibration.clips, calibration.data)


def weights(analysis: Analysis) -> Grid:
    """Return the hash of each model's weights; a shared file is listed once."""
    rows, first = list[Row](), dict[str, ModelResult]()
    for model in analysis.models:
        if not model.scored or not model.weights_sha256:
            continue
        known = first.setdefault(model.weights_sha256, model)
        value, exact = model.weights_sha256[:8], model.weights_sha256
        if known is not model:
            exact, value = "", _("those of {model}: the same network").format(model=plain(known))
            if model.question is not None and model.question is not known.question:
                text = _("those of {model}: the same network, asked “{question}”")
                asked = states.question(model.question)
                value = text.format(model=plain(known), question=asked)
        rows.append(Row(_("Weights, {model}").format(model=plain(model)), value, exact=exact))
    return facts(rows)


def calibrations(analysis: Analysis) -> list[str]:
    """Return the calibration sets, the domain in which figures are valid."""
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
    """Return a calibration set, and how many of its files ask this question."""
    if not _partly(map):
        return say(map.data)
    text = _("{number} that ask this question, of {data}")
    return text.format(number=map.clips, data=say(map.data))
