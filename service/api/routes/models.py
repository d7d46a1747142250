"""The models of this server, and the downloads of those that are not here yet."""

from fastapi import APIRouter, Response

from detector import weights
from detector.errors import UsageError
from detector.models import inventory, registry
from detector.sentences import _
from service.api.access import App, ModelKeeper, Reader
from service.api.errors import Conflict, NotFound
from service.api.schemas import V1, ModelView, TaskView

router = APIRouter(prefix=f"{V1}/models", tags=["models"])


@router.get("")
def models(context: Reader) -> list[ModelView]:
    """List all models with what each needs to score here."""
    return [ModelView.of(status) for status in inventory.inventory()]


@router.post("/{model}/fetch", status_code=202)
def fetch(model: str, context: ModelKeeper, application: App, response: Response) -> TaskView:
    """Download a model's weights, in the background. One that runs already is not begun twice."""
    try:
        spec = registry.get_spec(model)
    except UsageError as error:
        raise NotFound(error.message, hint=error.hint) from None
    if spec.research_only and weights.accepted_license(spec) is None:
        raise Conflict(
            _("The license of this model must be accepted first: {license}.").format(
                license=spec.license_weights
            ),
            code="license",
            hint=_("On the server: unmask models accept {id}").format(id=spec.id),
        )
    task = application.downloads.start(
        spec.id, lambda tell: inventory.download(spec.id, tell), context.principal
    )
    view = TaskView.of(task)
    response.headers["Location"] = view.href
    return view
