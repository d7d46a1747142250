"""The ways of looking into a model."""

from collections.abc import Callable
from dataclasses import dataclass

from detector.sentences import Message, _

OnProgress = Callable[[float], object]
"""Called with the share of the work that is done, 0..1; may raise to stop."""


@dataclass(frozen=True)
class Method:
    """One way."""

    id: str
    title: str
    what: Message
    """What its map shows, with the model's name put in."""
    source: str
    """Paper."""
    forwards: int
    """Runs of the network it takes, about; a backward pass counts as two."""


_METHODS = (
    ("gradcam", "Grad-CAM", _("what raised the score of {model}"),
     "Selvaraju et al., ICCV 2017, arXiv:1610.02391", 3),
    ("gradcam++", "Grad-CAM++", _("what raised the score of {model}, several places weighed apart"),
     "Chattopadhyay et al., WACV 2018, arXiv:1710.11063", 3),
    ("rollout", _("Attention rollout"), _("what {model} attended to, whatever it then said"),
     "Abnar and Zuidema, ACL 2020, arXiv:2005.00928", 1),
    ("own", _("Its own map"), _("what {model} marks by itself"), "the model’s own paper", 1),
    ("occlusion", _("Occlusion"), _("where hiding a part lowers the score of {model}"),
     "Zeiler and Fergus, ECCV 2014, arXiv:1311.2901", 50),
)  # fmt: skip
METHODS = {row[0]: Method(*row) for row in _METHODS}
