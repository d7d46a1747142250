"""Keep Plotly from a pandas that another thread is still importing.

Plotly (and narwhals) checks `sys.modules` for pandas, which another session may be importing at
that moment: the half-imported module would break a chart. Figures here are of numbers and NumPy
alone. Last seen to work with Plotly 7.1."""

import sys
from typing import Any

from _plotly_utils import basevalidators, optional_imports, utils
from plotly.io import _json

_get_module = optional_imports.get_module


def hide() -> None:
    """Let Plotly see a module only once it is whole."""
    for module in (basevalidators, utils, _json):
        module.get_module = whole


def whole(name: str, should_load: bool = True) -> Any:
    """Return what Plotly's `get_module` does, but None for a module still being imported."""
    module = None if should_load else sys.modules.get(name)
    # What importlib itself asks, to let others wait for the end of an import.
    if module is not None and getattr(module.__spec__, "_initializing", False):
        return None
    return _get_module(name, should_load)
