"""The header Idempotency-Key: what is sent again under it is not done again."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from service.api.uploads import Form
from service.application import Application
from service.context import RequestContext

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="any text of yours; the same request under it within a day is done once",
    ),
]


def once(
    application: Application,
    context: RequestContext,
    form: Form,
    key: str | None,
    make: Callable[[], str],
) -> str:
    """Return the id of what a request makes, or of what it made under the same key before. Raise
    KeyReused or InProgress if the key belongs to another request or to one that is not done yet."""
    if key is None:
        return make()
    owner, keys = context.principal.id, application.idempotency
    earlier = keys.claim(owner, key, form.fingerprint())
    if earlier is not None:
        return earlier
    try:
        id = make()
    except BaseException:
        keys.release(owner, key)
        raise
    keys.complete(owner, key, id)
    return id
