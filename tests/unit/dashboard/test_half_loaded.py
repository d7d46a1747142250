"""A chart of one page while another page's thread is importing pandas."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import plotly.graph_objects as go
import pytest

import dashboard.charts  # noqa: F401 -- which hides it


@pytest.mark.parametrize("loading", [True, False])
def test_half_of_pandas_is_none(monkeypatch, loading):
    half = ModuleType("pandas")
    half.__spec__ = ModuleSpec("pandas", None)
    half.__spec__._initializing = loading
    monkeypatch.setitem(sys.modules, "pandas", half)

    def drawn():
        figure = go.Figure(go.Scatter(x=np.arange(3.0), y=[1.0, 2.0, None], text=["a", "b", "c"]))
        return str(figure.to_json())

    if loading:
        assert '"text":["a","b","c"]' in drawn()
    else:  # as it was: what is said to be whole is asked
        with pytest.raises(AttributeError, match="pandas"):
            drawn()


def test_whole_modules_are_seen():
    from _plotly_utils import basevalidators

    assert basevalidators.get_module("numpy", should_load=False) is np
    assert basevalidators.get_module("json").dumps([1]) == "[1]"
    assert basevalidators.get_module("no_such_module", should_load=False) is None
