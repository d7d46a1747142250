"""Progress bar, and the steps of a run."""

from collections.abc import Iterable

from markupsafe import Markup

from dashboard.components.markup import Text, icon, join, tag
from detector.presentation.progress import ProgressStep

_ICONS = {"done": "check_circle", "now": "progress_activity", "wait": "circle"}


def bar(share: float, label: str = "") -> Markup:
    """Return a progress bar, `share` 0..1; with a label it is announced."""
    whole = str(round(100 * min(1.0, max(0.0, share))))
    filled = tag("i", style=f"width: {whole}%")
    if not label:
        return tag("div", filled, cls="um-bar", aria_hidden="true")
    return tag(
        "div", filled, cls="um-bar", role="progressbar", aria_label=label,
        aria_valuemin="0", aria_valuemax="100", aria_valuenow=whole,
    )  # fmt: skip


def run(
    head: str,
    after: Text,
    share: float,
    steps: Iterable[ProgressStep],
    foot: str,
    *,
    label: str,
    most: int,
) -> Markup:
    """Return a run: head, bar (`label` for screen readers), steps; room for `most` models."""
    return _block(
        most,
        tag("header", tag("h2", head), tag("p", after)),
        bar(share, label),
        tag("ol", join(_step(step) for step in steps)),
        tag("p", foot, cls="um-caption"),
    )


def waiting(head: str, line: str, foot: str, *, most: int) -> Markup:
    """Return the progress of a queued run."""
    return _block(
        most,
        tag("header", tag("h2", head)),
        bar(0.0),
        tag("p", line, role="status"),
        tag("p", foot, cls="um-caption"),
    )


def _block(most: int, *parts: Text) -> Markup:
    return tag("div", *parts, cls="um-progress", style=f"--um-models: {most}")


def _step(step: ProgressStep) -> Markup:
    parts = join(
        tag("span", name) + bar(share) + tag("span", now, cls="n")
        for name, share, now in step.parts
    )
    return tag(
        "li",
        icon(_ICONS[step.state]),
        tag("div", tag("b", step.name), " ", step.detail),
        tag("span", step.right, cls="n"),
        tag("div", parts, cls="um-models") if step.parts else "",
        cls=step.state,
    )
