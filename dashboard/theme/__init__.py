"""The theme: design tokens as constants, used by charts too, and the style sheet built on them.

The rules are CSS files in `dashboard/static/`; a color there is a custom property made of the
palette here (`variables`). Streamlit's own colors are also in `.streamlit/config.toml`; a test
compares the two.
"""

import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from detector.schema.analysis import Label
from detector.vision.boxes import STROKES


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
    probably_fake: StateColor
    probably_real: StateColor
    real: StateColor
    inconclusive: StateColor
    not_applicable: StateColor

    def state(self, label: Label | None) -> StateColor:
        """Return the colors of a verdict, a person or a score; gray for none."""
        color: StateColor = getattr(self, (label or Label.NOT_APPLICABLE).name.lower())
        return color


_COLORS: dict[str, tuple[Any, Any]] = {
    "bg": ("#FBFAF7", "#121416"),
    "surface": ("#FFFFFF", "#1A1D20"),
    "sunken": ("#F2F1EC", "#23272B"),
    "line": ("#DEDCD4", "#363B40"),
    "edge": ("#8A8C8B", "#7C828A"),
    "text": ("#1B1D21", "#ECEBE7"),
    "muted": ("#5B5F66", "#A9ADB3"),
    "accent": ("#00639C", "#6AB6EE"),
    "accent_tint": ("#E1EDF5", "#1B2B37"),
    "on_accent": ("#FFFFFF", "#121416"),
    "band": ("#FCF2D9", "#2B2414"),
    "over_alpha": (0.26, 0.42),
    "fake": (
        StateColor("#D55E00", "#A84300", "#FBEBDD"),
        StateColor("#D55E00", "#FF9A57", "#3A2315"),
    ),
    "probably_fake": (
        StateColor("#EFA36B", "#A84300", "#FDF6EF"),
        StateColor("#A9592A", "#FF9A57", "#261C16"),
    ),
    "probably_real": (
        StateColor("#7CCBB2", "#00694C", "#F1F9F6"),
        StateColor("#2C7D65", "#45CFA3", "#152320"),
    ),
    "real": (
        StateColor("#009E73", "#00694C", "#E0F3EC"),
        StateColor("#009E73", "#45CFA3", "#12302A"),
    ),
    "inconclusive": (
        StateColor("#E69F00", "#7A5200", "#FCF2D9"),
        StateColor("#E69F00", "#F3BC45", "#352A12"),
    ),
    "not_applicable": (
        StateColor("#7A7F87", "#5B5F66", "#EEEEEC"),
        StateColor("#8B9098", "#A9ADB3", "#2A2E32"),
    ),
}
LIGHT, DARK = (Palette(**{name: pair[n] for name, pair in _COLORS.items()}) for n in (0, 1))

PAGE = '[data-testid="stMainBlockContainer"]'
"""What a page stands in."""
VIDEO, ON_VIDEO_TEXT, ON_VIDEO_MUTED = "#0F1215", "#FFFFFF", "#D7DBDF"
"""Behind and beside a picture, and what is written on that; the same in both themes."""

ON_VIDEO = {
    label: (f"#{bytes(STROKES[label]).hex().upper()}", dash)
    for label, dash in {
        Label.FAKE: "solid",
        Label.PROBABLY_FAKE: "solid",
        Label.PROBABLY_REAL: "dashed",
        Label.REAL: "dashed",
        Label.INCONCLUSIVE: "dotted",
        Label.NOT_APPLICABLE: "solid",
    }.items()
}
"""Stroke and dash of a box over a picture; the same in both themes."""

STATIC = Path(__file__).parents[1] / "static"
SHEETS = ("base", "analyze", "result", "models", "compare", "account", "live", "history", "batch")
"""The files of the style sheet, in the order of the cascade."""

SANS = '"Source Sans", sans-serif'
SERIF = '"Source Serif", serif'
CAPTION = 13
AXIS = 12
"""Font sizes in px; nothing on a page is smaller than AXIS."""


def palette() -> Palette:
    """Return the colors of the viewer's present theme, for figures drawn on the server."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def variables() -> str:
    """Return the tokens as custom properties; `light-dark()` switches themes without a rerun."""
    lines = []
    for name, (light, dark) in _COLORS.items():
        name = name.replace("_", "-")
        if isinstance(light, StateColor):
            pairs = zip(asdict(light).items(), asdict(dark).values(), strict=True)
            lines += [f"--um-{name}-{part}: light-dark({a}, {b});" for (part, a), b in pairs]
        elif isinstance(light, str):
            lines.append(f"--um-{name}: light-dark({light}, {dark});")
    single = {"video": VIDEO, "on-video": ON_VIDEO_TEXT, "on-video-muted": ON_VIDEO_MUTED}
    single |= {"sans": SANS, "serif": SERIF}
    lines += [f"--um-{name}: {value};" for name, value in single.items()]
    return ":root { " + " ".join(lines) + " }"


@lru_cache(maxsize=1)
def css() -> str:
    """Return the whole style sheet, tokens first, without comments and line ends."""
    return f"{variables()}\n{''.join(sheet(name) for name in SHEETS)}"


def sheet(name: str) -> str:
    """Return one file of `static/`, without comments and line ends."""
    text = (STATIC / f"{name}.css").read_text("utf-8")
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def first_paint() -> str:
    """Return the style sheet for the time before the first script run has sent it.

    Streamlit loads its HTML component lazily and draws each as a bar of equal height until then;
    the page becomes visible when they have their final height, or after some seconds in any case.
    """
    shown = "@keyframes um-show { to { visibility: visible; } }"
    return f"{css()} {shown} {PAGE} {{ visibility: hidden; animation: um-show 0s 5s forwards; }}"
