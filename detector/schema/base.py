"""What every node of a result is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
