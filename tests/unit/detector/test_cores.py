"""Cores that a process may use, and turns on them."""

import math
import threading
from pathlib import Path

import pytest

from detector import cores
from tests.support.waiting import until


@pytest.fixture
def groups(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of control groups, and the file that names the process's own."""
    (tmp_path / "own").write_text("0::/app/worker\n")
    (tmp_path / "groups" / "app" / "worker").mkdir(parents=True)
    return tmp_path / "groups", tmp_path / "own"


def test_no_quota_is_no_limit(groups):
    root, own = groups
    assert cores.quota(root, own) == math.inf
    (root / "app" / "worker" / "cpu.max").write_text("max 100000\n")
    assert cores.quota(root, own) == math.inf


def test_the_smallest_quota_of_all_groups_around_counts(groups):
    root, own = groups
    (root / "app" / "worker" / "cpu.max").write_text("400000 100000\n")
    assert cores.quota(root, own) == 4
    (root / "app" / "cpu.max").write_text("150000 100000\n")
    assert cores.quota(root, own) == 1.5


def test_a_container_sees_its_own_group_as_the_root(groups):
    root, own = groups
    own.write_text("0::/docker/of-the-host\n")
    (root / "cpu.max").write_text("200000 100000\n")
    assert cores.quota(root, own) == 2


def test_quotas_of_control_groups_version_1(groups):
    root, own = groups
    own.write_text("4:cpu,cpuacct:/docker/1\n3:memory:/docker/1\n")
    folder = root / "cpu,cpuacct" / "docker" / "1"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.quota(root, own) == math.inf
    (folder / "cpu.cfs_quota_us").write_text("50000\n")
    assert cores.quota(root, own) == 0.5


@pytest.mark.parametrize(("allowed", "usable"), [(0.5, 1), (1.5, 2), (64, 3), (math.inf, 3)])
def test_a_quota_limits_the_affinity_and_is_rounded_up(monkeypatch, allowed, usable):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.setattr(cores, "quota", lambda *_: allowed)
    assert cores.usable_cores.__wrapped__() == usable


def test_turns_are_given_in_order_and_never_more_than_places():
    turns, order, running, most = cores.Turns(2), list[int](), set[int](), list[int]()
    holds = [threading.Event() for _ in range(5)]

    def work(number: int) -> None:
        with turns.turn():
            running.add(number)
            order.append(number)
            most.append(len(running))
            holds[number].wait(20)
            running.remove(number)

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        begun = min(2, number + 1)
        until(lambda n=number, b=begun: len(order) == b and len(turns._waiting) == n + 1 - b)
    for number, hold in enumerate(holds):
        hold.set()
        begun = min(5, number + 3)
        until(lambda begun=begun: len(order) == begun)
    for thread in threads:
        thread.join(20)
    assert order[2:] == [2, 3, 4] and max(most) == 2
    with turns.turn(), turns.turn():
        assert not turns._free


def test_a_place_is_given_back_after_an_error():
    turns = cores.Turns(1)
    with pytest.raises(ValueError, match="broken"), turns.turn():
        raise ValueError("broken")
    with turns.turn():
        pass
