"""`unmask models`: list, add, remove and delete models."""

import sys
from typing import Annotated

import typer

from cli.common import ProgressBar, reading, tell, tell_table, write_json
from cli.options import AsJson, arg, opt
from detector import weights
from detector.errors import InputError, LabelOrderError, WeightsError
from detector.models import inventory, registry, user_models
from detector.models.base import ModelSpec
from detector.sentences import _, join, numeral, say

actions = typer.Typer(add_completion=False, subcommand_metavar="[ACTION] …")


@actions.callback(invoke_without_command=True)
def models(context: typer.Context, json: AsJson = False) -> int:
    """List the models; add, remove or delete one."""
    context.obj = json  # `models --json list` is `models list --json`
    return _list(json=json) if context.invoked_subcommand is None else 0


@actions.command("list")
def list_models(
    context: typer.Context,
    json: AsJson = False,
    own: Annotated[bool, opt("only those that you added", "--own")] = False,
) -> int:
    """List the models (also without an action)."""
    return _list(json=json or context.obj, own=own)


def _list(*, json: bool, own: bool = False) -> int:
    states = [state for state in inventory.inventory() if state.spec.own or not own]
    if json:
        rows = [
            s.spec.model_dump(mode="json", exclude_none=True)
            | {"ready": s.ready, "state": s.state, "why": s.why}
            for s in states
        ]
        write_json("-", rows)
        return 0
    with reading():
        tell_table([_row(state) for state in states])
    return 0


def _row(state: inventory.Status) -> tuple[str, ...]:
    spec = state.spec
    figure = f"AUC {spec.left_out.text}" if spec.left_out else _("not measured")
    order = _("Label order unverified.") if spec.label_order == "unverified" else ""
    return spec.id, spec.kind, say(state.words), figure, join(say(spec.summary), order)


@actions.command()
def architectures() -> int:
    """Tell what a checkpoint file can be added as."""
    known = registry.architectures()
    tell_table([(name, spec.kind, spec.source) for name, spec in known.items()])
    return 0


@actions.command()
def card(id: str) -> int:
    """Print the card of a bundled model as the Hugging Face Hub reads it."""
    print(inventory.card_for_hub(registry.get_spec(id)))
    return 0


@actions.command()
def add(
    files: Annotated[
        list[str], arg("the file, its https address, or all of a model's files", "FILE")
    ],
    architecture: Annotated[str, opt("", "--as", "ARCHITECTURE")],
    id: Annotated[str | None, opt("what to call it; default: the file's name", "NAME")] = None,
    fake_index: Annotated[
        int | None,
        opt(
            "which output means fake; of a single logit 1 if it is of fake, 0 if it is of real", "N"
        ),
    ] = None,
    state: Annotated[
        str, opt("which of several sets of weights in the file, such as model_ema", "NAME")
    ] = "",
) -> int:
    """Add a checkpoint file of a known architecture. Every tensor of the file must find its place,
    or nothing is added. The file is copied."""
    given = files[0] if len(files) == 1 else files

    def added(id: str | None, fake_index: int | None) -> ModelSpec:
        progress = ProgressBar(architecture, "bytes")
        return user_models.add(
            given, architecture, id=id, fake_index=fake_index, state=state, progress=progress
        )

    try:
        spec = added(id, fake_index)
        if spec.own and spec.label_order == "unverified" and sys.stdin.isatty():
            question = "Which output means fake (0 or 1)? Enter if you don't know: "
            print(question, end="", file=sys.stderr, flush=True)
            if (said := sys.stdin.readline().strip()).isdecimal():
                user_models.remove(spec.id)
                spec = added(spec.id, int(said))
    except (WeightsError, LabelOrderError) as error:  # the file's fault, which the caller chose
        raise InputError(error.message, code=error.code, hint=error.hint) from error
    print(spec.id)
    if not spec.own:
        tell(_("This is the published {title}; it is ready.").format(title=spec.title), error=True)
        text = _("License: {license_weights}.")
        tell(text.format(license_weights=spec.license_weights), error=True)
        return 0
    text = _("Added as {id}. {fake_output}")
    tell(text.format(id=spec.id, fake_output=spec.fake_output), error=True)
    if spec.label_order == "unverified":
        text = _(
            "It is unverified that this holds for your file: the model says so beside its "
            "scores and takes no part in the verdict. --fake-index states it, "
            "`unmask selfcheck {id}` tries it."
        )
        tell(text.format(id=spec.id), error=True)
    return 0


@actions.command()
def remove(ids: list[str]) -> int:
    """Forget a model that you added."""
    for id in ids:
        text = _("{id}: removed, {id_} MB freed")
        tell(
            text.format(id=id, id_=numeral(user_models.remove(id) / 1000000.0, ",.1f")), error=True
        )
    return 0


@actions.command()
def delete(ids: list[str]) -> int:
    """Delete downloaded weights."""
    for id in ids:
        text = _("{id}: {id_} MB freed")
        tell(text.format(id=id, id_=numeral(inventory.delete(id) / 1000000.0, ",.1f")), error=True)
    return 0


@actions.command()
def accept(ids: list[str]) -> int:
    """Accept the license of a model."""
    for id in ids:
        spec = registry.get_spec(id)
        date = weights.accepted_license(spec) or weights.accept_license(spec)
        tell(
            _("{id}: {license_weights}, accepted {date}").format(
                id=spec.id, license_weights=spec.license_weights, date=f"{date:%Y-%m-%d}"
            ),
            error=True,
        )
    return 0
