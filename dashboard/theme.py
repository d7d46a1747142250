"""The look: tokens as constants, which charts use too, and the one place with our own CSS.

Colors Streamlit knows are also in `.streamlit/config.toml`; a test holds the two together. Every
rule hangs on a stable hook: the key of a container, a documented test id, or a class of our own
HTML, never on a generated class name. `RULES` says where each hook must be found, and the browser
test looks for it there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import streamlit as st

from detector.results import Label


@dataclass(frozen=True)
class StateColor:
    """One state's colors: `fill` for bars and dots (never text), `ink` for words and icons,
    `tint` for chips and bands."""

    fill: str
    ink: str
    tint: str


@dataclass(frozen=True)
class Palette:
    """Every color of one theme. Contrasts were computed against `bg` and `surface` (WCAG 2)."""

    bg: str
    surface: str
    sunken: str
    line: str
    edge: str
    text: str
    muted: str
    accent: str
    accent_tint: str
    on_accent: str
    band: str
    """The uncertain band of a score axis; darker than the chip's tint in the dark theme, so that
    lines over it stay readable."""
    over_alpha: float
    """How strongly the area above the upper threshold is filled."""
    fake: StateColor
    real: StateColor
    inconclusive: StateColor
    not_applicable: StateColor

    def state(self, label: Label) -> StateColor:
        """The colors of a verdict, a person or a score."""
        return {
            Label.FAKE: self.fake,
            Label.REAL: self.real,
            Label.INCONCLUSIVE: self.inconclusive,
            Label.NOT_APPLICABLE: self.not_applicable,
        }[label]


LIGHT = Palette(
    bg="#FBFAF7",
    surface="#FFFFFF",
    sunken="#F2F1EC",
    line="#DEDCD4",
    edge="#8A8C8B",
    text="#1B1D21",
    muted="#5B5F66",
    accent="#00639C",
    accent_tint="#E1EDF5",
    on_accent="#FFFFFF",
    band="#FCF2D9",
    over_alpha=0.26,
    fake=StateColor("#D55E00", "#A84300", "#FBEBDD"),
    real=StateColor("#009E73", "#00694C", "#E0F3EC"),
    inconclusive=StateColor("#E69F00", "#7A5200", "#FCF2D9"),
    not_applicable=StateColor("#7A7F87", "#5B5F66", "#EEEEEC"),
)
DARK = Palette(
    bg="#121416",
    surface="#1A1D20",
    sunken="#23272B",
    line="#363B40",
    edge="#7C828A",
    text="#ECEBE7",
    muted="#A9ADB3",
    accent="#6AB6EE",
    accent_tint="#1B2B37",
    on_accent="#121416",
    band="#2B2414",
    over_alpha=0.42,
    fake=StateColor("#D55E00", "#FF9A57", "#3A2315"),
    real=StateColor("#009E73", "#45CFA3", "#12302A"),
    inconclusive=StateColor("#E69F00", "#F3BC45", "#352A12"),
    not_applicable=StateColor("#8B9098", "#A9ADB3", "#2A2E32"),
)

ON_VIDEO = {
    Label.FAKE: ("#FF8A3D", "solid"),
    Label.REAL: ("#2BC596", "dashed"),
    Label.INCONCLUSIVE: ("#F2B632", "dotted"),
    Label.NOT_APPLICABLE: ("#D7DBDF", "solid"),
}
"""Stroke and dash of a box over a picture; the same in both themes."""
VIDEO_LABEL = "rgba(15, 18, 21, 0.9)"

SANS = '"Source Sans", sans-serif'
SERIF = '"Source Serif", serif'
CAPTION = 13
AXIS = 12
"""Font sizes in px; nothing on a page is smaller than AXIS."""


def palette() -> Palette:
    """The colors of the theme the person looks at now, for figures drawn on the server."""
    return DARK if st.context.theme.type == "dark" else LIGHT


Where = Literal["everywhere", "empty", "state", "running", "result"]


@dataclass(frozen=True)
class Rule:
    """One hook and the CSS nested under it. `where` names the page state that must contain it."""

    where: Where
    hook: str
    css: str


RULES: tuple[Rule, ...] = (
    # --- everywhere
    Rule(
        "everywhere",
        '[data-testid="stMainBlockContainer"]',
        """font-feature-settings: 'tnum', 'lnum'; max-width: 1440px; padding-left: 60px;
        padding-right: 60px;
        @media (max-width: 640px) { padding-left: 16px; padding-right: 16px; }
        :focus-visible { outline: 2px solid var(--um-accent); outline-offset: 1px; }
        .um-caption { color: var(--um-muted); font-size: 13px; line-height: 1.45; }
        .um-icon { font-family: "Material Symbols Rounded"; font-weight: 400; font-style: normal;
          line-height: 1; letter-spacing: normal; text-transform: none; white-space: nowrap;
          font-feature-settings: 'liga'; user-select: none; }
        .um-chip { display: inline-flex; align-items: center; gap: 4px; border-radius: 5px;
          padding: 2px 8px 2px 6px; font-size: 13px; font-weight: 600; line-height: 1.5; }
        .um-chip.fake { color: var(--um-fake-ink); background: var(--um-fake-tint); }
        .um-chip.real { color: var(--um-real-ink); background: var(--um-real-tint); }
        .um-chip.inc { color: var(--um-inconclusive-ink);
          background: var(--um-inconclusive-tint); }
        .um-chip.na { color: var(--um-not-applicable-ink);
          background: var(--um-not-applicable-tint); }
        .um-quiet { position: absolute; width: 1px; height: 1px; overflow: hidden;
          clip-path: inset(50%); white-space: nowrap; }
        @media (prefers-reduced-motion: reduce) {
          *, *::before, *::after { animation: none !important; transition: none !important; } }""",
    ),
    Rule(
        "everywhere",
        '[data-testid="stHeader"]',
        "background: var(--um-bg); border-bottom: 1px solid var(--um-line);",
    ),
    # --- cards: containers with a border whose key starts with "card" or "verdict"
    Rule(
        "running",
        '[class*="st-key-card"]',
        """background: var(--um-surface); border-color: var(--um-line); padding: 18px 20px;
        @media (max-width: 640px) { padding: 14px 16px; }""",
    ),
    Rule(
        "state",
        '[class*="st-key-verdict"]',
        """background: var(--um-surface); border-color: var(--um-line); padding: 16px 20px 18px;
        border-top: 4px solid var(--um-not-applicable-fill);
        &[class*="st-key-verdict-fake"] { border-top-color: var(--um-fake-fill); }
        &[class*="st-key-verdict-real"] { border-top-color: var(--um-real-fill); }
        &[class*="st-key-verdict-inc"] { border-top-color: var(--um-inconclusive-fill); }
        @media (max-width: 640px) { padding: 14px 16px; }""",
    ),
)


def _variables() -> str:
    """Tokens as custom properties. `light-dark()` follows the theme that Streamlit sets on the
    page, so switching it needs no rerun."""
    lines = []
    for field in fields(Palette):
        light, dark = getattr(LIGHT, field.name), getattr(DARK, field.name)
        name = field.name.replace("_", "-")
        if isinstance(light, StateColor):
            lines += [
                f"--um-{name}-{part}: light-dark({getattr(light, part)}, {getattr(dark, part)});"
                for part in ("fill", "ink", "tint")
            ]
        elif isinstance(light, str):
            lines.append(f"--um-{name}: light-dark({light}, {dark});")
    return ":root { " + " ".join(lines) + " }"


def css() -> str:
    """The whole style sheet."""
    return "\n".join([_variables(), *(f"{rule.hook} {{ {rule.css} }}" for rule in RULES)])


def apply() -> None:
    """Put the style sheet into the page. Called once a run, by app.py."""
    st.html(f"<style>{css()}</style>")
