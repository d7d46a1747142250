"""The page of whoever runs the server. Counts only: no name of a file is on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from socket import gethostname

import streamlit as st

import detector
from dashboard import labels, session, theme, url_state
from dashboard.charts import admin as charts
from dashboard.components import (
    cards,
    controls,
    figures,
    outcomes,
    page_header,
    progress,
    shares,
    typography,
)
from dashboard.components.chips import figures as key_figures
from dashboard.components.markup import show
from dashboard.components.shares import BarShare
from dashboard.i18n import LazyDict, _, say
from dashboard.pages.admin import keys, state
from detector.schema.analysis import Label
from service import overview
from service.config import get_config
from service.context import PrincipalKind
from service.records.model import State
from service.storage import uploads
from service.tasks.task import Task

DAYS = 14
"""of the chart"""
MOST = 20
"""tasks that are listed"""
_KINDS: LazyDict[str, str] = LazyDict(
    lambda: {
        "analysis": _("Analysis"),
        "batch": _("Batch"),
        "evaluation": _("Evaluation"),
        "calibration": _("Calibration"),
        "download": _("Download"),
        "robustness": _("Robustness"),
        "library": _("Library"),
    }
)
_OWNERS: LazyDict[PrincipalKind, str] = LazyDict(
    lambda: {
        PrincipalKind.LOCAL: _("this computer"),
        PrincipalKind.GUEST: _("guest"),
        PrincipalKind.KEY: _("key"),
        PrincipalKind.USER: _("account"),
    }
)


_STAGES: LazyDict[str, str] = LazyDict(
    lambda: {
        **labels.STAGES,
        "decode": _("Decoding"),
        "provenance": _("Reading provenance"),
        "total": _("All of it"),
    }
)


def draw() -> None:
    """Draw the page, for an administrator alone."""
    if not session.current_user().may_administer:
        page_header.head(_("Operator"), "")
        typography.notice(_("This page is for administrators."))
        return
    _title()
    if notice := st.session_state.pop(state.NOTICE, ""):
        typography.notice(notice)
    _now()
    left, right = st.columns([2, 1], gap=20)
    with left:
        _verdicts()
        keys.draw()
        _quotas()
    with right:
        _speed()
        _errors_by_kind()
        _machine()
    _feedback()


def _title() -> None:
    app = session.application()
    up = labels.hours((datetime.now(UTC) - app.started).total_seconds() / 3600)
    facts = [
        _("Unmask {version} on {host}").format(version=detector.__version__, host=gethostname()),
        _("up {time}").format(time=up),
        _("counts only; no file is named here"),
    ]
    with page_header.row(_("Operator"), facts):
        if site := url_state.site():
            st.link_button("/metrics", f"{site}/metrics", icon=":material/monitoring:")
            st.link_button("OpenAPI", f"{site}/v1/openapi.json", icon=":material/api:")
        if app.tasks.scheduler.held:
            controls.button(
                _("Start jobs again"), "play_arrow", "admin-resume", _resume, kind="primary"
            )
        else:
            controls.button(_("Pause new jobs"), "pause", "admin-hold", _hold)
    if app.tasks.scheduler.held:
        typography.notice(
            _(
                "New jobs are paused: what runs is finished, what comes waits in line. It "
                "ends with a restart of the server."
            )
        )


def _hold() -> None:
    if session.current_user().may_administer:
        session.application().tasks.scheduler.hold()


def _resume() -> None:
    if session.current_user().may_administer:
        session.application().tasks.scheduler.resume()


@st.fragment(run_every=2.0)
def _now() -> None:
    app = session.application()
    tasks = overview.active(app.tasks)
    running = [task for task in tasks if task.state is State.RUNNING]
    ended, hits = overview.ended(), overview.cache_hits()
    done = sum(ended.values())
    failed = ended.get(State.FAILED, 0)
    brought = done + hits
    show(
        key_figures(
            [
                (_("Running now"), f"{len(running):,}", _places(running)),
                (_("Waiting"), f"{len(tasks) - len(running):,}", _longest(tasks)),
                (_("Last 24 hours"), f"{app.jobs.store.analyzed(_ago(1)):,}", _("results")),
                (
                    _("Failed"),
                    f"{failed:,}",
                    _("of {number} that ended since the start").format(number=f"{done:,}"),
                ),
                (
                    _("Served from cache"),
                    f"{hits / brought:.0%}" if brought else "–",
                    _("{hits} of {files}").format(
                        hits=hits, files=labels.count(brought, "file", "files")
                    ),
                ),
            ]
        )
    )
    with st.container(border=True, key="card-admin-tasks"):
        cards.head(_("Tasks now"), _("refreshed every 2 s"))
        if not tasks:
            typography.caption(_("Nothing runs or waits."))
        for task in tasks[:MOST]:
            _task(task)
        if len(tasks) > MOST:
            typography.caption(_("and {number} more").format(number=len(tasks) - MOST))


def _task(task: Task) -> None:
    kind, letters = overview.owner_kind(task.owner)
    took = labels.took(max(1.0, round((datetime.now(UTC) - overview.since(task)).total_seconds())))
    if task.state is State.QUEUED:
        step = _("Waiting")
    else:
        step = labels.STAGES.get(task.stage, task.stage) or _("Running")
    name = _KINDS.get(task.kind.name, task.kind.name)
    text = f"{name} · {_OWNERS[kind]} {letters}".strip() + f" · {step} · {took}"
    with controls.apart(f"admin-task-{task.id}"):
        show(typography.text(text), progress.bar(task.fraction))
        with st.container(horizontal=True, width="content"):
            if task.state is State.QUEUED:
                first = partial(session.application().tasks.scheduler.advance, task)
                controls.button(_("First"), "", f"admin-first-{task.id}", first, kind="tertiary")
            stop = partial(session.application().tasks.cancel, task)
            controls.button(_("Cancel"), "", f"admin-stop-{task.id}", stop, kind="tertiary")


def _longest(tasks: list[Task]) -> str:
    waits = [task.created for task in tasks if task.state is State.QUEUED]
    if not waits:
        return _("queue empty")
    longest = max(1.0, round((datetime.now(UTC) - min(waits)).total_seconds()))
    return _("longest {time}").format(time=labels.took(longest))


def _places(running: list[Task]) -> str:
    """ "1 of 2 places for files" """
    files = sum(task.kind.name == "analysis" for task in running)
    text = _("{number} of {places} places for files")
    return text.format(number=files, places=session.application().jobs.workers)


def _ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _verdicts() -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = session.application().jobs.store.verdicts_by_day(today - timedelta(days=DAYS - 1))
    with st.container(border=True, key="card-admin-verdicts"):
        cards.wide_head(_("Verdicts by day"), shares.legend(_legend(days)))
        if not days:
            typography.caption(_("No result is kept from these days."))
            return
        whole = {
            day: days.get(day, {})
            for day in ((today - timedelta(days=back)).date() for back in range(DAYS - 1, -1, -1))
        }
        number = sum(sum(counts.values()) for counts in days.values())
        alt = _("Results by day, {number} in all").format(number=number)
        figures.chart(charts.verdicts(whole, theme.palette()), "admin-verdicts", alt)
        kept = _("Results of the last {number} days, in UTC, that are still kept.")
        typography.caption(f"{_open_weeks(whole)} {kept.format(number=DAYS)}".strip())


def _legend(days: Mapping[date, Mapping[Label, int]]) -> list[BarShare]:
    return [
        BarShare(
            one.slug, one.icon, one.short, sum(counts.get(label, 0) for counts in days.values())
        )
        for label in (Label.FAKE, Label.INCONCLUSIVE, Label.REAL, Label.NOT_APPLICABLE)
        for one in [labels.STATES[label]]
    ]


def _open_weeks(days: Mapping[date, Mapping[Label, int]]) -> str:
    """Return how many were inconclusive this week and the one before; empty where one has few."""
    shares_of = []
    for week in (list(days.values())[-7:], list(days.values())[-14:-7]):
        whole = sum(sum(counts.values()) for counts in week)
        if whole < labels.FEW:
            return ""
        shares_of.append(round(100 * sum(c.get(Label.INCONCLUSIVE, 0) for c in week) / whole))
    text = _("Inconclusive: {now} of 100 files in 7 days, {before} in the 7 before.")
    return text.format(now=shares_of[0], before=shares_of[1])


def _speed() -> None:
    with st.container(border=True, key="card-admin-speed"):
        cards.head(_("Speed by stage"), _("s a file"))
        speeds = overview.speeds()
        if not speeds:
            typography.caption(_("No analysis has ended since the server started."))
            return
        controls.table(
            {
                _("Stage"): _STAGES.get(one.stage, one.stage),
                _("Median"): f"{one.median:.1f}",
                _("95 of 100"): f"{one.high:.1f}",
            }
            for one in speeds
        )
        typography.caption(_("Since the server started; read off a histogram, so about."))


def _errors_by_kind() -> None:
    failures = session.application().jobs.store.failures(_ago(7))
    with st.container(border=True, key="card-admin-errors"):
        cards.head(_("Errors by kind"), _("7 days"))
        if not failures:
            typography.caption(_("No analysis failed."))
            return
        controls.table(
            {
                _("What"): f"{say(one.message)} · {_('ours') if one.ours else _('theirs')}",
                _("Files"): f"{one.number:,}",
            }
            for one in failures[:MOST]
        )
        typography.caption(
            _("Of analyses that are still kept, those before the last start of the server too.")
        )


def _machine() -> None:
    disk = overview.disk(session.application().jobs.uploads)
    memory, (busy, cores) = overview.memory(), overview.load()
    used = disk.total - disk.free
    of = _("{used} of {total}")
    rows = (
        (
            _("Memory"),
            of.format(used=labels.size(memory.process), total=labels.size(memory.total)),
            memory.process / max(1, memory.total),
            _("of this server; models {size}").format(size=labels.size(memory.models)),
        ),
        (
            _("Disk"),
            of.format(used=labels.size(used), total=labels.size(disk.total)),
            used / max(1, disk.total),
            _("{size} are files that people brought.").format(size=labels.size(disk.files)),
        ),
        (
            _("Processor"),
            _("load {load} on {cores}").format(
                load=f"{busy:.1f}", cores=labels.count(cores, "core", "cores")
            ),
            busy / cores,
            _("of all programs, in the last minute"),
        ),
    )
    with st.container(border=True, key="card-admin-disk"):
        cards.head(_("Memory and disk"))
        for name, figure, share, note in rows:
            show(
                cards.titled(name, figure), progress.bar(share, name), typography.small_print(note)
            )


def _quotas() -> None:
    config, largest = get_config(), uploads.max_upload_mb()
    guests = min(largest, config.guest_max_mb) if config.guest_max_mb else largest
    with st.container(border=True, key="card-admin-quotas"):
        cards.head(_("Quotas"), _("0: no limit"))
        controls.table(
            {_("What"): name, _("At most"): f"{value:g}"}
            for name, value in (
                (_("Files an hour, guest"), config.guest_files_per_hour),
                (_("Files an hour, account"), config.user_files_per_hour),
                (_("Files an hour, guests of one network"), config.address_files_per_hour),
                (_("MB a file"), largest),
                (_("MB a file, guest"), guests),
                (_("Requests a minute, program"), config.requests_per_minute),
            )
        )
        typography.caption(_("Set in the environment: unmask config lists the names."))


def _feedback() -> None:
    records = session.application().jobs.store.confirmed()
    with st.container(border=True, key="card-admin-feedback"):
        cards.head(_("How often it was right"), "unmask export-labels")
        if not records:
            typography.caption(_("Nobody has confirmed a file in History yet."))
            return
        outcomes.draw(records)
