"""`unmask serve`: the REST API alone."""

from cli.options import Address
from service.api import server


def serve(port: int = server.PORT, address: Address = None) -> int:
    """Serve the REST API without the dashboard."""
    server.serve(address or "127.0.0.1", port)
    return 0
