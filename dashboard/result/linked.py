"""Shared state of a result page: moment, person, thresholds and models.

One value each in session state, under the record's key, so that two results never mix and leaving
the page loses nothing. Reasons, strip tiles, lane points, table rows, peak buttons and the player
all set the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import streamlit as st

from dashboard import session
from dashboard.components import controls, record_cells, timeline
from dashboard.i18n import advice
from detector.decision import decide
from detector.errors import InputError
from detector.presentation import lead, series
from detector.schema.analysis import Analysis, Question, Settings, Signal, Thresholds
from detector.sentences import _
from service.records.model import ResultOrigin
from service.tasks.jobs import Job
from service.tasks.task import QueueFull

T = TypeVar("T")


class ExportOptions:
    """Options of a report. One mutable object per result, so that a download drawn earlier has the
    latest notes."""

    def __init__(self) -> None:
        self.notes = self.case = self.reviewer = ""
        self.place = True
        self.zone: tzinfo = UTC


class Remembered(Generic[T]):
    """An attribute of `ResultViewState` in session state."""

    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, view: ResultViewState, owner: type) -> T:
        value: T = st.session_state.get(f"{view.prefix}.{self.name}", self.default)
        return value

    def __set__(self, view: ResultViewState, value: T) -> None:
        st.session_state[f"{view.prefix}.{self.name}"] = value


class ResultViewState:
    """The shared state of one record's linked view."""

    time = Remembered(0.0)  # the moment everything shows, s
    person = Remembered[str | None](None)  # whose face the inspector shows
    seek = Remembered(0)  # grows when this side moved the moment: the player then follows
    unplayable = Remembered(False)  # the browser said that it can't play this file
    thresholds: Remembered[Thresholds | None] = Remembered(None)  # if they were moved
    ours = Remembered(False)  # the person's own clips are left aside for this result
    models = Remembered[tuple[str, ...] | None](None)  # ids the person chose to count
    show_all = Remembered(False)  # people beyond the first few are shown as well
    scores_anyway = Remembered(False)  # asked for, of a file that is too poor for a reading
    simple = Remembered(False)  # the player without moving parts
    _rows: Remembered[Mapping[str, list[int]]] = Remembered({})  # chosen ones, by table

    def __init__(self, record: ResultRecord, analysis: Analysis) -> None:
        self.record = record
        self.key, self.path, self.read_only = record.key, record.path, record.read_only
        by_address = isinstance(record, Job) and not session.owns(record)
        self.changeable = not (record.read_only or by_address)
        self.prefix = f"result.{self.key}"
        self.original = analysis
        if f"{self.prefix}.time" not in st.session_state:
            self.time, self.person = opening(analysis)

    def widget(self, part: str) -> str:
        """Return the key of a widget of this record; Streamlit forgets it when the page is left."""
        return f"{self.prefix}.widget.{part}"

    # --- the moment

    def go(self, time: float, person: str | None = None) -> None:
        """Move to a moment, and the player with it."""
        self._move(time, person)
        self.seek += 1

    def going_to(self, time: float | None, person: str | None) -> Callable[[], None]:
        """Return the callback of a button that seeks to a moment; None without one."""
        return lambda: None if time is None else self.go(time, person)

    def _move(self, time: float, person: str | None) -> None:
        self.time = min(max(time, 0.0), series.length(self.original))
        self.person = person or self.person

    @property
    def heatmap_of(self) -> str:
        """Return the widget key of the heatmap's model."""
        return self.widget("heatmap")

    def looking_at(self, model: str, time: float, person: str | None) -> Callable[[], None]:
        """Return the callback of a button that shows a model's heatmap at a moment."""

        def look() -> None:
            st.session_state[self.heatmap_of] = model
            self.go(time, person)

        return look

    def on_moment(self) -> None:
        """Apply a moment that the player reported."""
        report = timeline.reported(self.widget("view"))
        if report is None:
            return
        if report.get("cause") == "unplayable":
            self.unplayable = True
            return
        people = {track.id for track in self.original.judged}
        person = report.get("person")
        self._move(float(report["time"]), person if person in people else None)

    def read_lane(self, person: str, drawn: str) -> None:
        """Handle a click on a lane before anything is drawn, so that a click costs one rerun.

        A figure `drawn` from other data is another widget with an empty selection, which is no
        click; an empty selection of the same figure is a second click on the selected point.
        """
        event = st.session_state.get(self.widget(f"lane.{person}"))
        points = event["selection"]["points"] if event else []
        time = next((float(p["x"]) for p in reversed(points) if "x" in p), None)
        name = f"{self.prefix}.lane.{person}"
        before, before_drawn = st.session_state.get(name, (None, None))
        st.session_state[name] = (time, drawn)
        if before_drawn != drawn and time is None:
            return
        clicked = before if time is None else time
        if time != before and clicked is not None:
            self.go(clicked, person)

    def read_table(self, rows: Sequence[tuple[float, str]], name: str) -> None:
        """Handle a selected row of a table; `rows` are its (time, person)."""
        event = st.session_state.get(self.widget(name))
        chosen = list(event["selection"]["rows"]) if event else []
        if chosen != self._rows.get(name, []):
            self._rows = {**self._rows, name: chosen}
            if chosen and chosen[0] < len(rows):
                self.go(*rows[chosen[0]])

    # --- thresholds and models

    def question(self, analysis: Analysis) -> Question | None:
        """Return the chosen question, else the leading one."""
        chosen = st.session_state.get(self.widget("question"))
        return Question(chosen) if chosen else analysis.verdict.question

    def choose_ours(self) -> None:
        self.ours = not st.session_state[self.widget("own")]
        self._forget_thresholds()

    @property
    def usual(self) -> Thresholds:
        """Return the unmoved thresholds."""
        return self._base().verdict.thresholds

    def choose_thresholds(self) -> None:
        (low, high), usual = st.session_state[self.widget("thresholds")], self.usual
        self.thresholds = None
        if (low, high) != in_percent(usual):
            self.thresholds = Thresholds(
                low=round(low / 100, 3), high=round(high / 100, 3), data=usual.data, custom=True
            )

    def choose_models(self) -> None:
        chosen = tuple(st.session_state[self.widget("models")] or ())
        usual = [m.id for m in self.original.models if m.heard]
        if not chosen:  # no model, no verdict: back to ours
            st.session_state[self.widget("models")] = usual
        self.models = None if not chosen or set(chosen) == set(usual) else chosen

    def reset(self) -> None:
        """Restore the shipped thresholds and models."""
        self.models, self.ours = None, False
        self._forget_thresholds()
        for part in ("models", "own"):
            st.session_state.pop(self.widget(part), None)

    def _forget_thresholds(self) -> None:
        self.thresholds = None
        st.session_state.pop(self.widget("thresholds"), None)

    @property
    def changed(self) -> bool:
        return self.thresholds is not None or self.models is not None

    def _base(self) -> Analysis:
        """Return the analysis with or without the person's own thresholds."""
        if not self.ours:
            return self.original
        return self._cached(
            "base", self._analyzed, lambda: decide(self.original.model_copy(update={"own": None}))
        )

    def decided(self) -> Analysis:
        """Return the analysis under the chosen thresholds and models, without running a network."""
        base, thresholds, models = self._base(), self.thresholds, self.models
        if not self.changed:
            return base
        # Ids that can't be counted (failed, no score) are refused by `decide` itself.
        return self._cached(
            "decided",
            (*self._analyzed, self.ours, thresholds, models),
            lambda: decide(base, thresholds=thresholds, models=models),
        )

    @property
    def _analyzed(self) -> tuple[object, ...]:
        """Return the analysis with its latest comparison and signals."""
        readings = tuple(signal.reading for signal in self.original.signals)
        return self.original.id, self.original.comparison, readings

    def _cached(self, name: str, key: object, make: Callable[[], Analysis]) -> Analysis:
        name = f"{self.prefix}.{name}"
        if st.session_state.get(name, (None,))[0] != key:
            st.session_state[name] = (key, make())
        analysis: Analysis = st.session_state[name][1]
        return analysis

    # --- what goes into a report

    @property
    def export(self) -> ExportOptions:
        """Notes, and whether the place is left in."""
        options: ExportOptions = st.session_state.setdefault(
            f"{self.prefix}.export", ExportOptions()
        )
        options.zone = record_cells.zone()
        return options

    def choose_export(self) -> None:
        for name in ("notes", "case", "reviewer"):
            setattr(self.export, name, st.session_state.get(self.widget(name), ""))
        self.export.place = not st.session_state.get(self.widget("no-place"), False)

    def rerun(self, settings: Settings) -> None:
        """Analyze the file again, under the same address."""
        try:
            session.application().rerun(session.request_context(), self.key, settings)
        except (QueueFull, InputError) as error:
            st.toast(advice(error), icon=":material/schedule:")
        else:
            st.rerun()

    def keep_signals(self, signals: Sequence[Signal]) -> None:
        """Put signals that were measured on request into the stored result."""
        if isinstance(self.record, Job):
            session.application().keep_signals(session.request_context(), self.record, signals)

    # --- how much is shown

    def show_scores(self) -> None:
        self.scores_anyway = True

    def toggle_all(self) -> None:
        self.show_all = not self.show_all

    def more_button(self, hidden: int, where: str) -> None:
        """Draw the button that shows omitted people, if any."""
        if hidden or self.show_all:
            label = _("Show {number} more").format(number=hidden) if hidden else _("Show fewer")
            controls.button(label, key=self.widget(f"more.{where}"), on_click=self.toggle_all)

    def choose_simple(self) -> None:
        self.simple = bool(st.session_state[self.widget("simple")])


def in_percent(thresholds: Thresholds) -> tuple[float, float]:
    """Return thresholds as the slider holds them, in the tenths in which they are printed."""
    return round(100 * thresholds.low, 1), round(100 * thresholds.high, 1)


def opening(analysis: Analysis) -> tuple[float, str | None]:
    """Return the moment at which a result opens."""
    if (shown := lead.moment(analysis)) is not None:
        return shown
    if analysis.judged:
        return analysis.judged[0].thumbnail_time, analysis.judged[0].id
    return (analysis.timestamps[0] if analysis.timestamps else 0.0), None


class ResultRecord(Protocol):
    """The stored result of an analysis, wherever it is kept."""

    @property
    def analysis(self) -> Analysis | None: ...

    @property
    def path(self) -> Path:
        """Return the media on disk; a path that does not exist once it is deleted."""

    @property
    def address(self) -> str:
        """Return the URL of the media."""

    @property
    def picture(self) -> bytes | None:
        """Return the thumbnail, for deleted media."""

    @property
    def last_cache_hit(self) -> datetime | None:
        """Return when the same file was last served from cache."""

    @property
    def read_only(self) -> bool:
        """It is another person's, seen through a link: nothing is started or changed from here."""

    @property
    def origin(self) -> ResultOrigin:
        """Who made the result."""

    @property
    def name(self) -> str:
        """As the person named it; hostile."""

    @property
    def key(self) -> str:
        """Names it in addresses, widget keys and session state."""
