"""Follows the page when it turns dark or light while it is open.

What the server draws in colors of its own (charts, the logo) can't do so by itself, and Streamlit
repaints the rest without a run of the script: this asks for one. Dialogs and popovers stand beside
the app, so they are told by the root of the document which half of our tokens to take.
"""

from __future__ import annotations

import streamlit as st

_JS = """
export default function ({ setTriggerValue }) {
  const app = document.querySelector('[data-testid="stApp"]')
  const scheme = () => getComputedStyle(app).colorScheme
  let drawn = scheme()
  let waiting
  const look = () => {
    clearTimeout(waiting)
    document.documentElement.style.colorScheme = scheme()
    if (scheme() === drawn) return
    // A run of the whole script would close a dialog, with what was filled in.
    if (document.querySelector('[data-testid="stDialog"]')) {
      waiting = setTimeout(look, 500)
      return
    }
    drawn = scheme()
    setTriggerValue("scheme", drawn)
  }
  const painted = new MutationObserver(look)
  painted.observe(app, { attributes: true, attributeFilter: ["class"] })
  look()
  return () => {
    clearTimeout(waiting)
    painted.disconnect()
  }
}
"""

_component = st.components.v2.component("unmask_color_scheme", js=_JS)


def follow() -> None:
    """Put what watches the scheme on the page. Called once a run, by the shell."""
    with st.container(key="color-scheme"):
        _component(key="color-scheme-watch", on_scheme_change=lambda: None)
