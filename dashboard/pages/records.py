"""Actions on marked records of a list."""

from collections.abc import Callable, Sequence

from dashboard import labels, url_state
from dashboard.components import controls
from dashboard.components.controls import Kind
from dashboard.pages.cases import view as cases
from detector.sentences import _
from service.records.model import Record


def draw_actions(records: Sequence[Record], delete: Callable[[], None], kind: Kind) -> None:
    """Draw the buttons; `delete` deletes the records after a confirmation."""
    results = [record.id for record in records if record.result]
    able = len(results) == len(records) == 2
    why = None if able else _("Mark two analyses that have a result.")
    if controls.button(
        _("Compare these two"), "compare", "compare-marked", kind=kind, disabled=not able, help=why
    ):
        url_state.go_to("compare", a=results[0], b=results[1])
    if results and controls.button(
        _("Add to a case"), "create_new_folder", "case-marked", kind=kind
    ):
        cases.add(results)
    if records and controls.button(_("Delete"), "delete", "delete-marked", kind=kind):
        ask_to_delete(records, delete)


def ask_to_delete(records: Sequence[Record], delete: Callable[[], None]) -> None:
    """Draw a confirmation, then delete records, media and pictures."""
    number = labels.count(len(records), "analysis", "analyses")
    question = _("Delete these {analyses} and their frames? This can’t be undone.")
    if len(records) == 1:
        question = _("Delete this analysis and its frames? This can’t be undone.")
    after = _("Links to it stop working at once. Reports that were downloaded stay where they are.")
    names, question = [record.name for record in records], question.format(analyses=number)
    controls.confirm(question, names, after, delete, label=_("Delete"), key="deleted")
