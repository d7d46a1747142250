"""`unmask serve`: the REST API alone."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Address, Option
from service.api.server import PORT, serve

app = typer.Typer(add_completion=False)


@app.command("serve")
def serve_api(port: Annotated[int, Option()] = PORT, address: Address = None) -> int:
    """Serve the REST API without the dashboard."""
    serve(address or "127.0.0.1", port)
    return 0
