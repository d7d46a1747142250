"""What made the shipped CLIP head and its figures, by whole sources left out.

    python -m research.clip features LABELS.csv FOLDS FEATURES.npz
    python -m research.clip refit FEATURES.npz FOLDS OUT
    python -m research.clip scores LABELS.csv OUT STORE.jsonl
    python -m research.clip fit LABELS.csv STORE.jsonl [--write]

FOLDS holds `fold-0.safetensors` to `fold-3.safetensors`, each tuned without a quarter of the
sources (`fold_of`), and `all.safetensors`, tuned on all. `refit` writes files of the same names
with the new head.
"""

from __future__ import annotations

import hashlib

FOLDS = 4


def fold_of(source: str) -> int:
    """Return the fold in which a source is left out: a hash of its name without the commit."""
    name = source.split("@")[0].encode()
    return int(hashlib.sha256(name).hexdigest(), 16) % FOLDS
