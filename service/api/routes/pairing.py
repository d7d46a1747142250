"""Pairing of a browser extension: a code of the Settings page becomes an API key."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from service import limits
from service.api.access import App
from service.api.schemas import V1, example
from service.auth.caller import Caller
from service.context import Scope
from service.pairing import PairingRefused
from service.records.api_keys import MAX_NAME

router = APIRouter(prefix=f"{V1}/pairings", tags=["server"])


class PairingRequest(BaseModel):
    """The code that Settings shows, and a name for the key."""

    model_config = ConfigDict(extra="forbid", **example(code="K7QF-3M2P", name="Firefox"))

    code: str = Field(max_length=16)
    name: str = Field(min_length=1, max_length=MAX_NAME)


class PairedKey(BaseModel):
    """A key, shown once."""

    model_config = example(id="0a1b2c3d4e5f", key="um_0a1b2c3d4e5f_…", scopes=["read", "analyze"])

    id: str
    key: str
    scopes: list[Scope]


@router.post("", status_code=201)
def pair(body: PairingRequest, request: Request, application: App) -> PairedKey:
    """Exchange a code of Settings for an API key that reads results and sends files."""
    try:
        key, text = application.pairing.finish(body.code, body.name)
    except PairingRefused:
        limits.count_rejected(Caller.of_request(request).address)
        raise
    return PairedKey(id=key.id, key=text, scopes=list(key.scopes))
