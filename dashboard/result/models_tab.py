"""The table of the models: what each said, of how much, and what it costs."""

from __future__ import annotations

from dashboard import labels
from dashboard.i18n import LazyDict, _, ngettext
from dashboard.result import pulls
from detector.schema.analysis import Analysis, ModelResult

COLUMNS: LazyDict[str, tuple[str, bool]] = LazyDict(
    lambda: {
        "model": (_("Model"), False),
        "score": (_("Score"), True),
        "reading": (_("Reading"), False),
        "scored": (_("Scored"), True),
        "time": (_("Time"), True),
        "weight": (_("Weight"), True),
        "calibrated": (_("Calibrated"), False),
    }
)
"""Of the table: the name, and whether it holds numbers."""


def html(analysis: Analysis) -> str:
    """HTML of the per-model table; on a phone each model is a block of lines."""
    head = "".join(
        f"<th scope='col'{' class=n' if right else ''}>{name}</th>"
        for name, right in COLUMNS.values()
    )
    still = analysis.media.kind == "image"
    body = "".join(_row(model, still) for model in analysis.models)
    who = ""
    if analysis.verdict.subject and len(analysis.judged) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        text = text.format(person=labels.escape(analysis.verdict.subject))
        who = f"<p class='um-caption'>{text}</p>"
    return (
        f"<table class='um-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{who}"
    )


def _row(model: ModelResult, still: bool) -> str:
    if model.label is not None and model.probability is not None:
        state = labels.state(model.label, model.question)
        reading = (
            f"<span class='um-ink {state.slug}'><span class='um-icon' aria-hidden='true'>"
            f"{state.icon}</span>{state.short}</span>"
        )
        score = labels.percent(model.probability)
    else:
        reading, score = _("no score"), "–"
    if not model.counted:
        why = labels.escape(pulls.not_counted(model))
        reading += f"<small>{_('not counted: {why}').format(why=why)}</small>"
    looks = labels.looks(model.scored, "image" if still else model.kind)
    cells = {
        "score": score,
        "reading": reading,
        "scored": looks if model.scored else "–",
        "time": labels.took(model.seconds) if model.seconds is not None else "–",
        "weight": f"{model.weight:g}" if model.counted else "–",
        "calibrated": _calibrated(model),
    }
    tds = ""
    for column, value in cells.items():
        name, right = COLUMNS[column]
        tds += (
            f"<td data-label='{labels.escape(name)}'{' class=n' if right else ''}>"
            f"<div>{value}</div></td>"
        )
    plain = labels.plain(model)
    other = "" if plain == model.title else f"<small>{labels.escape(model.title)}</small>"
    return f"<tr><th scope='row'>{labels.escape(plain)}{other}</th>{tds}</tr>"


def _calibrated(model: ModelResult) -> str:
    """On how many clips; on what stands behind "How we know"."""
    if model.calibration is None or not model.calibration.clips:
        return _("by its authors’ point") if model.operating_point else _("no")
    clips = model.calibration.clips
    return ngettext("on {number} clip", "on {number} clips", clips).format(number=clips)
