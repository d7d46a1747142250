"""What decides the result of `unmask train clip`."""

from pydantic import Field

from detector.training.recipe import TrainingSchedule


class ClipRecipe(TrainingSchedule):
    """The CLIP recipe with its defaults."""

    seed: int = 7
    images: int = Field(107_000, gt=0)
    batch: int = Field(128, ge=16)
    rate: float = Field(4e-4, gt=0)
    head_rate: float = Field(4e-3, gt=0)
    head_decay: float = 0.01
    warmup: float = 0.04
    average: float = 0.985
    gradient: float = 1.0
    check_every: int = 50
    pseudo: int = Field(3, gt=0, description="pseudo-fakes, sixteenths of a batch")
    altered: int = Field(3, description="altered faces, sixteenths of a batch")
    generated: int = Field(3, description="generated heads, sixteenths of a batch")
    smoothing: float = 0.03
    binary: float = Field(0.5, description="weight of the loss on fake or not")
    metric: float = Field(0.1, description="weight of the loss on distances between features")
    into: list[str] = ["q_proj", "v_proj", "fc1"]
    rank: int = 8
    size: int = Field(224, description="px of a view; a multiple of 16")
    wide: tuple[float, float] = (115.0, 172.0)
    """Template units across a view in training."""
    close: tuple[float, float] = (84.0, 102.0)
    """The same for files that show too little around the face."""
    seen: float = 140.0
    """Template units across a view in use."""
    judged: int = Field(8, description="frames of a clip that left-out logits are the mean of")
