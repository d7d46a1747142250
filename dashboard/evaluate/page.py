"""The page: bring a labelled set, wait, read the figures, look at the worst mistakes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import address, backend, limits, theme, titles, words
from dashboard.charts import CONFIG
from dashboard.evaluate import figures
from dashboard.evaluate.runs import Run
from dashboard.jobs import Busy
from detector.errors import InputError
from detector.models.registry import list_models, usable
from detector.results import Settings, Thresholds
from detector.training import curves, tables
from detector.training.report import ConditionReport, KindReport
from detector.training.scores import Scored
from detector.training.tallies import Share

CONDITIONS = {
    "none": "As they are",
    "few": "Also re-encoded, shrunk, blurred and noisy",
}
KINDS = {"video": "Clips", "image": "Pictures"}
WORST = 12
"""Mistakes that are listed."""


def draw() -> None:
    """Draw the page."""
    token = address.current()
    run = backend.evaluations().find(token) if token else None
    if run is None:
        _empty(gone=token is not None)
    elif run.active:
        _running(run)
    elif run.report is None:
        _failed(run)
    else:
        _result(run)


def _empty(*, gone: bool) -> None:
    titles.head(
        "Evaluate on your own files",
        "How often the models are right on material whose answer you know: error rates, "
        "calibration, and the files they get wrong.",
    )
    if gone:
        st.html(
            '<p class="um-said" role="status">This evaluation is not kept here any more. Bring the '
            "files again.</p>"
        )
    specs = [spec for spec in list_models() if usable(spec)]
    names = {spec.id: spec.title for spec in specs}
    usual = [spec.id for spec in specs if spec.default]
    with st.form("evaluate", border=True):
        files = st.file_uploader(
            "A ZIP with the folders real and fake, or a CSV with its files",
            accept_multiple_files=True,
            key="evaluate-files",
        )
        st.html(
            '<p class="um-caption">The CSV has the columns <code>file,label</code> and, where '
            "known, <code>group,source,method</code>. A group ties an original to the fakes made "
            "of it: pairs tell more than single files. A ZIP may hold its own "
            "<code>labels.csv</code>.</p>"
        )
        chosen = st.pills(
            "Models",
            list(names),
            selection_mode="multi",
            default=usual,
            format_func=names.__getitem__,
            key="evaluate-models",
        )
        condition = st.selectbox(
            "Files",
            list(CONDITIONS),
            format_func=CONDITIONS.__getitem__,
            key="evaluate-condition",
            help="Conditions show how much is lost when a file was passed on. Six times the work.",
        )
        sent = st.form_submit_button("Evaluate", type="primary", icon=":material/play_arrow:")
    if not sent:
        return
    if not files:
        st.html('<p class="um-warn" role="alert">Choose the files first.</p>')
        return
    ids = [id for id in names if id in chosen]
    try:
        with limits.taking(max(file.size for file in files), len(files)):
            run = backend.evaluations().start(
                files, None if ids == usual or not ids else ids, condition
            )
    except (Busy, InputError) as error:
        hint = f" {words.escape(error.hint)}" if error.hint else ""
        st.html(f'<p class="um-warn" role="alert">{words.escape(error.message)}{hint}</p>')
        return
    address.enter(run.token)
    st.rerun()


def _running(run: Run) -> None:
    titles.head("Evaluating", f"{run.what.real} originals and {run.what.fake} fakes")
    with st.container(border=True, key="card-evaluating"):
        _progress(run.token)


@st.fragment(run_every=1.0)
def _progress(token: str) -> None:
    run = backend.evaluations().find(token)
    if run is None or not run.active:
        st.rerun()
        return
    if run.began is None:
        st.progress(0.0, text="Waiting for an evaluation before this one")
    else:
        left = run.seconds_left
        text = f"{run.done} of {run.total or run.what.real + run.what.fake} files scored"
        text += f" · {words.about(left)} left" if left is not None else ""
        st.progress(run.done / run.total if run.total else 0.0, text=text)
    st.html('<p class="um-caption">You can leave this page; its address leads back here.</p>')
    st.button("Cancel", icon=":material/close:", key="evaluate-stop", on_click=run.stop.set)


def _failed(run: Run) -> None:
    titles.head("No figures", "The evaluation did not end.")
    st.html(
        f'<p class="um-said" role="status">{words.escape(run.error)} {words.escape(run.hint)}</p>'
    )
    _again(run)


def _again(run: Run) -> None:
    if st.button("New evaluation", icon=":material/add:", key="evaluate-new"):
        backend.evaluations().delete(run.token)
        address.leave()
        st.rerun()


def _result(run: Run) -> None:
    report = run.report
    assert report is not None
    facts = [
        f"{run.what.real} originals and {run.what.fake} fakes",
        f"{report.created:%Y-%m-%d %H:%M}",
        f"Unmask {report.software.version}",
    ]
    with titles.row("How often they are right", facts):
        st.download_button(
            "Export",
            _export(run),
            "evaluation.zip",
            "application/zip",
            icon=":material/download:",
            on_click="ignore",
            key="evaluate-export",
        )
        _again(run)
    notes = [*report.notes, *run.what.left_out[:5]]
    if len(run.what.left_out) > 5:
        notes.append(f"and {len(run.what.left_out) - 5} more were left out")
    if notes:
        st.html(f'<p class="um-caption">{words.escape("; ".join(notes))}</p>')
    kinds = {KINDS[kind.kind]: kind for kind in report.kinds}
    name = next(iter(kinds))
    if len(kinds) > 1:
        name = (
            st.segmented_control(
                "Kind",
                list(kinds),
                default=name,
                required=True,
                label_visibility="collapsed",
                key="evaluate-kind",
            )
            or name
        )
    kind = kinds[name]
    scored = [s for s in run.scored if s.kind == kind.kind]
    # The first question's: those that most verdicts are given by.
    thresholds = next(iter(report.thresholds.values()), Thresholds(low=0.5, high=0.5))
    _headline(kind)
    _curves(kind, scored, thresholds)
    _confusion(scored, thresholds)
    _mistakes(run, scored)
    _tables(kind)


def _headline(kind: KindReport) -> None:
    first = kind.answers[0]
    auc, said = first.ranking.auc, first.decisions
    cells = [
        ("AUC", f"{auc.value:.2f}", f"{auc.low:.2f} to {auc.high:.2f}"),
        ("Pairs ranked rightly", *_pairs(first.ranking.pairs, first.ranking.pairs_won)),
        ("Originals called fake", *_share(said.false_positives)),
        ("Got a verdict", *_share(said.decided)),
        ("Of these, right", *_share(said.right)),
        ("Calibration error", f"{first.honesty.error:.2f}", "0 is best"),
    ]
    st.html(words.figures(cells))


def _pairs(count: int, won: float) -> tuple[str, str]:
    if not count:
        return "–", "no groups with both"
    return words.percent(won), f"of {count} pairs"


def _share(share: Share) -> tuple[str, str]:
    if not share.of:
        return "–", "none"
    return words.percent(share.count / share.of), f"{share.count} of {share.of}"


def _columns(scored: Sequence[Scored]) -> dict[str, np.ndarray]:
    """A score a file by name: all together first, then each model alone. What could not be judged
    counts against us."""
    together = [1.0 - s.label if s.probability is None else s.probability for s in scored]
    out = {"All together": np.array(together)}
    titles = {spec.id: spec.title for spec in list_models()}
    for id in dict.fromkeys(id for s in scored for id in s.highest):
        out[titles.get(id, id)] = np.array(
            [s.highest.get(id, -1e6 if s.label else 1e6) for s in scored]
        )
    return out


def _curves(kind: KindReport, scored: Sequence[Scored], thresholds: Thresholds) -> None:
    colors = theme.palette()
    labels = np.array([s.label for s in scored])
    groups = [f"{s.source}/{s.group}" for s in scored]
    columns = _columns(scored)
    shown = dict(list(columns.items())[:4])
    first = kind.answers[0]
    area = first.ranking.auc
    dashes = " · ".join(
        f"{name} ({('solid', 'dashed', 'dotted', 'dash-dotted')[i]})"
        for i, name in enumerate(shown)
    )
    both = st.columns(2, gap="medium")
    with both[0], st.container(border=True, key="card-roc", height="stretch"):
        st.html('<h2 class="um-h2">ROC, with its 95 % band</h2>')
        st.plotly_chart(
            figures.roc(
                {name: curves.roc(column, labels, groups) for name, column in shown.items()}, colors
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-roc",
            alt=f"AUC {area.value:.2f}, between {area.low:.2f} and {area.high:.2f}",
        )
        st.html(f'<p class="um-caption">{words.escape(dashes)}. Dotted: guessing.</p>')
    with both[1], st.container(border=True, key="card-precision", height="stretch"):
        st.html('<h2 class="um-h2">Precision against recall</h2>')
        st.plotly_chart(
            figures.precision(
                {name: curves.precision_recall(column, labels) for name, column in shown.items()},
                float(labels.mean()),
                colors,
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-precision",
            alt="Precision at each recall, for each model",
        )
        st.html(
            '<p class="um-caption">Precision depends on how many files are fake: here '
            f"{words.percent(float(labels.mean()))}.</p>"
        )
    both = st.columns(2, gap="medium")
    with both[0], st.container(border=True, key="card-reliability", height="stretch"):
        st.html('<h2 class="um-h2">Can the percentages be taken at their word?</h2>')
        st.plotly_chart(
            figures.reliability(first.honesty.bars, colors),
            theme=None,
            config=CONFIG,
            key="evaluate-reliability",
            alt=f"Expected calibration error {first.honesty.error:.2f}",
        )
        chance = first.honesty.error_by_chance
        st.html(
            f'<p class="um-caption">Expected calibration error {first.honesty.error:.2f}; '
            f"exactly right percentages would show {chance:.2f} on so few files.</p>"
        )
    with both[1], st.container(border=True, key="card-histogram", height="stretch"):
        st.html('<h2 class="um-h2">Where the scores lie</h2>')
        judged = [s for s in scored if s.probability is not None]
        st.plotly_chart(
            figures.histogram(
                [s.probability or 0.0 for s in judged if s.label == 0],
                [s.probability or 0.0 for s in judged if s.label == 1],
                thresholds,
                colors,
            ),
            theme=None,
            config=CONFIG,
            key="evaluate-histogram",
            alt="Scores of originals above the axis, of fakes below",
        )
        st.html(f'<p class="um-caption">{len(judged)} of {len(scored)} files were judged.</p>')


@st.fragment
def _confusion(scored: Sequence[Scored], thresholds: Thresholds) -> None:
    """What is called what at a threshold that can be moved; recomputed from the scores."""
    with st.container(border=True, key="card-confusion"):
        st.html('<h2 class="um-h2">At a threshold of your choice</h2>')
        cut = st.slider(
            "Called fake from",
            0,
            100,
            round(thresholds.high * 100),
            format="%d %%",
            key="evaluate-cut",
        )
        rows = []
        for label, name in ((0, "Originals"), (1, "Fakes")):
            own = [s for s in scored if s.label == label]
            over = sum(1 for s in own if s.probability is not None and s.probability * 100 >= cut)
            out = sum(1 for s in own if s.probability is None)
            rows.append(
                {
                    "": name,
                    "Called fake": f"{over} ({words.percent(over / max(1, len(own)))})",
                    "Not called fake": str(len(own) - over - out),
                    "Not judged": str(out),
                    "In all": str(len(own)),
                }
            )
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


def _mistakes(run: Run, scored: Sequence[Scored]) -> None:
    """The files that were most wrong, each one click from its evidence."""
    wrong = sorted(
        (s for s in scored if s.probability is not None and (s.probability > 0.5) != bool(s.label)),
        key=lambda s: -abs((s.probability or 0.5) - 0.5),
    )[:WORST]
    with st.container(border=True, key="card-mistakes"):
        st.html('<h2 class="um-h2">Worst mistakes</h2>')
        if not wrong:
            st.html('<p class="um-caption">No file is on the wrong side of 50 %.</p>')
        for number, s in enumerate(wrong):
            with st.container(
                horizontal=True,
                horizontal_alignment="distribute",
                vertical_alignment="center",
                key=f"mistake-{number}",
            ):
                said = f"{words.percent(s.probability or 0.0)} likely manipulated"
                known = f" ({s.method})" if s.method != "unknown" else ""
                what = "an original" if s.label == 0 else f"a fake{known}"
                st.html(
                    f"<p><b>{words.escape(Path(s.name).name)}</b> is {words.escape(what)}; the "
                    f"models say {said}.</p>",
                    width="stretch",
                )
                if st.button("Look at it", icon=":material/search:", key=f"look-{number}"):
                    _look(run, s)


def _look(run: Run, scored: Scored) -> None:
    """Analyze the file as if it had been dropped, with the same models."""
    path = run.folder / scored.name
    try:
        with path.open("rb") as file:
            job = backend.submit(file, path.name, Settings(models=run.models))
    except (Busy, InputError) as error:
        st.html(f'<p class="um-warn" role="alert">{words.escape(error.message)}</p>')
    except OSError:
        st.html('<p class="um-warn" role="alert">This file is not kept here any more.</p>')
    else:
        st.switch_page("pages/analyze.py", query_params={"a": job.key})


def _tables(kind: KindReport) -> None:
    """By condition, method and source."""
    if len(kind.conditions) > 0:
        with st.container(border=True, key="card-conditions"):
            st.html('<h2 class="um-h2">When the files were passed on</h2>')
            st.table(
                pd.DataFrame(_condition(c) for c in kind.conditions),
                border="horizontal",
                hide_index=True,
            )
    with st.expander("By method and source"):
        for name, rows in (("Method", kind.methods), ("Source", kind.sources)):
            st.dataframe(
                pd.DataFrame(
                    {
                        name: row.name,
                        "Originals": row.real,
                        "Fakes": row.fake,
                        "AUC": tables.figure_text(row.auc) if row.auc else "–",
                        "Originals called fake": tables.share_text(row.false_positives),
                        "Fakes found": tables.share_text(row.true_positives),
                    }
                    for row in rows
                ),
                hide_index=True,
            )


def _condition(c: ConditionReport) -> dict[str, str]:
    return {
        "Condition": c.title,
        "AUC": tables.figure_text(c.ranking.auc),
        "AUC lost": f"{c.fall:.2f}",
        "Originals called fake": tables.share_text(c.decisions.false_positives),
        "Fakes found": tables.share_text(c.decisions.true_positives),
    }


def _export(run: Run) -> bytes:
    """Figures and scores as a ZIP; no media."""
    assert run.report is not None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.json", run.report.model_dump_json(indent=2))
        archive.writestr("report.md", tables.to_markdown(run.report))
        archive.writestr("figures.csv", tables.to_csv(run.report))
        archive.writestr("scores.csv", tables.scores_csv(run.scored))
    return buffer.getvalue()
