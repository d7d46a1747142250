"""What each model cost, and the crop that each saw."""

from contextlib import suppress

import streamlit as st

from dashboard import labels
from dashboard.components import controls, typography
from dashboard.components.markup import show
from dashboard.i18n import _
from dashboard.images import jpeg
from dashboard.pages.compare.state import Selection
from detector import media, vision
from detector.errors import UnmaskError
from detector.models import registry
from detector.schema.analysis import ModelResult


def draw(selection: Selection) -> None:
    """Draw the card."""
    specs = {spec.id: spec for spec in registry.list_models()}
    memory: dict[str, int] = {}
    for id, _device, size in registry.loaded():
        memory[id] = memory.get(id, 0) + size
    with st.container(border=True, key="card-cost"):
        heard = selection.track is not None and not selection.track.frames
        head = _("Time and memory") if heard else _("Time, memory and what each saw")
        typography.title(head)
        controls.table(_row(model, memory.get(model.id)) for model in selection.models)
        crops = _crops(selection)
        if not crops:
            return
        grid = st.grid(max(2, len(selection.models)), min_column_width=120, gap="small")
        for model in selection.models:
            if model.id in crops:
                with grid, st.container(gap="small", key=f"crop-{model.id}"):
                    spec = specs[model.id]
                    alt = _("The crop that {model} saw").format(model=spec.title)
                    st.image(crops[model.id], width=150, alt=alt)
                    crop = f"{labels.plain(model)}: {spec.crop.size} px, {spec.crop.kind}"
                    show(typography.small(crop))


def _row(model: ModelResult, memory: int | None) -> dict[str, str]:
    each = model.seconds / model.scored if model.seconds and model.scored else None
    return {
        _("Model"): labels.plain(model),
        _("Scored"): labels.looks(model.scored, model.kind),
        _("Time"): labels.took(model.seconds) if model.seconds else "–",
        _("Each"): f"{each * 1000:.0f}{labels.NBSP}ms" if each else "–",
        _("Memory"): _("not loaded") if memory is None else labels.size(memory),
    }


def _crops(selection: Selection) -> dict[str, bytes]:
    """Return the crop of each model at the chosen moment, as it was cut for it."""
    if selection.track is None or not selection.track.frames:
        return {}
    face = min(selection.track.frames, key=lambda f: abs(f.time - selection.time))
    out = {}
    try:
        frame = media.frame_at(selection.job.path, selection.analysis.media, face.time)
    except (UnmaskError, OSError):
        return {}
    for model in selection.models:
        with suppress(UnmaskError):
            crop = registry.get_spec(model.id).crop
            out[model.id] = jpeg(vision.cut(frame.rgb, face.box, crop, face.landmarks))
    return out
