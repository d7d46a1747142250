"""`unmask calibrate`: thresholds by one's own untouched clips; with the lab, ensembles fitted to
left-out scores or labelled clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cli import lab
from cli.common import ProgressBar, ids, tell
from cli.options import Argument, Device, Json, Option, Store, between
from detector.decision import conformal
from detector.errors import UsageError
from detector.evaluation.own_calibration import OwnClips, calibrate_own, holds
from detector.pipeline import Analyzer
from detector.presentation import own_threshold
from detector.sentences import _, join

LABELLED = _("from labelled clips")
OWN = _("from your own untouched clips")  # Headings of the help


@dataclass(frozen=True, kw_only=True)
class LabelledOptions:
    """What the lab fits ensembles to, and where the result goes."""

    recipe: Annotated[
        str | None,
        Option(rich_help_panel=LABELLED, help="take only what this recipe kept out of training"),
    ] = None
    where: Annotated[
        str,
        Option(
            rich_help_panel=LABELLED,
            metavar="COLUMN",
            help="clips with something in this column count too: what was collected after training",
        ),
    ] = ""
    scores: Annotated[
        Path | None,
        Option(
            rich_help_panel=LABELLED,
            metavar="SCORES.csv",
            help="a table of left-out scores in place of clips (datasets/left_out.csv)",
        ),
    ] = None
    leave_out: Annotated[
        str,
        Option(
            rich_help_panel=LABELLED, metavar="SET,SET", help="sets of that table that are not used"
        ),
    ] = ""
    alone: Annotated[
        bool,
        Option(
            "--alone",
            rich_help_panel=LABELLED,
            help="with --scores: the bands of each model where it alone is counted",
        ),
    ] = False
    conditions: Annotated[
        str,
        Option(
            rich_help_panel=LABELLED,
            metavar="NAMES",
            help="learn uncertainty from worse copies too: crf-35,resize-0.5",
        ),
    ] = ""
    store: Store = None
    write: Annotated[
        bool, Option("--write", rich_help_panel=LABELLED, help="write it into the manifest")
    ] = False
    json: Json = None


def calibrate(
    labelled: LabelledOptions,
    labels: Annotated[Path | None, Argument(metavar="LABELS.csv")] = None,
    models: Annotated[
        str | None, Option(metavar="ID,ID", help="instead of the default ones")
    ] = None,
    rate: Annotated[
        float,
        Option(
            callback=between(0, 1), help="with --real: untouched clips called manipulated, at most"
        ),
    ] = 0.05,
    device: Device = "auto",
    real: Annotated[
        Path | None,
        Option(rich_help_panel=OWN, metavar="FOLDER", help="unaltered videos, or real voices"),
    ] = None,
    domain: Annotated[
        str, Option(rich_help_panel=OWN, metavar="WORDS", help="what they are, in a few words")
    ] = "",
    sources: Annotated[
        int | None,
        Option(
            rich_help_panel=OWN,
            metavar="N",
            min=1,
            help="different recordings that the clips are of; without it, each folder is one",
        ),
    ] = None,
    list_own: Annotated[
        bool, Option("--list", rich_help_panel=OWN, help="show the thresholds of your own")
    ] = False,
    delete: Annotated[
        str | None,
        Option(
            rich_help_panel=OWN, metavar="ID", help="delete one of them; `all` deletes every one"
        ),
    ] = None,
    switch: Annotated[
        Literal["on", "off"] | None,
        Option(rich_help_panel=OWN, help="use them, or the shipped ones"),
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
        fit = lab.installed("calibrate")
        if fit is None:
            raise lab.missing("calibrate --scores" if table else "calibrate LABELS.csv")
        return int(fit(labels, labelled, ids(models) or [], device))
    if real is not None:
        return _own(real, domain, sources, ids(models), rate, device)
    if list_own or delete or switch:
        return _manage(delete, switch)
    raise UsageError(
        _("There is nothing to calibrate on."),
        hint=_("Name a LABELS.csv, or --real with a folder of untouched videos or voices."),
    )


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
