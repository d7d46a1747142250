"""The Models page: toolbar, cards or table, and the ways to add one."""

from collections.abc import Sequence

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, page_header, task_progress, typography, upsell_banner
from dashboard.components.markup import rich, show
from dashboard.i18n import LazyDict, _, ngettext, say
from dashboard.pages.models import card, import_model, selfcheck, state
from detector.models import inventory, memory
from detector.models.inventory import Status

Timed = tuple[Status, float | None]
"""A model, and the seconds that a sampled frame takes here."""
PAGE = 12
"""Cards before "Show more"."""
ALL = "all"
QUESTIONS: LazyDict[str, str] = LazyDict(
    lambda: {ALL: _("All"), **{words.task: words.group for words in labels.QUESTIONS.values()}}
)
STATES: LazyDict[str, str] = LazyDict(
    lambda: {
        "ready": _("Ready"),
        "recommended": _("Recommended"),
        "absent": _("Not downloaded"),
        "own": _("Yours"),
    }
)
VIEWS: LazyDict[str, str] = LazyDict(lambda: {"cards": _("Cards"), "table": _("Table")})


def draw() -> None:
    """Draw the page."""
    statuses = inventory.inventory()
    _title(statuses)
    _outcome()
    selfcheck.draw()
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
    default = "; ".join(s.spec.title for s in statuses if s.spec.default)
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
        with st.popover(_("Add a model"), icon=":material/add:", width="content"):
            import_model.draw()


def _check_files() -> None:
    """Install files from the weights folder, verify every file here and report what is wrong."""
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
        names = labels.listed([spec.title for spec in arrived])
        text = _("Found in the weights folder: {models}.").format(models=names) + " " + text
    state.notify(text)


def _outcome() -> None:
    """Draw the outcome of the last action, once; and how a model of the hub comes along."""
    typography.flash(state.NOTICE)
    repo = st.session_state.get(state.IMPORTING)
    downloads, user = session.application().downloads, session.current_user()
    running = downloads.find(repo, user) if repo else None
    if running is None:
        return
    if running.active:
        task_progress.draw(
            running,
            lambda task: f"{task.subject}: {labels.size(task.done)}",
            _("Stop"),
            f"stop-{running.subject}",
        )
        return
    st.session_state.pop(state.IMPORTING)
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
                "<b>The bundled models are small.</b> {model} is the strongest open one as "
                "published: {why} License: {license}."
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
    """Draw the filters; return what passes them, and whether a table is wanted."""
    counts = {task: sum(1 for s in statuses if task in (ALL, s.spec.task)) for task in QUESTIONS}
    tasks = {task: f"{QUESTIONS[task]} {count}" for task, count in counts.items() if count}
    with controls.apart("models-toolbar"):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            asked = st.query_params.get(url_state.QUESTION, ALL)
            first = asked if asked in tasks else ALL
            task = controls.choose(_("Question"), tasks, first, "models-question", hidden=True)
            filter = st.segmented_control(
                _("State"),
                list(STATES),
                format_func=STATES.__getitem__,
                label_visibility="collapsed",
                key="models-state",
            )
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            text = controls.search(_("Find a model"), "models-find", 240)
            view = controls.choose(_("View"), VIEWS, "cards", "models-view", hidden=True)
    speed, measured = session.application().jobs.speed, session.application().self_checks
    passed = [
        (status, measured.seconds(status.spec.id) or speed.rate(status.spec.id))
        for status in sorted(statuses, key=_order)
        if task in (ALL, status.spec.task) and _passes(status, filter, text)
    ]
    return passed, view == "table"


def _order(status: Status) -> tuple[bool, bool, bool]:
    """Sort: usable, then recommended, then downloadable by a click; within, as in the manifest."""
    return (not status.ready, not status.recommended, status.state == "manual")


def _passes(status: Status, filter: str | None, text: str) -> bool:
    spec = status.spec
    passes = {
        None: True,
        "ready": status.ready,
        "recommended": bool(status.recommended),
        "absent": not status.ready,
        "own": spec.own,
    }
    searched = f"{spec.id} {spec.title} {spec.summary} {spec.source} {spec.license_weights}".lower()
    return passes[filter] and all(word in searched for word in text.lower().split())


def _cards(shown: Sequence[Timed]) -> None:
    most = st.session_state.get(state.CARDS, PAGE)
    grid = st.grid("auto", min_column_width=340, gap="medium")
    for status, seconds in shown[:most]:
        with grid:
            card.draw(status, seconds)
    if len(shown) > most:
        more = min(PAGE, len(shown) - most)
        label = _("Show {number} more of {total}").format(number=more, total=len(shown))
        if controls.button(label, "", "models-more"):
            st.session_state[state.CARDS] = most + PAGE
            st.rerun()


def _table(shown: Sequence[Timed]) -> None:
    downloads, user = session.application().downloads, session.current_user()
    rows = []
    for status, _seconds in shown:
        spec, ours = status.spec, card.overall(status.spec)
        size = card.published_size(spec)
        rows.append(
            {
                _("Model"): spec.title,
                _("Id"): spec.id,
                _("State"): card.state(status, downloads.find(spec.id, user))[1],
                _("Looks for"): card.looks_for(spec),
                _("AUC, sources left out"): next((m.text for m in ours if m.left_out), "–"),
                _("Size"): labels.size(size) if size else "–",
                _("License"): spec.license_weights,
                _("Label order"): spec.label_order,
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch", height=min(36 * len(rows) + 40, 900))
