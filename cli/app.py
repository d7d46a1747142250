"""`unmask app`: the dashboard; `unmask serve`: the REST API alone."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cli.options import Address

_ROOT = Path(__file__).parents[1]


def app(port: int = 8501, address: Address = None) -> int:
    """Open the dashboard."""
    if find_spec("streamlit") is None:
        raise ModuleNotFoundError("There is no Streamlit.", name="streamlit")
    carried = _ROOT / "dashboard" / "_app"  # in a wheel
    script = (carried if carried.is_dir() else _ROOT) / "app.py"
    command = ["streamlit", "run", str(script), "--server.port", str(port)]
    if address:
        command += ["--server.address", address]
    sys.stdout.flush()
    # -P: a folder called `service` where the person stands is not ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", *command])


def serve(port: int = 8502, address: Address = None) -> int:
    """Serve the REST API without the dashboard."""
    from service.api.app import serve as serve_api  # of the extra `dashboard`

    serve_api(address or "127.0.0.1", port)
    return 0
