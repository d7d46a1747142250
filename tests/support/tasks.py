"""Background work for tests, and who asks for it."""

from service.context import Principal, PrincipalKind, Role
from service.records.database import FILE, Database
from service.records.instances import Server
from service.tasks.queue import TaskQueue
from service.tasks.task import TaskStore
from tests.support.waiting import until

ANN = Principal("guest:ann", PrincipalKind.GUEST)
BEN = Principal("guest:ben", PrincipalKind.GUEST)
ADMIN = Principal("root", PrincipalKind.USER, Role.ADMIN)


def make_tasks(data, cores=2.0, **options):
    """Make a server's tasks on a data folder, on two cores."""
    database = Database(data / FILE)
    return TaskQueue(TaskStore(database), Server(data, database), cores, **options)


def ended(task):
    """Wait for the end of a task."""
    until(lambda: not task.active)
    return task


def busy(jobs):
    """Return the analyses of a server that wait or run."""
    return [task for task in jobs._tasks.visible(jobs.kind, ADMIN) if task.active]
