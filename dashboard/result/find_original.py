"""Find the original: keyframes to save, and picture searches to drop them into."""

from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels
from dashboard.components import controls, typography
from dashboard.result import downloads
from dashboard.result.linked import ResultViewState
from detector.errors import UnmaskError
from detector.provenance.hashes import Keyframe, archive, keyframes
from detector.schema.analysis import Media
from detector.sentences import _

SEARCHES = {
    "Google Lens": "https://images.google.com/",
    "Bing": "https://www.bing.com/visualsearch",
    "TinEye": "https://tineye.com/",
    "Yandex": "https://yandex.com/images/",
}
"""Picture searches, and the pages at which they take a file."""


def button(linked: ResultViewState, place: str) -> None:
    """Draw the button of the dialog; nothing without a picture to search for."""
    media = linked.original.media
    if media.kind == "audio" or not linked.path.is_file():
        return
    key = linked.widget(f"find-original.{place}")
    if controls.button(_("Find the original"), "image_search", key):
        st.dialog(_("Find the original"), width="large")(_draw)(linked)


def _draw(linked: ResultViewState) -> None:
    try:
        with st.spinner(_("Looking for sharp frames")):
            frames = _keyframes(linked.path, linked.original.media.sha256, linked.original.media)
    except (UnmaskError, OSError):
        typography.alert(_("The frames can’t be read any more."))
        return
    for cell, frame in zip(st.columns(4) * -(-len(frames) // 4), frames, strict=False):
        cell.image(frame.jpeg, labels.clock(frame.time), alt=_("Keyframe"), width="stretch")
    times = {frame.name: labels.clock(frame.time) for frame in frames}
    chosen = next(iter(times))
    if len(times) > 1:
        chosen = controls.choose(_("Frame"), times, chosen, linked.widget("keyframe"))
    frame = next(frame for frame in frames if frame.name == chosen)
    with st.container(horizontal=True):
        controls.download(_("Save this frame"), frame.jpeg, frame.name, linked.widget("frame"))
        if len(frames) > 1:
            controls.download(
                _("Save all {number} as ZIP").format(number=len(frames)),
                partial(archive, frames),
                downloads.file_name(linked.record.name, "keyframes.zip"),
                linked.widget("keyframes"),
                symbol="folder_zip",
            )
    text = _(
        "Nothing leaves by itself. Each button opens the upload page of a picture search in a new "
        "tab. Drop the saved frame there: that one frame goes to that company, the file does not."
    )
    typography.paragraph(text)
    with st.container(horizontal=True):
        for name, address in SEARCHES.items():
            label = _("Open {name}, send nothing").format(name=name)
            st.link_button(label, address, icon=":material/open_in_new:")


@st.cache_resource(max_entries=4, show_spinner=False)
def _keyframes(path: Path, sha256: str, _media: Media) -> list[Keyframe]:
    return keyframes(path, _media)
