"""A plain page of its own, without Streamlit: for a question or a refusal of one of our routes."""

from dashboard import i18n, labels, theme


def page(title: str, body: str) -> str:
    """Return a whole HTML document of a plain `title` and an HTML `body`."""
    return (
        f"<!doctype html>{i18n.html_tag()}<head>"
        '<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{labels.escape(title)} · Unmask</title>"
        f"<style>{theme.variables()}{theme.sheet('plain')}</style></head><body><main>{body}</main></body></html>"
    )
