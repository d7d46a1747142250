"""Models whose network was converted before: they score without PyTorch, whose import takes two to
three seconds, most of what a first verdict waits for. Whatever else such a model is asked for
(gradients, its own steps one by one) loads the model itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from detector import converted, runtime
from detector.memory import return_freed
from detector.models import graphs
from detector.models.base import Files, Image, Model, ModelSpec, check_batch
from detector.models.pictures import fit, normalized
from detector.models.sounds import prepared
from detector.runtime import Runner

if TYPE_CHECKING:
    from torch import Tensor

_HERE = Path(__file__).parent
_SOURCES = (_HERE, _HERE.parent / "weights", _HERE.parent / "runtime.py")
"""What builds networks, beside the families of other packages."""

_latest: list[Model] = []
"""The one model that stays loaded as a whole: those of CLIP share no weights, 1 GB in float32."""
_loading = threading.RLock()  # what is loaded may be ready as well


class ReadyModel(Model):
    """A model of single crops, of clips or of sound, whose compiled network (`run`) is on disk.
    `load` loads the model itself."""

    def __init__(self, spec: ModelSpec, run: Runner, batch: int, load: Callable[[], Model]) -> None:
        super().__init__(spec)
        self.run, self.BATCH = run, batch
        self._load = load
        self._whole: ref[Model] | None = None

    @property
    def side_by_side(self) -> bool:
        """See `Model.side_by_side`: True."""
        return True

    def whole(self) -> Model:
        """See `Model.whole`: in memory while it is in use, and until another's is loaded."""
        with _loading:
            whole = self._whole() if self._whole else None
            if whole is None:
                _latest.clear()
                with runtime.uncompiled():
                    whole = self._load().whole()
                whole.run = self.run
                self._whole = ref(whole)
                return_freed()  # the one before, and what loading took
            _latest[:] = [whole]
            return whole

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.whole(), name)

    def score(self, batch: np.ndarray) -> np.ndarray:
        """See `Model.score`."""
        return self.read(batch)[:, 0]

    def read(self, batch: np.ndarray) -> np.ndarray:
        """See `Model.read`: the same steps, and the same numbers, in numpy."""
        check_batch(batch, self.spec)
        found = []
        for start in range(0, len(batch), self.BATCH):
            shown = [self._prepared(item) for item in batch[start : start + self.BATCH]]
            logits, *features = (x.reshape(len(shown), -1) for x in self.run(np.stack(shown)))
            found.append(np.column_stack([_log_odds(logits, self.spec), *features]))
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)

    def _prepared(self, picture: Image | Sequence[Image]) -> np.ndarray:
        if self.spec.sound:
            return prepared(np.asarray(picture), self.spec)
        if self.spec.kind == "video":
            shown = np.stack([fit(np.ascontiguousarray(one), self.spec.crop) for one in picture])
        else:
            shown = fit(np.ascontiguousarray(picture), self.spec.crop)
        return normalized(shown, self.spec)

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """See `Model.preprocess`."""
        return self.whole().preprocess(picture)

    def forward(self, batch: Tensor) -> Tensor:
        """See `Model.forward`."""
        return self.whole().forward(batch)

    def explain(self, batch: np.ndarray) -> np.ndarray | None:
        """See `Model.explain`."""
        return self.whole().explain(batch)


def _log_odds(logits: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return what `Model.log_odds` does, in numpy: float32 [N, classes] -> [N]."""
    if logits.shape[1] == 1:
        return logits[:, 0] if spec.fake_index else -logits[:, 0]
    one = spec.fake_index if spec.real_index is None else spec.real_index
    others = np.delete(logits, one, 1)
    top = others.max(1)
    odds: np.ndarray = logits[:, one] - (top + np.log(np.exp(others - top[:, None]).sum(1)))
    return odds if spec.real_index is None else -odds


def load(
    spec: ModelSpec,
    files: Files,
    family: Path,
    device: str,
    whole: Callable[[], Model],
    convert: Callable[[str], bool],
) -> Model:
    """Return a model that is ready, made so in another process (`convert`, which calls `prepare`
    with the key) where it can be; else here, of its graphs, or loaded (`whole`) and traced."""
    if device != "cpu" or runtime.package(device) != "openvino":
        return whole()
    key = converted.key_of(spec.network, dict.fromkeys((family.parent, *_SOURCES)))
    known = runtime.known(key)
    if known is None and not converted.tried(key) and convert(key):
        known = runtime.known(key)
    if known is None and (made := graphs.of(spec, files)):
        return ReadyModel(spec, made.opened(), made.batch, whole)
    if known is None:
        return whole()
    run, about = known
    return ReadyModel(spec, run, about.get("batch", Model.BATCH), whole)


def prepare(spec: ModelSpec, files: Files, key: str, whole: Callable[[], Model]) -> None:
    """Write the network of a model to disk, from its graphs or traced, and under the key where it
    is; or that it does not score alone."""
    if made := graphs.of(spec, files):
        return made.remember(key)
    model = whole()
    return runtime.remember(key, _compiled(model), batch=model.BATCH)


def _compiled(model: Model) -> Runner | None:
    """Return what a model's scores come from, if they do by the usual steps alone."""
    from detector.models.network import TorchModel, TorchSoundModel

    if type(model) is ReadyModel:
        return model.run
    usual = TorchSoundModel if model.spec.sound else TorchModel
    if not isinstance(model, usual) or model.spec.crop.resize == "float":
        return None
    own = ("preprocess", "_prepare", "log_odds", "score")
    alone = all(getattr(type(model), name) is getattr(usual, name) for name in own)
    return model.run if alone else None
