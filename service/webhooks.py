"""Webhooks: a request to an owner's address when an analysis has ended.

A delivery is a task: it waits for the analysis, and is retried with exponential back-off. An
interrupted one is offered again by the next start (at-least-once delivery); `Unmask-Delivery` is
the same each time. The body is signed with a secret that only the owner and this server can derive
(`secret`).

Only public addresses are called, by the rule of links (`detector.links`): the connection goes to
the resolved address that was checked, and redirects are not followed.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from detector import __version__
from detector.errors import Canceled, InputError, ModelError
from detector.links.addresses import LinkRefused, LinkRules, addresses, parse, port_of
from detector.links.transport import PinnedTransport
from detector.presentation.verdict import headline
from detector.sentences import _, in_english
from service.auth.session_store import load_key
from service.config import get_config
from service.context import Principal
from service.tasks.jobs import Job
from service.tasks.queue import TaskQueue
from service.tasks.task import IDLE, Priority, Task, TaskKind

log = logging.getLogger(__name__)

PAUSES = (0.0, 5.0, 30.0, 120.0, 600.0, 3600.0)  # s before each attempt
TIMEOUT = 10.0  # s that an attempt may take in all
LOOK_EVERY = 0.2  # s between two looks at an analysis
MAX_PENDING = 200
RULES = LinkRules(ports=None)  # Any port of the public Internet, whatever links are fetched
_NO_ADDRESS = _("A webhook is an address with https:// or http://.")
_REFUSALS = {
    "link_unknown_host": _("The webhook's host is not known."),
    "link_private": _("A webhook's host has to be a public one."),
}

FindJob = Callable[[str, str], Job | None]  # The analysis of an owner, by its id


class WebhookRefused(InputError):
    """This address may not be called."""

    default_code = "webhook_refused"


class DeliveryFailed(ModelError):
    """The receiver did not accept the event."""

    default_code = "webhook_failed"


class Webhooks:
    """A server's deliveries; `data` holds the key, `find` returns an owner's analysis."""

    def __init__(self, tasks: TaskQueue, data: Path, find: FindJob) -> None:
        self._tasks, self._find, self._data = tasks, find, data
        self.kind = TaskKind(
            "webhook",
            Priority.BATCH,
            0.0,
            Task,
            refuse=_refuse,
            on_interrupted=self._resume,
            log_level=logging.WARNING,
        )
        tasks.register(self.kind)

    def secret(self, owner: str) -> str:
        """Return the secret of an owner's signatures."""
        key = load_key(self._data / "webhooks.key")
        return "whsec_" + hmac.digest(key, f"webhook:{owner}".encode(), "sha256").hex()

    def start(self, url: str, analysis: str, principal: Principal, batch: str = "") -> Task:
        """Call a URL when an analysis has ended, which may wait in a batch. Raise WebhookRefused if
        it may not be called."""
        check(url)
        params = {"url": url, "analysis": analysis, "batch": batch}
        task = Task(self.kind, principal.id, subject=analysis, params=params)
        self._tasks.submit(task, self._work)
        return task

    def _resume(self, task: Task) -> None:
        self._tasks.submit(
            Task(self.kind, task.owner, subject=task.subject, params=task.params), self._work
        )

    def _work(self, task: Task) -> int:
        """Wait for the analysis, then call; return the number of attempts."""
        job = self._find(task.owner, task.subject)
        while job is not None and (job.active or self._waits(job, task.params.get("batch"))):
            _pause(task, LOOK_EVERY)
            job = self._find(task.owner, task.subject)
        body = json.dumps(event(task.subject, job)).encode()
        for attempt, pause in enumerate(PAUSES, 1):
            _pause(task, pause)
            task.checkpoint()  # not where another server has taken it over
            if task.cancel.is_set():
                raise Canceled
            status = self._call(task, body)
            if status is not None and 200 <= status < 300:
                return attempt
            if status == 410:  # gone, for good
                break
        raise DeliveryFailed(_("The address of the webhook took no event."))

    def _waits(self, job: Job, batch: str | None) -> bool:
        """Return whether a running batch will reach an analysis."""
        waits = bool(batch) and job.state in IDLE and job.has_media
        return waits and any(task.subject == batch for task in self._tasks.active())

    def _call(self, task: Task, body: bytes) -> int | None:
        """Return the HTTP status of one attempt; None without a response."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Unmask/{__version__}",
            "Unmask-Delivery": hashlib.sha256(f"{task.subject}{task.params['url']}".encode())
            .hexdigest()[:22],
            "Unmask-Signature": sign(body, self.secret(task.owner), int(time.time())),
        }  # fmt: skip
        try:
            return asyncio.run(_post(task.params["url"], body, headers))
        except (TimeoutError, httpx.HTTPError, OSError, InputError) as error:
            log.info("a webhook was not taken: %s", type(error).__name__)
            return None


def sign(body: bytes, secret: str, now: int) -> str:
    """Return the signature header of an event: its time, and the HMAC-SHA256 of `<when>.<body>`."""
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, "sha256").hexdigest()
    return f"t={now},v1={digest}"


def event(id: str, job: Job | None) -> dict[str, Any]:
    """Return the payload for a finished analysis."""
    state = job.state.value if job is not None else "deleted"
    analysis = job.analysis if job is not None else None
    verdict = analysis.verdict if analysis is not None else None
    return {
        "event": f"analysis.{state}",
        "analysis": {
            "id": id,
            "state": state,
            "headline": in_english(headline, analysis) if analysis is not None else None,
            "verdict": verdict.label.value if verdict else None,
            "probability": verdict.probability if verdict else None,
            "error": job.fault.problem.code if job is not None and job.fault else None,
            "href": f"/v1/analyses/{id}",
        },
    }


def check(url: str) -> None:
    """Resolve a URL before it is called. Raise WebhookRefused if it may not be."""
    if get_config().offline:
        raise WebhookRefused(_("This server calls nobody: it is offline (UNMASK_OFFLINE)."))
    try:
        parsed = parse(url, RULES)
        addresses(parsed.host, port_of(parsed), RULES)
    except LinkRefused as error:
        raise WebhookRefused(_REFUSALS.get(error.code, _NO_ADDRESS)) from error


async def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Return the HTTP status of a POST; the response body is not read."""
    async with (
        asyncio.timeout(TIMEOUT),
        # Looks at the address once more: a name may lead elsewhere by now.
        httpx.AsyncClient(
            transport=PinnedTransport(RULES), follow_redirects=False, timeout=TIMEOUT
        ) as client,
        client.stream("POST", parse(url, RULES), content=body, headers=headers) as answer,
    ):
        return answer.status_code


def _pause(task: Task, seconds: float) -> None:
    if task.cancel.wait(seconds):
        raise Canceled


def _refuse(waiting: int, running: int) -> InputError | None:
    if waiting + running < MAX_PENDING:
        return None
    return WebhookRefused(_("Too many webhooks are waiting already."), hint=_("Try again later."))
