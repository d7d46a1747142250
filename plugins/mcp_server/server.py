"""Tools for agents by the Model Context Protocol, for `unmask mcp`."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Literal, TypeVar

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.utilities.types import Image
from mcp.types import CallToolResult, ContentBlock, TextContent

from cli.analyze import summary
from cli.common import reading
from cli.compare import in_roles, with_scores
from cli.known import open_originals
from detector import comparison, media
from detector._version import __version__
from detector.errors import InputError, UnmaskError
from detector.models import inventory
from detector.pipeline import Analyzer
from detector.pipeline.options import Progress
from detector.presentation import actions, brief, looks
from detector.schema.analysis import Analysis, Settings
from detector.schema.comparison import Comparison
from detector.sentences import _, say
from service import exports

INSTRUCTIONS = (
    "Tells whether a face or the whole of a video or picture, or a voice, was generated or "
    "altered. A result is a likelihood with its interval, not proof; INCONCLUSIVE means that the "
    "installed models can't tell. Quote the reasons and what a result can't tell, and never call a "
    "person a forger."
)
_Result = TypeVar("_Result")
Report = Callable[[float], None]


def server_of(folders: list[Path]) -> MCPServer:
    """Return the server of all tools for the files of `folders`."""
    server = MCPServer("unmask", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR")
    own = Tools(folders)
    for tool in (own.analyze, own.compare, own.find_original, own.explain, own.list_models):
        server.tool()(tool)
    return server


class Tools:
    """Tools that an agent can call. One call runs at a time; a path outside of `folders`, with
    links resolved, is refused."""

    def __init__(self, folders: list[Path]) -> None:
        if missing := [str(folder) for folder in folders if not folder.is_dir()]:
            raise InputError(
                _("{missing} is not a folder.").format(missing=missing[0]), code="not_a_folder"
            )
        self._folders = [folder.resolve() for folder in folders]
        self._analyzer, self._turn = Analyzer(), anyio.Lock()
        self._last: dict[tuple[Path, int, str], Analysis] = {}  # `explain` comes after `analyze`

    async def analyze(
        self,
        path: str,
        context: Context,
        models: list[str] | None = None,
        frames: int = 32,
        every_frame: bool = False,
    ) -> Annotated[CallToolResult, Analysis]:
        """Tell whether a face, the whole picture or a voice was generated or altered.
        `models`: ids of `list_models`, in place of the default ones. `frames`: how many moments to
        look at. `every_frame`: with the scores of each frame of each face."""
        file, settings = self._inside(path), Settings(models=models, frames=frames)
        result = shown = await self._run(
            context, lambda *told: self._analyzed(file, settings, *told)
        )
        if not every_frame:
            brief = [subject.model_copy(update={"frames": []}) for subject in result.subjects]
            shown = result.model_copy(update={"subjects": brief})
        return _told(summary(result), shown)

    async def compare(
        self, a: str, b: str, context: Context, original: Literal["A", "B"] | None = None
    ) -> Annotated[CallToolResult, Comparison]:
        """Compare two files: what differs inside the faces and elsewhere by more than re-encoding
        leaves? `original`: only where the user said which of the two is the original; without it
        the answer accuses none. Where a face differs, the detectors judge both, too."""
        copy, named = in_roles(self._inside(a), self._inside(b), original)

        def work(report: Report, stop: Event) -> Comparison:
            result = comparison.compare(
                copy,
                named,
                roles="unknown" if original is None else "stated",
                on_progress=lambda share: report(share / 2),
                cancel=stop,
            )
            begins = iter((0.5, 0.75))  # progress only increases, by the protocol

            def likelihood(file: Path) -> float | None:
                begin = next(begins)
                part: Report = lambda share: report(begin + share / 4)  # noqa: E731
                try:
                    return self._analyzed(file, Settings(), part, stop).verdict.probability
                except InputError:
                    return None

            result = with_scores(result, copy, named, likelihood)
            report(1.0)
            return result

        result = await self._run(context, work)
        with reading():
            text = "\n".join(brief.of_comparison(result))
        return _told(text, result)

    async def find_original(self, path: str, context: Context) -> dict[str, Any]:
        """Tell which known footage of this computer's library a file shows best; `found` is null
        where it shows none."""
        file = self._inside(path)

        def work(report: Report, stop: Event) -> dict[str, Any]:
            with ExitStack() as stack:
                answer = open_originals(stack).find(file, media.probe(file))
            if answer is None:
                return {"found": None}
            found, known = answer
            return {"found": found.model_dump(mode="json"), "path": str(known) if known else None}

        return await self._run(context, work)

    async def explain(
        self, path: str, context: Context, model: str | None = None
    ) -> CallToolResult:
        """Tell why a file got its verdict and what to do next, with a heatmap of the highest moment
        of the most suspicious face or picture. A heatmap shows places, not proof."""
        file = self._inside(path)

        def work(report: Report, stop: Event) -> tuple[Analysis, bytes | None]:
            result = self._analyzed(file, Settings(), report, stop)
            shown = looks.shown(result)
            if shown is None or shown[1].score is None:
                return result, None
            top, frame = shown
            return result, exports.heatmap(file, result, frame.index, top.id, model)

        result, picture = await self._run(context, work)
        with reading():
            steps = [f"  {say(actions.TITLE)}: {step}" for step in actions.said(result)]
        answer = _told("\n".join([summary(result), *steps]), None)
        if picture is not None:
            answer.content.append(Image(data=picture, format="jpeg").to_image_content())
        return answer

    def list_models(self) -> dict[str, Any]:
        """List the models that are better than chance, what each looks for, and whether it is
        ready."""
        rows = [
            {"id": s.spec.id, "title": s.spec.title, "summary": s.spec.summary, "ready": s.ready}
            for s in inventory.inventory()
            if not s.spec.guesses
        ]
        return {"models": rows}

    def _inside(self, path: str) -> Path:
        file = (self._folders[0] / Path(path).expanduser()).resolve()
        if not any(file.is_relative_to(folder) for folder in self._folders):
            raise ToolError(
                _("This file is outside of the folders that the server was started for.")
            )
        return file

    async def _run(self, context: Context, work: Callable[[Report, Event], _Result]) -> _Result:
        """Run `work` in a thread, report its progress to the client, and cancel it with
        the client."""
        stop = Event()

        def report(share: float) -> None:
            anyio.from_thread.run(context.report_progress, share, 1.0)

        async with self._turn:
            try:
                return await anyio.to_thread.run_sync(work, report, stop, abandon_on_cancel=True)
            except UnmaskError as error:
                raise ToolError(error.advice) from error
            finally:
                stop.set()

    def _analyzed(self, file: Path, settings: Settings, report: Report, stop: Event) -> Analysis:
        key = file, file.stat().st_mtime_ns if file.exists() else 0, settings.model_dump_json()
        if key not in self._last:

            def observe(done: Progress) -> None:
                report(done.fraction)

            result = self._analyzer.analyze(file, settings, observe=observe, cancel=stop)
            self._last = {key: result}
        return self._last[key]


def _told(text: str, result: Analysis | Comparison | None) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(type="text", text=text)]
    data = result.model_dump(mode="json", exclude_computed_fields=True) if result else None
    return CallToolResult(content=content, structured_content=data)
