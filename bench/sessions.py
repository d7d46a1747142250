"""Ten people at once, each with a sample, on one server: does it still answer, do pages still come?

    python -m bench.sessions [--people 10]

A real server; of the people only what reaches it. Each is a stranger behind a proxy (an address and
a cookie of their own), opens the page, and speaks to the server as Streamlit's frontend does: runs
the page, runs fragments as often as they ask for it, presses Open. Their browsers would stand on
ten other computers; ten of them on this one take 30 s to draw the first page, of which the server
spends one. What a browser adds for one person is `bench.startup` and `bench.interaction`.

All open the page at once, then all press Open on a sample at once, and ten analyses stand in line.
Printed: draws of whole pages by what they show, from what was asked to the last word of it (of a
result also to its verdict, since a heatmap comes last); how long the line took; and
/_stcore/health, asked twenty times a second all the while. The exit status is 1 where health takes
over 0.2 s in one of 100, or a page over 3 s.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from detector import samples

ROOT = Path(__file__).parent.parent
PATIENCE = 300.0  # s
HEALTH, PAGE = 0.2, 3.0
"""s: what is promised of two cores"""
SETTLES = 45.0
"""s after the start, in which the models are loaded and converted"""
RESULT = "result"
RESULTS = ('class="um-verdict ', "Could not be judged")
"""in the head of a verdict; of what could not be judged"""


class Person:
    """One person's tab, as far as the server can tell."""

    def __init__(self, url: str, number: int) -> None:
        self.url = url
        self.headers = {"X-Forwarded-For": f"203.0.113.{number + 1}"}
        self.draws: list[tuple[str, float]] = []  # what a run of the whole page showed, seconds
        self.buttons: list[tuple[str, str]] = []  # label, id
        self.judged = asyncio.Event()
        self._state = ClientState()
        self._again: dict[str, asyncio.Task[None]] = {}
        self._asked: float | None = None
        self._shows = "first screen"
        self._drawn = asyncio.Event()

    async def come(self) -> None:
        """Open the page, and wait until it is drawn."""
        self._asked = time.perf_counter()
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            (await client.get(self.url, headers=self.headers)).raise_for_status()
            cookies = [f"{name}={value}" for name, value in client.cookies.items()]
        self._socket: ClientConnection = await connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=self.headers | {"Cookie": "; ".join(cookies)},
            max_size=None,
        )
        self._reading = asyncio.create_task(self._read())
        await self._run()
        await self._drawn.wait()

    async def press(self, id: str) -> None:
        """Press a button."""
        self._shows = "progress"
        self._asked = time.perf_counter()
        await self._run(press=id)

    async def go(self) -> None:
        """Close the tab."""
        for task in (*self._again.values(), self._reading):
            task.cancel()
        await self._socket.close()

    async def _run(self, fragment: str = "", press: str = "") -> None:
        message = BackMsg(rerun_script=self._state)
        if fragment:
            message.rerun_script.fragment_id = fragment
            message.rerun_script.is_auto_rerun = True
        if press:
            message.rerun_script.widget_states.widgets.add(id=press, trigger_value=True)
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for raw in self._socket:
            message = ForwardMsg()
            message.ParseFromString(bytes(raw))  # type: ignore[arg-type]
            whole = not message.metadata.run.fragment_ids
            kind = message.WhichOneof("type")
            if kind == "new_session" and whole:
                self._state.page_script_hash = message.new_session.page_script_hash
                self._stop(list(self._again))
                self._asked = self._asked or time.perf_counter()
                self._shows = "first screen" if self._shows == "first screen" else "progress"
            elif kind == "page_info_changed":
                self._state.query_string = message.page_info_changed.query_string
            elif kind == "delta":
                self._see(message)
            elif kind == "auto_rerun":
                self._stop([message.auto_rerun.fragment_id])
                beat = self._beat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
                self._again[message.auto_rerun.fragment_id] = asyncio.create_task(beat)
            elif kind == "stop_auto_rerun":
                self._stop(message.stop_auto_rerun.fragment_ids)
            elif kind == "script_finished":
                self._finished(message.script_finished)

    def _see(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        if element.WhichOneof("type") == "button":
            self.buttons.append((element.button.label, element.button.id))
        if element.WhichOneof("type") != "html" or self._shows == "first screen":
            return
        if any(words in element.html.body for words in RESULTS):
            if self._shows != RESULT and self._asked is not None:
                self.draws.append(("its verdict", time.perf_counter() - self._asked))
            self._shows = RESULT
            self.judged.set()

    def _finished(self, status: int) -> None:
        """Note a draw. One that ends early begins anew, and its time runs on."""
        if status == ForwardMsg.FINISHED_SUCCESSFULLY and self._asked is not None:
            self.draws.append((self._shows, time.perf_counter() - self._asked))
            self._asked = None
            self._drawn.set()

    def _stop(self, fragments: list[str]) -> None:
        for id in fragments:
            if task := self._again.pop(id, None):
                task.cancel()

    async def _beat(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._run(fragment)


def health(url: str, over: Event, took: Queue[list[float]]) -> None:
    """Ask until it is over. In a process of its own, which ten people do not keep from looking at
    the clock."""
    seconds = []
    while not over.wait(0.05):
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=30) as answer:
            answer.read()
        seconds.append(time.perf_counter() - begun)
    took.put(seconds)


async def everybody(url: str, count: int) -> tuple[list[Person], list[float]]:
    """Let them all come at once, and all press at once; everybody's seconds to their verdict."""
    people = [Person(url, number) for number in range(count)]
    await asyncio.gather(*(person.come() for person in people))

    async def judged(number: int, person: Person) -> float:
        opens = [id for label, id in person.buttons if label == "Open"]
        begun = time.perf_counter()
        await person.press(opens[number % len(opens)])
        await asyncio.wait_for(person.judged.wait(), PATIENCE)
        return time.perf_counter() - begun

    try:
        took = await asyncio.gather(*(judged(*one) for one in enumerate(people)))
        await asyncio.sleep(3)  # what the result pages still fetch
        return people, took
    finally:
        for person in people:
            await person.go()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=10)
    args = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="unmask-sessions-") as folder:
        samples.make_samples(Path(folder))
        own = {"UNMASK_DATA": folder, "UNMASK_TRUST_PROXY": "1"}
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            env=os.environ | own | {"STREAMLIT_SERVER_HEADLESS": "true"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(600):
                with suppress(OSError):
                    urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                    break
                time.sleep(0.2)
            time.sleep(SETTLES)
            processes = multiprocessing.get_context("spawn")
            over, answers = processes.Event(), processes.Queue()
            asking = processes.Process(target=health, args=(url, over, answers))
            asking.start()
            try:
                people, lines = asyncio.run(everybody(url, args.people))
            finally:
                over.set()
                took = answers.get(timeout=60)
                asking.join()
        finally:
            server.terminate()
            server.wait(60)
    for shown in dict.fromkeys(name for person in people for name, _ in person.draws):
        draws = [seconds for person in people for name, seconds in person.draws if name == shown]
        line = f"median {statistics.median(draws):.2f} s, slowest {max(draws):.2f} s"
        print(f"{shown}, drawn {len(draws)} times: {line}")
    print(f"the line: median {statistics.median(lines):.1f} s, slowest {max(lines):.1f} s")
    centiles = statistics.quantiles(took, n=100)
    print(
        f"health, {len(took)} answers: median {statistics.median(took) * 1000:.0f} ms, "
        f"99 of 100 under {centiles[98] * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms"
    )
    print(f"load of the computer, 1 and 5 minutes: {os.getloadavg()[:2]}")
    slowest = max(seconds for person in people for _, seconds in person.draws)
    sys.exit(int(centiles[98] > HEALTH or slowest > PAGE))


if __name__ == "__main__":
    main()
