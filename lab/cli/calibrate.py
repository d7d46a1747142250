"""`unmask calibrate` on labelled clips or a table of left-out scores."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cli.calibrate import LabelledOptions
from cli.common import ProgressBar, ids, tell, write_text
from detector.evaluation.scores import Scoring
from detector.models import user_models
from detector.sentences import _
from lab.evaluation import calibration, left_out, manifest
from lab.evaluation.calibration import Calibrated, to_markdown
from lab.training.recipe import hold_out


def calibrate(
    labels: Path | None, options: LabelledOptions, models: Sequence[str], device: str
) -> int:
    """Fit the ensembles of all questions to `options.scores`, or to the clips of `labels`."""
    table = None if options.scores is None else left_out.read(options.scores)
    if table is not None and options.alone:
        by_model = left_out.alone(table, models)
        for id, (_map, ensemble) in by_model.items():
            answers = ", ".join(band.label.value for band in ensemble.thresholds.bands)
            tell(f"{id}  AUC {ensemble.auc.value if ensemble.auc else 0:.3f}  {answers}")
        if options.write:
            print(f"written to {manifest.write_alone(by_model)}", file=sys.stderr)
        return 0
    if table is not None:
        fitted = left_out.calibrate(table[~table["set"].isin(ids(options.leave_out) or ())])
    else:
        assert labels is not None
        scored = ProgressBar(_("scored"))
        fitted = calibration.calibrate(
            labels,
            models=models,
            recipe=hold_out(options.recipe) if options.recipe else None,
            where=options.where,
            scoring=Scoring(device=device, store=options.store, on_progress=scored),
        )
    if options.json:
        write_text(options.json, fitted.model_dump_json(indent=2))
    if options.json != "-":
        tell(to_markdown(fitted))
        if not options.write:
            print(manifest.to_toml(fitted))
    if options.write:
        print(_write(fitted), file=sys.stderr)
    return 0


def _write(fitted: Calibrated) -> str:
    """Write a calibration to the data folder for the user's models, else to the manifest; return a
    message."""
    mine = {spec.id for spec in user_models.own_models()} & set(fitted.models)
    if not mine:
        return f"written to {manifest.write(fitted)}"
    for id in sorted(mine):
        user_models.keep_calibration(id, fitted.models[id])
    return f"kept with {', '.join(sorted(mine))}; our own ensembles stay as they are"
