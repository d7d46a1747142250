"""`unmask fetch`: published weights from their authors' addresses, and models of the hub."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from cli.common import Commands, ProgressBar, line, tell
from detector.errors import UsageError

if TYPE_CHECKING:
    from detector.models.base import ModelSpec


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    fetch = commands.add_parser(
        "fetch",
        help="download published models",
        description="Download published models, verified, resumed where a download stopped.",
    )
    fetch.add_argument(
        "ids",
        nargs="+",
        metavar="ID",
        help="a model's id; `recommended` for the short list; hf:owner/name[@revision] for any "
        "picture or video classifier of Hugging Face's hub",
    )
    fetch.add_argument(
        "--accept-license", action="store_true", help="of models that are not free for every use"
    )
    fetch.add_argument("--fake", metavar="LABEL", help="hf: the class that means fake")
    fetch.add_argument("--id", metavar="NAME", help="hf: what to call it")
    fetch.set_defaults(run=_fetch)


def _fetch(args: argparse.Namespace) -> int:
    if (args.fake or args.id) and not (len(args.ids) == 1 and args.ids[0].startswith("hf:")):
        raise UsageError("--fake and --id go with one model of the hub, hf:owner/name.")
    for id in args.ids:
        if id.startswith("hf:"):
            _fetch_hub(id, args)
        elif id == "recommended":
            _fetch_recommended(args)
        else:
            _fetch_one(id, args)
    return 0


def _fetch_one(id: str, args: argparse.Namespace) -> None:
    from detector import weights
    from detector.models import registry
    from detector.signals.auxiliary import AUXILIARY_MODELS
    from detector.vision.blazeface import BLAZEFACE

    # No detectors, but networks that some measurements and models need.
    if model := {**AUXILIARY_MODELS, BLAZEFACE.id: BLAZEFACE}.get(id):
        print(f"{model.title}: {model.license_weights}", file=sys.stderr)
        for path in weights.fetch(model, ProgressBar(id, "bytes")):
            print(path)
    else:
        _fetch_known(registry.get_spec(id), args)


def _fetch_known(spec: ModelSpec, args: argparse.Namespace) -> None:
    from detector import weights
    from detector.models import inventory, registry

    if spec.research_only:
        print(f"{spec.title}: {spec.license_weights}", file=sys.stderr)
        if args.accept_license:
            weights.accept_license(spec)
        weights.require_license(spec)
    inventory.download(spec.id, ProgressBar(spec.id, "bytes"))
    for path in weights.resolve(registry.get_spec(spec.id)):
        print(path)


def _fetch_recommended(args: argparse.Namespace) -> None:
    from detector import weights
    from detector.models import registry

    for entry in registry.manifest().recommended:
        spec = registry.get_spec(entry.id)
        size = weights.missing_bytes(spec)
        known = "here already" if size == 0 else "size unknown"
        amount = f"{size / 1e6:,.0f} MB" if size else known
        print(f"{spec.title} ({spec.license_weights}; {amount}): {entry.adds}", file=sys.stderr)
        _fetch_known(spec, args)


def _fetch_hub(name: str, args: argparse.Namespace) -> None:
    from detector.models import hub_import, registry
    from detector.weights import hub

    if args.fake is None and (known := hub_import.known(hub.parse(name)[0])):
        print(f"Unmask knows this model as {known.id}.", file=sys.stderr)
        return _fetch_known(registry.get_spec(known.id), args)
    model = hub.inspect(name)
    labels = ", ".join(f"{number}: {label}" for number, label in sorted(model.labels.items()))
    tell(
        f"{model.repo} at {model.revision}",
        f"  classes {line(labels)}",
        f"  license {line(model.license or 'none stated')}",
        f"  {model.size / 1e6:,.1f} MB",
        error=True,
    )
    spec = hub_import.add(
        model,
        fake=args.fake,
        id=args.id,
        accept_license=args.accept_license,
        progress=ProgressBar(model.repo, "bytes"),
    )
    tell(f"  output {spec.fake_index} means fake: {line(spec.fake_output)}", error=True)
    print(spec.id)
    return None
