"""Add a model of one's own: a checkpoint of a known architecture, or any classifier of the hub."""

import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels, session
from dashboard.components import controls, typography
from dashboard.components.markup import rich
from dashboard.i18n import LazyDict, _, advice, say
from dashboard.pages.models import state
from detector.errors import LabelOrderError, UnmaskError
from detector.models import hub_import, registry, user_models
from detector.weights import hub

WAYS: LazyDict[str, str] = LazyDict(lambda: {"file": _("A file"), "hub": _("Hugging Face")})


def draw() -> None:
    """Draw the popover's content."""
    if controls.choose(_("From"), WAYS, "file", "bring-way", hidden=True) == "file":
        _file()
    else:
        _hub()


def _file() -> None:
    text = _(
        "A checkpoint of an architecture that Unmask knows. Every tensor must find its place, or "
        "nothing is added. Files are read without running code in them."
    )
    typography.caption(text)
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
        typography.alert(_("Choose a file and an architecture."))
        return
    with st.spinner(_("Checking every tensor")), tempfile.TemporaryDirectory() as folder:
        names = {}
        for number, file in enumerate(files):
            suffix = Path(file.name).suffix.lower()[:12]
            stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(file.name).stem)
            path = Path(folder) / f"{stem[:80] or number}{suffix}"
            with path.open("wb") as out:
                file.seek(0)
                shutil.copyfileobj(file, out, 1 << 20)
            names[path] = file.name
        try:
            paths = list(names)
            given = paths[0] if len(paths) == 1 else paths
            spec = user_models.add(given, architecture, title=title or None, fake_index=order)
        except UnmaskError as error:
            _refused(error, names)
            return
    state.notify(_("{title} was added as {id}.").format(title=spec.title, id=spec.id))


def _output(number: int | None) -> str:
    return _("as in the original") if number is None else _("output {number}").format(number=number)


def _hub() -> None:
    text = _(
        "An image or video classifier by its name, as in <b>owner/name</b>. Only its settings and "
        "weights are fetched, never its code."
    )
    typography.caption(rich(text))
    name = st.text_input(_("Name on the hub"), placeholder=_("owner/name"), key="bring-hub")
    if controls.button(_("Look at it"), "", "bring-look", disabled=not name):
        st.session_state.pop(state.HUB_MODEL, None)
        try:
            with st.spinner(_("Asking the hub")):
                st.session_state[state.HUB_MODEL] = hub.inspect(name.strip())
        except UnmaskError as error:
            _refused(error)
    model: hub.HubModel | None = st.session_state.get(state.HUB_MODEL)
    if model is None:
        return
    classes = {number: f"{number}: {label}" for number, label in model.labels.items()}
    text = rich(
        _("<b>{name}</b>, {size}, license {license}. Its classes: {classes}"),
        name=model.repo,
        size=labels.size(model.size),
        license=model.license or _("not stated"),
        classes=", ".join(classes.values()),
    )
    typography.paragraph(text)
    fake: int | None = None
    try:
        spec = hub_import.entry(model)
    except LabelOrderError as error:
        typography.warning(say(error.message))
        fake = st.selectbox(
            _("Which of them means fake?"),
            list(classes),
            index=None,
            format_func=classes.__getitem__,
        )
        if fake is None:
            return
        spec = hub_import.entry(model, fake=fake)
    except UnmaskError as error:
        _refused(error)
        return
    accepted = not spec.research_only or st.checkbox(
        _("I accept its license, {license}").format(license=spec.license_weights),
        key="bring-accept",
    )
    if controls.button(
        _("Download and add"), "", "bring-get", kind="primary", disabled=not accepted
    ):
        work = partial(hub_import.add, model, fake=fake, accept_license=accepted)
        session.application().downloads.start(
            model.repo, lambda progress: work(progress=progress), session.current_user()
        )
        st.session_state.pop(state.HUB_MODEL, None)
        st.session_state[state.IMPORTING] = model.repo
        st.rerun()


def _refused(error: UnmaskError, names: Mapping[Path, str] | None = None) -> None:
    """Say why. `names` are those that the person gave the files, by the path they lie at here."""
    text = advice(error)
    for path, name in (names or {}).items():
        text = text.replace(str(path), name)
    typography.alert(text)
