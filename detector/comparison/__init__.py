"""A suspected copy beside its original: what differs, and is it the same footage at all?"""

from detector.comparison.beside import beside_original
from detector.comparison.engine import compare
from detector.comparison.render import HEAT_LEVELS, AlignedPictures, aligned

__all__ = ["HEAT_LEVELS", "AlignedPictures", "aligned", "beside_original", "compare"]
