"""Model inventory: state of each model on this computer, downloads, deletion, model cards."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from detector import paths, weights
from detector.errors import UnmaskError, UsageError
from detector.models import registry, user_models
from detector.models.base import ModelSpec
from detector.sentences import _, join, numeral

log = logging.getLogger(__name__)

State = Literal["bundled", "ready", "license", "available", "manual", "failed"]
"""bundled: part of Unmask. ready: on this computer. license: on this computer, not accepted yet.
available: can be downloaded, also if the last attempt failed (`why`). manual: no address or
checksum is published, so the user must add the file. failed: on this computer and unusable, or the
download was another file (`why`)."""

_failures: dict[str, tuple[str, str]] = {}
"""id -> code and sentence of the last failure."""


@dataclass(frozen=True)
class Status:
    """One model on this computer."""

    spec: ModelSpec
    state: State
    why: str  # One sentence if the state needs one
    download: int | None  # Bytes of a download; None if unknown
    accepted: datetime | None  # When its license was accepted; None also if it needs no acceptance
    memory: int  # Bytes it takes in memory now; 0 when it is not loaded
    recommended: str  # Its benefit, if it is recommended; else empty
    problem: str = ""  # The error code behind `why`, if any

    @property
    def ready(self) -> bool:
        """Return True if it can score now."""
        return self.state in {"bundled", "ready"}

    @property
    def words(self) -> str:
        """Return the state in a word or two."""
        missing = _("not downloaded")
        if self.download:
            size = numeral(self.download / 1e6, ",.0f")
            missing = _("not downloaded, {size} MB").format(size=size)
        return {
            "bundled": _("ready"),
            "license": _("license not accepted"),
            "available": missing,
            "manual": _("add its file"),
        }.get(self.state, self.state)


def inventory() -> list[Status]:
    """Return the status of every model, in the order of the manifest. Opens no weight file."""
    return _statuses(registry.list_models())


def offered() -> list[Status]:
    """Return the status of the known models of the short list, in its order."""
    specs = {spec.id: spec for spec in registry.list_models()}
    short = [entry.id for entry in registry.manifest().recommended]
    return _statuses([specs[id] for id in short if id in specs])


def status(id: str) -> Status:
    """Return the status of one model. Raise UsageError if no model has this id."""
    return _statuses([registry.get_spec(id)])[0]


def download(id: str, progress: weights.Progress | None = None) -> Status:
    """Download weights with `progress(done, total)`; raise WeightsError, or ModelError for a
    license."""
    spec = registry.get_spec(id)
    weights.require_license(spec)
    try:
        if not weights.fetchable(spec) and weights.can_pin(spec.files):
            weights.pin(spec)
            spec = registry.get_spec(spec.id)
        weights.fetch(spec, progress)
    except UnmaskError as error:
        if error.code != "canceled":
            remember_failure(spec.id, join(error.message, error.hint), error.code)
        raise
    remember_failure(spec.id, "")
    return status(spec.id)


def delete(id: str) -> int:
    """Delete a model's files, an own one's entry too; return bytes freed, raise WeightsError."""
    spec = registry.get_spec(id)
    remember_failure(spec.id, "")  # the id may be reused
    if spec.own:
        return user_models.remove(spec.id)
    freed = weights.delete(spec, keep=registry.list_models())
    registry.unload(spec.id)
    return freed


def verify(ids: Iterable[str] | None = None) -> dict[str, str]:
    """Hash the files of models on this computer; return id -> problem, "" for none."""
    specs = [registry.get_spec(id) for id in ids] if ids else registry.list_models()
    problems = {}
    for spec in filter(weights.available, specs):
        problem, code = "", "error"
        try:
            weights.resolve(spec)
        except UnmaskError as error:
            problem, code = error.message, error.code
        problems[spec.id] = problem
        remember_failure(spec.id, problem, code)
    return problems


def take_in() -> list[ModelSpec]:
    """Move weight files that the user put into the weights folder to their models, recognized by
    hash. Return the models that became available."""
    everything = registry.list_models()
    absent = [s for s in everything if not s.bundled and not weights.available(s)]
    weights.take_in(absent, keep=everything)
    taken_in = [spec for spec in absent if weights.available(spec)]
    for spec in taken_in:
        remember_failure(spec.id, "")
    return taken_in


def fetch_at_start() -> None:
    """Download the models of UNMASK_MODELS. Naming a model there accepts its license. Failures are
    logged and shown, and do not stop the start."""
    for id in registry.ids_of_host():
        try:
            spec = registry.get_spec(id)
            if spec.research_only and weights.accepted_license(spec) is None:
                weights.accept_license(spec)
            download(spec.id)
        except UnmaskError as error:
            log.warning("%s: %s %s", id, error.message, error.hint)


def _statuses(specs: Sequence[ModelSpec]) -> list[Status]:
    memory = Counter[str]()
    for id, _device, size in registry.loaded():
        memory[id] += size
    adds = {entry.id: entry.adds for entry in registry.manifest().recommended}
    return [_status(spec, memory[spec.id], adds.get(spec.id, "")) for spec in specs]


def _status(spec: ModelSpec, memory: int, recommended: str) -> Status:
    state: State
    problem, why = _failures.get(spec.id, ("", ""))
    accepted = weights.accepted_license(spec) if spec.research_only else None
    if spec.bundled:
        if not weights.available(spec):
            why = weights.missing_error(spec).advice
        state = "failed" if why else "bundled"
    elif weights.available(spec):
        state = "failed" if why else "ready"
        if state == "ready" and spec.research_only and not spec.own and accepted is None:
            state, why = "license", f"Its license must be accepted first: {spec.license_weights}."
    elif weights.fetchable(spec) or weights.can_pin(spec.files):
        # A corrupted download is a failure; a failed one says nothing of the model.
        state = "failed" if problem == "weights_corrupted" else "available"
        if not why and not weights.fetchable(spec):
            why = "Its checksum is read from its page at the first download."
    else:
        state = "manual"
        why = "Its authors publish no checksum: download the file and add it."
    size = weights.missing_bytes(spec)
    return Status(spec, state, why, size, accepted, memory, recommended, problem)


def remember_failure(id: str, why: str, code: str = "error") -> None:
    """Remember why a model could not be used, until this process ends; "": it can."""
    if why:
        _failures[id] = (code, why)
    else:
        _failures.pop(id, None)


_TASKS = {
    "frame": "image-classification",
    "image": "image-classification",
    "video": "video-classification",
    "audio": "audio-classification",
}


def card_text(spec: ModelSpec) -> str:
    """Return the Markdown of a model's card, beside the manifest or in its plugin; "" without
    one."""
    root = (Path(spec.folder) if spec.folder else paths.bundled()).resolve()
    file = (root / spec.card).resolve() if spec.card else root
    return file.read_text("utf-8") if file.is_relative_to(root) and file.is_file() else ""


def card_for_hub(spec: ModelSpec) -> str:
    """Return the card of a bundled model for the Hugging Face Hub: license, task, and as
    `model-index` the figures measured on sources left out. Raise UsageError for models of
    others."""
    from huggingface_hub import EvalResult, ModelCardData

    if not spec.bundled:
        hint = _("Its authors publish its card.")
        raise UsageError(_("{id} is not one of ours.").format(id=spec.id), hint=hint)
    task = _TASKS[spec.kind]
    results = [
        EvalResult(
            task_type=task,
            dataset_type="unmask",
            dataset_name=figure.data,
            dataset_config=figure.data,
            dataset_args={"clips": figure.clips},
            metric_type="auc",
            metric_name=figure.metric,
            metric_value=figure.value,
            metric_args={"interval_95": [figure.low, figure.high], "command": figure.command},
        )
        for figure in spec.measured
        if figure.left_out
    ]
    data = ModelCardData(
        model_name=spec.title,
        license=spec.license_code.lower(),
        library_name="unmask",
        pipeline_tag=task,
        tags=["deepfake-detection"],
        eval_results=results,
    )
    return f"---\n{data.to_yaml()}\n---\n\n{card_text(spec)}"
