"""Extractors of subjects and model inputs from a source: a module for each modality.

The module has the modality's name and an `EXTRACTOR`.
"""

from importlib import import_module

from detector.pipeline.modalities.base import Extraction as Extraction
from detector.pipeline.modalities.base import Extractor as Extractor
from detector.schema.analysis import Modality

EXTRACTORS: dict[Modality, type[Extractor]] = {
    modality: import_module(f"{__name__}.{modality}").EXTRACTOR for modality in Modality
}
"""Faces are always detected in a picture, and speech in a sound: every result states whether there
is any. Other modalities are extracted if a model for them was requested."""
