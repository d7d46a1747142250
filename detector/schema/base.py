"""Base classes of all data models."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from detector.sentences import Message, MessageSpec, english, spec_of

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Param = str | int | float | bool | list[str] | None
"""A parameter of a code"""

_SPEC = TypeAdapter(MessageSpec)


def _read(value: Any, plain: ValidatorFunctionWrapHandler) -> str:
    if isinstance(value, Mapping):
        return Message(_SPEC.validate_python(value))
    return value if isinstance(value, Message) else plain(value)


def _write(text: str) -> str | dict[str, Any]:
    spec = spec_of(text)
    if spec is None or not spec.params:
        return english(text)
    written: dict[str, Any] = _SPEC.dump_python(spec, exclude_defaults=True)
    return written


Sentence = Annotated[
    str,
    WrapValidator(_read),
    PlainSerializer(_write, return_type=str | dict[str, Any]),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
"""A sentence in the reader's language (`detector.sentences`). In JSON it is English; one with
figures is an object: `text` with braces, and the `params` that fill them."""


EnglishSentence = Annotated[
    str,
    WrapValidator(_read),
    PlainSerializer(english, return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""The same where programs read the text: it is English in JSON, and can't be translated after."""


class StrictModel(BaseModel):
    """Base of every node: unknown keys are refused, so that no typo passes silently."""

    model_config = ConfigDict(extra="forbid")


class FrozenModel(BaseModel):
    """Base of what records keep: never changed in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def written_only(*keys: str) -> Any:
    """Return a validator that drops keys which a node computes: written along, never read back."""

    def drop(data: Any) -> Any:
        if isinstance(data, dict) and not data.keys().isdisjoint(keys):
            return {key: value for key, value in data.items() if key not in keys}
        return data

    return model_validator(mode="before")(drop)
