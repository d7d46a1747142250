"""The public keys that this server's results are sealed with."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from detector.seals import fingerprint
from service.api.access import App
from service.api.schemas import V1

router = APIRouter(prefix=f"{V1}/seal-keys", tags=["server"])


class SealKey(BaseModel):
    """A key whose seals this server believes, or did."""

    key: str = Field(description="Ed25519, public, base64: for `unmask verify --key`")
    fingerprint: str
    current: bool = Field(description="what is made now is sealed with it")
    added: datetime
    revoked: datetime | None = Field(description="its seals are believed no more")


@router.get("")
def listed(application: App) -> list[SealKey]:
    """List the public keys of seals, for whoever checks a result elsewhere."""
    seals = application.jobs.store.seals
    return [
        SealKey(
            key=key,
            fingerprint=fingerprint(key),
            current=key == seals.own,
            added=added,
            revoked=revoked,
        )
        for key, added, revoked in seals.listed()
    ]
