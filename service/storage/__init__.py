"""Media of people: uploads, on the disk or in a store of another installed package."""

from pathlib import Path

from detector import plugins
from detector.installation import not_installed
from service.config import get_config
from service.storage.uploads import Uploads


def open_uploads(data: Path) -> Uploads:
    """Return the uploads of a folder, or of the first store of the entry points `unmask.stores`
    that is configured. Raise StorageError, or UsageError if the package of UNMASK_S3_BUCKET is
    missing."""
    for open_store in plugins.stores():
        store: Uploads | None = open_store(data)
        if store is not None:
            return store
    if get_config().s3_bucket:
        raise not_installed("UNMASK_S3_BUCKET", "unmask-s3")
    return Uploads(data)
