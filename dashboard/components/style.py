"""The style sheet in the page, and the values of it that only a page knows."""

import json

import streamlit as st

from dashboard import theme


def apply() -> None:
    """Put the style sheet into the page. Called once a run, by app.py."""
    shown = f":root {theme.PAGE} {{ visibility: visible; }}"
    st.html(f"<style>{theme.css()} {shown}</style>")


def drop_zone(title: str, touch: str, hint: str, refused: str) -> None:
    """Set the drop zone's texts, by mouse and touch, what it takes, and that of a file too big."""
    texts = {"title": title, "touch": touch, "hint": hint, "refused": refused}
    lines = (f"--um-drop-{name}: {_quoted(text)};" for name, text in texts.items())
    st.html(f"<style>.st-key-drop {{ {' '.join(lines)} }}</style>")


def player_shape(width: int, height: int) -> None:
    """Keep the player's place from the start: nothing moves when its video arrives."""
    st.html(f"<style>.st-key-player {{ --um-shape: {width:d} / {height:d}; }}</style>")


def _quoted(text: str) -> str:
    """Return a text as a CSS string that can't end the style element it stands in."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\3c ")
