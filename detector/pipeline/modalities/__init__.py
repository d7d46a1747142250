"""What can be judged, a file each: how its subjects are found in a source, and what models are fed.

Add a modality by a module with an `Extractor`, and its line in `EXTRACTORS`.
"""

from __future__ import annotations

from collections.abc import Callable

from detector.pipeline.modalities.base import Extraction as Extraction
from detector.pipeline.modalities.base import Extractor as Extractor
from detector.pipeline.modalities.face import FaceExtractor
from detector.pipeline.modalities.full_frame import FullFrameExtractor
from detector.pipeline.modalities.voice import VoiceExtractor
from detector.schema.analysis import Modality

EXTRACTORS: dict[Modality, Callable[[Extraction], Extractor]] = {
    Modality.FACE: FaceExtractor,
    Modality.FULL_FRAME: FullFrameExtractor,
    Modality.VOICE: VoiceExtractor,
}
"""In a picture faces are always searched, and in a sound speech: whether there is any is part of
every result. The others are extracted where a model was asked for that judges them."""
