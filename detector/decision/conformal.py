"""Thresholds from a person's own untouched clips, by split conformal prediction.

No fakes are needed: of n untouched clips and one more of the same kind, each is equally likely to
be the k-th highest, whatever the scores' distribution (Vovk, Gammerman & Shafer 2005; Lei et al.
2018). The share of detected fakes stays unknown. Stored in the data folder, one for each set of
models."""

import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from detector import paths
from detector.errors import InputError, UsageError
from detector.schema.analysis import OwnThreshold
from detector.schema.base import StrictModel
from detector.sentences import _, join, numeral

FILE = "own-thresholds.json"
MOST = 20
"""stored calibrations; a further one replaces the oldest"""


class OwnCalibration(StrictModel):
    """Likelihoods of a person's own untouched clips, and the chosen false alarm rate."""

    id: str
    created: datetime
    rate: float = Field(gt=0, lt=1)
    domain: str = ""
    sources: int = Field(ge=1, description="different recordings that the clips are of")
    models: dict[str, str]
    """id -> `ModelResult.identity`"""
    clips: list[float]
    """log odds of each clip's likelihood"""

    def high(self, rate: float | None = None) -> float:
        """Return the log odds that are exceeded at a rate; raise InputError for too few clips."""
        return quantile(self.clips, rate or self.rate)

    @property
    def threshold(self) -> OwnThreshold:
        """Return the threshold of these models."""
        return OwnThreshold(
            high=self.high(),
            rate=self.rate,
            clips=len(self.clips),
            sources=self.sources,
            domain=self.domain,
            created=self.created,
            models=dict(self.models),
        )


class ThresholdStore(StrictModel):
    """All own thresholds of this data folder, newest first."""

    on: bool = True
    calibrations: list[OwnCalibration] = []

    def threshold(self, models: Mapping[str, str], *, live: bool = False) -> OwnThreshold | None:
        """Return the threshold for exactly these models (id -> identity), if switched on; in a
        `live` session some of its models are missing."""
        for calibration in self.calibrations if self.on and models else ():
            known = calibration.models.items()
            if models.items() <= known and (live or len(models) == len(known)):
                return calibration.threshold
        return None


def least(rate: float) -> int:
    """Return the least number of untouched clips for a rate: 19 for 5 %, 99 for 1 %."""
    return math.ceil(1 / rate - 1e-9) - 1


def quantile(scores: Sequence[float], rate: float) -> float:
    """Return the ceil((n + 1)(1 - rate))-th smallest of n scores; raise InputError if n is too
    small."""
    values = np.sort(np.asarray(scores, float))
    place = math.ceil((len(values) + 1) * (1 - rate) - 1e-9)
    if place > len(values):
        raise too_few(len(values), rate)
    return float(values[max(place, 1) - 1])


def too_few(count: int, rate: float) -> InputError:
    """Return the error for too few clips for a rate."""
    hint = _("Add clips, or choose a higher rate.")
    if count:
        possible = _("With {count} a rate of {rate} or more is possible.")
        hint = join(hint, possible.format(count=count, rate=rate_words(1 / (count + 1))))
    text = _("A rate of {rate} takes at least {least} clips that can be judged, not {count}.")
    return InputError(
        text.format(rate=rate_words(rate), least=least(rate), count=count),
        code="too_few_clips",
        hint=hint,
    )


def worst(count: int, rate: float) -> float:
    """Return the 95 % upper bound of the long-run false alarm rate, which follows a beta
    distribution over the choice of calibration clips (Vovk 2012)."""
    from scipy.stats import beta

    over = count + 1 - math.ceil((count + 1) * (1 - rate) - 1e-9)
    return float(beta.ppf(0.95, over, count + 1 - over))


def load() -> ThresholdStore:
    """Return the stored thresholds; an empty store if there is none that can be read."""
    try:
        return ThresholdStore.model_validate_json(_path().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return ThresholdStore()


def keep(own: OwnCalibration) -> None:
    """Store a calibration, replacing an earlier one for the same models, and switch it on."""
    others = [c for c in load().calibrations if c.models != own.models and c.id != own.id]
    _save(ThresholdStore(on=True, calibrations=[own, *others][:MOST]))


def delete(id: str | None) -> None:
    """Delete a calibration, or all for None; raise UsageError for an unknown id."""
    store = load()
    left = [c for c in store.calibrations if id is not None and c.id != id]
    if id is not None and len(left) == len(store.calibrations):
        raise UsageError(_("There are no thresholds of your own called {id!r}.").format(id=id))
    _save(store.model_copy(update={"calibrations": left}))


def switch(on: bool) -> None:
    """Switch between the own and the shipped thresholds."""
    _save(load().model_copy(update={"on": on}))


def new_id() -> str:
    """Return a random id of a calibration."""
    return secrets.token_hex(3)


def _path() -> Path:
    return paths.data() / FILE


def _save(store: ThresholdStore) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    paths.write(path, store.model_dump_json(indent=1))


def rate_words(rate: float) -> str:
    """Return a rate in words: 0.05 -> "5 %", 0.025 -> "2.5 %"."""
    return f"{numeral(rate * 100, '.2g')} %"
