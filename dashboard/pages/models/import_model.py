"""Add a model of one's own: a checkpoint of a known architecture, or any classifier of the hub."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from dashboard import labels as words
from dashboard import session
from dashboard.components import typography
from dashboard.components.markup import rich
from dashboard.i18n import LazyDict, _, advice, say
from detector import weights
from detector.errors import LabelOrderError, UnmaskError
from detector.models import hub_import, registry, user_models
from detector.weights import hub

WAYS: LazyDict[str, str] = LazyDict(lambda: {"file": _("A file"), "hub": _("Hugging Face")})


def draw() -> None:
    """The popover's content."""
    way = st.segmented_control(
        _("From"),
        list(WAYS),
        default="file",
        required=True,
        format_func=WAYS.__getitem__,
        label_visibility="collapsed",
        key="bring-way",
    )
    if way == "file":
        _file()
    else:
        _hub()


def _file() -> None:
    what = _(
        "A checkpoint of an architecture that Unmask knows. Every tensor must find its place, or "
        "nothing is added. Files are read without running code in them."
    )
    typography.caption(what)
    known = registry.architectures()
    with st.form("bring-file", border=False):
        files = st.file_uploader(_("Its file, or all of its files"), accept_multiple_files=True)
        architecture = st.selectbox(
            _("What it is a checkpoint of"),
            list(known),
            index=None,
            format_func=lambda name: f"{name} · {known[name].title}",
            placeholder=_("Choose an architecture"),
        )
        title = st.text_input(_("Name"), placeholder=_("as the file"), max_chars=60)
        order = st.selectbox(
            _("Which output means fake"),
            [None, 0, 1],
            format_func=_output,
            help=_(
                "Choose one only if you know it. Until then the model is shown with the note "
                "“label order unverified”, and does not vote."
            ),
        )
        sent = st.form_submit_button(_("Check and add"), type="primary")
    if not sent:
        return
    if not files or architecture is None:
        _warn(_("Choose a file and an architecture."))
        return
    with st.spinner(_("Checking every tensor")), tempfile.TemporaryDirectory() as folder:
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
            spec = user_models.add(given, architecture, title=title or None, fake_index=order)
        except UnmaskError as error:
            _refused(error, names)
            return
    st.session_state["models-said"] = _("{title} was added as {id}.").format(
        title=spec.title, id=spec.id
    )
    st.rerun()


def _output(number: int | None) -> str:
    if number is None:
        return _("as in the original")
    return _("output {number}").format(number=number)


def _hub() -> None:
    what = _(
        "An image or video classifier by its name, as in <b>owner/name</b>. Only its settings and "
        "weights are fetched, never its code."
    )
    typography.caption(rich(what))
    name = st.text_input(_("Name on the hub"), placeholder=_("owner/name"), key="bring-hub")
    if st.button(_("Look at it"), key="bring-look", disabled=not name):
        st.session_state.pop("bring-found", None)
        try:
            with st.spinner(_("Asking the hub")):
                st.session_state["bring-found"] = hub.look(name.strip())
        except UnmaskError as error:
            _refused(error)
    found: hub.HubModel | None = st.session_state.get("bring-found")
    if found is None:
        return
    labels = ", ".join(f"{number}: {label}" for number, label in found.labels.items())
    text = rich(
        _("<b>{name}</b>, {size}, license {license}. Its classes: {classes}"),
        name=found.repo,
        size=words.size(found.size),
        license=found.license or _("not stated"),
        classes=labels,
    )
    typography.paragraph(text)
    fake: int | None = None
    try:
        spec = hub_import.entry(found)
    except LabelOrderError as error:
        typography.warning(say(error.message))
        fake = st.selectbox(
            _("Which of them means fake?"),
            list(found.labels),
            index=None,
            format_func=lambda number: f"{number}: {found.labels[number]}",
        )
        if fake is None:
            return
        spec = hub_import.entry(found, fake=fake)
    except UnmaskError as error:
        _refused(error)
        return
    accepted = not spec.research_only or st.checkbox(
        _("I accept its license, {license}").format(license=spec.license_weights),
        key="bring-accept",
    )
    if st.button(_("Download and add"), type="primary", key="bring-get", disabled=not accepted):
        said = fake

        def work(progress: weights.Progress) -> object:
            return hub_import.add(found, fake=said, accept_license=accepted, progress=progress)

        session.application().downloads.start(found.repo, work, session.current_user())
        st.session_state.pop("bring-found", None)
        st.session_state["models-coming"] = found.repo
        st.rerun()


def _refused(error: UnmaskError, names: Mapping[str, str] | None = None) -> None:
    """Say why. `names` are those that the person gave the files, by the path they lie at here."""
    said = advice(error)
    for path, name in (names or {}).items():
        said = said.replace(path, name)
    _warn(said)


def _warn(text: str) -> None:
    typography.alert(text)
