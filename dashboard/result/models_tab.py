"""The table of the models: what each said, of how much, and what it costs."""

from dashboard import labels
from dashboard.components import tables
from dashboard.components.chips import inked
from dashboard.components.markup import Text, show
from dashboard.components.tables import TableColumn, with_note
from dashboard.components.typography import small_print
from dashboard.i18n import _, speech
from dashboard.result import pulls
from detector.messages import measured
from detector.schema.analysis import Analysis, Label, ModelResult


def draw(analysis: Analysis) -> None:
    """Draw the per-model table; on a phone each model is a block of lines."""
    numbers = (_("Score"), _("Scored"), _("Time"), _("Weight"))
    names = (_("Model"), _("Score"), _("Reading"), _("Scored"), _("Time"), _("Weight"))
    columns = [TableColumn(name, name in numbers) for name in (*names, _("Calibrated"))]
    who: Text = ""
    if analysis.verdict.subject and len(analysis.seen) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        who = small_print(text.format(person=analysis.verdict.subject))
    rows = [row(analysis, model) for model in analysis.models]
    show(tables.table(columns, rows), who)


def row(analysis: Analysis, model: ModelResult) -> list[Text]:
    """Return the cells of a model; neutral where its question is not decided."""
    reading: Text = _("no score")
    score, still = "–", analysis.media.kind == "image"
    if model.label is not None and model.probability is not None:
        open = analysis.verdict.undecided(model.question)
        state = labels.state(Label.NOT_APPLICABLE if open else model.label, model.question)
        reading = inked(_("Not decided") if open else state.short, state.slug, state.icon)
        score = labels.score(model.probability)
    left_out = _left_out(analysis, model)
    looks = labels.looks(model.scored, "image" if still else model.kind)
    plain = labels.plain(model)
    return [
        with_note(plain, "" if plain == model.title else model.title),
        score,
        with_note(reading, left_out),
        looks if model.scored else "–",
        labels.took(model.seconds) if model.seconds is not None else "–",
        f"{model.weight:g}" if not left_out else "–",
        _calibrated(model),
    ]


def _left_out(analysis: Analysis, model: ModelResult) -> str:
    """Return that a model's score is no part of the verdict, and why; empty where it is."""
    if not model.counted:
        return _("not counted: {why}").format(why=pulls.not_counted(model))
    return _("not counted") if analysis.verdict.uncounted(model.question) else ""


def _calibrated(model: ModelResult) -> Text:
    """On how many clips; on what stands behind "How we know"."""
    if model.calibration is None:
        return _("by its authors’ point") if model.operating_point else _("no")
    clips, data = model.calibration.clips, model.calibration.data
    text = measured.fitted_on(model.calibration, speech())
    return with_note(text, _("that ask its question") if measured.part_of(clips, data) else "")
