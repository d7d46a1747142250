"""Extensions of Typer: groups of options, options with several or optional values, translated help
and usage errors."""

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperCommand

from cli.common import reading
from detector.sentences import _, english, say


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Decorate a command so that each field of its dataclass parameters becomes an option."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        group = inspect.signature(groups[name], eval_str=True) if name in groups else None
        parameters += group.parameters.values() if group else [parameter]

    @functools.wraps(command)
    def run(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = signature.replace(parameters=keyword)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


_USUAL = {"--conditions": "few", "--baselines": "all"}
"""Values of options that are named without one."""


class Command(TyperCommand):
    """A command whose options may have several values or an implicit one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Rewrite `--option A B` as `--option A --option B` for Typer."""
        several = {name for param in self.params if param.multiple for name in param.opts}
        out: list[str] = []
        option = ""
        for arg, following in pairwise([*args, "-"]):
            if arg.startswith("-"):
                option = arg
            elif option in several and out[-1] != option:
                out.append(option)
            out.append(arg)
            if arg in _USUAL and following.startswith("-"):
                out.append(_USUAL[arg])
        return super().parse_args(ctx, out)


def translate(shown: Any) -> None:
    """Translate the texts of a command or parameter."""
    for name in ("help", "rich_help_panel", "metavar", "options_metavar", "subcommand_metavar"):
        if text := getattr(shown, name, None):
            setattr(shown, name, say(text))


class _Context(typer.Context):
    """Context with translated help."""

    def get_help(self) -> str:
        from typer import rich_utils  # rich, which only help needs

        command = self.command
        inner: dict[str, Any] = getattr(command, "commands", {})
        with reading():
            rich_utils.ARGUMENTS_PANEL_TITLE = _("Arguments")
            rich_utils.OPTIONS_PANEL_TITLE = _("Options")
            rich_utils.COMMANDS_PANEL_TITLE = _("Commands")
            rich_utils.DEFAULT_STRING = str(_("[default: {}]"))
            rich_utils.REQUIRED_LONG_STRING = _("[required]")
            for shown in (command, *command.get_params(self), *inner.values()):
                translate(shown)
            return super().get_help()

    def make_formatter(self) -> Any:
        formatter = super().make_formatter()
        with reading():
            write = functools.partial(formatter.write_usage, prefix=_("Usage: "))
        formatter.write_usage = write  # type: ignore[method-assign]
        return formatter


def build(actions: typer.Typer) -> Any:
    """Return the command of a Typer application with translated help."""
    command = typer.main.get_command(actions)
    inner: dict[str, Any] = getattr(command, "commands", {})
    for one in (command, *inner.values()):
        one.context_class = _Context
    return command


TYPER = (
    _("Missing argument {name}."),
    _("Missing option {name}."),
    _("Missing option {name}. Choose from: {names}"),
    _("No such option: {name} (Possible options: {names})"),
    _("No such option: {name}"),
    _("No such command {name}. Did you mean {names}?"),
    _("No such command {name}."),
    _("Got unexpected extra argument(s) ({names})"),
    _("Option {name} requires an argument."),
    _("Option {name} does not take a value."),
    _("Invalid value for {name}: {reason}"),
    _("Value error, {reason}"),
    _("{value} is not one of {names}."),
    _("{value} is not above {low}."),
    _("{value} is not between {low} and {high}."),
    _("Input should be greater than or equal to {low}"),
    _("Input should be less than or equal to {high}"),
    _("Input should be a valid number, unable to parse string as a number"),
    _("Input should be a valid integer, unable to parse string as an integer"),
    _("Show this message and exit."),
    _("[OPTIONS]"),
)
"""Sentences of Typer and of pydantic below it, which arrive filled in."""


def usage(text: str) -> str:
    """Translate an error message of Typer or pydantic by matching it with their templates, since
    neither names the template."""
    for template in TYPER:
        names = re.split(r"{(\w+)}", english(template))
        parts = [
            re.escape(part) if i % 2 == 0 else f"(?P<{part}>.+?)" for i, part in enumerate(names)
        ]
        if match := re.fullmatch("".join(parts), text, re.DOTALL):
            values = {name: usage(value) for name, value in match.groupdict().items()}
            return say(template).format(**values)
    return say(text)
