"""Model cache: loaded models, one copy each, evicted in LRU order within a memory budget.

A model that is still referenced, for example by a run that scores with it, is never evicted: it
would only be loaded twice."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from detector.config import MemoryAmount, get_config
from detector.errors import ModelError
from detector.sentences import _

if TYPE_CHECKING:
    from detector.models.base import Model

log = logging.getLogger(__name__)

Key = tuple[str, ...]  # Model id, device, hashes of its weights

SHARE = {"cpu": 0.5, "cuda": 0.8}
"""Fraction of the available memory, unless UNMASK_MEMORY is set. Decoding and the rest of the
machine need the other half; on a GPU no other process does."""


class ModelCache:
    """LRU cache of a process's models. Thread-safe."""

    def __init__(self) -> None:
        self._models: OrderedDict[Key, Model] = OrderedDict()  # least recently used first
        self._sizes: dict[Key, int] = {}
        self._lock = threading.Lock()  # guards the two above
        self._loading = threading.Lock()  # one at a time: two big ones would exceed the budget

    def get(self, key: Key, need: int, load: Callable[[], Model]) -> Model:
        """Return the key's model, loaded if absent; `need` is an estimate in bytes. Raise
        ModelError ("memory")."""
        if model := self._find(key):
            return model
        with self._loading:
            if model := self._find(key):  # another thread has loaded it while this one waited
                return model
            self._make_room(key, need)
            model = load()
            with self._lock:
                self._models[key] = model
                self._sizes[key] = footprint(model) or need
            return model

    @property
    def loading(self) -> bool:
        """Return True while a model is loaded."""
        return self._loading.locked()

    def sizes(self) -> dict[Key, int]:
        """Return the bytes of each loaded model."""
        with self._lock:
            return dict(self._sizes)

    def drop(self, chosen: Callable[[Key], bool]) -> None:
        """Remove the models whose key is `chosen`."""
        with self._lock:
            for key in [key for key in self._models if chosen(key)]:
                del self._models[key], self._sizes[key]

    def _find(self, key: Key) -> Model | None:
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
            return self._models.get(key)

    def _make_room(self, key: Key, need: int) -> None:
        device = key[1]
        limit = budget(device)
        if need > limit:
            text = _("Unmask may use {limit} of {device}")
            raise _too_little(key, need, text.format(limit=_words(limit), device=_where(device)))
        with self._lock:
            candidates = iter([other for other in self._models if other[1] == device])
        while (used := self._used(device)) + need > limit:
            if (candidate := next(candidates, None)) is None:
                left = f"{_words(max(0, limit - used))} of the {_words(limit)} of {_where(device)}"
                text = _("the models in use leave {left} that Unmask may use")
                raise _too_little(key, need, text.format(left=left))
            self._evict(candidate)

    def _used(self, device: str) -> int:
        return sum(size for key, size in self.sizes().items() if key[1] == device)

    def _evict(self, key: Key) -> None:
        """Remove a model unless it is referenced."""
        with self._lock:
            model = self._models.pop(key, None)
        if model is None:
            return
        weak = ref(model)
        del model
        if weak() is not None:
            gc.collect()  # networks may be in reference cycles
        with self._lock:
            if (in_use := weak()) is not None:
                self._models.setdefault(key, in_use)
                return
            self._sizes.pop(key, None)
        log.info("%s was let go to make room", key[0])
        if key[1].startswith("cuda"):
            import torch

            torch.cuda.empty_cache()


def budget(device: str) -> int:
    """Return the memory budget of models on a device, bytes: UNMASK_MEMORY ("4GB", "1500MB",
    "25%"), else half of the machine's or container's memory, or four fifths of the GPU's. Raise
    UsageError."""
    kind = device.split(":")[0]
    chosen = get_config().memory or MemoryAmount(SHARE.get(kind, 0.5), relative=True)
    return chosen.of(total(device))


def total(device: str) -> int:
    """Return the memory of a GPU, or of this machine or its container, bytes."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        machine = 8 << 30
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(machine, int(Path(limit).read_text()))
        except (OSError, ValueError):  # not Linux, or "max"
            continue
    return machine


def footprint(model: Model) -> int:
    """Return the bytes of a model's networks and a runtime's copy; 0 without any."""
    if "torch" not in sys.modules:
        return 0
    from torch import nn

    networks = [value for value in vars(model).values() if isinstance(value, nn.Module)]
    tensors = {t.data_ptr(): t.nbytes for n in networks for t in [*n.parameters(), *n.buffers()]}
    return int(sum(tensors.values()) * (2 if getattr(model, "run", None) else 1))


def _too_little(key: Key, need: int, why: str) -> ModelError:
    text = _("{key} needs {need} of memory, and {why}.")
    hint = _("The environment variable UNMASK_MEMORY sets how much models may take.")
    return ModelError(text.format(key=key[0], need=_words(need), why=why), code="memory", hint=hint)


def _where(device: str) -> str:
    return _("the GPU's memory") if device.startswith("cuda") else _("this machine's memory")


def _words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
