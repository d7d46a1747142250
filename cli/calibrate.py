"""`unmask calibrate`: thresholds from a person's own untouched clips; with the lab, ensembles
fitted to left-out scores or labelled clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cli import packages
from cli.common import ProgressBar, ids, tell
from cli.options import Device, Json, Store, arg, between, opt
from detector.decision import conformal
from detector.errors import UsageError
from detector.evaluation.own_calibration import OwnClips, calibrate_own, holds
from detector.installation import not_installed
from detector.pipeline import Analyzer
from detector.presentation import own_threshold
from detector.sentences import _, join

LABELLED = _("from labelled clips")
OWN = _("from your own untouched clips")  # Headings of the help


@dataclass(frozen=True, kw_only=True)
class LabelledOptions:
    """Input and output of the lab's fits."""

    recipe: Annotated[
        str | None, opt("take only what this recipe kept out of training", rich_help_panel=LABELLED)
    ] = None
    where: Annotated[
        str,
        opt(
            "clips with something in this column count too: what was collected after training",
            "COLUMN",
            rich_help_panel=LABELLED,
        ),
    ] = ""
    scores: Annotated[
        Path | None,
        opt(
            "a table of left-out scores in place of clips (datasets/left_out.csv)",
            "SCORES.csv",
            rich_help_panel=LABELLED,
        ),
    ] = None
    leave_out: Annotated[
        str, opt("sets of that table that are not used", "SET,SET", rich_help_panel=LABELLED)
    ] = ""
    alone: Annotated[
        bool,
        opt(
            "with --scores: the bands of each model where it alone is counted",
            "--alone",
            rich_help_panel=LABELLED,
        ),
    ] = False
    store: Store = None
    write: Annotated[
        bool, opt("write it into the manifest", "--write", rich_help_panel=LABELLED)
    ] = False
    json: Json = None


def calibrate(
    labelled: LabelledOptions,
    labels: Annotated[Path | None, arg("", "LABELS.csv")] = None,
    models: Annotated[str | None, opt("instead of the default ones", "ID,ID")] = None,
    rate: Annotated[
        float,
        opt("with --real: untouched clips called manipulated, at most", callback=between(0, 1)),
    ] = 0.05,
    device: Device = "auto",
    real: Annotated[
        Path | None, opt("unaltered videos, or real voices", "FOLDER", rich_help_panel=OWN)
    ] = None,
    domain: Annotated[str, opt("what they are, in a few words", "WORDS", rich_help_panel=OWN)] = "",
    sources: Annotated[
        int | None,
        opt(
            "different recordings that the clips are of; without it, each folder is one",
            "N",
            rich_help_panel=OWN,
            min=1,
        ),
    ] = None,
    list_own: Annotated[
        bool, opt("show the thresholds of your own", "--list", rich_help_panel=OWN)
    ] = False,
    delete: Annotated[
        str | None, opt("delete one of them; `all` deletes every one", "ID", rich_help_panel=OWN)
    ] = None,
    switch: Annotated[
        Literal["on", "off"] | None, opt("use them, or the shipped ones", rich_help_panel=OWN)
    ] = None,
) -> int:
    """With LABELS.csv: fit both questions' ensembles on labelled clips that no model was trained
    on, or with --scores on a table of left-out scores. With --real: set thresholds by your own
    untouched clips, for this computer's data folder."""
    table = labelled.scores
    if labels is not None and real is not None:
        raise UsageError(_("Give either labelled clips or --real with a folder of untouched ones."))
    if table is not None and (labels is not None or real is not None):
        raise UsageError(
            _("Give a table of scores, labelled clips or --real, not several of them.")
        )
    if labels is not None or table is not None:
        fit = packages.installed("calibrate")
        if fit is None:
            call = "calibrate --scores" if table else "calibrate LABELS.csv"
            raise not_installed(f"`unmask {call}`", packages.LAB)
        return int(fit(labels, labelled, ids(models) or [], device))
    if real is not None:
        return _own(real, domain, sources, ids(models), rate, device)
    if list_own or delete or switch:
        return _manage(delete, switch)
    hint = _("Name a LABELS.csv, or --real with a folder of untouched videos or voices.")
    raise UsageError(_("There is nothing to calibrate on."), hint=hint)


def _own(
    folder: Path,
    domain: str,
    sources: int | None,
    models: list[str] | None,
    rate: float,
    device: str,
) -> int:
    result = calibrate_own(
        OwnClips(folder, domain, sources),
        models=models,
        rate=rate,
        analyzer=Analyzer(device=device),
        progress=ProgressBar(_("scored")),
    )
    conformal.keep(result.calibration)
    tell(own_threshold.in_words(result.calibration))
    tell(own_threshold.guarantee(len(result.calibration.clips), rate))
    if warning := own_threshold.alike(result.calibration):
        tell(_("Warning: {warning}").format(warning=warning))
    for name, why in result.left_out.items():
        tell(_("  left out: {name} ({why})").format(name=name, why=why))
    return 0


def _manage(delete: str | None, switch: str | None) -> int:
    if delete:
        conformal.delete(None if delete == "all" else delete)
    if switch:
        conformal.switch(switch == "on")
    store = conformal.load()
    for own in store.calibrations:
        state = _("in use") if store.on else _("switched off")
        if not holds(own):
            state = _("not in use, its models have changed")
        tell(join(own.id, state, own_threshold.in_words(own), by="  "))
    if not store.calibrations:
        tell(_("There are no thresholds of your own."))
    return 0
