"""`unmask models`: what there is; a person's own files; what may go."""

from __future__ import annotations

import argparse
import sys

from cli.common import Commands, ProgressBar, tell, write_json
from detector.errors import InputError, LabelOrderError, WeightsError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    models = commands.add_parser("models", help="list the models; add, remove or delete one")
    models.add_argument("--json", action="store_true")
    models.set_defaults(run=_list)
    actions = models.add_subparsers(metavar="ACTION")

    listing = actions.add_parser("list", help="list the models (also without an action)")
    listing.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    listing.add_argument("--own", action="store_true", help="only those that you added")
    listing.set_defaults(run=_list)

    known = actions.add_parser("architectures", help="what a checkpoint file can be added as")
    known.set_defaults(run=_architectures)

    own = actions.add_parser(
        "add",
        help="add a checkpoint file of a known architecture",
        description="Every tensor of the file must find its place, or nothing is added. "
        "The file is copied.",
    )
    own.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="the file, its https address, or all of a model's files",
    )
    own.add_argument("--as", dest="architecture", required=True, metavar="ARCHITECTURE")
    own.add_argument("--id", metavar="NAME", help="what to call it; default: the file's name")
    own.add_argument(
        "--fake-index",
        type=int,
        metavar="N",
        help="which output means fake; of a single logit 1 if it is of fake, 0 if it is of real",
    )
    own.add_argument(
        "--state",
        default="",
        metavar="NAME",
        help="which of several sets of weights in the file, such as model_ema",
    )
    own.set_defaults(run=_add)

    for name, help, run in (
        ("remove", "forget a model that you added", _remove),
        ("delete", "delete downloaded weights", _delete),
        ("accept", "accept the license of a model", _accept),
    ):
        action = actions.add_parser(name, help=help)
        action.add_argument("ids", nargs="+", metavar="ID")
        action.set_defaults(run=run)


def _list(args: argparse.Namespace) -> int:
    from detector.models import inventory

    states = inventory.inventory()
    if getattr(args, "own", False):
        states = [state for state in states if state.spec.own]
    if args.json:
        rows = [
            s.spec.model_dump(mode="json", exclude_none=True)
            | {"ready": s.ready, "state": s.state, "why": s.why}
            for s in states
        ]
        write_json("-", rows)
        return 0
    for s in states:
        auc = next((m for m in s.spec.measured if m.metric.endswith("AUC")), None)
        figure = f"AUC {auc.text}" if auc else "not measured"
        order = "" if s.spec.label_order != "unverified" else " Label order unverified."
        tell(f"{s.spec.id:32} {s.spec.kind:6} {s.words:24} {figure:24} {s.spec.summary}{order}")
    return 0


def _architectures(args: argparse.Namespace) -> int:
    from detector.models import registry

    for name, spec in registry.architectures().items():
        print(f"{name:32} {spec.kind:6} {spec.source}")
    return 0


def _add(args: argparse.Namespace) -> int:
    from detector.models import user_models

    try:
        spec = user_models.add(
            args.files[0] if len(args.files) == 1 else args.files,
            args.architecture,
            id=args.id,
            fake_index=args.fake_index,
            state=args.state,
            progress=ProgressBar(args.architecture, "bytes"),
        )
    except (WeightsError, LabelOrderError) as error:  # the file's fault, which the caller chose
        raise InputError(error.message, code=error.code, hint=error.hint) from error
    print(spec.id)
    if spec.own:
        message = f"Added as {spec.id}. {spec.fake_output}"
        if spec.label_order == "unverified":
            message += (
                " Nobody has shown that this holds for your file: it says so beside its scores and "
                "takes no part in the verdict. --fake-index states it, `unmask selfcheck "
                f"{spec.id}` tries it."
            )
    else:
        ready = f"This is the published {spec.title}; it is ready."
        message = f"{ready} License: {spec.license_weights}."
    print(message, file=sys.stderr)
    return 0


def _remove(args: argparse.Namespace) -> int:
    from detector.models import user_models

    for id in args.ids:
        print(f"{id}: removed, {user_models.remove(id) / 1e6:,.1f} MB freed", file=sys.stderr)
    return 0


def _delete(args: argparse.Namespace) -> int:
    from detector.models import inventory

    for id in args.ids:
        print(f"{id}: {inventory.delete(id) / 1e6:,.1f} MB freed", file=sys.stderr)
    return 0


def _accept(args: argparse.Namespace) -> int:
    from detector import weights
    from detector.models import registry

    for id in args.ids:
        spec = registry.get_spec(id)
        date = weights.accepted_license(spec) or weights.accept_license(spec)
        print(f"{spec.id}: {spec.license_weights}, accepted {date:%Y-%m-%d}", file=sys.stderr)
    return 0
