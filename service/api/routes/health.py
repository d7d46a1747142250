"""Whether the server lives, and whether it can work."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from detector.errors import UnmaskError
from service.api.access import App
from service.api.schemas import example

router = APIRouter(tags=["server"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field(default="ok", examples=["ok"])


class Readiness(BaseModel):
    """What an analysis needs, each as it is now."""

    model_config = example(
        ready=True, checks={"records": True, "models": True, "disk": True, "queue": True}
    )

    ready: bool
    checks: dict[str, bool]


@router.get("/health", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> Health:
    """Answer while the process lives. For whoever restarts it when it doesn't."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Not now."}})
def readyz(application: App, response: Response) -> Readiness:
    """Say whether an analysis can be taken now: records, models, disk and queue."""
    checks = {
        "records": _works(lambda: application.jobs.store.ids("nobody")),
        "models": application.prepared.is_set(),
        "disk": application.jobs.uploads.has_room(),
        "queue": _works(
            lambda: application.tasks.scheduler.refuse_when_full(application.jobs.kind)
        ),
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
