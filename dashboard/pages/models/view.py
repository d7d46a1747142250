"""The Models page: toolbar, cards or table, and the ways to add one."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, page_header, task_progress, typography, upsell_banner
from dashboard.components.markup import rich, show
from dashboard.i18n import advice
from dashboard.pages.models import card
from detector.errors import LabelOrderError, UnmaskError
from detector.models import hub_import, inventory, memory, registry, user_models
from detector.models.inventory import Status
from detector.schema.analysis import Question
from detector.selfcheck import Outcome
from detector.sentences import _, ngettext, say
from detector.weights import hub
from service.tasks.kinds import SELF_CHECK

Timed = tuple[Status, float | None]
"""A model, and the seconds that a sampled frame takes here."""
PAGE = 18
"""Cards before "Show more"."""
ALL = "all"
NOTICE = "models-said"
"""The outcome of the last action; said once."""
IMPORTING = "models-coming"
"""The model of the hub that is being downloaded."""
HUB_MODEL = "bring-found"
"""What the hub says of the model that was asked for."""
ADDED = "models-added"
"""How many models were added here: after each, the form is closed and empty."""
CARDS = "models-most"
"""How many cards are shown."""
QUESTIONS: dict[str, str] = {ALL: _("All"), **{q.spec.task: say(q.spec.group) for q in Question}}
STATES = {
    "ready": _("Ready"),
    "recommended": _("Recommended"),
    "absent": _("Not downloaded"),
    "own": _("Yours"),
}
VIEWS = {"cards": _("Cards"), "table": _("Table")}


def draw() -> None:
    """Draw the page."""
    statuses = inventory.inventory()
    _title(statuses)
    _outcome()
    _self_check()
    _offer()
    shown, as_table = _toolbar(statuses)
    if not shown:
        typography.caption(_("Nothing matches. Clear the filters to see every model."))
    elif as_table:
        _table(shown)
    else:
        _cards(shown)
    whose = _(
        "Figures measured here come from <code>unmask evaluate</code>. Published figures stand on "
        "each model’s card with their source."
    )
    typography.caption(rich(whose))


def _title(statuses: Sequence[Status]) -> None:
    ready = [s for s in statuses if s.ready]
    size = sum(file.size or 0 for s in ready for file in s.spec.files)
    default = "; ".join(labels.plain(s.spec) for s in statuses if s.spec.default)
    used = labels.size(sum(s.memory for s in statuses))
    room = labels.size(memory.budget("cpu"))
    facts = [
        _("{number} of {total} ready").format(number=len(ready), total=len(statuses)),
        _("{size} on this disk").format(size=labels.size(size)),
        _("{used} of {room} in memory").format(used=used, room=room),
        _("default set: {models}").format(models=default),
    ]
    with page_header.row(_("Models"), facts):
        if not session.current_user().may_administer:
            return
        if controls.button(_("Check all files"), "verified", "check-files"):
            _check_files()
        if controls.button(_("Self-check"), "fact_check", "self-check"):
            session.application().self_checks.start(session.current_user())
        key = f"bring-{st.session_state.get(ADDED, 0)}"
        with st.popover(_("Add a model"), icon=":material/add:", width="content", key=key):
            if controls.choose(_("From"), WAYS, "file", "bring-way", hidden=True) == "file":
                _file()
            else:
                _hub()


def _check_files() -> None:
    """Install files from the weights folder, verify every file and report errors."""
    with st.spinner(_("Reading every file")):
        arrived = inventory.take_in()
        problems = inventory.verify()
    downloads = session.application().downloads
    for spec in arrived:
        downloads.dismiss(spec.id, session.current_user())  # that nothing came holds no more
    text = "; ".join(f"{id}: {why}" for id, why in problems.items() if why) or ngettext(
        "The files of {number} model are what they should be.",
        "The files of {number} models are what they should be.",
        len(problems),
    ).format(number=len(problems))
    if arrived:
        names = labels.listed([labels.plain(spec) for spec in arrived])
        text = _("Found in the weights folder: {models}.").format(models=names) + " " + text
    st.session_state[NOTICE] = text
    st.rerun()


def _outcome() -> None:
    """Draw the outcome of the last action, once; and the progress of a model of the hub."""
    typography.flash(NOTICE)
    repo = st.session_state.get(IMPORTING)
    downloads, user = session.application().downloads, session.current_user()
    running = downloads.find(repo, user) if repo else None
    if running is None:
        return
    if running.active:
        task_progress.draw(running, lambda task: f"{task.subject}: {labels.size(task.done)}")
        return
    st.session_state.pop(IMPORTING)
    if running.error:
        typography.notice(f"{say(running.error)} {say(running.hint)}".strip())
    else:
        typography.notice(_("{model} was added.").format(model=running.subject))
    downloads.dismiss(running.subject, user)


def _offer() -> None:
    wanted = upsell_banner.standing()
    if wanted is None:
        return
    with st.container(border=True, key="card-offer"):
        text = rich(
            _(
                "<b>The bundled models are small.</b> {model} is the strongest published open "
                "model. {why} License: {license}."
            ),
            model=upsell_banner.named(wanted),
            why=wanted.recommended,
            license=wanted.spec.license_weights,
        )
        typography.paragraph(text)
        ended = upsell_banner.latest(wanted)
        if problem := card.download_problem(wanted.spec, ended):
            show(problem)
        label = _("Try again") if ended and ended.code else _("Download it")
        with st.container(horizontal=True):
            if controls.button(label, "download", "offer", kind="primary"):
                card.fetch(wanted.spec.id)
                st.rerun()
            controls.button(_("Not now"), "", "offer-no", upsell_banner.decline, kind="tertiary")


def _toolbar(statuses: Sequence[Status]) -> tuple[list[Timed], bool]:
    """Draw the filters; return the matching models, and whether a table is wanted."""
    counts = {task: sum(1 for s in statuses if task in (ALL, s.spec.task)) for task in QUESTIONS}
    tasks = {task: f"{say(QUESTIONS[task])} {count}" for task, count in counts.items() if count}
    with controls.apart("models-toolbar"):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            asked = st.query_params.get(url_state.QUESTION, ALL)
            first = asked if asked in tasks else ALL
            task = controls.choose(_("Question"), tasks, first, "models-question", hidden=True)
            filter = st.segmented_control(
                _("State"),
                list(STATES),
                format_func=lambda state: say(STATES[state]),
                label_visibility="collapsed",
                key="models-state",
            )
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            text = controls.search(_("Find a model"), "models-find", 240)
            view = controls.choose(_("View"), VIEWS, "cards", "models-view", hidden=True)

    def order(status: Status) -> tuple[bool, ...]:
        """Sort by usable, the person's own, recommended, and downloadable in one click; within, by
        the manifest."""
        ready, manual = status.ready, status.state == "manual"
        return (not ready, not status.spec.own, not status.recommended, manual)

    speed, measured = session.application().jobs.speed, session.application().self_checks
    passed = [
        (status, measured.seconds(status.spec.id) or speed.rate(status.spec.id))
        for status in sorted(statuses, key=order)
        if task in (ALL, status.spec.task) and _passes(status, filter, text)
    ]
    return passed, view == "table"


def _passes(status: Status, filter: str | None, text: str) -> bool:
    spec = status.spec
    passes = {
        None: True,
        "ready": status.ready,
        "recommended": bool(status.recommended),
        "absent": not status.ready,
        "own": spec.own,
    }
    names = f"{spec.id} {spec.title} {labels.plain(spec)}"
    searched = f"{names} {spec.summary} {spec.source} {spec.license_weights}".lower()
    return passes[filter] and all(word in searched for word in text.lower().split())


def _cards(shown: Sequence[Timed]) -> None:
    most = st.session_state.get(CARDS, PAGE)
    grid = st.grid("auto", min_column_width=340, gap="medium")
    for status, seconds in shown[:most]:
        with grid:
            card.draw(status, seconds)
    if len(shown) > most:
        more = min(PAGE, len(shown) - most)
        label = _("Show {number} more of {total}").format(number=more, total=len(shown))
        if controls.button(label, "", "models-more"):
            st.session_state[CARDS] = most + PAGE
            st.rerun()


def _table(shown: Sequence[Timed]) -> None:
    downloads, user = session.application().downloads, session.current_user()
    rows = []
    for status, _seconds in shown:
        spec = status.spec
        size = card.published_size(spec)
        rows.append(
            {
                _("Model"): labels.plain(spec),
                _("Id"): spec.id,
                _("State"): card.state(status, downloads.find(spec.id, user))[1],
                _("Looks for"): card.looks_for(spec),
                _("AUC, sources left out"): spec.left_out.text if spec.left_out else "–",
                _("Size"): labels.size(size) if size else "–",
                _("License"): spec.license_weights,
                _("Label order"): spec.label_order,
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch", height=min(36 * len(rows) + 40, 900))


# --- the self-check -------------------------------------------------------------------------------


def _self_check() -> None:
    """Draw the progress of a self-check, then its outcome."""
    task = session.application().self_checks.find(SELF_CHECK, session.current_user())
    if task is None:
        return
    if task.active:
        text = _("Self-check: {number} of {total} models")
        task_progress.draw(task, lambda task: text.format(number=task.done, total=task.total))
    elif task.error:
        typography.notice(say(task.error))
    else:
        with st.expander(_("What the self-check found"), expanded=True):
            what = _(
                "Files against their sha256, tensor names and known answers against the original’s"
                ", and whether known fake faces score above known real ones."
            )
            typography.caption(what)
            controls.table(_check_row(outcome) for outcome in task.result)


def _check_row(outcome: Outcome) -> dict[str, str]:
    names = {True: _("as the original’s"), False: _("others"), None: _("not known")}
    answers, time = _("none known"), outcome.milliseconds
    if outcome.known:
        answers = _("{number} of {total}").format(number=outcome.right, total=outcome.known)
    return {
        _("Model"): say(outcome.title),
        _("Files"): say(outcome.files),
        _("Names"): names[outcome.names],
        _("Known answers"): answers,
        _("Label order"): say(outcome.order),
        _("A face takes"): f"{time:.0f} ms" if time else "–",
        _("Result"): _("passed")
        if outcome.passed
        else "; ".join(map(say, outcome.notes)) or _("failed"),
    }


# --- a model of one’s own -------------------------------------------------------------------------


WAYS = {"file": _("A file"), "hub": _("Hugging Face")}


def _file() -> None:
    text = _(
        "A checkpoint of an architecture that Unmask knows. Every tensor must find its place, or "
        "nothing is added. Files are read without running code in them."
    )
    typography.caption(text)
    known = registry.architectures()
    outputs: dict[int | None, str] = {None: _("as in the original")}
    outputs |= {number: _("output {number}").format(number=number) for number in (0, 1)}
    with st.form(f"bring-file-{st.session_state.get(ADDED, 0)}", border=False):
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
            list(outputs),
            format_func=outputs.__getitem__,
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
        paths = list(names)
        given = paths[0] if len(paths) == 1 else paths
        try:
            spec = user_models.add(given, architecture, title=title or None, fake_index=order)
        except UnmaskError as error:
            _refused(error, names)
            return
    added = _("{title} was added as {id}.")
    st.session_state[NOTICE] = added.format(title=spec.title, id=spec.id)
    st.session_state[ADDED] = st.session_state.get(ADDED, 0) + 1
    st.rerun()


def _hub() -> None:
    text = _(
        "An image or video classifier by its name, as in <b>owner/name</b>. Only its settings and "
        "weights are fetched, never its code."
    )
    typography.caption(rich(text))
    name = st.text_input(_("Name on the hub"), placeholder=_("owner/name"), key="bring-hub")
    if controls.button(_("Look at it"), "", "bring-look", disabled=not name):
        st.session_state.pop(HUB_MODEL, None)
        try:
            with st.spinner(_("Asking the hub")):
                st.session_state[HUB_MODEL] = hub.inspect(name.strip())
        except UnmaskError as error:
            _refused(error)
    model: hub.HubModel | None = st.session_state.get(HUB_MODEL)
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
        st.session_state.pop(HUB_MODEL, None)
        st.session_state[IMPORTING] = model.repo
        st.rerun()


def _refused(error: UnmaskError, names: Mapping[Path, str] | None = None) -> None:
    """Draw an error. `names` are the person's names of files by their paths here."""
    text = advice(error)
    for path, name in (names or {}).items():
        text = text.replace(str(path), name)
    typography.alert(text)
