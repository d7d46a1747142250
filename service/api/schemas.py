"""Response models of the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict, JsonValue

from detector.models.inventory import Status
from detector.pipeline import Progress
from detector.presentation import brief, comparison, summary
from detector.presentation.progress import reading, words
from detector.schema.analysis import Analysis, Box, Label, Question, ReasonCode
from detector.schema.comparison import Comparison, ComparisonFinding
from detector.schema.summary import ResultSummary
from detector.sentences import in_english
from service.api.errors import RefusalDetail, detail_of
from service.records.model import ResultOrigin, State
from service.records.seals import origin
from service.records.tables import KeptComparison
from service.tasks.jobs import Job
from service.tasks.task import ACTIVE, Task

V1 = "/v1"
BINARY: JsonDict = {"type": "string", "format": "binary"}  # A file of a form
_ID = "q0Zl3vJ6T2uYb8Rk1cXw9A"
_TASK: JsonDict = {
    "id": "9f2c51d07ab4",
    "kind": "analysis",
    "subject": _ID,
    "state": "running",
    "stage": "score",
    "fraction": 0.41,
    "seconds_left": None,
    "created": "2026-11-21T20:00:00Z",
    "started": "2026-11-21T20:00:01Z",
    "ended": None,
    "error": None,
    "href": "/v1/tasks/9f2c51d07ab4",
    "result": f"/v1/analyses/{_ID}",
}


def form_body(
    properties: JsonDict, required: Sequence[str] = (), content_type: str = "multipart/form-data"
) -> dict[str, Any]:
    """Return the OpenAPI description of a streamed form body, which FastAPI can't derive."""
    schema = {"type": "object", "required": [*required], "properties": properties}
    return {"requestBody": {"required": True, "content": {content_type: {"schema": schema}}}}


def example(**fields: JsonValue) -> ConfigDict:
    """Return the configuration of a model with an example for its documentation."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class ReadingView(BaseModel):
    """What the moments that were scored so far say of a file; further ones may change it."""

    label: Label | None = Field(description="null: held back, it would be taken back too often")
    sentence: str = Field(description="the same in words")
    moments: int = Field(description="of each person or voice that were scored", ge=0)
    moments_total: int = Field(description="that are scored at most", ge=0)

    @classmethod
    def of(cls, progress: object) -> ReadingView | None:
        """Return the reading of an analysis that runs on this server; None before the first."""
        found = reading(progress) if isinstance(progress, Progress) else None
        if found is None or not isinstance(progress, Progress):
            return None
        return cls(
            label=found.label, sentence=in_english(words, progress),
            moments=progress.moments, moments_total=progress.moments_total,
        )  # fmt: skip


class TaskView(BaseModel):
    """A background task: progress, and the address of its result."""

    model_config = example(**_TASK)

    id: str
    kind: str = Field(description="analysis, fetch, download, …")
    subject: str = Field(description="what it is about: the id of an analysis, of a model")
    state: State
    stage: str = Field(description="what is done just now; may be empty")
    fraction: float = Field(description="0..1", ge=0, le=1)
    seconds_left: float | None = Field(description="None while a rate would mean little")
    reading: ReadingView | None = Field(
        default=None, description="of an analysis that runs, after its first round of moments"
    )
    created: datetime
    started: datetime | None
    ended: datetime | None
    error: RefusalDetail | None = Field(description="why it failed")
    href: str
    result: str | None = Field(description="where its result is, or will be")

    @classmethod
    def of(cls, task: Task) -> TaskView:
        """Return a consistent snapshot of a running task; its state is read last."""
        state = task.state
        active = state in ACTIVE
        about = {"analysis": f"{V1}/analyses/{task.subject}", "download": f"{V1}/models"}
        if task.kind.name == "fetch" and task.result:
            about["fetch"] = f"{V1}/analyses/{task.result}"
        about["comparison"] = f"{V1}/comparisons/{task.id}"
        return cls(
            id=task.id,
            kind=task.kind.name,
            subject=task.subject,
            state=state,
            stage=task.stage if active else "",
            fraction=1.0 if state is State.DONE else task.fraction,
            seconds_left=task.seconds_left if active else None,
            reading=ReadingView.of(task.progress) if active else None,
            created=task.created,
            started=task.started,
            ended=None if active else task.ended,
            error=detail_of(task.fault) if task.fault and not active else None,
            href=f"{V1}/tasks/{task.id}",
            result=about.get(task.kind.name),
        )


class ComparisonView(BaseModel):
    """A comparison: its state, and its finding at the end."""

    id: str
    state: State
    task: TaskView | None = Field(description="None once the server has forgotten it")
    error: RefusalDetail | None = Field(description="why there is no finding")
    finding: ComparisonFinding | None = Field(description="the result's, in short")
    sentence: str = Field(description="the finding in words; empty while there is none")
    accuses: bool = Field(description="whether it says which of the two is a manipulated copy")
    result: Comparison | None = Field(
        description="all that was measured, as `unmask compare --json` writes it"
    )
    href: str

    @classmethod
    def of(cls, id: str, kept: KeptComparison | None, task: Task | None) -> ComparisonView:
        """Return a stored or running comparison."""
        found = kept.comparison if kept is not None else None
        # A finding is kept a moment before its task has ended; until then no other may begin.
        state = task.state if task and (task.active or found is None) else State.DONE
        return cls(
            id=id,
            state=state,
            task=TaskView.of(task) if task is not None else None,
            error=detail_of(task.fault) if task is not None and task.fault else None,
            finding=found.finding if found is not None else None,
            sentence=in_english(comparison.sentence, found) if found is not None else "",
            accuses=found is not None and found.accuses,
            result=found,
            href=f"{V1}/comparisons/{id}",
        )


def _summary(analysis: Analysis) -> str:
    return "\n".join(brief.short(analysis))


class AnalysisView(BaseModel):
    """An analysis: its state, and its result at the end."""

    model_config = example(
        id=_ID,
        name="council statement.mp4",
        state="running",
        created="2026-11-21T20:00:00Z",
        ahead=0,
        task=_TASK,
        **dict.fromkeys(("error", "verdict", "headline", "result", "origin")),
        summary=[],
        href=f"/v1/analyses/{_ID}",
    )

    id: str = Field(description="a secret: whoever has it may read the result")
    name: str = Field(description="as the file was named by whoever sent it")
    state: State
    created: datetime
    ahead: int = Field(description="files that wait before this one")
    task: TaskView
    error: RefusalDetail | None = Field(description="why there is no result")
    verdict: Label | None = Field(description="the detectors', in short")
    headline: str | None = Field(description="what the result's page says of the file, in English")
    summary: list[str] = Field(description="what `unmask analyze` prints, in English, by line")
    result: dict[str, Any] | None = Field(
        description="the Analysis, as `unmask analyze --json` writes it (docs/results.md)"
    )
    origin: ResultOrigin | None = Field(
        description="who made the result: believe `this_server` alone (docs/api.md, Seals)"
    )
    href: str

    @classmethod
    def of(cls, job: Job, ahead: int, *, whole: bool = True) -> AnalysisView:
        """Return an analysis with `ahead` files before it; without `whole`, what its record says,
        without reading the result."""
        analysis = job.analysis if whole else None
        short = ResultSummary.of(analysis) if analysis is not None else None
        short = short or (job.record.result if job.state is State.DONE else None)
        return cls(
            id=job.key,
            name=job.name,
            state=job.state,
            created=job.record.created,
            ahead=ahead,
            task=TaskView.of(job),
            error=detail_of(job.fault) if job.fault else None,
            verdict=short.verdict if short is not None else None,
            headline=in_english(summary.headline, short) if short is not None else None,
            summary=in_english(_summary, analysis).splitlines() if analysis is not None else [],
            result=analysis.model_dump(mode="json") if analysis is not None else None,
            origin=origin(short.seal, job.record.owner) if short is not None else None,
            href=f"{V1}/analyses/{job.key}",
        )


class SubjectInFrame(BaseModel):
    """One subject in one sampled frame."""

    id: str = Field(description="A, B, … of people; picture; full_frame")
    box: Box
    probability: float | None = Field(description="calibrated likelihood of this moment, 0..1")
    question: Question | None = Field(description="which question `probability` answers")
    scores: dict[str, float] = Field(description="calibrated, by model")
    problem: ReasonCode | None = Field(description="why it is not scored, if so")


class FrameView(BaseModel):
    """One sampled frame of a file with its subjects."""

    index: int = Field(description="for /heatmap/{frame}")
    time: float = Field(description="s from the first frame")
    subjects: list[SubjectInFrame]


class FramesView(BaseModel):
    """All sampled frames of a file."""

    analysis: str
    frames: list[FrameView]

    @classmethod
    def of(cls, id: str, analysis: Analysis) -> FramesView:
        """Return the sampled frames of a result."""
        frames = [
            FrameView(index=i, time=t, subjects=[]) for i, t in enumerate(analysis.timestamps)
        ]
        for subject in analysis.subjects:
            for frame in subject.frames:
                view = SubjectInFrame(
                    id=subject.id, box=frame.box, probability=frame.score,
                    question=subject.question, scores=frame.scores, problem=frame.quality.problem,
                )  # fmt: skip
                frames[frame.index].subjects.append(view)
        return cls(analysis=id, frames=frames)


class ModelView(BaseModel):
    """A model, and whether it can score on this server."""

    id: str
    title: str
    kind: str = Field(description="frame or clip")
    summary: str
    license: str = Field(description="of its weights")
    state: str = Field(description="bundled, ready, license, available, manual or failed")
    ready: bool
    why: str = Field(description="one sentence where the state needs one")
    download: int | None = Field(description="bytes that a download would bring")
    in_memory: int = Field(description="bytes it takes now")

    @classmethod
    def of(cls, status: Status) -> ModelView:
        """Return a model's state."""
        spec = status.spec
        return cls(
            id=spec.id,
            title=spec.title,
            kind=spec.kind,
            summary=spec.summary,
            license=spec.license_weights,
            state=status.state,
            ready=status.ready,
            why=status.why,
            download=status.download,
            in_memory=status.memory,
        )
