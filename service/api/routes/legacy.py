"""Aliases with the paths and fields of older services, on top of `/v1/analyses` (which wait) and
`/v1/batches`.

They answer 202 with the analysis when it takes longer than `wait`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from detector.schema.analysis import Analysis, Label, Side
from service.api import uploads
from service.api.access import Analyst, App
from service.api.routes import batches
from service.api.routes.analyses import MAX_WAIT, REFUSALS, answer_failed, submit
from service.api.routes.tasks import wait_for
from service.api.schemas import BINARY, AnalysisView, example, form_body
from service.tasks.jobs import Job

router = APIRouter(tags=["older addresses"], deprecated=True)

NAMES = ("file", "video", "image", "media")
ADDRESSES = (
    "/api/analyze",
    "/api/analyze/video",
    "/api/analyze/video-url",
    "/api/detect/image",
    "/api/predict",
    "/api/predict/image",
    "/api/predict/video",
    "/api/v1/detect/video",
    "/api/video/detect",
)
BATCH_ADDRESSES = ("/api/detect/batch", "/api/batch-predict")
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="s for the result")]


def _form(*numbers: str) -> dict[str, Any]:
    return form_body({"file": BINARY, **{name: {"type": "integer"} for name in numbers}}, ["file"])


def scores(analysis: Analysis) -> list[float]:
    """Return the calibrated likelihoods of the most suspicious subject over time."""
    judged = next(iter(analysis.judged), None)
    return [look.score for look in judged.looks if look.score is not None] if judged else []


class VideoScores(BaseModel):
    """Scores of the sampled frames of the most suspicious subject, and their mean."""

    model_config = example(pred_scores=[0.41, 0.44], mean_score=0.425)

    pred_scores: list[float] = Field(description="calibrated likelihood of fake, 0..1")
    mean_score: float | None = Field(description="None where nothing could be scored")

    @classmethod
    def of(cls, analysis: Analysis) -> VideoScores:
        """Return the scores of a result."""
        found = scores(analysis)
        return cls(pred_scores=found, mean_score=sum(found) / len(found) if found else None)


class SimpleVerdict(BaseModel):
    """The verdict in a few fields."""

    model_config = example(
        success=True,
        prediction="INCONCLUSIVE",
        is_fake=None,
        confidence=None,
        fake_probability=0.47,
        fake_frame_ratio=0.03,
        frames_analyzed=32,
        faces_detected=1,
        analysis="/v1/analyses/q0Zl3vJ6T2uYb8Rk1cXw9A",
    )

    success: bool = True
    prediction: Label
    is_fake: bool | None = Field(description="None where there is no verdict either way")
    confidence: float | None = Field(description="likelihood of `prediction`, of fake or real")
    fake_probability: float | None = Field(description="calibrated, 0..1")
    fake_frame_ratio: float | None = Field(
        description="share of the scored moments of the most suspicious subject over the threshold"
    )
    frames_analyzed: int
    faces_detected: int
    analysis: str = Field(description="where all of it is")

    @classmethod
    def of(cls, job: Job, analysis: Analysis) -> SimpleVerdict:
        """Return the verdict of a result."""
        verdict = analysis.verdict
        side = verdict.label.side
        fake = None if side is None else side is Side.FAKE
        likely = verdict.probability
        above = [score > verdict.thresholds.suspect for score in scores(analysis)]
        sure = None if fake is None or likely is None else likely if fake else 1 - likely
        return cls(
            prediction=verdict.label,
            is_fake=fake,
            confidence=sure,
            fake_probability=likely,
            fake_frame_ratio=sum(above) / len(above) if above else None,
            frames_analyzed=len(analysis.timestamps),
            faces_detected=len(analysis.people),
            analysis=f"/v1/analyses/{job.key}",
        )


@router.post(
    "/upload-video",
    responses={202: {"model": AnalysisView}, **REFUSALS},
    openapi_extra=_form("frames_per_video"),
    response_model=VideoScores,
)
async def upload_video(
    request: Request, context: Analyst, application: App, wait: Wait = MAX_WAIT
) -> Any:
    """Score a video frame by frame; `frames_per_video` of them."""
    job = await _analyze(request, context, application, wait)
    return _answer(request, job, lambda job, analysis: VideoScores.of(analysis))


async def detect(
    request: Request, context: Analyst, application: App, wait: Wait = MAX_WAIT
) -> Any:
    """Analyze a picture or a video."""
    job = await _analyze(request, context, application, wait)
    return _answer(request, job, SimpleVerdict.of)


for path in ADDRESSES:
    router.add_api_route(
        path,
        detect,
        methods=["POST"],
        responses={202: {"model": AnalysisView}, **REFUSALS},
        openapi_extra=_form("frames"),
        response_model=SimpleVerdict,
    )
for path in BATCH_ADDRESSES:
    router.add_api_route(
        path, batches.create, methods=["POST"], status_code=202, responses=REFUSALS,
        openapi_extra=batches.FORM,
    )  # fmt: skip


async def _analyze(request: Request, context: Analyst, application: App, wait: float) -> Job:
    async with uploads.receive(request, context, names=NAMES) as form:
        if frames := form.fields.get("frames_per_video"):
            form.fields["frames"] = frames
        job = await run_in_threadpool(submit, application, context, form, None)
    await wait_for(job, wait, application)
    return job


def _answer(request: Request, job: Job, say: Any) -> Any:
    view = AnalysisView.of(job, 0)
    if job.analysis is not None:
        return say(job, job.analysis)
    if view.error is not None:
        return answer_failed(request, view.error, view.href, job)
    return Response(view.model_dump_json(), 202, media_type="application/json")
