"""Style sheet of the page, and its dynamic values."""

import json

import streamlit as st

from dashboard import theme


def apply() -> None:
    """Put the style sheet into the page, once a run, by app.py."""
    shown = f":root {theme.PAGE} {{ visibility: visible; }}"
    st.html(f"<style>{theme.css()} {shown}</style>")


def drop_zone(title: str, touch: str, hint: str, refused: str) -> None:
    """Set the drop zone's texts: by mouse, by touch, accepted types, and too large a file."""
    texts = {"title": title, "touch": touch, "hint": hint, "refused": refused}
    lines = (f"--um-drop-{name}: {_quoted(text)};" for name, text in texts.items())
    st.html(f"<style>.st-key-drop {{ {' '.join(lines)} }}</style>")


def player_shape(width: int, height: int) -> None:
    """Reserve the player's space, so that nothing moves when its video loads."""
    st.html(f"<style>.st-key-player {{ --um-shape: {width:d} / {height:d}; }}</style>")


def _quoted(text: str) -> str:
    """Return a text as a CSS string that can't end the style element it stands in."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\3c ")
