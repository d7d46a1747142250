"""Extractor of the whole picture as a subject of its own, with or without faces."""

from detector.pipeline.modalities.full_frame import FullFrameExtractor
from detector.schema.analysis import Modality


class PictureExtractor(FullFrameExtractor):
    """Extractor of the pictures of one run."""

    modality = Modality.PICTURE


EXTRACTOR = PictureExtractor
