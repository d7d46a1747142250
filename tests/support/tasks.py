"""Background work for tests, and who asks for it."""

from service.context import Principal, PrincipalKind, Role
from service.records.database import FILE, Database
from service.records.instances import Server
from service.tasks.manager import TaskManager, TaskStore
from service.tasks.scheduler import Scheduler, ThreadExecutor
from tests.support.waiting import until

ANN = Principal("guest:ann", PrincipalKind.GUEST)
BEN = Principal("guest:ben", PrincipalKind.GUEST)
ADMIN = Principal("root", PrincipalKind.USER, Role.ADMIN)


def make_tasks(data, scheduler=None):
    """Make a server's tasks on a data folder, on two cores."""
    scheduler = scheduler or Scheduler(2.0, ThreadExecutor())
    database = Database(data / FILE)
    return TaskManager(TaskStore(database), Server(data, database), scheduler)


def ended(task):
    """Wait for the end of a task."""
    until(lambda: not task.active)
    return task
