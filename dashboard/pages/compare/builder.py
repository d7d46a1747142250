"""Put an ensemble together and see the verdict change at once. Numbers only: no network runs."""

from functools import partial
from typing import Literal

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, controls, typography
from dashboard.components.chips import chip
from dashboard.i18n import LazyDict, _
from dashboard.pages import alerted
from dashboard.pages.compare import state
from dashboard.pages.compare.state import Selection
from detector.decision import decide
from detector.schema.analysis import Analysis, CustomEnsemble

AGGREGATIONS: LazyDict[Literal["mean", "top", "motion"], str] = LazyDict(
    lambda: {
        "mean": _("Mean over the clip"),
        "top": _("Highest quarter"),
        "motion": _("Weighted by movement"),
    }
)


@st.fragment
def draw(selection: Selection) -> None:
    """Draw the card. Only this card is drawn again while sliders move."""
    analysis = selection.analysis
    with st.container(border=True, key="card-builder"):
        what = _(
            "How many times its usual evidence each model counts: 1 is as it was analyzed, 0 not "
            "at all. The verdict is computed from the scores that are there; how often another "
            "ensemble errs is measured on the Evaluate page."
        )
        cards.introduced(_("Put an ensemble together"), what)
        left, right = st.columns([58, 42], gap="large")
        with left:
            ensemble = _sliders(selection)
        with right:
            if ensemble is None:
                typography.caption(_("Give at least one model a weight."))
                return
            same = untouched(ensemble, analysis)
            _verdict(
                _("With your ensemble"), analysis if same else decide(analysis, ensemble=ensemble)
            )
            _verdict(_("As it was analyzed"), analysis)
            _presets(ensemble)


def _sliders(selection: Selection) -> CustomEnsemble | None:
    """Draw what an ensemble is made of; return it, or None where no model has a weight."""
    analysis = selection.analysis
    titles = {m.id: labels.plain(m) for m in state.able(analysis, selection.track)}
    start, usual = analysis.settings.ensemble, _usual(analysis)
    scope = session.record_scope()
    if presets := scope.store.presets(scope.owner):
        name = st.selectbox(
            _("Preset"),
            [None, *presets],
            format_func=lambda name: name or _("None"),
            key="builder-preset",
        )
        start = presets[name] if name else start
    if start is not None:
        usual = {id: start.weights.get(id, 1.0) for id in start.models}
    preset = start.name if start else ""  # another preset is another set of sliders
    weights = {
        id: st.slider(
            title, 0.0, 3.0, min(3.0, float(usual.get(id, 0.0))), 0.1, key=f"builder-{id}-{preset}"
        )
        for id, title in titles.items()
    }
    weights = {id: weight for id, weight in weights.items() if weight > 0}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = list(AGGREGATIONS).index(start.aggregation) if start else 0
        aggregation = controls.select(
            _("Over time"), AGGREGATIONS, f"builder-way-{preset}", index=index
        )
        fewest = st.number_input(
            _("Fewest models"),
            1,
            max(1, len(titles)),
            min(start.min_models, len(titles)) if start else 1,
            key=f"builder-least-{preset}",
            help=_("With fewer models that gave a score, the answer is inconclusive."),
        )
    if not weights:
        return None
    # Models of a subject that is not looked at stay as they are.
    weights |= {id: weight for id, weight in usual.items() if id not in titles and weight > 0}
    return CustomEnsemble(
        models=list(weights), weights=weights, min_models=int(fewest), aggregation=aggregation
    )


def _usual(analysis: Analysis) -> dict[str, float]:
    """Return how many times its usual evidence each model counts in the verdict that stands."""
    ensemble = analysis.settings.ensemble
    weights = ensemble.weights if ensemble else {}
    return {m.id: weights.get(m.id, 1.0) if m.heard else 0.0 for m in analysis.models}


def untouched(ensemble: CustomEnsemble, analysis: Analysis) -> bool:
    """Return whether nothing was changed: the verdict then is the one that stands."""
    before = analysis.settings.ensemble or CustomEnsemble(models=ensemble.models)
    return (
        {id: ensemble.weights.get(id, 1.0) for id in ensemble.models}
        == {id: weight for id, weight in _usual(analysis).items() if weight > 0}
        and ensemble.aggregation == before.aggregation
        and ensemble.min_models == before.min_models
    )


def _verdict(title: str, analysis: Analysis) -> None:
    verdict = analysis.verdict
    answer, likely = labels.STATES[verdict.label], verdict.probability
    cards.built(
        title,
        chip(labels.headline(verdict), answer.slug, answer.icon),
        labels.percent(likely) if likely is not None else _("no score"),
        [labels.say(reason) for reason in verdict.reasons[:2]],
    )


def _presets(ensemble: CustomEnsemble) -> None:
    """Draw what keeps and deletes ensembles."""
    scope = session.record_scope()
    store, owner = scope.store, scope.owner
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            _("Name"), key="builder-name", max_chars=60, placeholder=_("My ensemble")
        )
        if controls.button(_("Save as preset"), "save", "builder-save"):
            with alerted():
                store.save_preset(owner, ensemble.model_copy(update={"name": name.strip()}))
                saved = _("{name} is kept. The Analyze page offers it too.")
                typography.notice(saved.format(name=name))
    presets = store.presets(owner)
    if presets and (
        unwanted := st.selectbox(_("Delete a preset"), [None, *presets], key="builder-gone",
                                 format_func=lambda name: name or _("Choose one"))
    ):  # fmt: skip
        delete, label = partial(store.delete_preset, owner, unwanted), _("Delete {name}")
        controls.button(label.format(name=unwanted), "delete", "builder-delete", delete)
