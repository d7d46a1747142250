"""Media of people: uploads, on the disk or in a bucket."""

from pathlib import Path

from detector.sentences import _
from service.config import get_config
from service.storage.uploads import StorageError, Uploads


def open_uploads(data: Path) -> Uploads:
    """Return the uploads of a folder, or of UNMASK_S3_BUCKET; raise StorageError."""
    config = get_config()
    if not config.s3_bucket:
        return Uploads(data)
    try:
        from service.storage import shared  # boto3 is optional
    except ModuleNotFoundError as error:
        text = _("UNMASK_S3_BUCKET names a bucket, and the library for it is not installed.")
        hint = _("Install it: pip install boto3")
        raise StorageError(text, code="storage_setup", hint=hint) from error
    s3 = shared.S3Bucket(config.s3_bucket, config.s3_endpoint, config.s3_prefix)
    return shared.SharedUploads(data, s3)
