"""Routes of the server: health, readiness, Prometheus metrics (for the operator), public seal keys,
the webhook secret, and models with the download of their weights."""

import shutil
from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from detector import weights
from detector.errors import UnmaskError, UsageError
from detector.models import inventory, registry
from detector.seals import fingerprint
from detector.sentences import _
from service import metrics
from service.api.access import Analyst, App, ModelKeeper, Observer, Reader
from service.api.errors import Conflict, NotFound
from service.api.schemas import V1, ModelView, TaskView, example

router = APIRouter()


class Health(BaseModel):
    """The process responds."""

    status: str = Field(default="ok", examples=["ok"])


class Readiness(BaseModel):
    """State of each part that an analysis needs."""

    model_config = example(
        ready=True, checks={"records": True, "models": True, "disk": True, "queue": True}
    )

    ready: bool
    checks: dict[str, bool]


@router.get("/health", include_in_schema=False)
@router.get("/healthz", tags=["server"])
async def healthz() -> Health:
    """Answer while the process lives (liveness probe)."""
    return Health()


@router.get(
    "/readyz", tags=["server"], responses={503: {"model": Readiness, "description": "Not now."}}
)
def readyz(application: App, response: Response) -> Readiness:
    """Return whether an analysis can be accepted now: records, models, disk and queue."""
    checks = {
        "records": _works(lambda: application.jobs.store.ids("nobody")),
        "models": application.prepared.is_set(),
        "disk": application.jobs.uploads.has_room(),
        "queue": _works(lambda: application.tasks.refuse_when_full(application.jobs.kind)),
    }
    ready = all(checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except UnmaskError:
        return False
    return True


@router.get(
    "/metrics",
    tags=["server"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def read(context: Observer, application: App) -> Response:
    """Return metrics for Prometheus: work done, its time, what waits, memory."""
    for kind, waiting, running in application.tasks.counts():
        metrics.TASKS.labels(kind, "queued").set(waiting)
        metrics.TASKS.labels(kind, "running").set(running)
    metrics.MODEL_BYTES.clear()
    for id, _device, size in registry.loaded():
        metrics.MODEL_BYTES.labels(id).set(size)
    metrics.LIVE_SESSIONS.set(application.viewers.running)
    metrics.DISK_FREE_BYTES.set(shutil.disk_usage(application.jobs.uploads.root).free)
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


class SealKey(BaseModel):
    """A public key whose seals this server accepts or accepted."""

    key: str = Field(description="Ed25519, public, base64: for `unmask verify --key`")
    fingerprint: str
    current: bool = Field(description="what is made now is sealed with it")
    added: datetime
    revoked: datetime | None = Field(description="its seals are believed no more")


@router.get(f"{V1}/seal-keys", tags=["server"])
def seal_keys(application: App) -> list[SealKey]:
    """List the public keys of seals, to verify a result elsewhere."""
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


class WebhookSecret(BaseModel):
    """The caller's own secret; it is constant while the server keeps its key."""

    secret: str = Field(examples=["whsec_9f3c…"])


@router.get(f"{V1}/webhooks/secret", tags=["webhooks"])
def secret(context: Analyst, application: App) -> WebhookSecret:
    """Return the caller's secret for webhook signatures."""
    return WebhookSecret(secret=application.webhooks.secret(context.principal.id))


@router.get(f"{V1}/models", tags=["models"])
def models(context: Reader) -> list[ModelView]:
    """List all models with what each lacks to score here."""
    return [ModelView.of(status) for status in inventory.inventory()]


@router.post(f"{V1}/models/{{model}}/fetch", status_code=202, tags=["models"])
def fetch(model: str, context: ModelKeeper, application: App, response: Response) -> TaskView:
    """Download a model's weights in the background, unless a download is running."""
    try:
        spec = registry.get_spec(model)
    except UsageError as error:
        raise NotFound(error.message, hint=error.hint) from None
    if spec.research_only and weights.accepted_license(spec) is None:
        text = _("The license of this model must be accepted first: {license}.")
        hint = _("On the server: unmask models accept {id}")
        raise Conflict(
            text.format(license=spec.license_weights), code="license", hint=hint.format(id=spec.id)
        )
    task = application.downloads.start(
        spec.id, lambda tell: inventory.download(spec.id, tell), context.principal
    )
    view = TaskView.of(task)
    response.headers["Location"] = view.href
    return view
