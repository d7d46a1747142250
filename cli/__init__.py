"""The `unmask` command. Exit status: 0 analyzed, 2 bad input or usage, 1 our own failure.

Results go to standard output or to files, everything else to standard error. A command is a line
in COMMANDS and a function of its name in a module of its name, which is imported when it is called;
a group of commands has a Typer application `actions` there instead. Those of `packages.HOMES` are
in packages of their own.
"""

import importlib
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cli import packages, terminal
from cli.common import ProgressBar, failure, line, print_error, reading, require_action, tell
from cli.parsing import Command, build, grouped, translate, usage
from detector._version import __version__
from detector.errors import InputError, UnmaskError, UsageError
from detector.installation import install
from detector.memory import give_back_freed
from detector.sentences import _

COMMANDS = {
    "analyze": _("analyze videos and pictures"),
    "batch": _("analyze everything in a folder, table, list, archive or document"),
    "watch": _("analyze files as they come into a folder"),
    "live": _("watch a camera, a stream or a file"),
    "report": _("write a report of a saved analysis"),
    "verify": _("check the seal of a report, or of a result as JSON"),
    "robustness": _("how the verdict moves when the file is changed"),
    "compare": _("what differs between two files, such as a copy and its original"),
    "library": _("known footage: add, search, share its fingerprints"),
    "case": _("analyses, links and notes that belong together, with a log"),
    "models": _("list the models; add, remove or delete one"),
    "fetch": _("download published models"),
    "selfcheck": _("verify the models that are here"),
    "evaluate": _("measure the models on labelled files"),
    "benchmark": _("rank every model on labelled files; check such a ranking"),
    "train": _("train a model by a recipe"),
    "data": _("build labelled sets and tables of left-out scores"),
    "calibrate": _("fit calibration and thresholds, or set them by your own untouched clips"),
    "config": _("list the environment variables that are read"),
    "mcp": _("let agents analyze the files of folders (Model Context Protocol)"),
    "app": _("open the dashboard"),
    "serve": _("serve the REST API without the dashboard"),
    "keys": _("make, list and revoke keys of the REST API"),
    "bundle": _("collect everything that installs Unmask on a computer without internet"),
    "export-labels": _("write files confirmed in History as a labelled set"),
}
"""In the order of `unmask --help`."""
_HOMES = {"serve": "app", "watch": "batch"}
"""Modules of commands that have none of their own name."""
_COMPLETE = "_UNMASK_COMPLETE"
_EXTRAS = dict.fromkeys(("case", "library", "app", "serve", "keys", "export-labels"), "dashboard")
"""Commands that run with the packages of extras."""
_REPORT = ("babel", "cryptography", "fpdf", "fontTools", "pypdf", "pytorch_grad_cam")
_PACKAGES = dict.fromkeys(_REPORT, "report") | {"skimage": "samples"}
_PACKAGES |= dict.fromkeys(("httpx", "matplotlib", "tomlkit"), "full")
"""Modules of extras that commands use for a part of their work."""
_OURS = {"cli", "dashboard", "detector", "service"}


class _LazyCommand(TyperCommand):
    """A command whose module is imported when it is called."""

    def make_context(self, info_name: str | None, *args: Any, **more: Any) -> Any:
        return command(str(info_name)).make_context(info_name, *args, **more)


def _missing_extra(name: str, error: Exception) -> UsageError | None:
    """Return the error that names the extra of a missing package."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    missing = str(error.name).partition(".")[0]
    extra = _PACKAGES.get(missing) or _EXTRAS.get(name)
    if extra is None or missing in _OURS:
        return None
    return UsageError(
        _("`unmask {name}` needs the extra `{extra}`: {missing} is not installed.").format(
            name=name, extra=extra, missing=missing
        ),
        hint=_("Type: {extra}").format(extra=install(extra)),
    )


def command(name: str) -> Any:
    """Return a command: the `actions` of its module, the function there that has its name, or what
    its package brings."""
    if name in packages.HOMES:
        found = packages.installed(name) or packages.stand_in(name)
    else:
        stem = name.replace("-", "_")
        module = importlib.import_module(f"{__name__}.{_HOMES.get(stem, stem)}")
        found = getattr(module, "actions", None) or getattr(module, stem)
    if isinstance(found, typer.Typer):
        return build(found)
    actions = typer.Typer(add_completion=False)
    actions.command(name, cls=Command)(grouped(found))
    return build(actions)


_root = typer.Typer(
    subcommand_metavar="COMMAND …", context_settings={"help_option_names": ["-h", "--help"]}
)
for _name, _help in COMMANDS.items():
    _root.command(_name, cls=_LazyCommand, help=_help)(lambda: None)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"unmask {__version__}")
        raise typer.Exit


@_root.callback(invoke_without_command=True)
def _unmask(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="say more, show tracebacks")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="show the version"),
    ] = False,
) -> int:
    """Was a face, the whole picture or a voice made or altered by a machine?"""
    level = logging.INFO if verbose else logging.ERROR
    logging.basicConfig(level=level, format="unmask: %(message)s")
    return require_action(context)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    terminal.prepare()
    give_back_freed()
    root, verbose = build(_root), False
    # Its two options speak English alone; docs/index.md has the line for a shell.
    root.params = [p for p in root.params if not (p.name or "").endswith("_completion")]
    if _COMPLETE in os.environ:  # a shell asks for what can follow
        root.main(prog_name="unmask", complete_var=_COMPLETE)
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        typed = shlex.join(["unmask", *arguments])
        with root.make_context("unmask", arguments, obj=typed) as context:
            verbose = context.params["verbose"]
            return root.invoke(context) or 0
    except typer.Exit as end:
        return end.exit_code
    except typer.TyperException as error:  # of the options
        path = getattr(getattr(error, "ctx", None), "command_path", "unmask")
        with reading():
            translate(getattr(error, "param", None))
            see = _("See: {command} --help").format(command=path)
            tell(f"unmask: {usage(line(error.format_message()))} {see}", error=True)
        return error.exit_code
    except UnmaskError as error:
        print_error(error)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        tell(_("unmask: stopped"), error=True)
        return 1
    except Exception as error:  # one line for a person; the traceback on request
        name = next((word for word in arguments if word in COMMANDS), "")
        if lacking := _missing_extra(name, error):
            print_error(lacking)
            return 2
        if verbose:
            raise
        tell(f"unmask: {failure(error)}", error=True)
        return 1
    finally:
        ProgressBar.close_shown()
