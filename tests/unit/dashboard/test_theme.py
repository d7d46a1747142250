"""The look: configuration and tokens agree, and everything can be read."""

import re
import tomllib
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from dashboard import labels, theme
from dashboard.components import style
from dashboard.theme import DARK, LIGHT, StateColor
from detector.schema.analysis import Label
from tests.support.style_sheet import Where, rules

ROOT = Path(__file__).parents[3]
CONFIG = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
THEMES = {"light": LIGHT, "dark": DARK}


def luminance(color):
    """Relative luminance of WCAG 2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", THEMES)
def test_configuration_and_tokens_agree(name):
    palette, config = THEMES[name], CONFIG[name]
    assert config["primaryColor"] == config["linkColor"] == palette.accent
    assert config["backgroundColor"] == palette.bg
    assert config["secondaryBackgroundColor"] == palette.sunken
    assert config["textColor"] == palette.text
    assert config["borderColor"] == palette.line
    for word, state in {
        "red": palette.fake,
        "green": palette.real,
        "orange": palette.inconclusive,
        "gray": palette.not_applicable,
    }.items():
        assert config[f"{word}Color"] == state.fill
        assert config[f"{word}TextColor"] == state.ink
        assert config[f"{word}BackgroundColor"] == state.tint


def test_a_chip_in_a_table_has_the_color_of_its_state():
    """Gray was said of "can’t tell", and its amber of "probably"."""
    colors = [labels.look(label).color for label in Label]
    assert colors == ["red", "red", "orange", "green", "green", "gray"]


@pytest.mark.parametrize("palette", THEMES.values(), ids=THEMES)
def test_text_and_marks_have_enough_contrast(palette):
    for ink, ground in product(
        (palette.text, palette.muted, palette.accent), (palette.bg, palette.surface)
    ):
        assert contrast(ink, ground) >= 4.5
    assert contrast(palette.text, palette.sunken) >= 4.5
    assert contrast(palette.muted, palette.sunken) >= 4.5
    assert contrast(palette.on_accent, palette.accent) >= 4.5
    assert contrast(palette.text, palette.band) >= 4.5
    assert contrast(palette.edge, palette.surface) >= 3
    for field in fields(palette):
        state = getattr(palette, field.name)
        if isinstance(state, StateColor):
            assert contrast(state.ink, palette.surface) >= 4.5
            assert contrast(state.ink, state.tint) >= 4.5


def test_the_style_sheet_uses_only_tokens_and_stable_hooks():
    css = theme.css() + theme.sheet("plain")
    known = set(re.findall(r"(--um-[a-z-]+):", css))
    # Set by the page.
    known |= {f"--um-drop-{part}" for part in ("title", "touch", "hint", "refused")}
    known |= {"--um-shape", "--um-models"}
    assert set(re.findall(r"var\((--um-[a-z-]+)", css)) <= known
    assert "st-emotion" not in css
    # A heatmap's ramp has the colors of its picture, in both themes.
    rest = re.sub(r"\.um-ramp \{[^}]*\}", "", css).replace(theme.variables(), "")
    assert not re.search(r"#[0-9A-Fa-f]{3,8}\b|rgba?\(", rest), "a color that is no token"
    assert css.count("{") == css.count("}")


def test_every_file_of_the_style_sheet_is_in_it_and_every_rule_says_where_it_is_seen():
    assert {file.stem for file in theme.STATIC.glob("*.css")} == {*theme.SHEETS, "plain"}
    found = rules()
    assert {rule.where for rule in found} == set(get_args(Where))
    sheets = [re.sub(r"\s", "", theme.sheet(name)) for name in theme.SHEETS]
    read = sum(len(re.sub(r"\s", "", f"{rule.hook}{{{rule.css}}}")) for rule in found)
    turning = len("@keyframesum-turn{to{transform:rotate(360deg);}}")
    assert read + turning == sum(map(len, sheets)), "a rule that no test looks for"


def test_a_text_in_a_style_element_cannot_end_it():
    assert "<" not in style._quoted("</style><img src=x onerror=alert(1)>")
    assert style._quoted('say "drop"') == r'"say \"drop\""'


def test_colors_follow_the_theme_without_a_rerun():
    assert f"--um-text: light-dark({LIGHT.text}, {DARK.text});" in theme.css()
    assert f"--um-fake-ink: light-dark({LIGHT.fake.ink}, {DARK.fake.ink});" in theme.css()
