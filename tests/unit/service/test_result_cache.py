"""A result is given again only where all that decides it is as it was."""

from __future__ import annotations

import pytest

from detector.schema.analysis import Settings
from service.records import result_cache

CONTENT = "0" * 64


def test_what_decides_a_result_decides_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = result_cache.key(CONTENT, Settings())
    assert usual and usual == result_cache.key(CONTENT, Settings())
    others = {
        result_cache.key("1" * 64, Settings()),
        result_cache.key(CONTENT, Settings(frames=12)),
        result_cache.key(CONTENT, Settings(models=["texture"])),
    }
    monkeypatch.setenv("UNMASK_PRECISION", "f32")
    others.add(result_cache.key(CONTENT, Settings()))
    assert len(others | {usual}) == 5


def test_a_model_nobody_knows_has_no_key() -> None:
    assert result_cache.key(CONTENT, Settings(models=["no-such-model"])) == ""
