"""How often verdicts were right on files with confirmed ground truth."""

from collections.abc import Sequence

from dashboard import labels
from dashboard.components import controls, typography
from detector.sentences import _
from service import feedback
from service.records.model import Record


def draw(records: Sequence[Record]) -> None:
    """Draw the counts by month, with what they are of."""
    whole = feedback.outcome(records)
    text = _(
        "Of {files} that were confirmed, {right} were called right, {wrong} wrong, {open} open."
    )
    files = labels.count(whole.total, "file", "files")
    typography.paragraph(
        text.format(files=files, right=whole.right, wrong=whole.wrong, open=whole.open)
    )
    controls.table(
        {
            _("Month"): f"{month:%Y-%m}",
            _("Confirmed"): one.total,
            _("Right"): one.right,
            _("Wrong"): one.wrong,
            _("Left open"): one.open,
        }
        for month, one in feedback.by_month(records).items()
    )
    typography.caption(
        _(
            "Confirmed files are those that somebody looked into, not a sample of all. Left open: "
            "can’t tell, or not judged."
        )
    )
