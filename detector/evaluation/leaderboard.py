"""The tables of a benchmark as Markdown and as a web page."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template

from detector.evaluation.benchmark import BenchmarkTable, Submission
from detector.evaluation.tables import KINDS, figure_text, head, line, number, pairs_text
from detector.messages.format import capital

BASELINES = {
    "pixel-free": "Baseline: no pixels (size, codec, rates)",
    "sharpness": "Baseline: sharpness",
}
COLUMNS = (
    "Model", "AUC [95 %]", "Fakes missed at 1 % false alarms", "at 5 %", "Pairs won", "ECE",
    "Seconds per file", "Peak memory", "Files scored",
)  # fmt: skip
EXPLAINED = (
    "Files without a score count against the model. One baseline reads no pixel (a regression "
    "fitted to other sources), one sharpness alone, in its better direction."
)


def to_markdown(submission: Submission) -> str:
    """Return all tables, and what they were measured with, as Markdown."""
    lines = [f"# Benchmark on {submission.labels}", "", f"{_measured(submission)} {EXPLAINED}"]
    for table in submission.tables:
        lines += ["", f"## {_title(table)}", "", _counts(table), "", *head(*COLUMNS)]
        lines += [line(*cells) for cells in _cells(table, submission)]
    lines += ["", "## Weights", "", *head("Model", "Id", "SHA-256")]
    lines += [line(m.title, m.id, m.weights_sha256) for m in submission.models]
    return "\n".join(lines) + "\n"


def to_html(submission: Submission) -> str:
    """Return the same as a page that needs no other file."""
    parts = []
    for table in submission.tables:
        parts.append(f"<h2>{escape(_title(table))}</h2><p>{escape(_counts(table))}</p>")
        parts.append(_html(COLUMNS, list(_cells(table, submission))))
    weights = [(m.title, m.id, m.weights_sha256) for m in submission.models]
    parts.append(f"<h2>Weights</h2>{_html(('Model', 'Id', 'SHA-256'), weights)}")
    page = Template(Path(__file__).with_name("leaderboard.html").read_text("utf-8"))
    about = escape(f"{_measured(submission)} {EXPLAINED}")
    return page.substitute(title=escape(submission.labels), about=about, tables="\n".join(parts))


def _measured(s: Submission) -> str:
    """Name data, program and processor."""
    commit = f" ({s.software.commit[:7]})" if s.software.commit else ""
    return (
        f"{s.created:%Y-%m-%d}, SHA-256 of the labels {s.labels_sha256}. Unmask "
        f"{s.software.version}{commit}, Python {s.software.python}, torch {s.software.torch}, "
        f"{s.software.backend}, on {s.software.device}: {s.processor}. "
        f"{s.frames} frames per clip at most."
    )


def _title(table: BenchmarkTable) -> str:
    return f"{KINDS[table.kind]}: {capital(table.question.spec.task)}"


def _counts(table: BenchmarkTable) -> str:
    return (
        f"{table.real} originals, {table.fake} fakes; intervals from resampling {table.units} "
        f"{table.resampled}."
    )


def _cells(table: BenchmarkTable, submission: Submission) -> Iterator[tuple[str, ...]]:
    models = {model.id: model for model in submission.models}
    for row in table.rows:
        r, model = row.ranking, models.get(row.id)
        title = model.title if model else BASELINES.get(row.id, row.id)
        if model and model.question is not table.question:
            title += " (made for another question)"
        memory = model.peak_memory if model else None
        seconds = model.seconds.get(table.kind) if model else None
        yield (
            title, figure_text(r.auc), number(1 - r.tpr_at_1), number(1 - r.tpr_at_5),
            pairs_text(r), number(row.calibration_error), f"{seconds:.1f}" if seconds else "",
            f"{memory / 2**30:.1f} GiB" if memory else "",
            f"{r.judged} of {table.real + table.fake}",
        )  # fmt: skip


def _html(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table whose cells name their column, for narrow screens."""
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in columns)
    lines = [
        "".join(
            f'<td data-label="{escape(name)}">{escape(cell)}</td>'
            for name, cell in zip(columns, cells, strict=True)
        )
        for cells in rows
    ]
    body = "".join(f"<tr>{text}</tr>" for text in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
