"""Model cards: what a bundled model is made of, how it was trained and what was measured."""

from detector import paths
from detector.errors import UsageError
from detector.models.base import ModelSpec

_TASKS = {
    "frame": "image-classification",
    "clip": "video-classification",
    "audio": "audio-classification",
}


def text(spec: ModelSpec) -> str:
    """Return the Markdown of a model's card beside the manifest; "" where it has none."""
    root = paths.bundled().resolve()
    file = (root / spec.card).resolve() if spec.card else root
    return file.read_text("utf-8") if file.is_relative_to(root) and file.is_file() else ""


def for_hub(spec: ModelSpec) -> str:
    """Return the card of a bundled model as the Hugging Face Hub reads it: with license and task,
    and as `model-index` what was measured on sources left out. Raise UsageError for models of
    others."""
    from huggingface_hub import EvalResult, ModelCardData

    if not spec.bundled:
        raise UsageError(f"{spec.id} is not one of ours.", hint="Its authors publish its card.")
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
    return f"---\n{data.to_yaml()}\n---\n\n{text(spec)}"
