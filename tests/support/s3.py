"""A real S3 server of the tests' own: moto's, as a program. It takes signed requests over HTTP,
whole objects and parts, and is asked by the library that asks Amazon.

What is not in it: that keys are right (any are taken), and limits of space.
"""

import os
import secrets
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.processes import running

KEYS = {
    "AWS_ACCESS_KEY_ID": "unmask",
    "AWS_SECRET_ACCESS_KEY": "unmask-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    # Nothing of who runs the tests.
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class S3:
    """A running server, by its address."""

    def __init__(self, url):
        self.url = url

    def environment(self, bucket, prefix="unmask"):
        """Return what a server of ours is told to keep its media here."""
        where = {
            "UNMASK_S3_BUCKET": bucket,
            "UNMASK_S3_ENDPOINT": self.url,
            "UNMASK_S3_PREFIX": prefix,
        }
        return {**KEYS, **where}

    def make(self):
        """Make a bucket; its name."""
        name = f"media-{secrets.token_hex(6)}"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}", method="PUT")).close()
        return name


@pytest.fixture(scope="session")
def s3():
    """The server of this test process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, f"{url}/moto-api/", Path(os.devnull)):
        yield S3(url)
