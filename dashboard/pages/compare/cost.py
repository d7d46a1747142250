"""What each model cost, and the crop that each saw."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import labels
from dashboard.components import typography
from dashboard.components.markup import show, tag
from dashboard.i18n import _
from dashboard.pages.compare.state import Chosen
from dashboard.result.pictures import jpeg
from detector import media, vision
from detector.errors import UnmaskError
from detector.models import registry


def draw(view: Chosen) -> None:
    """Draw the card."""
    specs = {spec.id: spec for spec in registry.list_models()}
    memory: dict[str, int] = {}
    for id, _device, size in registry.loaded():
        memory[id] = memory.get(id, 0) + size
    with st.container(border=True, key="card-cost"):
        typography.title(_("Time, memory and what each saw"))
        rows = []
        for model in view.models:
            each = model.seconds / model.scored if model.seconds and model.scored else None
            used = memory.get(model.id)
            rows.append(
                {
                    _("Model"): labels.plain(model),
                    _("Scored"): labels.looks(model.scored, model.kind),
                    _("Time"): labels.took(model.seconds) if model.seconds else "–",
                    _("Each"): f"{each * 1000:.0f}{labels.NBSP}ms" if each else "–",
                    _("Memory"): _("not loaded") if used is None else labels.size(used),
                }
            )
        st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)
        crops = _crops(view)
        if crops:
            grid = st.grid(max(2, len(view.models)), min_column_width=120, gap="small")
            for model in view.models:
                if model.id not in crops:
                    continue
                with grid, st.container(gap="small", key=f"crop-{model.id}"):
                    spec = specs[model.id]
                    alt = _("The crop that {model} saw").format(model=spec.title)
                    st.image(crops[model.id], width=150, alt=alt)
                    seen = f"{labels.plain(model)}: {spec.crop.size} px, {spec.crop.kind}"
                    show(tag("span", seen, cls="um-caption"))


def _crops(view: Chosen) -> dict[str, bytes]:
    """The crop of each model at the chosen moment, as it was cut for it."""
    if view.track is None:
        return {}
    face = min(view.track.frames, key=lambda f: abs(f.time - view.time))
    try:
        frame = media.frame_at(view.job.path, view.analysis.media, face.time)
    except (UnmaskError, OSError):
        return {}
    out = {}
    for model in view.models:
        try:
            crop = registry.get_spec(model.id).crop
            out[model.id] = jpeg(vision.cut(frame.rgb, face.box, crop, face.landmarks))
        except UnmaskError:
            continue
    return out
