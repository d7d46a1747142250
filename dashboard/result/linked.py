"""What a person looks at in a result: the moment, the person, their thresholds and models.

One value each in session state, under the record's key, so that two results never mix and leaving
the page loses nothing. Reasons, strip tiles, lane points, table rows, peak buttons and the player
all set the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import series
from dashboard.components import evidence_view
from dashboard.i18n import _
from dashboard.result.downloads import ExportOptions
from detector.decision import decide
from detector.schema.analysis import Analysis, Question, Thresholds


class ResultViewState:
    """The shared state of one record's linked view."""

    def __init__(self, key: str, analysis: Analysis, *, read_only: bool = False) -> None:
        self.key = key
        self.read_only = read_only
        self.prefix = f"result.{key}"
        self.original = analysis
        if self._name("time") not in st.session_state:
            time, person = opening(analysis)
            self._set("time", time)
            self._set("person", person)
            self._set("seek", 0)

    def _name(self, part: str) -> str:
        return f"{self.prefix}.{part}"

    def widget(self, part: str) -> str:
        """The key of a widget of this record. Streamlit forgets it when the page is left."""
        return f"{self.prefix}.widget.{part}"

    def _get(self, part: str, default: Any = None) -> Any:
        return st.session_state.get(self._name(part), default)

    def _set(self, part: str, value: Any) -> None:
        st.session_state[self._name(part)] = value

    # --- the moment

    @property
    def time(self) -> float:
        """The moment everything shows, s."""
        return float(self._get("time", 0.0))

    @property
    def person(self) -> str | None:
        """Whose face the inspector shows."""
        value = self._get("person")
        return value if isinstance(value, str) else None

    @property
    def seek(self) -> int:
        """Grows when this side moved the moment: the player then follows."""
        return int(self._get("seek", 0))

    def go(self, time: float, person: str | None = None) -> None:
        """Move to a moment, and the player with it."""
        self._move(time, person)
        self._set("seek", self.seek + 1)

    def _move(self, time: float, person: str | None) -> None:
        end = series.length(self.original)
        self._set("time", min(max(time, 0.0), end))
        if person is not None:
            self._set("person", person)

    def on_moment(self) -> None:
        """The evidence view reported: the player is there already."""
        report = evidence_view.reported(self.widget("view"))
        if report is None:
            return
        if report.get("cause") == "unplayable":
            self._set("unplayable", True)
            return
        people = {track.id for track in self.original.judged}
        person = report.get("person")
        self._move(float(report["time"]), person if person in people else None)

    @property
    def unplayable(self) -> bool:
        """The browser said that it can't play this file."""
        return bool(self._get("unplayable", False))

    def read_lane(self, person: str, drawn: str) -> None:
        """Follow a click on a lane: its selection is read before anything is drawn, so that a
        click costs one run.

        Parameters
        ----------
        drawn : str
            What the figure was drawn from. Another figure is another widget with an empty
            selection, which is no click; an empty one of the same figure is a second click on the
            point that was selected.
        """
        points = _points(st.session_state.get(self.widget(f"lane.{person}")))
        before, before_drawn = self._get(f"lane.{person}", (None, None))
        time = points[-1] if points else None
        self._set(f"lane.{person}", (time, drawn))
        if before_drawn != drawn and time is None:
            return
        if time != before:
            clicked = time if time is not None else before
            if clicked is not None:
                self.go(clicked, person)

    def read_table(self, rows: Sequence[tuple[float, str]]) -> None:
        """Follow a selected row of the table; `rows` are (time, person) as they were drawn."""
        event = st.session_state.get(self.widget("table"))
        chosen = list(event["selection"]["rows"]) if event else []
        if chosen != self._get("table", []):
            self._set("table", chosen)
            if chosen and chosen[0] < len(rows):
                self.go(*rows[chosen[0]])

    # --- thresholds and models

    def question(self, analysis: Analysis) -> Question | None:
        """Which question is shown below the verdict: the chosen one, else the one that leads."""
        chosen = st.session_state.get(self.widget("question"))
        return Question(chosen) if chosen else analysis.verdict.question

    @property
    def thresholds(self) -> dict[Question, Thresholds]:
        """Those the person moved, by question."""
        return dict(self._get("thresholds") or {})

    @property
    def ours(self) -> bool:
        """The person's own clips are left aside for this result."""
        return bool(self._get("ours", False))

    def choose_ours(self) -> None:
        self._set("ours", not st.session_state[self.widget("own")])
        self._set("thresholds", None)
        self._forget_sliders()

    def usual(self, question: Question) -> Thresholds:
        """The thresholds of a question that nobody moved."""
        return self._base().verdict.answers[question].thresholds

    @property
    def models(self) -> tuple[str, ...] | None:
        """Ids the person chose to count, or None."""
        chosen: tuple[str, ...] | None = self._get("models")
        return chosen

    def choose_thresholds(self, question: Question) -> None:
        low, high = st.session_state[self.widget(f"thresholds.{question.value}")]
        usual, moved = self.usual(question), self.thresholds
        moved.pop(question, None)
        if (low, high) != whole(usual):
            moved[question] = Thresholds(
                low=low / 100, high=high / 100, data=usual.data, custom=True
            )
        self._set("thresholds", moved)

    def choose_models(self) -> None:
        chosen = tuple(st.session_state[self.widget("models")] or ())
        usual = [m.id for m in self.original.models if m.counted]
        if not chosen:  # no model, no verdict: back to ours
            st.session_state[self.widget("models")] = usual
        self._set("models", None if not chosen or set(chosen) == set(usual) else chosen)

    def reset(self) -> None:
        """Back to our thresholds and models."""
        self._set("thresholds", None)
        self._set("models", None)
        self._set("ours", False)
        self._forget_sliders()
        for part in ("models", "own"):
            st.session_state.pop(self.widget(part), None)

    def _forget_sliders(self) -> None:
        for question in Question:
            st.session_state.pop(self.widget(f"thresholds.{question.value}"), None)

    @property
    def changed(self) -> bool:
        return bool(self.thresholds) or self.models is not None

    def _base(self) -> Analysis:
        """What was analyzed, with the person's own thresholds or without."""
        if not self.ours:
            return self.original
        kept = self._get("base")
        if kept is None or kept[0] != self.original.id:
            ensembles = {
                q: ensemble.model_copy(update={"own": None})
                for q, ensemble in self.original.ensembles.items()
            }
            kept = (
                self.original.id,
                decide(self.original.model_copy(update={"ensembles": ensembles})),
            )
            self._set("base", kept)
        result: Analysis = kept[1]
        return result

    def decided(self) -> Analysis:
        """The analysis under the chosen thresholds and models. Numbers only: no network runs."""
        base = self._base()
        if not self.changed:
            return base
        asked = (self.original.id, self.ours, self.thresholds, self.models)
        kept = self._get("decided")
        if kept is None or kept[0] != asked:
            # Ids that can't be counted (failed, no score) are refused by `decide` itself.
            kept = (asked, decide(base, thresholds=self.thresholds, models=self.models))
            self._set("decided", kept)
        result: Analysis = kept[1]
        return result

    # --- what goes into a report

    @property
    def wishes(self) -> ExportOptions:
        """Notes, and whether the place is left in."""
        if self._get("wishes") is None:
            self._set("wishes", ExportOptions())
        found: ExportOptions = self._get("wishes")
        return found

    def choose_wishes(self) -> None:
        self.wishes.notes = st.session_state.get(self.widget("notes"), "")
        self.wishes.place = not st.session_state.get(self.widget("no-place"), False)

    # --- how much is shown

    @property
    def show_all(self) -> bool:
        return bool(self._get("all", False))

    @property
    def scores_anyway(self) -> bool:
        """The person asked for the scores of a file that is too poor for a reading."""
        return bool(self._get("anyway", False))

    def show_scores(self) -> None:
        self._set("anyway", True)

    def toggle_all(self) -> None:
        self._set("all", not self.show_all)

    def more_button(self, hidden: int, where: str) -> None:
        """Draw what shows the people that are left out, if there are any."""
        if hidden or self.show_all:
            st.button(
                _("Show {number} more").format(number=hidden) if hidden else _("Show fewer"),
                on_click=self.toggle_all,
                key=self.widget(f"more.{where}"),
            )

    @property
    def simple(self) -> bool:
        """The person chose the player without moving parts."""
        return bool(self._get("simple", False))

    def choose_simple(self) -> None:
        self._set("simple", bool(st.session_state[self.widget("simple")]))


def whole(thresholds: Thresholds) -> tuple[int, int]:
    """Thresholds as the slider holds them."""
    return round(thresholds.low * 100), round(thresholds.high * 100)


def opening(analysis: Analysis) -> tuple[float, str | None]:
    """Where a result opens: at its first reason, else at the highest score."""
    for reason in analysis.verdict.reasons:
        if reason.time is not None and reason.subject is not None:
            return reason.time, reason.subject
    for track in analysis.judged:
        scored = series.lane(analysis, track).scored
        if scored:
            return max(scored, key=lambda p: p[1])[0], track.id
    if analysis.judged:
        return analysis.judged[0].thumbnail_time, analysis.judged[0].id
    return (analysis.moments[0] if analysis.moments else 0.0), None


def _points(event: Any) -> list[float]:
    """Times of the selected points of a plotly chart."""
    if not event:
        return []
    return [float(point["x"]) for point in event["selection"]["points"] if "x" in point]
