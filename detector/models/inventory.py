"""What stands in the shop: the state of every model on this computer, and what can be done to it.

This is what the Models page and `unmask models` show.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from detector import weights as store
from detector.errors import UnmaskError
from detector.models import registry, user_models
from detector.models.base import ModelSpec

log = logging.getLogger(__name__)

State = Literal["bundled", "ready", "license", "available", "manual", "failed"]
"""bundled: came with Unmask. ready: on this computer. license: on this computer, not accepted yet.
available: can be downloaded, also where the last try failed (`why`). manual: its authors publish
nothing that Unmask could go by, so a person has to bring the file. failed: on this computer and not
usable, or what came was not the file that was asked for (`why`)."""

_failures: dict[str, tuple[str, str]] = {}
"""By id: the code and the sentence of what went wrong last."""
_lock = threading.Lock()


@dataclass(frozen=True)
class Status:
    """One model on this computer.

    Attributes
    ----------
    spec : ModelSpec
    state : State
    why : str
        One sentence where the state needs one.
    download : int or None
        Bytes that a download would bring; None when nobody says.
    accepted : datetime or None
        When its license was accepted; None also where it needs no word.
    memory : int
        Bytes it takes in memory now; 0 when it is not loaded.
    recommended : str
        What it adds, when it is on the short list; else empty.
    problem : str
        The code of the error behind `why`; empty where none happened.
    """

    spec: ModelSpec
    state: State
    why: str
    download: int | None
    accepted: datetime | None
    memory: int
    recommended: str
    problem: str = ""

    @property
    def ready(self) -> bool:
        """Whether it can score now."""
        return self.state in {"bundled", "ready"}

    @property
    def words(self) -> str:
        """The state in a word or two."""
        if self.state == "available":
            size = f", {self.download / 1e6:,.0f} MB" if self.download else ""
            return f"not downloaded{size}"
        return {
            "bundled": "ready",
            "ready": "ready",
            "license": "license not accepted",
            "manual": "bring its file",
            "failed": "failed",
        }[self.state]


def inventory() -> list[Status]:
    """The status of every model, in the order of the manifest. Opens no weight file."""
    return _statuses(registry.list_models())


def offered() -> list[Status]:
    """The status of the models of the short list, in its order."""
    return _statuses([registry.get_spec(entry.id) for entry in registry.manifest().recommended])


def status(id: str) -> Status:
    """The status of one model. UsageError when there is none of that id."""
    return _statuses([registry.get_spec(id)])[0]


def download(id: str, progress: store.Progress | None = None) -> Status:
    """Download a model's weights; `progress(done, total)` in bytes may raise to stop.

    Raises
    ------
    WeightsError
        It could not be downloaded; the status says why until the next try.
    ModelError
        Its license was not accepted (code "license").
    """
    spec = registry.get_spec(id)
    store.require_license(spec)
    try:
        if not store.fetchable(spec) and store.can_pin(spec.files):
            store.pin(spec)
            spec = registry.get_spec(spec.id)
        store.fetch(spec, progress)
    except UnmaskError as error:
        if error.code != "canceled":
            _remember(spec.id, error.message, error.code)
        raise
    _remember(spec.id, "")
    return status(spec.id)


def delete(id: str) -> int:
    """Delete a model's files, and forget it when it is a person's own; returns the bytes freed.

    Raises
    ------
    WeightsError
        It is bundled, or a file can't be deleted.
    """
    spec = registry.get_spec(id)
    if spec.own:
        return user_models.remove(spec.id)
    freed = store.delete(spec, keep=registry.list_models())
    registry.unload(spec.id)
    _remember(spec.id, "")
    return freed


def verify(ids: Iterable[str] | None = None) -> dict[str, str]:
    """Read every byte of the files that are here; returns id -> what is wrong, "" for nothing."""
    specs = [registry.get_spec(id) for id in ids] if ids else registry.list_models()
    found = {}
    for spec in specs:
        if store.available(spec):
            try:
                store.resolve(spec)
                found[spec.id] = ""
                _remember(spec.id, "")
            except UnmaskError as error:
                found[spec.id] = error.message
                _remember(spec.id, error.message, error.code)
    return found


def take_in() -> list[ModelSpec]:
    """Put files that a person laid into the weights folder where their models look for them; they
    are known by their hash, whatever they are called. Returns the models that are here now."""
    everything = registry.list_models()
    absent = [s for s in everything if not s.bundled and not store.available(s)]
    store.take_in(absent, keep=everything)
    came = [spec for spec in absent if store.available(spec)]
    for spec in came:
        _remember(spec.id, "")
    return came


def failed(id: str, why: str) -> None:
    """Remember that a model could not be used, for as long as this process lives."""
    _remember(id, why)


def fetch_at_start() -> None:
    """Bring what UNMASK_MODELS names. Naming a model there is the host's word for its license.
    What fails is logged and shown, and does not stop the start."""
    for id in registry.ids_of_host():
        try:
            spec = registry.get_spec(id)
            if spec.research_only and store.accepted_license(spec) is None:
                store.accept_license(spec)
            download(spec.id)
        except UnmaskError as error:
            log.warning("%s: %s %s", id, error.message, error.hint)


def _statuses(specs: Sequence[ModelSpec]) -> list[Status]:
    memory: dict[str, int] = {}
    for id, _device, size in registry.loaded():
        memory[id] = memory.get(id, 0) + size
    adds = {entry.id: entry.adds for entry in registry.manifest().recommended}
    return [_status(spec, memory.get(spec.id, 0), adds.get(spec.id, "")) for spec in specs]


def _status(spec: ModelSpec, memory: int, recommended: str) -> Status:
    state: State
    problem, why = _failures.get(spec.id, ("", ""))
    accepted = store.accepted_license(spec) if spec.research_only else None
    if spec.bundled:
        state = "bundled" if store.available(spec) and not why else "failed"
    elif store.available(spec):
        state = "failed" if why else "ready"
        if state == "ready" and spec.research_only and not spec.own and accepted is None:
            state, why = "license", f"Its license must be accepted first: {spec.license_weights}."
    elif store.fetchable(spec) or store.can_pin(spec.files):
        # What came and was another file is a fault; that nothing came says nothing of the model.
        state = "failed" if problem == "weights_corrupted" else "available"
        if not why and not store.fetchable(spec):
            why = "Its checksum is read from its page at the first download."
    else:
        state = "manual"
        why = "Its authors publish no checksum: download the file and add it."
    size = store.missing_bytes(spec)
    return Status(spec, state, why, size, accepted, memory, recommended, problem)


def _remember(id: str, why: str, code: str = "error") -> None:
    with _lock:
        if why:
            _failures[id] = (code, why)
        else:
            _failures.pop(id, None)
