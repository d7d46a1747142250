"""What can be judged, a file each: how its subjects are found in a source, and what models are fed.

A modality's module has its name and an `EXTRACTOR`.
"""

from importlib import import_module

from detector.pipeline.modalities.base import Extraction as Extraction
from detector.pipeline.modalities.base import Extractor as Extractor
from detector.schema.analysis import Modality

EXTRACTORS: dict[Modality, type[Extractor]] = {
    modality: import_module(f"{__name__}.{modality}").EXTRACTOR for modality in Modality
}
"""In a picture faces are always searched, and in a sound speech: whether there is any is part of
every result. The others are extracted where a model was asked for that judges them."""
