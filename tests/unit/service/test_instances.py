"""Servers that share a database: who of them lives, and what becomes of a dead one's tasks."""

from tests.support.servers_contract import ServersContract, clock

__all__ = ["clock"]


class TestSQLite(ServersContract): ...
