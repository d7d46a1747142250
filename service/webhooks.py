"""Webhooks: a request to an owner's address when an analysis has ended.

A delivery is a task, one for all files of a batch: it waits for the analyses, and each event is
retried with exponential back-off. An
interrupted one is offered again by the next start (at-least-once delivery); `Unmask-Delivery` is
the same each time. The body is signed with a secret that only the owner and this server can derive
(`secret`).

Only public addresses are called, by the rule of links (`detector.links`): the connection goes to
the resolved address that was checked, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from detector import __version__
from detector.errors import Canceled, InputError, ModelError
from detector.network.addresses import WEB_PORTS, LinkRefused, LinkRules, addresses, parse, port_of
from detector.network.transport import PinnedTransport
from detector.presentation.verdict import headline
from detector.sentences import _, in_english
from service.auth.session_store import load_key
from service.config import get_config
from service.context import Principal
from service.tasks.jobs import Job
from service.tasks.queue import LOOK_SECONDS, TaskQueue
from service.tasks.task import Priority, Task, TaskKind

log = logging.getLogger(__name__)

PAUSES = (0.0, 5.0, 30.0, 120.0, 600.0, 3600.0)  # s before each attempt
TIMEOUT = 10.0  # s that an attempt may take in all
AT_ONCE = 4  # calls of a batch at the same time
MAX_PAUSE = 60.0  # s
MAX_PENDING = 200
_NO_ADDRESS = _("A webhook is an address with https:// or http://.")
_REFUSALS = {
    "link_unknown_host": _("The webhook's host is not known."),
    "link_private": _("A webhook's host has to be a public one."),
    "link_port": _("A webhook is called on port 80 or 443, or on one that the operator allows."),
}

FindEnded = Callable[[str, Collection[str]], set[str]]  # Those of an owner's analyses that ended
FindJob = Callable[[str, str], Job | None]  # The analysis of an owner, by its id


class WebhookRefused(InputError):
    """This address may not be called."""

    default_code = "webhook_refused"


class DeliveryFailed(ModelError):
    """The receiver did not accept the event."""

    default_code = "webhook_failed"


class Webhooks:
    """A server's deliveries; `data` holds the key, `find` returns an owner's analysis, `ended`
    those of an owner's analyses that wait and run no more."""

    def __init__(self, tasks: TaskQueue, data: Path, find: FindJob, ended: FindEnded) -> None:
        self._tasks, self._find, self._ended, self._data = tasks, find, ended, data
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

    def permit(self, url: str) -> None:
        """Check that a URL may be called and a delivery fits, before anything is made whose end it
        tells. Raise WebhookRefused."""
        check(url)
        self._tasks.refuse_when_full(self.kind)

    def start(
        self, url: str, analyses: Sequence[str], principal: Principal, batch: str = ""
    ) -> Task:
        """Call a URL, which was permitted, when each of these analyses has ended; they may wait in
        a batch."""
        params = {"url": url, "analyses": list(analyses), "batch": batch}
        task = Task(self.kind, principal.id, subject=batch or analyses[0], params=params)
        return self._tasks.submit(task, self._work, permitted=True)

    def _resume(self, task: Task) -> None:
        self._tasks.submit(
            Task(self.kind, task.owner, subject=task.subject, params=task.params), self._work
        )

    def _work(self, task: Task) -> int:
        """Call for each analysis once it has ended, and again where that failed; return the number
        of calls. Raise DeliveryFailed if some were not taken."""
        waiting = dict.fromkeys(task.params["analyses"])
        deliveries: list[_Delivery] = []
        calls, lost = 0, 0
        while waiting or deliveries:
            seen = self._tasks.changes
            if task.cancel.is_set():
                raise Canceled
            for id in self._over(task, waiting) if waiting else ():
                del waiting[id]
                body = json.dumps(event(id, self._find(task.owner, id))).encode()
                deliveries.append(_Delivery(id, body, time.monotonic() + PAUSES[0]))
            due = [one for one in deliveries if one.due <= time.monotonic()][:AT_ONCE]
            if due:
                task.checkpoint()  # not where another server has taken it over
                if task.cancel.is_set():
                    raise Canceled
                calls += len(due)
                for one, status in zip(due, self._call(task, due), strict=True):
                    taken = status is not None and 200 <= status < 300
                    # 410: gone, and it won't come back
                    if taken or status == 410 or not one.again():
                        deliveries.remove(one)
                        lost += not taken
                continue
            pause = min((one.due - time.monotonic() for one in deliveries), default=MAX_PAUSE)
            if waiting:
                pause = min(pause, LOOK_SECONDS)
            self._tasks.wait_for_change(seen, pause)
        if lost:
            raise DeliveryFailed(_("The address of the webhook took no event."))
        return calls

    def _over(self, task: Task, waiting: Collection[str]) -> list[str]:
        """Return those of the waiting analyses that have ended, or that nothing will begin."""
        over = self._ended(task.owner, waiting)
        batch = task.params.get("batch")
        if batch and any(one.subject == batch and one is not task for one in self._active(task)):
            return [id for id in waiting if id in over]

        def begins(id: str) -> bool:
            job = self._find(task.owner, id)
            return job is not None and job.active

        return [id for id in waiting if id in over or not begins(id)]

    def _active(self, task: Task) -> list[Task]:
        return [one for one in self._tasks.active() if one.kind is not task.kind]

    def _call(self, task: Task, due: Sequence[_Delivery]) -> list[int | None]:
        """Return the HTTP status of one attempt of each, at the same time; None without a
        response."""
        url, secret = task.params["url"], self.secret(task.owner)

        async def attempt(one: _Delivery) -> int | None:
            headers = {
                "Content-Type": "application/json",
                "User-Agent": f"Unmask/{__version__}",
                "Unmask-Delivery": hashlib.sha256(f"{one.analysis}{url}".encode()).hexdigest()[:22],
                "Unmask-Signature": sign(one.body, secret, int(time.time())),
            }
            try:
                return await _post(url, one.body, headers)
            except (TimeoutError, httpx.HTTPError, OSError, InputError) as error:
                log.info("a webhook was not taken: %s", type(error).__name__)
                return None

        async def attempts() -> list[int | None]:
            return await asyncio.gather(*map(attempt, due))

        return asyncio.run(attempts())


@dataclass(eq=False)
class _Delivery:
    """An event on its way."""

    analysis: str
    body: bytes
    due: float  # on the monotonic clock, s
    attempts: int = 1  # made or due

    def again(self) -> bool:
        """Plan the next attempt; return False if there is none."""
        if self.attempts >= len(PAUSES):
            return False
        self.due = time.monotonic() + PAUSES[self.attempts]
        self.attempts += 1
        return True


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


def rules() -> LinkRules:
    """Return where webhooks may lead: the public Internet, by the usual ports and those that the
    operator allows (`UNMASK_WEBHOOK_PORTS`), whatever links are fetched."""
    return LinkRules(ports=WEB_PORTS | frozenset(get_config().webhook_ports))


def check(url: str) -> None:
    """Resolve a URL before it is called. Raise WebhookRefused if it may not be."""
    if get_config().offline:
        raise WebhookRefused(_("This server calls nobody: it is offline (UNMASK_OFFLINE)."))
    try:
        parsed = parse(url, rules())
        addresses(parsed.host, port_of(parsed), rules())
    except LinkRefused as error:
        raise WebhookRefused(_REFUSALS.get(error.code, _NO_ADDRESS)) from error


async def _post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Return the HTTP status of a POST; the response body is not read."""
    async with (
        asyncio.timeout(TIMEOUT),
        # Looks at the address once more: a name may lead elsewhere by now.
        httpx.AsyncClient(
            transport=PinnedTransport(rules()), follow_redirects=False, timeout=TIMEOUT
        ) as client,
        client.stream("POST", parse(url, rules()), content=body, headers=headers) as answer,
    ):
        return answer.status_code


def _refuse(waiting: int, running: int) -> InputError | None:
    if waiting + running < MAX_PENDING:
        return None
    return WebhookRefused(_("Too many webhooks are waiting already."), hint=_("Try again later."))
