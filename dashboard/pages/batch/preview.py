"""The chosen row beside the table: its picture, its verdict, and the way to the evidence."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from dashboard import session, url_state
from dashboard.components import cards, controls, typography
from dashboard.components.markup import Text, show
from dashboard.i18n import _
from dashboard.pages.batch import listing, marked
from dashboard.result import verdict_card
from service.batches import BatchRow
from service.records.batches import Batch


def draw(batch: Batch, row: BatchRow, pictures: Mapping[str, bytes]) -> None:
    """Draw the card."""
    with st.container(
        border=True, key=f"verdict-{listing.words(row).slug}-batch", height="content"
    ):
        typography.caption(_("The chosen row"))
        if picture := pictures.get(row.item.analysis or ""):
            alt = _("A moment of {file}").format(file=listing.title(row))
            st.image(picture, width="stretch", alt=alt)
        scope = session.record_scope()
        analysis = (
            scope.store.analysis(scope.owner, row.record.id)
            if row.record is not None and row.verdict is not None
            else None
        )
        parts: list[Text] = [typography.name(listing.title(row)), listing.chip(row)]
        if analysis is not None:
            parts += verdict_card.preview(analysis)
        elif text := listing.note(row):
            parts.append(typography.outcome(text))
        if (place := listing.place(row)) != listing.title(row):
            parts.append(typography.small_print(place))
        if row.item.known and row.record is not None:
            before = _("The same content was here before, as {file}.").format(file=row.record.name)
            parts.append(typography.small_print(before))
        show(cards.preview(*parts))
        if row.waits:
            run = partial(marked.first, batch, [row])
            controls.button(_("Do it first"), "keep", "batch-first-shown", run)
        if row.record is not None and controls.button(
            _("Open the evidence"), "arrow_forward", "batch-evidence"
        ):
            url_state.go_to("analyze", a=row.record.id)
