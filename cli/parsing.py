"""What commands take beyond Typer: groups of options, and options with several values or none."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any

from typer.core import TyperCommand


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take dataclasses of options: Typer sees an option for each of their fields."""
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
    """A command whose options may take several values at once, or their usual one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write `--option A B` as `--option A --option B`, which Typer reads."""
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
