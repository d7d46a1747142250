"""A page that is no part of the app: one question in the look of the project, without a script."""

from __future__ import annotations

from dashboard import i18n, labels, theme

_CSS = """
:root { color-scheme: light dark; }
body { margin: 0; background: var(--um-bg); color: var(--um-text);
  font: 15px/1.55 "Source Sans", system-ui, sans-serif; }
main { box-sizing: border-box; max-width: 460px; margin: 12vh auto 0; padding: 22px 24px 24px;
  background: var(--um-surface); border: 1px solid var(--um-line); border-radius: 8px; }
h1 { font: 600 26px/1.25 "Source Serif", Georgia, serif; letter-spacing: -0.01em;
  margin: 0 0 8px; }
p { margin: 0 0 18px; overflow-wrap: anywhere; }
button { font: inherit; min-height: 40px; padding: 4px 18px; border: 0; border-radius: 6px;
  color: var(--um-on-accent); background: var(--um-accent); cursor: pointer; }
button:focus-visible { outline: 2px solid var(--um-accent); outline-offset: 1px; }
@media (max-width: 500px) { main { margin: 16px; } }
"""


def page(title: str, body: str) -> str:
    """A whole document.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.
    """
    return (
        f'<!doctype html><html lang="{i18n.current().replace("_", "-")}"><head>'
        '<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{labels.escape(title)} · Unmask</title>"
        f"<style>{theme.variables()}{_CSS}</style></head><body><main>{body}</main></body></html>"
    )
