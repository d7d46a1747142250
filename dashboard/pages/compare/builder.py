"""Put an ensemble together and see the verdict change at once. Numbers only: no network runs."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, typography
from dashboard.components.chips import chip
from dashboard.i18n import LazyDict, _, say
from dashboard.pages.compare import state as chosen
from dashboard.pages.compare.state import Chosen
from detector.decision import decide
from detector.errors import InputError
from detector.schema.analysis import Analysis, CustomEnsemble

WAYS: LazyDict[Literal["mean", "top", "motion"], str] = LazyDict(
    lambda: {
        "mean": _("Mean over the clip"),
        "top": _("Highest quarter"),
        "motion": _("Weighted by movement"),
    }
)


@st.fragment
def draw(view: Chosen) -> None:
    """Draw the card. Only this card is drawn again while sliders move."""
    able = chosen.able(view.analysis)
    titles = {m.id: labels.plain(m) for m in able}
    with st.container(border=True, key="card-builder"):
        what = _(
            "How many times its usual evidence each model counts: 1 is as it was analyzed, 0 not "
            "at all. The verdict is computed from the scores that are there; how often another "
            "ensemble errs is measured on the Evaluate page."
        )
        cards.introduced(_("Put an ensemble together"), what)
        left, right = st.columns([58, 42], gap="large")
        with left:
            mix = _sliders(titles, view)
        with right:
            if mix is None:
                none = _("Give at least one model a weight.")
                typography.caption(none)
                return
            _verdict(
                view.analysis if untouched(mix, view) else decide(view.analysis, mix=mix),
                view.analysis,
            )
            _keep(mix)


def _sliders(titles: dict[str, str], view: Chosen) -> CustomEnsemble | None:
    start = view.analysis.settings.mix
    usual = _usual(view)
    scope = session.record_scope()
    known = scope.store.presets(scope.owner)
    if known:
        name = st.selectbox(
            _("Preset"),
            [None, *known],
            format_func=lambda name: name or _("None"),
            key="builder-preset",
        )
        start = known[name] if name else start
    weights = {}
    for id, title in titles.items():
        given = (start.weights.get(id, 1.0) if id in start.models else 0.0) if start else None
        value = usual.get(id, 0.0) if given is None else given
        weights[id] = st.slider(
            title, 0.0, 3.0, min(3.0, float(value)), 0.1, key=f"builder-{id}-{_tag(start)}"
        )
    counted = [id for id, weight in weights.items() if weight > 0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.selectbox(
            _("Over time"),
            list(WAYS),
            list(WAYS).index(start.aggregation) if start else 0,
            format_func=WAYS.__getitem__,
            key=f"builder-way-{_tag(start)}",
        )
        least = st.number_input(
            _("Fewest models"),
            1,
            max(1, len(titles)),
            min(start.min_models, len(titles)) if start else 1,
            key=f"builder-least-{_tag(start)}",
            help=_("With fewer models that gave a score, the answer is inconclusive."),
        )
    if not counted:
        return None
    return CustomEnsemble(
        models=counted,
        weights={id: weights[id] for id in counted},
        min_models=int(least),
        aggregation=way,
    )


def _usual(view: Chosen) -> dict[str, float]:
    """The sliders as the verdict stands: how many times its usual evidence each model counts."""
    mix = view.analysis.settings.mix
    asked = mix.weights if mix else {}
    return {m.id: asked.get(m.id, 1.0) if m.counted else 0.0 for m in view.analysis.models}


def untouched(mix: CustomEnsemble, view: Chosen) -> bool:
    """Whether nothing was changed: the verdict then is the one that stands."""
    before = view.analysis.settings.mix
    usual = {id: factor for id, factor in _usual(view).items() if factor > 0}
    way, least = (before.aggregation, before.min_models) if before else ("mean", 1)
    return (
        {id: mix.weights.get(id, 1.0) for id in mix.models} == usual
        and mix.aggregation == way
        and mix.min_models == least
    )


def _tag(start: CustomEnsemble | None) -> str:
    """Another preset is another set of sliders."""
    return start.name if start else ""


def _verdict(now: Analysis, before: Analysis) -> None:
    for head, one in ((_("With your ensemble"), now), (_("As it was analyzed"), before)):
        state, likely = labels.STATES[one.verdict.label], one.verdict.probability
        said = labels.percent(likely) if likely is not None else _("no score")
        cards.built(
            head,
            chip(labels.headline(one.verdict), state.slug, state.icon),
            said,
            [labels.say(reason) for reason in one.verdict.reasons[:2]],
        )


def _delete(name: str) -> None:
    scope = session.record_scope()
    scope.store.delete_preset(scope.owner, name)


def _keep(mix: CustomEnsemble) -> None:
    scope = session.record_scope()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            _("Name"), key="builder-name", max_chars=60, placeholder=_("My ensemble")
        )
        if st.button(_("Save as preset"), icon=":material/save:", key="builder-save"):
            try:
                scope.store.save_preset(scope.owner, mix.model_copy(update={"name": name.strip()}))
            except InputError as error:
                typography.alert(say(error.message))
            else:
                kept = _("{name} is kept. The Analyze page offers it too.")
                kept = kept.format(name=name)
                typography.notice(kept)
    known = scope.store.presets(scope.owner)
    if known and (
        gone := st.selectbox(_("Delete a preset"), [None, *known], key="builder-gone",
                             format_func=lambda name: name or _("Choose one"))
    ):  # fmt: skip
        st.button(
            _("Delete {name}").format(name=gone), icon=":material/delete:", key="builder-delete",
            on_click=_delete, args=(gone,),
        )  # fmt: skip
