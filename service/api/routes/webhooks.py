"""What the events of one's webhooks are signed with."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from service.api.access import Analyst, App
from service.api.schemas import V1

router = APIRouter(prefix=f"{V1}/webhooks", tags=["webhooks"])


class WebhookSecret(BaseModel):
    """One's own secret: the same for as long as the server keeps its key."""

    secret: str = Field(examples=["whsec_9f3c…"])


@router.get("/secret")
def secret(context: Analyst, application: App) -> WebhookSecret:
    """Return the secret of one's webhook signatures."""
    return WebhookSecret(secret=application.webhooks.secret(context.principal.id))
