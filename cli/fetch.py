"""`unmask fetch`: download of published weights and of models of the hub."""

from pathlib import Path
from typing import Annotated

from cli import packages
from cli.common import ProgressBar, line, tell
from cli.options import arg, opt
from detector import weights
from detector.errors import UsageError
from detector.models import inventory, registry
from detector.models.base import ModelSpec
from detector.sentences import _, numeral


def fetch(
    names: Annotated[
        list[str],
        arg(
            "a model's id; `recommended` for the short list; hf:owner/name\\[@revision] for "
            "any picture or video classifier of Hugging Face's hub",
            "ID",
        ),
    ],
    accept_license: Annotated[
        bool, opt("of models that are not free for every use", "--accept-license")
    ] = False,
    fake: Annotated[str | None, opt("hf: the class that means fake", "LABEL")] = None,
    id: Annotated[str | None, opt("hf: what to call it", "NAME")] = None,
    brought: Annotated[
        list[Path] | None,
        opt("take a file that you brought; known by its sha256", "--from", "FILE"),
    ] = None,
) -> int:
    """Download published models, verified, resumed where a download stopped."""
    if (fake or id) and not (len(names) == 1 and names[0].startswith("hf:")):
        raise UsageError(_("--fake and --id go with one model of the hub, hf:owner/name."))
    auxiliary = weights.auxiliary() | (packages.installed("fetch") or {})
    if brought:
        if len(names) != 1:
            raise UsageError(_("--from goes with one id."))
        entry = auxiliary.get(names[0]) or registry.get_spec(names[0])
        for path in weights.bring(entry, brought):
            print(path)
        return 0
    for name in names:
        if name.startswith("hf:"):
            _fetch_hub(name, fake, id, accept_license)
        elif name == "recommended":
            _fetch_recommended(accept_license)
        else:
            # No detectors, but networks that some models and the lab need.
            if (model := auxiliary.get(name)) is None:
                _fetch_known(registry.get_spec(name), accept_license)
                continue
            tell(f"{model.title}: {model.license_weights}", error=True)
            for path in weights.fetch(model, ProgressBar(name, "bytes")):
                print(path)
    return 0


def _fetch_known(spec: ModelSpec, accept_license: bool) -> None:
    if spec.research_only:
        tell(f"{spec.title}: {spec.license_weights}", error=True)
        if accept_license:
            weights.accept_license(spec)
        weights.require_license(spec)
    inventory.download(spec.id, ProgressBar(spec.id, "bytes"))
    for path in weights.resolve(registry.get_spec(spec.id)):
        print(path)


def _fetch_recommended(accept_license: bool) -> None:
    for entry in registry.manifest().recommended:
        spec = registry.get_spec(entry.id)
        size = weights.missing_bytes(spec)
        known = "here already" if size == 0 else "size unknown"
        amount = f"{numeral(size / 1e6, ',.0f')} MB" if size else known
        tell(f"{spec.title} ({spec.license_weights}; {amount}): {entry.adds}", error=True)
        _fetch_known(spec, accept_license)


def _fetch_hub(name: str, fake: str | None, id: str | None, accept_license: bool) -> None:
    from detector.models import hub_import  # imports torch
    from detector.weights import hub

    if fake is None and (known := hub_import.known(hub.parse(name)[0])):
        tell(_("Unmask knows this model as {id}.").format(id=known.id), error=True)
        _fetch_known(registry.get_spec(known.id), accept_license)
        return
    model = hub.inspect(name)
    labels = ", ".join(f"{number}: {label}" for number, label in sorted(model.labels.items()))
    tell(
        f"{model.repo} at {model.revision}",
        _("  classes {labels}").format(labels=line(labels)),
        _("  license {stated}").format(stated=line(model.license or "none stated")),
        f"  {numeral(model.size / 1e6, ',.1f')} MB",
        error=True,
    )
    spec = hub_import.add(
        model,
        fake=fake,
        id=id,
        accept_license=accept_license,
        progress=ProgressBar(model.repo, "bytes"),
    )
    text = _("  output {fake_index} means fake: {fake_output}")
    tell(text.format(fake_index=spec.fake_index, fake_output=line(spec.fake_output)), error=True)
    print(spec.id)
