"""`unmask serve`: the REST API alone."""

from cli.options import Address
from service.api import app


def serve(port: int = app.PORT, address: Address = None) -> int:
    """Serve the REST API without the dashboard."""
    app.serve(address or "127.0.0.1", port)
    return 0
