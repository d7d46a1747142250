"""What earlier versions kept in files of their own, brought into the records once."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from pydantic import ValidationError

from detector.errors import InputError
from detector.schema.analysis import CustomEnsemble
from service.records.model import LOCAL
from service.records.store import Store

log = logging.getLogger(__name__)


def import_presets(store: Store, data: Path) -> None:
    """Presets of `<data>/presets.json` become this computer's owner's; then the file goes. What is
    there by the same name stays as it is. A file that can't be read is left alone."""
    path = data / "presets.json"
    try:
        mixes = [CustomEnsemble.model_validate(row) for row in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, ValidationError):
        log.warning("presets.json can't be read; it is left where it is")
        return
    known = store.presets(LOCAL)
    try:
        for mix in mixes:
            if mix.name.strip() and mix.name not in known:
                store.save_preset(LOCAL, mix)
        path.unlink(missing_ok=True)
    except (InputError, OSError) as error:
        log.warning("presets.json is left where it is: %s", error)
