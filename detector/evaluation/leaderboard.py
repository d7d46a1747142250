"""The tables of a benchmark as Markdown and as a web page."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from detector.evaluation.benchmark import BenchmarkRow, Submission
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
WEIGHTS = ("Model", "Id", "SHA-256")
Section = tuple[str, str, Sequence[str], Sequence[Sequence[str]]]
"""Heading, sentence, names of the columns, rows."""


def to_markdown(submission: Submission) -> str:
    """Return all tables, and what they were measured with, as Markdown."""
    lines = [f"# Benchmark on {submission.labels}", "", _about(submission)]
    for heading, sentence, columns, rows in _sections(submission):
        lines += ["", f"## {heading}", "", sentence, "", *head(*columns)]
        lines += [line(*cells) for cells in rows]
    return "\n".join(lines) + "\n"


def to_html(submission: Submission) -> str:
    """Return the same as a page that needs no other file."""
    parts = []
    for heading, sentence, columns, rows in _sections(submission):
        heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in columns)
        body = ""
        for cells in rows:  # each names its column, for narrow screens
            named = zip(map(escape, columns), map(escape, cells), strict=True)
            fields = "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in named)
            body += f"<tr>{fields}</tr>\n"
        parts.append(f"<h2>{escape(heading)}</h2><p>{escape(sentence)}</p>")
        parts.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")
    page = Template(Path(__file__).with_name("leaderboard.html").read_text("utf-8"))
    title, about = escape(submission.labels), escape(_about(submission))
    return page.substitute(title=title, about=about, tables="\n".join(parts))


def _about(s: Submission) -> str:
    return (
        f"{s.created:%Y-%m-%d}, {s.frames} frames per clip at most. Unmask {s.software.version} "
        f"({s.software.commit or 'installed'}), Python {s.software.python}, torch "
        f"{s.software.torch}, {s.software.backend}, on {s.software.device}: {s.processor}. SHA-256 "
        f"of the labels: {s.labels_sha256}. Files without a score count against the model. One "
        "baseline is fitted to other sources and reads no pixel; one is sharpness alone, in its "
        "better direction."
    )


def _sections(s: Submission) -> Iterator[Section]:
    for (kind, asked), group in groupby(s.rows, lambda row: (row.kind, row.question)):
        rows = list(group)
        counts, sources = rows[0].ranking.auc, rows[0].sources
        sentence = (
            f"{counts.real} originals and {counts.fake} fakes of {sources} sources. Intervals"
        )
        unit = "sources" if sources > 1 else "groups, since there is one source"
        heading = f"{KINDS[kind]}: {capital(asked.spec.task)}"
        yield heading, f"{sentence} resample {unit}.", COLUMNS, [_cells(row, s) for row in rows]
    weights = [(model.title, model.id, model.weights_sha256) for model in s.models]
    yield "Weights", "Of several files: the SHA-256 of their hashes.", WEIGHTS, weights


def _cells(row: BenchmarkRow, submission: Submission) -> Sequence[str]:
    title, seconds, memory, r = BASELINES.get(row.id, row.id), "", "", row.ranking
    for model in submission.models:
        if model.id == row.id:
            other = "" if model.question is row.question else " (made for another question)"
            title, seconds = f"{model.title}{other}", number(model.seconds[row.kind], 1)
            memory = f"{(model.peak_memory or 0) / 2**30:.1f} GiB"
    return (
        title, figure_text(r.auc), number(1 - r.tpr_at_1), number(1 - r.tpr_at_5), pairs_text(r),
        number(row.calibration_error), seconds, memory, f"{r.judged} of {r.auc.real + r.auc.fake}",
    )  # fmt: skip
