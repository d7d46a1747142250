"""Write calibrations into the manifest, and leave everything else in it unchanged."""

import re
import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table

from detector import paths
from detector.errors import ModelError
from detector.models.registry import Manifest
from detector.schema.analysis import Alone, Calibration
from detector.sentences import _
from lab.evaluation.calibration import Calibrated, of_models

_ENSEMBLES = re.compile(r"^\[ensembles\.(?s:.*?)(?=(?:^#.*\n|^\n)*^\[\[models\]\])", re.MULTILINE)
"""All tables of ensembles and likelihoods, without the comments before the first model."""
_TABLE = re.compile(r"^(?=\[(?:ensembles|likelihoods)\.\w+\]$)", re.MULTILINE)
_TABLES = ("calibration", "thresholds")
"""Tables of an ensemble or a likelihood; everything else is written in one line."""


def write(result: Calibrated, path: Path | None = None) -> Path:
    """Replace the calibrated ensembles and likelihoods, and the weight and calibration of each
    model, in a manifest (default: the one that ships), all or nothing; the rest stays.

    A model of weight 0 runs if it is `default`, and does not vote. Raise ModelError for an
    unreadable or read-only file."""
    return _rewrite(path, lambda text: updated(text, result))


def updated(text: str, result: Calibrated) -> str:
    """Return a manifest's text with the result; raise ValueError without ensembles."""
    if (found := _ENSEMBLES.search(text)) is None or _ENSEMBLES.search(text, found.end()):
        raise ValueError("the tables of the ensembles do not stand together before the models")
    tables = _by_name(found[0]) | _by_name(to_toml(result))
    tables = dict(sorted(tables.items(), key=lambda pair: pair[0].startswith("[likelihoods")))
    block = "\n".join(f"{table.rstrip()}\n" for table in tables.values())
    text = text[: found.start()] + block + text[found.end() :]
    document: Any = tomlkit.parse(text)
    for entry in document["models"]:
        if (id := entry["id"]) in result.models:
            entry["weight"] = result.weights[id]
            calibration = _table(result.models[id].model_dump(exclude_none=True))
            entry.setdefault("calibration", tomlkit.table()).update(calibration)
    return tomlkit.dumps(document)


def write_alone(fitted: Mapping[str, tuple[Calibration, Alone]], path: Path | None = None) -> Path:
    """Replace the calibration of models, and the bands of each alone, in a manifest (default: the
    one that ships). Raise ModelError for an unreadable or read-only file."""
    return _rewrite(path, lambda text: _updated_alone(text, fitted))


def _updated_alone(text: str, fitted: Mapping[str, tuple[Calibration, Alone]]) -> str:
    document: Any = tomlkit.parse(text)
    for entry in document["models"]:
        if entry["id"] in fitted:
            calibration, ensemble = fitted[entry["id"]]
            values = ensemble.model_dump(exclude_none=True, exclude_defaults=True)
            values = dict(sorted(values.items(), key=lambda pair: pair[0] in _TABLES))
            if not entry.get("weight"):  # an ensemble's weights hold for its models' maps
                entry["calibration"] = _table(calibration.model_dump(exclude_none=True))
            entry["alone"] = _table(values)
    return re.sub(r"(?m)^([^#\n].*\n)(?=\[\[models)", r"\1\n", tomlkit.dumps(document))


def _rewrite(path: Path | None, change: Callable[[str], str]) -> Path:
    """Apply `change` to the text of a manifest, and validate the result before it is written."""
    path = path or paths.bundled() / "manifest.toml"
    try:
        text = change(path.read_text(encoding="utf-8"))
        Manifest.model_validate(tomllib.loads(text))
        paths.write(path, text)
    except (OSError, ValueError) as error:
        raise ModelError(
            _("{path} can't be written: {error}.").format(path=path, error=error)
        ) from error
    return path


def _by_name(block: str) -> dict[str, str]:
    """Return the tables of each ensemble and likelihood."""
    return {table.split("]")[0]: table for table in _TABLE.split(block) if table.strip()}


def to_toml(result: Calibrated) -> str:
    """Return the tables of the ensembles and likelihoods."""
    parts = []
    for question, ensemble in result.ensembles.items():
        row = result[question]
        each = ", ".join(f"{id} {auc:.3f}" for id, auc in of_models(row).items())
        note = f"# AUC there: {each}; together, each source held out: {row['AUC'].value:.3f}\n"
        values = ensemble.model_dump(exclude_none=True, exclude_defaults=True)
        # TOML: values of the ensemble precede its sub-tables.
        values = dict(sorted(values.items(), key=lambda pair: pair[0] in _TABLES))
        tables = tomlkit.dumps({"ensembles": {question.value: _table(values)}})
        parts.append(tables.replace("]\n", f"]\n{note}", 1))
    for kind, likelihood in result.likelihoods.items():
        values = likelihood.model_dump(exclude_none=True, exclude_defaults=True)
        values = dict(sorted(values.items(), key=lambda pair: pair[0] in _TABLES))
        parts.append(tomlkit.dumps({"likelihoods": {kind.value: _table(values)}}))
    return "\n".join(parts)


def _table(values: Mapping[str, Any], *, inline: bool = False) -> Table | InlineTable:
    """Return a table of values, with five digits of each number and one list entry a line."""
    table = tomlkit.inline_table() if inline else tomlkit.table()
    for key, value in values.items():
        if isinstance(value, float):
            value = float(f"{value:.5g}")
        elif isinstance(value, dict):
            value = _table(value, inline=key not in _TABLES)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            rows = [_table(row, inline=True) for row in value]
            value = tomlkit.array().multiline(True)
            value.extend(rows)
        elif isinstance(value, StrEnum):
            value = value.value
        table.add(str(key), value)
    return table
