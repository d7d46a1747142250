"""What every node of a result is made of."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class StrictModel(BaseModel):
    """Base of every node: unknown keys are refused, so that a typo never passes silently."""

    model_config = ConfigDict(extra="forbid")


def written_only(*keys: str) -> Any:
    """Return a validator that drops keys which a node computes: written along, never read back."""

    def drop(data: Any) -> Any:
        if isinstance(data, dict) and not data.keys().isdisjoint(keys):
            return {key: value for key, value in data.items() if key not in keys}
        return data

    return model_validator(mode="before")(drop)


def renamed(**names: str) -> Any:
    """Return a validator that reads keys by their older names, `old="new"`. Goes with 2.1."""

    def rename(data: Any) -> Any:
        if isinstance(data, dict) and not data.keys().isdisjoint(names):
            return {names.get(key, key): value for key, value in data.items()}
        return data

    return model_validator(mode="before")(rename)


def track_of_subject() -> Any:
    """Return the computed field `track`: `subject` as schema 1.2 called it, written until 2.1."""

    def track(self: Any) -> str | None:
        """Return `subject`. Deprecated, goes with 2.1."""
        return self.subject  # type: ignore[no-any-return]

    return computed_field(property(track))


def deprecated(name: str, instead: str) -> None:
    """Warn whoever reads an old name, two callers up."""
    warnings.warn(f"{name} goes with schema 2.1: {instead}", DeprecationWarning, stacklevel=3)
