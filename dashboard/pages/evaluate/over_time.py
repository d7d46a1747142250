"""Evaluations over time: the ensemble against each model alone."""

from collections import Counter
from pathlib import Path

import streamlit as st

from dashboard import labels, session, theme
from dashboard.charts import evaluation as charts
from dashboard.components import cards, controls, figures, typography
from dashboard.components.markup import show
from dashboard.i18n import LazyDict, _
from detector.evaluation import runs
from detector.evaluation.report import ENSEMBLE, KindReport, Report
from detector.models.registry import list_models
from service.config import get_config

MOST = 20
"""evaluations in the table, the newest"""


def draw(kinds: LazyDict[str, str]) -> None:
    """Draw the AUC of the person's evaluations, and for an administrator of UNMASK_RUNS, by date;
    nothing of fewer than two."""
    app, user = session.application(), session.current_user()
    reports = app.evaluations.reports(user)
    folder = get_config().runs
    if folder is not None and user.may_administer:
        reports += runs.reports(folder)
    count = Counter(kind.kind for report in reports for kind in report.kinds)
    several = {kind: kinds[kind] for kind, number in count.most_common() if number > 1}
    if not several:
        return
    with st.container(border=True, key="card-evaluations"):
        note = _("AUC by date. Only runs on the same files can be compared.")
        cards.introduced(_("Evaluations over time"), note)
        chosen = next(iter(several))
        if len(several) > 1:
            chosen = controls.choose(_("Kind"), several, chosen, "evaluations-kind", hidden=True)
        pairs = ((report, kind) for report in reports for kind in report.kinds)
        _runs(sorted((p for p in pairs if p[1].kind == chosen), key=lambda p: p[0].created))


def _runs(found: list[tuple[Report, KindReport]]) -> None:
    plain = labels.plain_names(list_models())
    lines: dict[str, charts.Line] = {_("All together"): []}
    best: Counter[str] = Counter()
    for report, kind in found:
        lines[_("All together")].append((report.created, kind.answers[0].ranking.auc.value))
        for model in kind.models:
            if model.id != ENSEMBLE:
                name = plain.get(model.id, model.title)
                lines.setdefault(name, []).append((report.created, model.ranking.auc.value))
                best[name] += 1
    shown = [_("All together"), *(name for name, _number in best.most_common(charts.LINES - 1))]
    drawn = {name: lines[name] for name in shown}
    colors = theme.palette()
    ends = "; ".join(f"{name}: {line[-1][1]:.2f}" for name, line in drawn.items())
    figures.chart(charts.over_time(drawn, colors), "evaluations", _("AUC by date. Last: ") + ends)
    marks = charts.key(shown, colors)[:-1]
    show(cards.legend(cards.Mark(f"line {dash}", name, color) for dash, color, name in marks))
    controls.table(
        {
            _("When"): f"{report.created:%Y-%m-%d %H:%M}",
            _("Files"): f"{Path(report.labels).name} ({kind.files})",
            _("All together"): f"{kind.answers[0].ranking.auc.value:.2f}",
            _("Version"): report.software.version,
        }
        for report, kind in found[: -MOST - 1 : -1]
    )
    if (more := len(found) - MOST) > 0:
        typography.caption(_("and {number} more").format(number=more))
