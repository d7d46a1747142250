"""Servers of the tests' own, each started when a test first asks for it."""

from tests.support.gateway import project
from tests.support.postgres import postgres
from tests.support.s3 import s3
from tests.support.servers_contract import clock
from tests.support.standin import standin

__all__ = ["clock", "postgres", "project", "s3", "standin"]
