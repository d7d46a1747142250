"""Agents call the detector by the Model Context Protocol: the SDK's own client does it here."""

import sys
from subprocess import Popen
from threading import Event

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from detector.models import registry
from detector.presentation.verdict import headline as headline_of
from detector.schema.analysis import Analysis
from detector.schema.comparison import Comparison
from mcp_server.server import Tools, server_of
from tests.conftest import write_clip
from tests.support.ports import free_port

NAMES = {"analyze", "compare", "find_original", "explain", "list_models"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    (tmp_path / "files").mkdir()
    write_clip(tmp_path / "files" / "clip.mp4")
    return tmp_path / "files"


def asked(server, *calls, **more):
    """What a client gets for calls (tool, arguments), one after the other."""

    async def ask():
        async with Client(server) as client:
            return [await client.call_tool(name, given, **more) for name, given in calls]

    return anyio.run(ask)


def test_a_file_is_analyzed_explained_and_compared(folder):
    shares = []

    async def progress(share, total, message):
        shares.append(share)

    clip = {"path": "clip.mp4"}
    analyzed, explained, same, found = asked(
        server_of([folder]),
        ("analyze", clip),
        ("explain", clip),
        ("compare", {"a": "clip.mp4", "b": str(folder / "clip.mp4")}),
        ("find_original", clip),
        progress_callback=progress,
    )
    result = Analysis.model_validate(analyzed.structured_content)
    assert analyzed.content[0].text.startswith(f"clip.mp4: {headline_of(result)}")
    assert result.judged[0].frames == []
    assert shares[0] < 1 and shares[-1] == 1
    assert [part.type for part in explained.content] == ["text", "image"]
    assert "What to do next: " in explained.content[0].text
    assert Comparison.model_validate(same.structured_content).identical
    assert found.structured_content == {"found": None}


def test_the_scores_of_every_frame_come_when_asked_for(folder):
    given = {"path": "clip.mp4", "models": ["texture"], "frames": 2, "every_frame": True}
    (answer,) = asked(server_of([folder]), ("analyze", given))
    result = Analysis.model_validate(answer.structured_content)
    assert len(result.judged[0].frames) == 2 and [m.id for m in result.models] == ["texture"]


def test_the_schema_is_that_of_the_api(folder):
    async def tools():
        async with Client(server_of([folder])) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    listed = anyio.run(tools)
    assert set(listed) == NAMES
    assert listed["analyze"].output_schema == Analysis.model_json_schema()


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.mp4", "link.mp4", "gone.mp4"])
def test_no_other_file_is_read(folder, path):
    write_clip(folder.parent / "secret.mp4")
    (folder / "link.mp4").symlink_to(folder.parent / "secret.mp4")
    (answer,) = asked(server_of([folder]), ("analyze", {"path": path}))
    assert answer.is_error
    why = "no such file" if path == "gone.mp4" else "outside of the folders"
    assert why in answer.content[0].text


def test_a_call_that_the_client_gives_up_is_canceled(folder, monkeypatch):
    began, ended = Event(), Event()

    def work(self, file, settings, report, stop):
        began.set()
        if stop.wait(30):
            ended.set()

    monkeypatch.setattr(Tools, "_analyzed", work)

    async def give_up():
        async with Client(server_of([folder])) as client:
            with anyio.move_on_after(1):
                await client.call_tool("analyze", {"path": "clip.mp4"})
            return await anyio.to_thread.run_sync(ended.wait, 20)

    assert anyio.run(give_up) and began.is_set()


def test_models_that_guess_are_not_offered(folder):
    listed = {model["id"] for model in Tools([folder]).list_models()["models"]}
    guessing = {spec.id for spec in registry.list_models() if spec.guesses}
    assert guessing and listed == {spec.id for spec in registry.list_models()} - guessing


@pytest.mark.parametrize("http", [False, True])
def test_the_command_serves_both_transports(folder, http):
    command = ["-m", "cli", "mcp", str(folder)]

    async def models(transport):
        async with Client(transport) as client:
            answer = await client.call_tool("list_models", {})
            return {model["id"] for model in answer.structured_content["models"]}

    if not http:
        place = StdioServerParameters(command=sys.executable, args=command)
        assert "texture" in anyio.run(models, stdio_client(place))
        return
    port = free_port()
    with Popen([sys.executable, *command, "--http", "--port", str(port)]) as process:
        try:

            async def once_it_answers():
                while True:
                    try:
                        return await models(f"http://127.0.0.1:{port}/mcp")
                    except Exception:
                        assert process.poll() is None
                        await anyio.sleep(0.2)

            assert "texture" in anyio.run(once_it_answers)
        finally:
            process.terminate()
