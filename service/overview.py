"""What whoever runs a server sees of it: what is at work, and for whom; no name of a file."""

from service.context import PrincipalKind
from service.records.model import GUEST, KEY, LOCAL
from service.tasks.manager import TaskManager
from service.tasks.task import SYSTEM, Task


def active(tasks: TaskManager) -> list[Task]:
    """Return all that waits or runs, what is longest at work first."""
    found = [task for kind in tasks.kinds() for task in tasks.visible(kind, SYSTEM) if task.active]
    return sorted(found, key=lambda task: (task.started is None, task.started or task.created))


def owner_kind(owner: str) -> tuple[PrincipalKind, str]:
    """Return who an owner is, with the few letters that tell two of a kind apart."""
    if owner == LOCAL:
        return PrincipalKind.LOCAL, ""
    for prefix, kind in ((GUEST, PrincipalKind.GUEST), (KEY, PrincipalKind.KEY)):
        if owner.startswith(prefix):
            return kind, owner.removeprefix(prefix)[:4]
    return PrincipalKind.USER, owner[:4]
