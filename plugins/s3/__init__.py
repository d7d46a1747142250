"""Media of people in an S3 bucket that several servers share: the package `unmask-s3`, whose entry
point `unmask.stores` the service finds."""

from pathlib import Path
from typing import TYPE_CHECKING

from service.config import get_config

if TYPE_CHECKING:
    from s3.uploads import SharedUploads


def open_uploads(data: Path) -> "SharedUploads | None":
    """Return the uploads of UNMASK_S3_BUCKET, with working copies in a folder; None without that
    setting. Raise StorageError."""
    config = get_config()
    if not config.s3_bucket:
        return None
    from s3.uploads import S3Bucket, SharedUploads  # imports boto3

    bucket = S3Bucket(config.s3_bucket, config.s3_endpoint, config.s3_prefix)
    return SharedUploads(data, bucket)
