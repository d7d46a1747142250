"""A network that measures or finds and doesn't judge: published weights, fetched when asked for."""

from __future__ import annotations

from pydantic import Field

from detector.models.base import WeightFile
from detector.schema.base import StrictModel


class AuxiliaryModel(StrictModel):
    """One such network, as `detector.weights` takes it. It is no detector, so it is in no manifest;
    its files are used only when their sha256 is the one stated."""

    id: str
    title: str
    files: list[WeightFile]
    bundled: bool = False
    wrappers: list[str] = Field(default_factory=list, description="none: the files are as they are")
    license: str = Field(description="said before a download")
    source: str = Field(description="paper, repository")
