"""What every node of a result is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class StrictModel(BaseModel):
    """Base of every node: unknown keys are refused, so that a typo never passes silently."""

    model_config = ConfigDict(extra="forbid")
