"""What a click in a result costs the server: processor time of drawing it again, without a browser.

    UNMASK_DATA=/data python -m bench.rerun ID [--rounds 20]

ID is that of a result in the data folder (the `a` of its address). Heatmaps are left out: they run
a network, and nothing else of the page waits for them. Processor time instead of the clock's, so
that other work on the machine counts little; `bench.interaction` measures what a person waits for.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from dashboard import result


def _page() -> None:
    import os

    from dashboard import result, session
    from service.records.store import RecordScope

    jobs = session.application().jobs
    job = jobs.find(os.environ["UNMASK_BENCH_ID"], RecordScope("local", jobs.store))
    assert job is not None, "There is no such result in the data folder."
    result.render(job)


def measure(id: str, rounds: int) -> list[float]:
    """ms of processor time a click; each goes to another moment. The first two are not counted."""
    times: list[float] = []
    draw = result._draw

    def timed(*given: object) -> Callable[[], None] | None:
        began = time.thread_time()
        draw(*given)  # type: ignore[arg-type]
        times.append((time.thread_time() - began) * 1000)
        return None

    os.environ["UNMASK_BENCH_ID"] = id
    result._draw = timed  # type: ignore[assignment]
    try:
        at = AppTest.from_function(_page, default_timeout=300).run()
        end = 10.0
        for number in range(rounds + 1):
            at.session_state[f"result.{id}.time"] = end * ((number * 7) % rounds) / rounds
            at.run()
            assert not at.exception, at.exception
    finally:
        result._draw = draw
    return times[2:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("id")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    times = measure(args.id, args.rounds)
    load = os.getloadavg()[0]
    print(
        f"A click: median {statistics.median(times):.0f} ms of processor time, most "
        f"{max(times):.0f} ms of {len(times)}; load {load:.1f}"
    )


if __name__ == "__main__":
    main()
