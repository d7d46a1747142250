"""Cache of results on disk. The key is a hash of everything that determines a result: the file, the
settings, the models with their weights and calibration, the person's own thresholds, the precision
of transformers, and the code.
"""

import hashlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from detector import paths, plugins
from detector._version import __version__
from detector.config import get_config
from detector.decision import conformal
from detector.errors import UnmaskError
from detector.models import registry
from detector.schema.analysis import Analysis, Settings


def key(sha256: str, settings: Settings) -> str:
    """Return the key, or an empty text if a model or the hash of its weights is unknown."""
    try:
        models = registry.choose(settings.models)
        known = registry.manifest()
    except UnmaskError:
        return ""
    if any(file.sha256 is None for model in models for file in model.files):
        return ""
    parts = [sha256, settings.model_dump_json(), _code()]
    parts += [model.model_dump_json() for model in models]
    together = known.ensembles, known.likelihoods
    parts += [f"{name}:{one.model_dump_json()}" for some in together for name, one in some.items()]
    parts += [conformal.load().model_dump_json(), get_config().precision]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def reusable(analysis: Analysis) -> bool:
    """Return True if a result may be cached: nothing failed that might work the next time."""
    return not analysis.partial and all(model.error is None for model in analysis.models)


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a hash of the source, with plugins: the version is rarely raised in development."""
    digest = hashlib.sha256(__version__.encode())
    digest.update((paths.bundled() / "auxiliary.toml").read_bytes())
    for root in (Path(__file__).parents[1], *plugins.detectors().values()):
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class ResultCache:
    """Results in a folder, a JSON file for each key, shared by threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Analysis | None:
        """Return the result of a key; None if there is none that this version can read."""
        try:
            text = (self._folder / f"{key}.json").read_text(encoding="utf-8")
            return Analysis.model_validate_json(text)
        except (OSError, ValidationError):
            return None

    def put(self, key: str, analysis: Analysis) -> None:
        """Store a result; ignore disk errors."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            paths.write(self._folder / f"{key}.json", analysis.model_dump_json())
