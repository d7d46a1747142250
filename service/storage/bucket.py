"""Objects in an S3-compatible bucket: put, fetched, copied, deleted, listed.

An object's key is `<prefix>/<token>`; the file's name and sha256 are its metadata, so a list of the
bucket reveals no file name. boto3 reads the credentials: a role of the machine, a profile, or
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and `AWS_DEFAULT_REGION`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from detector.media.files import sha256
from detector.sentences import _
from service.storage.uploads import StorageError, StorageUnreachable, Upload, full_disk_refused

CONNECT_SECONDS, READ_SECONDS = 10, 60
ATTEMPTS = 4  # of a request, with growing pauses between
_MISSING = {"404", "NoSuchKey", "NotFound"}


class _NoSuchObject(StorageUnreachable):
    """It is not in the bucket."""


@dataclass(frozen=True)
class StoredFile:
    """What a bucket says of a file."""

    name: str
    size: int  # bytes
    sha256: str


class S3Bucket:
    """The objects of a bucket under a prefix, at Amazon or another endpoint. Safe between threads.
    Every method raises StorageUnreachable if the bucket does not answer; making one raises
    StorageError if it can't be used."""

    def __init__(self, name: str, endpoint: str = "", prefix: str = "") -> None:
        self.name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client: Any = _client(endpoint)
        try:
            with _translated():
                self._client.head_bucket(Bucket=name)
        except StorageUnreachable as error:
            text = _("The bucket of UNMASK_S3_BUCKET can't be used: {problem}")
            raise StorageError(
                text.format(problem=error.message),
                code="storage_setup",
                hint=_("Look at its name, the endpoint, and the keys it is asked with."),
            ) from error

    def put(self, upload: Upload, file: Path) -> None:
        """Copy a file into the bucket; whole or not at all."""
        about = {"name": file.name, "sha256": upload.sha256}
        with _translated():
            self._client.upload_file(
                str(file), self.name, self._key(upload.token), ExtraArgs={"Metadata": about}
            )

    def find(self, token: str) -> StoredFile | None:
        """Return what is known of a file, or None."""
        try:
            with _translated():
                head = self._client.head_object(Bucket=self.name, Key=self._key(token))
        except _NoSuchObject:
            return None
        about = head["Metadata"]
        return StoredFile(about.get("name", ""), head["ContentLength"], about.get("sha256", ""))

    def fetch(self, token: str, stored: StoredFile, target: Path) -> bool:
        """Bring a file to a path, whole or not at all; False if it is gone. Raise
        StorageUnreachable also if its content is not what was put there, StorageError if the disk
        is full."""
        coming = target.with_name(f".coming-{os.getpid()}-{id(stored):x}")
        try:
            with _translated():
                self._client.download_file(self.name, self._key(token), str(coming))
            with coming.open("rb") as file:
                came = sha256(file)
            if stored.sha256 and stored.sha256 != came:
                raise StorageUnreachable(
                    _("The storage of files gave back another file than it was given."),
                    code="storage_damaged",
                    hint=_("Send the file again, and tell who runs this server."),
                )
            coming.replace(target)
        except _NoSuchObject:
            return False
        finally:
            coming.unlink(missing_ok=True)
        return True

    def copy(self, token: str, to: str) -> None:
        """Make a file another token's, too."""
        source = f"{self.name}/{self._key(token)}"
        with _translated():
            self._client.copy_object(CopySource=source, Bucket=self.name, Key=self._key(to))

    def delete(self, token: str) -> None:
        """Delete a file; one that is gone already costs nothing."""
        with _translated():
            self._client.delete_object(Bucket=self.name, Key=self._key(token))

    def listed(self) -> Iterator[tuple[str, datetime, datetime]]:
        """Yield each file's token, its upload time and the time now, both by the bucket's clock."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated():
            for page in pages.paginate(Bucket=self.name, Prefix=self._prefix):
                headers = page["ResponseMetadata"]["HTTPHeaders"]
                now = parsedate_to_datetime(headers["date"])
                for one in page.get("Contents", ()):
                    yield one["Key"].removeprefix(self._prefix), one["LastModified"], now

    def _key(self, token: str) -> str:
        return f"{self._prefix}{token}"


def _client(endpoint: str) -> Any:
    options: dict[str, Any] = {}
    if endpoint:
        # Not every other service knows hosts named after buckets, or the checksums of 2025.
        options = {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        **options,
    )
    try:
        return boto3.session.Session().client("s3", endpoint_url=endpoint or None, config=config)
    except (BotoCoreError, ValueError) as error:
        text = _("The bucket of UNMASK_S3_BUCKET can't be used: {problem}.")
        raise StorageError(text.format(problem=error), code="storage_setup") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Translate a bucket's error, whose own words name keys and hosts."""
    try:
        with full_disk_refused():
            yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        refused = isinstance(error, ClientError)
        code = error.response["Error"]["Code"] if refused else type(error).__name__
        kind = _NoSuchObject if code in _MISSING else StorageUnreachable
        text = _("The storage of files can't be reached just now ({code}).")
        raise kind(text.format(code=code), hint=_("Try again in a moment.")) from error
