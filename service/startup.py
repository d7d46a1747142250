"""What every server does once, before anybody came: the pages' and that of the API alone."""

import logging
import tempfile
from pathlib import Path

from detector import media, paths
from detector.cluster import connection
from detector.config import move_data
from detector.errors import UnmaskError
from detector.models import inventory
from service import logs
from service.config import get_config

log = logging.getLogger(__name__)


def prepare() -> None:
    """Prepare log, data folder, sandbox and cluster; raise SystemExit where one can't be used."""
    logs.install()
    _check_data_folder()
    _isolate_parsers()
    _join_cluster()


def _join_cluster() -> None:
    """Join the cluster that the environment names: now, in the thread that signals come to."""
    if address := get_config().ray_address:
        try:
            connection.join(address)
        except UnmaskError as error:
            raise SystemExit(error.advice) from None


def _check_data_folder() -> None:
    """Exit if the data folder is read-only; on a Space fall back to the container's disk."""
    folder = paths.data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.write(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        own = Path(tempfile.gettempdir()) / "unmask"
        if not get_config().space_id or folder == own:
            raise SystemExit(
                f"The data folder {folder} can't be written to ({error.strerror}). Give it to the "
                f"user who runs Unmask, or name another one in UNMASK_DATA."
            ) from None
        log.warning("the storage can't be written to (%s): nothing is kept", error.strerror)
        move_data(own)
        _check_data_folder()


def _isolate_parsers() -> None:
    if not get_config().sandbox:
        log.warning("uploads are parsed in the server's own process (UNMASK_SANDBOX=off)")
        return
    try:
        media.isolate()
    except UnmaskError as error:
        log.warning("%s %s", error.message, error.hint)


def fetch_models() -> None:
    """Bring the models that the host names in UNMASK_MODELS."""
    inventory.fetch_at_start()
