"""One question's ensemble fitted on clips: maps of its models, their weights, its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.decision import material
from detector.decision.numbers import CAUSES, pooled
from detector.evaluation import fitting
from detector.evaluation.fitting import Final
from detector.evaluation.subjects import Clip, ScoredPerson

Versions = tuple[list[ScoredPerson], np.ndarray, np.ndarray]
"""People, and the label and the weight of each."""


@dataclass(frozen=True)
class EnsembleFit:
    """What was fitted on the main person of each clip."""

    models: tuple[str, ...]
    clips: tuple[Clip, ...]
    maps: dict[str, tuple[float, float]]  # Platt map of each model: scale, offset
    weights: np.ndarray  # float [models]
    start: float  # logit without any evidence
    variances: tuple[float, ...] = (0.0,) * len(CAUSES)  # of uncertainty, for each unit of a cause

    @classmethod
    def of(cls, clips: Sequence[Clip], models: Sequence[str]) -> EnsembleFit:
        """Fit without uncertainty; a model that could not look adds nothing there."""
        labels = np.array([c.label for c in clips])
        raw = np.array([[c.people[0].logits.get(id, np.nan) for id in models] for c in clips])
        maps = {}
        for id, x in zip(models, raw.T, strict=True):
            seen = np.isfinite(x)
            # Of a model that these clips say too little of nothing is made.
            both = len(set(labels[seen].tolist())) == 2
            maps[id] = fitting.platt(x[seen], labels[seen]) if both else (1e-6, 0.0)
        scales, offsets = (np.array(x) for x in zip(*maps.values(), strict=True))
        calibrated = np.nan_to_num(raw * scales + offsets)
        weights, start = fitting.fit_evidence(calibrated, labels)
        return cls(tuple(models), tuple(clips), maps, weights, start)

    def with_uncertainty(self) -> EnsembleFit:
        """Fit what poor material takes away, on worse versions of the clips too. Where it takes
        nothing they are no reason for another map, and the fit stays as it is."""
        people, labels, weights = self.versions(self.clips)
        fused, amounts = self._evidence(people)
        final = fitting.fit_final(fused, labels, amounts, weights)
        if not any(final.variances):
            return self
        scaled = self.weights * final.scale
        return replace(self, weights=scaled, start=final.offset, variances=final.variances)

    def moved(self, scale: float, offset: float) -> EnsembleFit:
        """Return the same with all evidence times a factor, and another starting point."""
        return replace(self, weights=self.weights * scale, start=self.start * scale + offset)

    def versions(self, clips: Sequence[Clip]) -> Versions:
        """Return clips' main people and their worse versions, of the same total weight."""
        rows: list[tuple[ScoredPerson, int, float]] = []
        for clip in clips:
            rows.append((clip.people[0], clip.label, 1.0))
            others = [p for p in clip.worse if any(id in p.logits for id in self.models)]
            rows += [(person, clip.label, 1.0 / len(others)) for person in others]
        people, labels, weights = zip(*rows, strict=True)
        return list(people), np.array(labels), np.array(weights)

    def logits(self, people: Sequence[ScoredPerson]) -> np.ndarray:
        """Return the calibrated logit of each person, as `decision` computes it."""
        return Final(1.0, self.start, self.variances).apply(*self._evidence(people))

    def clip_logit(self, clip: Clip) -> float:
        """Return the calibrated logit of a clip; NaN where nobody was judged."""
        judged = [p for p in clip.people if any(id in p.logits for id in self.models)]
        return pooled(self.logits(judged).tolist()) if judged else float("nan")

    def _evidence(self, people: Sequence[ScoredPerson]) -> tuple[np.ndarray, np.ndarray]:
        """Return people's summed evidence without the intercept, and each cause of doubt."""
        share = dict(zip(self.models, self.weights.tolist(), strict=True))
        fused, amounts = [], []
        for person in people:
            mapped = {
                id: self.maps[id][0] * person.logits[id] + self.maps[id][1]
                for id in self.models
                if id in person.logits
            }
            fused.append(sum(share[id] * x for id, x in mapped.items()))
            causes = material.shortfalls(person.material)
            causes["disagreement"] = material.disagreement(mapped, share)
            amounts.append([causes[cause] for cause in CAUSES])
        return np.array(fused), np.array(amounts).reshape(len(fused), len(CAUSES))
