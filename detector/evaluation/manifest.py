"""Writes what calibration found into the manifest, and leaves everything else in it as it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from detector import paths
from detector.errors import ModelError
from detector.evaluation.calibration_report import Calibrated
from detector.models.registry import Manifest
from detector.schema.analysis import Calibration, Ensemble, OddsPoint, Tally

_HEADER = re.compile(r"^\[\[?([A-Za-z0-9_.]+)\]\]?", re.MULTILINE)


def write(result: Calibrated, path: Path | None = None) -> Path:
    """Replace the ensembles, and the weight and calibration of each model that was calibrated.

    Bundled models of a calibrated question are `default` if they were calibrated, and no others:
    one whose weight came out as 0 runs beside them, is shown, and does not vote.
    Comments and all other entries stay. The file is replaced whole or not at all.

    Parameters
    ----------
    path : Path, optional
        Default: the manifest that ships.

    Raises
    ------
    ModelError
        The manifest can't be read or written, or what came out would not be one.
    """
    path = path or paths.bundled() / "manifest.toml"
    try:
        text = updated(path.read_text(encoding="utf-8"), result)
        Manifest.model_validate(tomllib.loads(text))
        paths.write(path, text)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be written: {error}.") from error
    return path


def updated(text: str, result: Calibrated) -> str:
    """A manifest's text with the result in it."""
    blocks = _blocks(text)
    kept = [b for b in blocks if not _name(b).startswith(("ensembles.", "combined"))]
    # What stands after the last key of a dropped table (comments about the next) is kept.
    tail = "".join(_after_keys(b) for b in blocks if b not in kept)
    first = next((i for i, b in enumerate(kept) if _name(b) == "models"), len(kept))
    head, models = kept[:first], kept[first:]
    entries: list[list[str]] = []
    for block in models:
        if _name(block) == "models":
            entries.append([])
        entries[-1].append(block)
    done = [_entry(entry, result) for entry in entries]
    return "".join([*head, to_toml(result), "\n" if not tail.strip() else tail, *done])


def to_toml(result: Calibrated) -> str:
    """The tables of the ensembles."""
    parts = []
    for question, ensemble in result.ensembles.items():
        report = next(r for r in result.reports if r.question is question)
        notes = ", ".join(f"{id} {auc:.3f}" for id, auc in report.models.items())
        parts.append(
            f"[ensembles.{question.value}]\n"
            f"# AUC there: {notes}; together, each source held out: {report.auc:.3f}\n"
            + _ensemble(f"ensembles.{question.value}", ensemble)
        )
    return "\n".join(parts)


def _ensemble(name: str, ensemble: Ensemble) -> str:
    models = ", ".join(f'"{id}"' for id in ensemble.models)
    limits, doubt = ensemble.thresholds, ensemble.doubt
    assert ensemble.calibration is not None
    text = f"models = [{models}]\nmin_models = {ensemble.min_models}\n"
    text += f"caution = {ensemble.caution:g}\n"
    if (auc := ensemble.auc) is not None:
        text += f"auc = {{ value = {auc.value:g}, low = {auc.low:g}, high = {auc.high:g} }}\n"
    if ensemble.odds:
        points = "".join(f"  {_point(point)},\n" for point in ensemble.odds)
        text += f"odds = [\n{points}]\n"
    text += "\n"
    text += _calibration(f"{name}.calibration", ensemble.calibration)
    causes = {k: v for k, v in doubt.model_dump(exclude={"data"}).items() if v}
    if causes:
        figures = "".join(f"{cause} = {value:.3g}\n" for cause, value in causes.items())
        text += f"\n[{name}.doubt]\n{figures}data = {_quoted(doubt.data)}\n"
    return text + (
        f"\n[{name}.thresholds]\nlow = {limits.low:g}\nhigh = {limits.high:g}\n"
        f"false_positive_rate = {limits.false_positive_rate}\n"
        f"false_negative_rate = {limits.false_negative_rate}\n"
        f"false_positives = {_tally(limits.false_positives)}\n"
        f"false_negatives = {_tally(limits.false_negatives)}\n"
        f"data = {_quoted(limits.data)}\n" + ("" if limits.no_sign else "no_sign = false\n")
    )


def _point(point: OddsPoint) -> str:
    return (
        f"{{ logit = {point.logit:g}, share = {point.share:g}, low = {point.low:g}, "
        f"high = {point.high:g}, clips = {point.clips} }}"
    )


def _tally(found: Tally | None) -> str:
    assert found is not None
    return f"{{ count = {found.count}, clips = {found.clips} }}"


def _calibration(table: str, fitted: Calibration) -> str:
    return (
        f"[{table}]\nscale = {fitted.scale:.5g}\noffset = {fitted.offset:.5g}\n"
        f"data = {_quoted(fitted.data)}\nclips = {fitted.clips}\n"
    )


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _blocks(text: str) -> list[str]:
    """The text before the first table, then each table from its header on."""
    starts = [m.start() for m in _HEADER.finditer(text)]
    ends = [*starts, len(text)]
    return [text[a:b] for a, b in zip([0, *starts], ends, strict=True) if text[a:b]]


def _name(block: str) -> str:
    found = _HEADER.match(block)
    return found[1] if found else ""


def _after_keys(block: str) -> str:
    """Blank lines and comments behind the last key of a table."""
    lines = block.splitlines(keepends=True)
    last = max((i for i, line in enumerate(lines) if line.strip() and line[0] != "#"), default=0)
    return "".join(lines[last + 1 :]).lstrip("\n") and "".join(lines[last + 1 :])


def _entry(blocks: list[str], result: Calibrated) -> str:
    """One model's tables, with its weight, default and calibration as they are now."""
    spec = tomllib.loads("".join(blocks))["models"][0]
    id = spec["id"]
    calibration = result.models.get(id)
    question_asked = {q.value for q in result.ensembles}
    task = spec.get("task", "face manipulation")
    of = {"face manipulation": "manipulation", "whole-image synthesis": "synthesis"}.get(task)
    main = blocks[0]
    if spec.get("bundled") and of in question_asked:
        main = _set(main, "default", "true" if id in result.models else "false")
    if calibration is None:
        return "".join([main, *blocks[1:]])
    main = _set(main, "weight", f"{result.weights[id]:g}")
    written = _calibration("models.calibration", calibration)
    out, placed = [main], False
    for block in blocks[1:]:
        if _name(block) == "models.calibration":
            out.append(written + (_after_keys(block) or "\n"))
            placed = True
        else:
            out.append(block)
    if not placed:
        files = max(i for i, b in enumerate(out) if _name(b) in ("models", "models.files"))
        rest = _after_keys(out[files])
        out[files] = out[files][: len(out[files]) - len(rest)] + "\n" + written + (rest or "\n")
    return "".join(out)


def _set(block: str, key: str, value: str) -> str:
    """A table with a key set: in its place, else before its last key."""
    line = re.compile(rf"^{key} *=.*$", re.MULTILINE)
    if line.search(block):
        return line.sub(f"{key} = {value}", block, count=1)
    head, _, rest = block.partition("\n")
    return f"{head}\n" + re.sub(
        r"^(summary *=.*)$", rf"\1\n{key} = {value}", rest, count=1, flags=re.MULTILINE
    )
