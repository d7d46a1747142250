"""Prometheus metrics of this server, read at `/metrics`.

Labels are Unmask's own codes: no file, person or address is in any of them.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)

from detector.schema.analysis import Analysis
from service.records.model import ErrorReport, State

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

STAGE_SECONDS = Histogram(
    "unmask_stage_seconds",
    "Time of an analysis, by stage; total is all of it",
    ["stage"],
    registry=REGISTRY,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900),
)
ANALYSES = Counter("unmask_analyses", "Analyses that ended, by state", ["state"], registry=REGISTRY)
VERDICTS = Counter("unmask_verdicts", "Results, by verdict", ["verdict"], registry=REGISTRY)
CACHE_HITS = Counter(
    "unmask_cache_hits", "Files that came again and were given their result", registry=REGISTRY
)
ERRORS = Counter(
    "unmask_errors", "Analyses without a result, by code", ["code", "ours"], registry=REGISTRY
)
REQUESTS = Counter(
    "unmask_http_requests", "Requests to the API", ["method", "route", "status"], registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "unmask_http_seconds",
    "Time of a request to the API",
    ["route"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
)
TASKS = Gauge("unmask_tasks", "Tasks now, by kind and state", ["kind", "state"], registry=REGISTRY)
MODEL_BYTES = Gauge(
    "unmask_model_bytes", "Memory of the models that are loaded", ["model"], registry=REGISTRY
)
LIVE_SESSIONS = Gauge("unmask_live_sessions", "Cameras now", registry=REGISTRY)
DISK_FREE_BYTES = Gauge("unmask_disk_free_bytes", "Of the data folder's disk", registry=REGISTRY)


def count_end(state: State, fault: ErrorReport | None, analysis: Analysis | None) -> None:
    """Count an ended analysis."""
    ANALYSES.labels(state.value).inc()
    if fault is not None:
        ERRORS.labels(fault.problem.code, str(fault.ours).lower()).inc()
    if state is State.DONE and analysis is not None:
        VERDICTS.labels(analysis.verdict.label.value).inc()
        scored = [m.seconds for m in analysis.models if m.seconds is not None]
        networks = {"score": sum(scored)} if scored else {}
        for stage, seconds in (analysis.timings | networks).items():
            STAGE_SECONDS.labels(stage).observe(seconds)
