"""The table of the models: what each said, of how much, and what it costs."""

from __future__ import annotations

from dashboard import labels
from dashboard.components import tables
from dashboard.components.chips import inked
from dashboard.components.markup import Text, show
from dashboard.components.tables import TableColumn, with_note
from dashboard.components.typography import small_print
from dashboard.i18n import _, ngettext
from dashboard.result import pulls
from detector.schema.analysis import Analysis, ModelResult


def draw(analysis: Analysis) -> None:
    """Draw the per-model table; on a phone each model is a block of lines."""
    numbers = (_("Score"), _("Scored"), _("Time"), _("Weight"))
    names = (_("Model"), _("Score"), _("Reading"), _("Scored"), _("Time"), _("Weight"))
    columns = [TableColumn(name, name in numbers) for name in (*names, _("Calibrated"))]
    still = analysis.media.kind == "image"
    who: Text = ""
    if analysis.verdict.subject and len(analysis.seen) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        who = small_print(text.format(person=analysis.verdict.subject))
    show(tables.table(columns, [_row(model, still) for model in analysis.models]), who)


def _row(model: ModelResult, still: bool) -> list[Text]:
    reading: Text = _("no score")
    score = "–"
    if model.label is not None and model.probability is not None:
        state = labels.state(model.label, model.question)
        reading = inked(state.short, state.slug, state.icon)
        score = labels.percent(model.probability)
    left_out = _("not counted: {why}")
    why = "" if model.counted else left_out.format(why=pulls.not_counted(model))
    looks = labels.looks(model.scored, "image" if still else model.kind)
    plain = labels.plain(model)
    return [
        with_note(plain, "" if plain == model.title else model.title),
        score,
        with_note(reading, why),
        looks if model.scored else "–",
        labels.took(model.seconds) if model.seconds is not None else "–",
        f"{model.weight:g}" if model.counted else "–",
        _calibrated(model),
    ]


def _calibrated(model: ModelResult) -> str:
    """On how many clips; on what stands behind "How we know"."""
    if model.calibration is None or not model.calibration.clips:
        return _("by its authors’ point") if model.operating_point else _("no")
    clips = model.calibration.clips
    return ngettext("on {number} clip", "on {number} clips", clips).format(number=clips)
