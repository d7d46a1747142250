"""Add a model of one's own: a checkpoint of a known architecture, or any classifier of the hub."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from dashboard import words
from dashboard.downloads import downloads
from detector import weights
from detector.errors import LabelOrderError, UnmaskError
from detector.models import from_hub, own, registry
from detector.weights import hub


def draw() -> None:
    """The popover's content."""
    way = st.segmented_control(
        "From",
        ["A file", "Hugging Face"],
        default="A file",
        required=True,
        label_visibility="collapsed",
        key="bring-way",
    )
    if way == "A file":
        _file()
    else:
        _hub()


def _file() -> None:
    st.html(
        '<p class="um-caption">A checkpoint of an architecture that Unmask knows. Every tensor '
        "must find its place, or nothing is added. Files are read without running code in them.</p>"
    )
    known = registry.architectures()
    with st.form("bring-file", border=False):
        files = st.file_uploader("Its file, or all of its files", accept_multiple_files=True)
        architecture = st.selectbox(
            "What it is a checkpoint of",
            list(known),
            index=None,
            format_func=lambda name: f"{name} · {known[name].title}",
            placeholder="Choose an architecture",
        )
        title = st.text_input("Name", placeholder="as the file", max_chars=60)
        order = st.selectbox(
            "Which output means fake",
            [None, 0, 1],
            format_func=lambda n: "as in the original" if n is None else f"output {n}",
            help="Choose one only if you know it. Until then the model is shown with the note "
            "“label order unverified”, and does not vote.",
        )
        sent = st.form_submit_button("Check and add", type="primary")
    if not sent:
        return
    if not files or architecture is None:
        st.html('<p class="um-warn" role="alert">Choose a file and an architecture.</p>')
        return
    with st.spinner("Checking every tensor"), tempfile.TemporaryDirectory() as folder:
        paths, names = [], {}
        for number, file in enumerate(files):
            suffix = Path(file.name).suffix.lower()[:12]
            stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(file.name).stem)
            path = Path(folder) / f"{stem[:80] or number}{suffix}"
            with path.open("wb") as out:
                file.seek(0)
                while part := file.read(1 << 20):
                    out.write(part)
            paths.append(path)
            names[str(path)] = file.name
        try:
            given = paths[0] if len(paths) == 1 else paths
            spec = own.add(given, architecture, title=title or None, fake_index=order)
        except UnmaskError as error:
            _refused(error, names)
            return
    st.session_state["models-said"] = f"{spec.title} was added as {spec.id}."
    st.rerun()


def _hub() -> None:
    st.html(
        '<p class="um-caption">An image or video classifier by its name, as in <b>owner/name</b>. '
        "Only its settings and weights are fetched, never its code.</p>"
    )
    name = st.text_input("Name on the hub", placeholder="owner/name", key="bring-hub")
    if st.button("Look at it", key="bring-look", disabled=not name):
        st.session_state.pop("bring-found", None)
        try:
            with st.spinner("Asking the hub"):
                st.session_state["bring-found"] = hub.look(name.strip())
        except UnmaskError as error:
            _refused(error)
    found: hub.HubModel | None = st.session_state.get("bring-found")
    if found is None:
        return
    labels = ", ".join(f"{number}: {label}" for number, label in found.labels.items())
    st.html(
        f"<p><b>{words.escape(found.repo)}</b>, {words.size(found.size)}, license "
        f"{words.escape(found.license or 'not stated')}. Its classes: {words.escape(labels)}</p>"
    )
    fake: str | None = None
    try:
        spec = from_hub.entry(found)
    except LabelOrderError as error:
        st.html(f'<p class="um-warn">{words.escape(error.message)}</p>')
        fake = st.selectbox("Which of them means fake?", list(found.labels.values()), index=None)
        if fake is None:
            return
        spec = from_hub.entry(found, fake=fake)
    except UnmaskError as error:
        _refused(error)
        return
    accepted = not spec.research_only or st.checkbox(
        f"I accept its license, {spec.license_weights}", key="bring-accept"
    )
    if st.button("Download and add", type="primary", key="bring-get", disabled=not accepted):
        said = fake

        def work(progress: weights.Progress) -> object:
            return from_hub.add(found, fake=said, accept_license=accepted, progress=progress)

        downloads.start(found.repo, work)
        st.session_state.pop("bring-found", None)
        st.session_state["models-coming"] = found.repo
        st.rerun()


def _refused(error: UnmaskError, names: Mapping[str, str] | None = None) -> None:
    """Say why. `names` are those that the person gave the files, by the path they lie at here."""
    said = f"{error.message} {error.hint}".strip()
    for path, name in (names or {}).items():
        said = said.replace(path, name)
    st.html(f'<p class="um-warn" role="alert">{words.escape(said)}</p>')
