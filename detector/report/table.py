"""Sealed scores as CSV, analyses as JSON, and reports as Markdown."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.presentation import markdown
from detector.report.content import Content, PairContent
from detector.report.document import document
from detector.report.seal import seal_json, seal_text
from detector.schema.analysis import Analysis
from detector.spreadsheets import to_csv


def as_json(content: Content | PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed report as JSON: the Analysis under "analysis" or the Comparison under
    "comparison", the seal under "seal"."""
    if isinstance(content, PairContent):
        copy, original = content.sha256s
        pair = {
            "unmask_comparison_report": 1,
            "exported": content.exported.isoformat(),
            "sha256_at_export": {"copy": copy, "original": original},
            "comparison": content.comparison.model_dump(mode="json"),
        }
        return seal_json(pair, content.seal, key)
    tree = {
        "unmask_report": 1,
        "exported": content.exported.isoformat(),
        "sha256_at_export": content.sha256,
        "notes": content.notes,
        "case": content.details.case,
        "reviewer": content.details.reviewer,
        **({"origin": content.origin} if content.origin else {}),
        "analysis": content.analysis.model_dump(mode="json"),
    }
    return seal_json(tree, content.seal, key)


def as_csv(content: Content, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed table of scores; its last line is a comment with the seal."""
    return seal_text(scores(content.analysis), "csv", content.seal, key)


def as_markdown(content: Content | PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed report as Markdown; its last line is a comment with the seal."""
    return seal_text(markdown.of_document(document(content)), "md", content.seal, key)


def scores(analysis: Analysis) -> str:
    """Return a row for each person and sampled moment, or voice and window (at its start); an empty
    field is a missing score, with its reason in `why`.

    `score` is the person's likelihood at that moment; the questions alone (`answer_…`) and all
    models by id follow. Boxes are px of the upright frame."""
    ids = [model.id for model in analysis.models]
    questions = list(analysis.verdict.answers)
    answers = [f"answer_{question.value}" for question in questions]
    rows = [["person", "time_s", "score", *answers, *ids, "x0", "y0", "x1", "y1", "why"]]
    for track in analysis.judged:
        moments = enumerate(analysis.timestamps) if track.frames else ()
        faces = {face.index: face for face in track.frames}
        for index, time in moments:
            face = faces.get(index)
            numbers: list[float | None] = [None] * (1 + len(questions) + len(ids))
            box, why = [""] * 4, "not_in_frame"
            if face is not None:
                said, scores = map(face.answers.get, questions), map(face.scores.get, ids)
                numbers = [face.score, *said, *scores]
                box = [f"{v:.1f}" for v in face.box]
                why = str(face.quality.problem or "no_score") if face.score is None else ""
            row = ["" if n is None else f"{n:.4f}" for n in numbers]
            rows.append([track.id, f"{time:.3f}", *row, *box, why])
        for span in track.spans if not track.frames else ():
            numbers = [span.score, *map(span.answers.get, questions), *map(span.scores.get, ids)]
            row = ["" if n is None else f"{n:.4f}" for n in numbers]
            why = "no_score" if span.score is None else ""
            rows.append([track.id, f"{span.start:.3f}", *row, *[""] * 4, why])
    return to_csv(rows)
