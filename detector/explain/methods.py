"""The ways of looking into a model."""

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[float], object]
"""Called with the share of the work that is done, 0..1; may raise to stop."""


@dataclass(frozen=True)
class Method:
    """One way."""

    id: str
    title: str
    what: str
    """What its map shows, with the model's name put in."""
    source: str
    """Paper."""
    forwards: int
    """Runs of the network it takes, about; a backward pass counts as two."""


_METHODS = (
    ("gradcam", "Grad-CAM", "what raised the score of {}",
     "Selvaraju et al., ICCV 2017, arXiv:1610.02391", 3),
    ("gradcam++", "Grad-CAM++", "what raised the score of {}, several places weighed apart",
     "Chattopadhyay et al., WACV 2018, arXiv:1710.11063", 3),
    ("rollout", "Attention rollout", "what {} attended to, whatever it then said",
     "Abnar and Zuidema, ACL 2020, arXiv:2005.00928", 1),
    ("own", "Its own map", "what {} marks by itself", "the model’s own paper", 1),
    ("occlusion", "Occlusion", "where hiding a part lowers the score of {}",
     "Zeiler and Fergus, ECCV 2014, arXiv:1311.2901", 50),
)  # fmt: skip
METHODS = {row[0]: Method(*row) for row in _METHODS}
