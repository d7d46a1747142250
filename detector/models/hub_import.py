"""Import of a picture or video classifier from the Hugging Face Hub as a user's own model."""

from detector import weights
from detector.errors import ModelError, UnmaskError
from detector.models import registry, user_models
from detector.models.base import ModelSpec
from detector.models.families.hub import recipe
from detector.models.labels import fake_index, require_agreement
from detector.sentences import _
from detector.weights import hub
from detector.weights.entry import WeightFile

NONCOMMERCIAL = ("-nc", "noncommercial", "non-commercial", "research")
"""Parts of the names of licenses that are not free for every use."""

_POINTS = {2: "The likelier of two classes, as the hub's pipeline labels a picture."}
_NO_POINT = "None published: 0.5, more likely fake than not by its own output."


def known(repo: str) -> ModelSpec | None:
    """Return the catalog's entry for a repository, whose recipe is tested rather than derived."""
    place = f"/{repo}/resolve/"
    specs = (spec for spec in registry.list_models() if not spec.own)
    return next((s for s in specs if any(place in (file.url or "") for file in s.files)), None)


def add(
    model: hub.HubModel,
    *,
    fake: str | int | None = None,
    id: str | None = None,
    accept_license: bool = False,
    progress: weights.Progress | None = None,
) -> ModelSpec:
    """Download, check and add a model that `hub.inspect` returned.

    `fake` names or numbers the fake class if the class names are unclear. Raise LabelOrderError if
    it stays unknown, ModelError for a license that was not accepted (code "license") or a network
    that can't be built or gives no score, WeightsError for its files."""
    spec = entry(model, fake=fake, id=id)
    if spec.research_only and not accept_license:
        text = _("{repo} is not free for every use: its license is {license}.")
        hint = _("Add --accept-license if you accept it.")
        raise ModelError(
            text.format(repo=model.repo, license=model.license), code="license", hint=hint
        )
    paths = hub.download_files(model, progress)
    try:
        for number, path in enumerate(paths):
            if path.name == hub.WEIGHTS[1]:  # the name that transformers expects
                paths[number] = path.with_name(hub.WEIGHTS[0])
                weights.as_safetensors(path, paths[number], spec.wrappers)
        user_models.dry_run(registry.load_family(spec, paths, "cpu"))
        spec = user_models.keep(spec, paths, move=True)
    except UnmaskError:
        hub.discard(model)  # unusable: another attempt would download the same
        raise
    hub.discard(model)
    if spec.research_only:
        weights.accept_license(spec)
    return spec


def entry(
    model: hub.HubModel, *, fake: str | int | None = None, id: str | None = None
) -> ModelSpec:
    """Return the entry of a hub model, without a download; raise as `add`."""
    fields = recipe(model.config, model.preprocessor or None)
    require_agreement(model.config, model.repo, fake)
    index = fake_index(model.labels, fake, name=model.repo)
    names = ", ".join(f"{number}: {label}" for number, label in sorted(model.labels.items()))
    license = model.license or "none stated"
    return ModelSpec.model_validate(
        {
            "id": user_models.new_id(id or model.repo.split("/")[1], taken_ok=id is None),
            "title": model.repo,
            "architecture": "hub",
            "family": "hub",
            "summary": "A classifier from Hugging Face's hub, added by you.",
            "files": [
                WeightFile(path=file.path, sha256=file.sha256, size=file.size)
                for file in model.files.values()
            ],
            "own": True,
            "fake_output": f"Its classes are {names}; "
            + (f"you said {fake} is fake." if fake is not None else "the names say it."),
            "fake_index": index,
            "label_order": "documented",
            "operating_point": 0.5,
            "operating_point_source": _POINTS.get(len(model.labels), _NO_POINT),
            "license_code": "Apache-2.0 (transformers)",
            "license_weights": license,
            "research_only": any(word in license.lower() for word in NONCOMMERCIAL),
            "source": f"huggingface.co/{model.repo} at {model.revision}",
            # The family checks that the names and the entry agree, unless a person overrode them.
            "options": {"label_map_override": True} if fake is not None else {},
            **fields,
            # No verdict on a voice by an uncalibrated model: 0.5 means little.
            **({"operating_point": None} if fields["kind"] == "audio" else {}),
        }
    )
