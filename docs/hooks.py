"""Write tables that the program knows into pages when MkDocs builds the site.

A page has the marker `<!-- NAME: docs/hooks.py puts the table here -->`.
"""

from collections.abc import Iterator
from typing import Any

from detector.config import as_markdown
from service.api.app import create_app
from service.config import get_config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with tables in place of its markers."""
    tables = {"settings": lambda: as_markdown(get_config()), "routes": lambda: "\n".join(_routes())}
    for name, table in tables.items():
        marker = f"<!-- {name}: docs/hooks.py puts the table here -->"
        if marker in markdown:
            markdown = markdown.replace(marker, table())
    return markdown


def _routes() -> Iterator[str]:
    yield "| route | purpose | query |\n|---|---|---|"
    for path, methods in create_app(lambda: None).openapi()["paths"].items():
        for method, about in methods.items():
            query = [f"`{p['name']}`" for p in about.get("parameters", ()) if p["in"] == "query"]
            purpose = " ".join(about["description"].split()).partition(". ")[0].removesuffix(".")
            yield f"| `{method.upper()} {path}` | {purpose} | {', '.join(query)} |"
