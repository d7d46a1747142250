"""Webhooks: whom they call, what they say, and when they try again."""

import json
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from functools import partial
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest

from detector.client import verify_signature
from detector.network import addresses
from detector.network.transport import PinnedTransport
from service import webhooks
from service.records.model import State
from service.webhooks import WebhookRefused, Webhooks, check, sign
from tests.support.certificates import certificate
from tests.support.links import PRIVATE, redirect, secure, serving
from tests.support.tasks import ANN, BEN, ended, make_tasks
from tests.support.waiting import until


@pytest.mark.parametrize(
    "url",
    ["", "ftp://example.org/x", "file:///etc/passwd", "https://", "http://user:secret@example.org/",
     "http://localhost/", "http://127.1/", "http://0x7f000001/", "http://2130706433/",
     "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://exa mple/", "http://x:99999/",
     "https://example.org/" + "x" * 2000],
)  # fmt: skip
def test_odd_and_private_addresses_are_refused(url):
    with pytest.raises(WebhookRefused):
        check(url)


def resolving_to(patch, *addresses):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 443)) for a in addresses]
    patch.setattr(socket, "getaddrinfo", lambda *args, **options: found)


def test_one_private_address_among_several_is_one_too_many(monkeypatch):
    resolving_to(monkeypatch, "93.184.216.34")
    check("https://example.org/hook")
    resolving_to(monkeypatch, "93.184.216.34", "10.0.0.1")
    with pytest.raises(WebhookRefused):
        check("https://example.org/hook")
    resolving_to(monkeypatch)
    with pytest.raises(WebhookRefused):
        check("https://example.org/hook")
    resolving_to(monkeypatch, "93.184.216.34")
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    with pytest.raises(WebhookRefused):
        check("https://example.org/hook")


def test_a_signature_holds_for_its_body_its_time_and_its_secret():
    now = int(time.time())
    header = sign(b"body", "whsec_a", now)
    assert verify_signature(b"body", header, "whsec_a")
    assert not verify_signature(b"Body", header, "whsec_a")
    assert not verify_signature(b"body", header, "whsec_b")
    assert not verify_signature(b"body", header.replace(f"t={now}", f"t={now + 1}"), "whsec_a")
    assert not verify_signature(b"body", sign(b"body", "whsec_a", now - 400), "whsec_a")
    for odd in ("", "t=,v1=", "v1=x", "t=-1,v1=x"):
        assert not verify_signature(b"body", odd, "whsec_a")


NOTHING = (lambda owner, id: None), (lambda owner, ids: set(ids))
"""Analyses that were deleted before they ended."""


class Receiver:
    """Somebody's server, on this computer: the tests let it pass for a public one."""

    def __init__(self, server, answers):
        self.answers = answers
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.hang = threading.Event()
        self.server = server
        self.url = server.url("hooks.example.org", "/take?x=1")
        server.answers["/take"] = self.take

    def take(self, handler):
        self.came.append((dict(handler.headers), handler.body))
        status = self.answers.pop(0) if self.answers else 200
        if not status:
            self.hang.wait(30)
        elif status == 302:
            redirect("http://127.0.0.1:1/elsewhere")(handler)
        else:
            handler.begin(status)


@pytest.fixture
def receive(monkeypatch):
    opened: list[Receiver] = []
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    monkeypatch.setattr(webhooks, "PAUSES", (0.0, 0.01, 0.01))
    resolving_to(monkeypatch, "127.0.0.1")

    with ExitStack() as stack:

        def make(*answers):
            server = stack.enter_context(serving(PRIVATE, {}))
            opened.append(Receiver(server, list(answers)))
            ports = ",".join(str(urlsplit(one.url).port) for one in opened)
            monkeypatch.setenv("UNMASK_WEBHOOK_PORTS", ports)
            return opened[-1]

        yield make
        for receiver in opened:
            receiver.hang.set()


@pytest.fixture
def hooks(tmp_path):
    tasks = make_tasks(tmp_path)
    yield Webhooks(tasks, tmp_path, *NOTHING)
    tasks.close()


def test_an_event_is_signed_and_says_no_more_than_it_must(receive, hooks):
    receiver = receive(200)
    task = ended(hooks.start(receiver.url, ["id-1"], ANN))
    assert (task.state, task.result) == (State.DONE, 1)
    ((headers, body),) = receiver.came
    assert headers["Host"].startswith("hooks.example.org")
    assert verify_signature(body, headers["Unmask-Signature"], hooks.secret(ANN.id))
    assert not verify_signature(body, headers["Unmask-Signature"], hooks.secret(BEN.id))
    assert json.loads(body)["event"] == "analysis.deleted", "it was deleted before it ended"
    assert json.loads(body)["analysis"]["href"] == "/v1/analyses/id-1"


def test_it_is_tried_again_under_the_same_name(receive, hooks):
    receiver = receive(500, 302, 204)
    task = ended(hooks.start(receiver.url, ["id-1"], ANN))
    assert (task.state, task.result) == (State.DONE, 3), "nothing is followed elsewhere"
    assert len({headers["Unmask-Delivery"] for headers, _ in receiver.came}) == 1


def test_it_gives_up_in_the_end(receive, hooks):
    receiver = receive(500, 500, 500, 200)
    task = ended(hooks.start(receiver.url, ["id-1"], ANN))
    assert task.state is State.FAILED and task.fault is not None
    assert task.fault.problem.code == "webhook_failed" and len(receiver.came) == 3
    gone = receive(410)
    assert ended(hooks.start(gone.url, ["id-2"], ANN)).state is State.FAILED
    assert len(gone.came) == 1


def test_one_that_hangs_holds_nothing_up(receive, hooks, monkeypatch):
    monkeypatch.setattr(webhooks, "TIMEOUT", 5.0)
    slow, quick = receive(0), receive(200)
    first, second = hooks.start(slow.url, ["a"], ANN), hooks.start(quick.url, ["b"], BEN)
    assert ended(second).state is State.DONE
    slow.hang.set()
    ended(first)


def test_a_name_that_leads_elsewhere_by_the_time_is_not_called(receive, hooks, monkeypatch):
    receiver = receive(200)
    monkeypatch.setattr(addresses, "is_public", Mock(side_effect=[True, *[False] * 9]))
    hooks.permit(receiver.url)
    assert ended(hooks.start(receiver.url, ["a"], ANN)).state is State.FAILED
    assert not receiver.came


def test_one_that_was_lost_with_its_server_is_offered_again(receive, tmp_path, monkeypatch):
    monkeypatch.setattr(webhooks, "PAUSES", (0.0, 600.0))
    receiver = receive(500, 200)
    before = make_tasks(tmp_path)
    Webhooks(before, tmp_path, *NOTHING).start(receiver.url, ["a"], ANN)
    until(lambda: receiver.came)
    before.close()
    after = make_tasks(tmp_path)
    Webhooks(after, tmp_path, *NOTHING)
    assert [task.subject for task in after.recover()] == ["a"]
    until(lambda: len(receiver.came) == 2)
    assert len({headers["Unmask-Delivery"] for headers, _ in receiver.came}) == 1
    after.close()


@pytest.mark.parametrize(
    ("name", "known", "state"),
    [
        ("hooks.example.org", True, State.DONE),
        ("other.example.org", True, State.FAILED),
        ("hooks.example.org", False, State.FAILED),
    ],
)
def test_a_certificate_is_checked_by_the_name_though_the_address_is_called(
    receive, hooks, tmp_path, monkeypatch, name, known, state
):
    receiver, pem = receive(200), certificate(tmp_path, name)
    secure(receiver.server, pem)
    if known:
        trusting = partial(PinnedTransport, verify=ssl.create_default_context(cafile=pem))
        monkeypatch.setattr(webhooks, "PinnedTransport", trusting)
    task = ended(hooks.start(receiver.url.replace("http:", "https:"), ["a"], ANN))
    assert task.state is state and len(receiver.came) == (state is State.DONE)


def test_a_webhook_leads_to_the_usual_ports_and_those_that_the_operator_allows(monkeypatch):
    """Else a caller has this server knock at any port of any host, six times in 75 minutes."""
    resolving_to(monkeypatch, "93.184.216.34")
    for url in ("https://example.org/hook", "http://example.org:443/", "http://example.org/"):
        check(url)
    with pytest.raises(WebhookRefused, match="port"):
        check("http://example.org:22/")
    monkeypatch.setenv("UNMASK_WEBHOOK_PORTS", "22")
    check("http://example.org:22/")


def ours():
    """The number of threads that are not of the receiver."""
    return sum("process_request" not in thread.name for thread in threading.enumerate())


def test_a_batch_has_one_delivery_which_reads_no_record_while_nothing_changes(receive, tmp_path):
    receiver, tasks = receive(), make_tasks(tmp_path)
    over: set[str] = set()
    looks: list[int] = []

    def ended_ones(owner, ids):
        looks.append(len(ids))
        return over & set(ids)

    running = Mock(active=True)
    ids = [f"id-{n}" for n in range(205)]
    hooks = Webhooks(tasks, tmp_path, lambda owner, id: None if id in over else running, ended_ones)
    before = ours()
    task = hooks.start(receiver.url, ids, ANN, "batch")
    until(lambda: looks)
    over.update(ids[:3])
    tasks.announce()
    until(lambda: len(receiver.came) == 3)
    assert ours() - before <= 10
    over.update(ids)
    tasks.announce()
    assert ended(task).result == 205
    told = [json.loads(body)["analysis"]["id"] for _headers, body in receiver.came]
    assert sorted(told) == sorted(ids), "each once"
    tasks.close()


def test_what_is_refused_is_refused_before_a_batch_exists(receive, hooks, monkeypatch):
    receiver = receive()
    monkeypatch.setattr(webhooks, "MAX_PENDING", 0)
    with pytest.raises(WebhookRefused):
        hooks.permit(receiver.url)
    assert hooks.start(receiver.url, ["a"], ANN), "what was permitted is not refused later"
