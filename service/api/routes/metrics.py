"""Figures of the server, for Prometheus: closed to strangers."""

import shutil

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from detector.models import registry
from service import metrics
from service.api.access import App, Observer

router = APIRouter(tags=["server"])


@router.get(
    "/metrics",
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
