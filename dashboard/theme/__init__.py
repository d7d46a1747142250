"""The look: tokens as constants, which charts use too, and the one place with our own CSS.

Colors Streamlit knows are also in `.streamlit/config.toml`; a test holds the two together. Every
rule hangs on a stable hook: the key of a container, a documented test id, or a class of our own
HTML, never on a generated class name. `RULES` says where each hook must be found, and the browser
test looks for it there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Literal

import streamlit as st

from dashboard.theme import account, compare, evaluate, history, live, models, result
from detector.schema.analysis import Label


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

PAGE = '[data-testid="stMainBlockContainer"]'
"""What a page stands in."""
VIDEO = "#0F1215"
"""Behind and beside a picture; the same in both themes."""

SANS = '"Source Sans", sans-serif'
SERIF = '"Source Serif", serif'
CAPTION = 13
AXIS = 12
"""Font sizes in px; nothing on a page is smaller than AXIS."""


def palette() -> Palette:
    """The colors of the theme the person looks at now, for figures drawn on the server."""
    return DARK if st.context.theme.type == "dark" else LIGHT


Where = Literal[
    "everywhere",
    "empty",
    "state",
    "running",
    "arrivals",
    "result",
    "models",
    "evaluate",
    "compare",
    "account",
    "live",
    "history",
]


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
        """max-width: 1440px; padding-left: 60px; padding-right: 60px;
        @media (max-width: 640px) { padding-left: 16px; padding-right: 16px; }""",
    ),
    # Dialogs and popovers stand beside the page, not in it.
    Rule(
        "everywhere",
        ':is([data-testid="stMainBlockContainer"], [data-testid="stDialog"], '
        '[data-testid="stPopoverBody"])',
        """font-feature-settings: 'tnum', 'lnum';
        :focus-visible { outline: 2px solid var(--um-accent) !important; outline-offset: 1px; }
        :where(.stHtml p) { margin: 0; }
        .um-caption { color: var(--um-muted); font-size: 13px; line-height: 1.45; }
        .um-caption.um-after { margin-top: 12px; }
        .um-know { max-width: 440px; font-size: 14px; line-height: 1.5; p + p { margin-top: 8px; } }
        @media (max-width: 640px) { .um-wide { display: none; } }
        @media (min-width: 641px) { .um-narrow { display: none; } }
        .um-icon { font-family: "Material Symbols Rounded"; font-weight: 400; font-style: normal;
          line-height: 1; letter-spacing: normal; text-transform: none; white-space: nowrap;
          font-feature-settings: 'liga'; user-select: none; }
        .um-chip { display: inline-flex; align-items: center; gap: 4px; border-radius: 5px;
          padding: 2px 8px 2px 6px; font-size: 13px; font-weight: 600; line-height: 1.5; }
        .um-chip .um-icon { font-size: 17px; }
        .um-chip.fake { color: var(--um-fake-ink); background: var(--um-fake-tint); }
        .um-chip.real { color: var(--um-real-ink); background: var(--um-real-tint); }
        .um-chip.inc { color: var(--um-inconclusive-ink);
          background: var(--um-inconclusive-tint); }
        .um-chip.na { color: var(--um-not-applicable-ink);
          background: var(--um-not-applicable-tint); }
        .um-chip.plain { color: var(--um-text); background: var(--um-sunken); flex: none; }
        .um-warn { color: var(--um-inconclusive-ink); }
        .um-said { background: var(--um-sunken); border-radius: 8px; padding: 10px 14px; }
        .um-sub { font: 600 18px/1.3 var(--um-serif); margin: 12px 0 4px; }
        .um-quiet { position: absolute; width: 1px; height: 1px; overflow: hidden;
          clip-path: inset(50%); white-space: nowrap; }
        @media (prefers-reduced-motion: reduce) {
          *, *::before, *::after { animation: none !important; transition: none !important; } }""",
    ),
    Rule(
        "everywhere",
        '[data-testid="stHeader"]',
        """background: var(--um-bg); border-bottom: 1px solid var(--um-line);
        :focus-visible { outline: 2px solid var(--um-accent) !important; outline-offset: -2px; }
        /* What does not fit goes under "2 more": the last pages of a window that is not wide. */
        @media (max-width: 1023px) { [data-testid="stTopNav"] { max-width: 360px;
          overflow: visible; } }
        @media (max-width: 640px) { button { min-width: 40px; min-height: 40px; } }
        /* What runs says so on the page itself; a "Stop" up here would stop the drawing only. */
        [data-testid="stStatusWidget"] { display: none; }""",
    ),
    # On a narrow window the navigation stands in here.
    Rule(
        "everywhere",
        'body:has([data-testid="stApp"])',
        """[data-testid="stSidebar"] {
          :focus-visible { outline: 2px solid var(--um-accent) !important; outline-offset: -2px; }
          [data-testid="stSidebarNavLink"] { min-height: 40px; } }""",
    ),
    # What is pressed with a finger is 40 px high.
    Rule(
        "everywhere",
        ':is([data-testid="stMainBlockContainer"], [data-testid="stDialog"], '
        '[data-testid="stPopoverBody"]) ',
        """@media (max-width: 640px) {
          [data-testid^="stBaseButton"], [data-testid="stPopoverButton"], summary,
          [data-testid="stPageLink"] a, [data-testid="stTab"],
          [data-testid="stButtonGroup"] button { min-height: 40px; }
          [data-testid="stButtonGroup"] button, [data-testid="stTab"] { min-width: 40px; }
          input:is([type="text"], [type="number"], [role="combobox"]) { min-height: 38px; }
          [data-testid="stElementToolbarButton"] button { min-width: 40px; min-height: 40px; }
          [data-testid="stCheckbox"] label { min-height: 40px; align-items: center; } }""",
    ),
    # Streamlit's gaps are steps of the font size; cards stand 20 px apart, on a phone 16.
    Rule(
        "state",
        '[data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] '
        '[class*="st-key-verdict"])',
        "gap: 20px; @media (max-width: 640px) { gap: 16px; }",
    ),
    Rule(
        "running",
        '[data-testid="stVerticalBlock"]:has(> [data-testid="stLayoutWrapper"] > '
        '[class*="st-key-card"])',
        "gap: 20px; @media (max-width: 640px) { gap: 16px; }",
    ),
    # --- cards: containers with a border whose key starts with "card" or "verdict"
    Rule(
        "running",
        '[class*="st-key-card"]',
        """background: var(--um-surface); border-color: var(--um-line); padding: 18px 20px;
        &[class*="st-key-card-sample"] { padding: 10px; gap: 8px; img { border-radius: 4px; } }
        > :has(> [class*="st-key-actions"]) { margin-top: auto; }
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
        > :has(> [class*="st-key-actions"]) { margin-top: auto; }
        @media (max-width: 640px) { padding: 14px 16px; }""",
    ),
    # White on the dark theme's light accent would be 2.2 : 1.
    Rule("result", '[data-testid="stBaseButton-primary"]', "color: var(--um-on-accent);"),
    # --- the first screen
    # Kept free from the start: nothing below moves when the uploader has been loaded.
    Rule(
        "empty",
        ".st-key-drop",
        "min-height: 236px; @media (max-width: 640px) { min-height: 200px; }",
    ),
    Rule(
        "empty",
        ".um-lead",
        "color: var(--um-muted); font-size: 17px; margin: -8px 0 4px;",
    ),
    Rule(
        "empty",
        '.st-key-drop [data-testid="stFileUploaderDropzone"]',
        """flex-direction: column; justify-content: center; align-items: center; gap: 4px;
        min-height: 236px;
        padding: 24px 16px; background: var(--um-surface); border: 1px dashed var(--um-edge);
        border-radius: 8px;
        &::before { content: "upload_file"; font-family: "Material Symbols Rounded";
          font-feature-settings: 'liga'; font-size: 38px; line-height: 1.1;
          color: var(--um-accent); }
        &:hover { border-color: var(--um-accent); }
        > * { order: 2; }
        [data-testid="stBaseButton-secondary"] { color: var(--um-on-accent);
          background: var(--um-accent); border-color: var(--um-accent); min-height: 40px;
          padding: 4px 18px; }
        [data-testid="stFileChip"] { background: var(--um-sunken); }
        &:has([data-testid="stTooltipErrorHoverTarget"])::after { content: var(--um-drop-refused);
          order: 3; text-align: center; }
        @media (max-width: 640px) { min-height: 200px; }""",
    ),
    Rule(
        "empty",
        '.st-key-drop [data-testid="stFileUploaderDropzoneInstructions"]',
        """margin: 0; order: 1; display: block; flex: none; > * { display: none; }
        &::before { content: var(--um-drop-title); display: block; text-align: center;
          font-size: 17px; font-weight: 600; color: var(--um-text); }
        &::after { content: var(--um-drop-hint); display: block; text-align: center;
          font-size: 13px; color: var(--um-muted); margin: 2px 0 10px; }
        @media (hover: none), (max-width: 640px) {
          &::before { content: var(--um-drop-touch); } }""",
    ),
    # Side by side the two columns stand well apart; below each other that would be a hole.
    Rule(
        "empty",
        '[data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .um-four)',
        "@media (max-width: 640px) { gap: 12px; }",
    ),
    Rule(
        "empty",
        ".um-looks",
        """&& { list-style: none; margin: 0; padding: 0; } color: var(--um-muted); font-size: 13px;
        line-height: 1.45;
        li { margin: 0 0 4px; font-size: 13px; } b { color: var(--um-text); font-weight: 600; }""",
    ),
    Rule(
        "empty",
        ".um-four",
        """h2 { font: 600 18px/1.3 var(--um-serif); margin: 0; padding: 10px 0 9px; }
        > div { border-top: 1px solid var(--um-line); padding: 10px 0 12px; }
        > div:last-child { border-bottom: 1px solid var(--um-line); }
        p { color: var(--um-muted); font-size: 13px; line-height: 1.45; margin-top: 6px; }""",
    ),
    Rule(
        "empty",
        ".um-privacy",
        """color: var(--um-muted); font-size: 13px; line-height: 1.45; margin-top: 12px;
        display: flex; gap: 6px; align-items: center;
        .um-icon { font-size: 18px; }""",
    ),
    Rule("empty", ".um-sample", "line-height: 1.45; p { margin-top: 2px; }"),
    # --- state cards
    Rule(
        "state",
        ".um-state",
        """h2 { font-family: "Source Serif", serif; font-size: 24px; font-weight: 600;
          letter-spacing: -0.01em; line-height: 1.25; padding: 6px 0 8px; margin: 0;
          display: flex; gap: 10px; align-items: center; }
        h2 .um-icon { font-size: 28px; color: var(--um-muted); }
        ul { color: var(--um-muted); padding-left: 20px; margin: 10px 0 0; }
        li { margin: 0 0 4px; font-size: 15px; line-height: 1.45; }
        p + .um-caption, ul + .um-caption { margin-top: 12px; }
        &.none h2 { color: var(--um-muted); }""",
    ),
    # --- the title row of a file
    Rule(
        "state",
        ".um-title",
        """h1 { font-family: "Source Serif", serif; font-size: 26px; font-weight: 600;
          line-height: 1.25; padding: 0; margin: 0; overflow-wrap: anywhere; }""",
    ),
    # --- while it runs
    Rule(
        "running",
        ".um-progress",
        """min-height: calc(312px + 29px * var(--um-models, 0));
        header { display: flex; justify-content: space-between; align-items: baseline;
          gap: 12px; }
        h2 { font-family: "Source Serif", serif; font-size: 18px; font-weight: 600; padding: 0;
          margin: 0; }
        header p { color: var(--um-muted); font-size: 13px; }
        header p b { color: var(--um-text); font-size: 15px; }
        > .um-bar { height: 7px; margin: 12px 0 14px; }
        ol { list-style: none; margin: 0; padding: 0; border-bottom: 1px solid var(--um-line); }
        li { display: grid; grid-template-columns: 22px 1fr auto; gap: 0 10px; margin: 0;
          align-items: center; border-top: 1px solid var(--um-line); padding: 9px 0;
          font-size: 15px; color: var(--um-muted); }
        li b { color: var(--um-text); font-weight: 600; }
        li.wait b { color: var(--um-muted); }
        li .um-icon { font-size: 20px; color: var(--um-accent); }
        li.wait .um-icon { color: var(--um-edge); }
        li.now .um-icon { animation: um-turn 1.2s steps(12) infinite; }
        li > span:nth-of-type(2) { font-size: 13px; }
        > .um-caption { margin-top: 12px; }
        .um-models { grid-column: 2 / -1; display: grid; align-items: center; gap: 4px 14px;
          grid-template-columns: minmax(0, max-content) 1fr auto; padding: 8px 0 2px; }
        .um-models span { color: var(--um-text); font-size: 15px; }
        .um-models span:last-child, .um-models span:nth-child(3n) { color: var(--um-muted);
          font-size: 13px; text-align: right; }""",
    ),
    Rule(
        "running",
        ".um-bar",
        """height: 4px; border-radius: 2px; background: var(--um-sunken); overflow: hidden;
        i { display: block; height: 100%; border-radius: 2px; background: var(--um-accent);
          transition: width 0.4s linear; }""",
    ),
    Rule(
        "running",
        ".um-head",
        """display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 20px;
        h2 { font-family: "Source Serif", serif; font-size: 18px; font-weight: 600; padding: 0;
          margin: 0; }
        > span { margin-left: auto; } .um-keys { flex: 0 1 auto; margin-right: 0; }
        &.samples { margin-top: 12px; }""",
    ),
    # --- several files brought at once
    Rule(
        "arrivals",
        ".um-arrival",
        """display: grid; grid-template-columns: 150px 1fr; gap: 4px 14px; align-items: center;
        b { overflow-wrap: anywhere; font-weight: 600; } .um-chip { justify-self: start; }
        @media (max-width: 640px) { grid-template-columns: 1fr; }""",
    ),
    Rule(
        "arrivals",
        '[class*="st-key-arrival-"]',
        "border-top: 1px solid var(--um-line); padding-top: 8px; min-height: 50px;",
    ),
    Rule(
        "running",
        ".um-people",
        """min-height: 92px;
        ul { list-style: none; display: grid; gap: 12px; margin: 8px 0 0; padding: 0;
          grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); }
        li { display: grid; grid-template-columns: 56px 1fr; gap: 0 12px; margin: 0;
          align-items: center; font-size: 15px; }
        li b, li span { display: block; }
        li span { color: var(--um-muted); font-size: 13px; }
        img, i { width: 56px; height: 56px; border-radius: 4px; background: var(--um-sunken); }""",
    ),
    # --- the result view
    *(Rule("result", hook, css) for hook, css in result.RULES),
    # --- the Models page
    *(Rule("models", hook, css) for hook, css in models.RULES),
    # --- the Compare page
    *(Rule("compare", hook, css) for hook, css in compare.RULES),
    # --- the Evaluate page
    *(Rule("evaluate", hook, css) for hook, css in evaluate.RULES),
    # --- the Account page
    *(Rule("account", hook, css) for hook, css in account.RULES),
    # --- the Live page
    *(Rule("live", hook, css) for hook, css in live.RULES),
    # --- the History page
    *(Rule("history", hook, css) for hook, css in history.RULES),
)


def variables() -> str:
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
    lines += [f"--um-sans: {SANS};", f"--um-serif: {SERIF};"]
    return ":root { " + " ".join(lines) + " }"


def css() -> str:
    """The whole style sheet."""
    turning = "@keyframes um-turn { to { transform: rotate(360deg); } }"
    rules = (f"{rule.hook} {{ {rule.css} }}" for rule in RULES)
    return "\n".join([variables(), turning, *rules])


def apply() -> None:
    """Put the style sheet into the page. Called once a run, by app.py."""
    kind = "dark" if st.context.theme.type == "dark" else "light"
    aside = '[data-testid="stDialog"], [data-testid="stPopoverBody"]'
    shown = f":root {PAGE} {{ visibility: visible; }}"
    st.html(f"<style>{css()} {shown} {aside} {{ color-scheme: {kind}; }}</style>")


def first_paint() -> str:
    """The style sheet for the time before the first run of the script has brought it. Streamlit
    loads what draws a piece of HTML when the first one comes, and draws all of them as bars of one
    height until then; the page shows when they have their own, or after some seconds in any case.
    """
    shown = "@keyframes um-show { to { visibility: visible; } }"
    return f"{css()} {shown} {PAGE} {{ visibility: hidden; animation: um-show 0s 5s forwards; }}"


def drop_zone(title: str, touch: str, hint: str, refused: str) -> None:
    """What the drop zone says; the uploader has no place for it.

    Parameters
    ----------
    title, touch, hint : str
        What to do, with a mouse and where nothing can be dropped; and what is taken.
    refused : str
        When the browser didn't send a file, because it is too big.
    """
    texts = {"title": title, "touch": touch, "hint": hint, "refused": refused}
    lines = (f"--um-drop-{k}: {json.dumps(v, ensure_ascii=False)};" for k, v in texts.items())
    st.html(f"<style>.st-key-drop {{ {' '.join(lines)} }}</style>")


def player_shape(width: int, height: int) -> None:
    """Keep the player's place from the start: nothing moves when its video arrives."""
    st.html(f"<style>.st-key-player {{ --um-shape: {width} / {height}; }}</style>")
