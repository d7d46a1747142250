"""A real PostgreSQL of the tests' own, with what a Supabase project has and our migrations applied.

One server a test process, started by pytest-postgresql in a temporary folder, by a user who is not
root (PostgreSQL refuses root), and asked through a socket in that folder. A server that can't be
started fails the tests that need it: what they hold must never be skipped in silence.

    UNMASK_TEST_DATABASE    the address of another database to ask instead, as a superuser: that of
                            `supabase start`, with our migrations in it (deploy/supabase/README.md)
"""

import json
import os
import secrets
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from pytest_postgresql.executors import PostgreSQLExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from tests.support.ports import free_port
from tools import programs

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "deploy" / "supabase" / "migrations"
SHIM = ROOT / "tests" / "supabase_standin" / "shim.sql"
SUPERUSER = "supabase_admin"
# Nothing here outlives the tests, so nothing has to reach the disk.
HASTY = "-c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB"


class Database:
    """One connection, and who speaks through it."""

    def __init__(self, connection):
        self.connection = connection

    def act_as(self, role, sub=None, *, app=None, **more):
        """Take the role and the claims of a request, as PostgREST does, until the transaction ends.
        `app` is the token's app_metadata, which only the server sets."""
        claims = {"role": role, "app_metadata": app or {}, **more}
        if sub is not None:
            claims["sub"] = str(sub)
        self.connection.execute("reset role")
        self.connection.execute(
            "select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)]
        )
        self.connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))

    def act_as_superuser(self):
        """Who sees and may do everything: to prepare a case and to look behind the policies."""
        self.connection.execute("reset role")
        self.connection.execute("select set_config('request.jwt.claims', '', true)")

    def run(self, statement, parameters=()):
        """Run a statement; how many rows it touched."""
        return self.connection.execute(statement, parameters).rowcount

    def rows(self, statement, parameters=()):
        """All rows of a query."""
        return self.connection.execute(statement, parameters).fetchall()

    def value(self, statement, parameters=()):
        """The first column of its first row."""
        return next(iter(self.rows(statement, parameters)[0].values()))

    @contextmanager
    def refused(self, state="42501"):
        """The block must be refused with this SQLSTATE (42501: by privilege or policy), and leaves
        the transaction usable."""
        with pytest.raises(psycopg.Error) as caught, self.connection.transaction():
            yield
        assert caught.value.sqlstate == state, f"{caught.value.sqlstate}: {caught.value}"

    def refuse(self, statement, parameters=(), *, state="42501"):
        """Run a statement that must be refused (see `refused`)."""
        with self.refused(state):
            self.run(statement, parameters)

    def person(self, email=None):
        """A new account, as the auth service makes it."""
        return self.value(
            "insert into auth.users (id, email) values (gen_random_uuid(), %s) returning id",
            [email or f"{secrets.token_hex(6)}@example.org"],
        )


class Postgres:
    """A running server, with the folder of its data and its socket, or the address of another's
    database. `name` is the database that the migrations were applied to."""

    name = "project"

    def __init__(self, folder, address="", port=0):
        self.folder, self.address, self.port = folder, address, port

    def connect(self, name=None, user=SUPERUSER, **options):
        """A psycopg connection, rows as dictionaries."""
        if self.address:
            return psycopg.connect(self.address, row_factory=dict_row, **options)
        return psycopg.connect(
            host=str(self.folder),
            port=self.port,
            dbname=name or self.name,
            user=user,
            row_factory=dict_row,
            **options,
        )

    def need_our_own(self):
        """What is tried here would not be right to do to a server that isn't ours."""
        if self.address:
            pytest.skip("needs a server of the tests' own, and UNMASK_TEST_DATABASE names another")

    @contextmanager
    def transaction(self, name=None):
        """A database to do anything in: all of it is rolled back."""
        with self.connect(name) as connection:
            try:
                yield Database(connection)
            finally:
                connection.rollback()

    def create(self, name, template="template0"):
        """Make a database."""
        DatabaseJanitor(
            user=SUPERUSER, host=str(self.folder), port=self.port, dbname=name,
            template_dbname=template,
        ).init()  # fmt: skip

    def fresh(self, template="template0"):
        """Make an empty database, gone with the server; its name."""
        self.need_our_own()
        name = f"fresh_{secrets.token_hex(4)}"
        self.create(name, template)
        return name

    def copy(self):
        """Make a database with the migrations applied, for tests that must commit; its name."""
        return self.fresh(self.name)

    def url(self, name, user=SUPERUSER):
        """The address of a database for a server of ours."""
        return f"postgresql://{user}@/{name}?host={self.folder}&port={self.port}"

    def prepare(self, name):
        """Bring a fresh database to where a Supabase project is before its first migration."""
        with self.connect(name) as connection:
            connection.execute(SHIM.read_text("utf-8"))

    def migrate(self, name):
        """Apply deploy/supabase/migrations unchanged, in order, as the role that may do so."""
        with self.connect(name) as connection:
            connection.execute("grant supabase_storage_admin to postgres")
            connection.execute(
                sql.SQL("grant create on database {} to postgres").format(sql.Identifier(name))
            )
        with self.connect(name, user="postgres") as connection:
            for file in sorted(MIGRATIONS.glob("*.sql")):
                connection.execute(file.read_text("utf-8"))
                connection.commit()
        with self.connect(name) as connection:
            connection.execute("revoke supabase_storage_admin from postgres")


@contextmanager
def serve():
    """Start a server, and stop it again whatever happens."""
    if address := os.environ.get("UNMASK_TEST_DATABASE"):
        yield Postgres(Path(), address)
        return
    place = programs.postgres()
    if place is None:
        pytest.fail(
            "These tests need PostgreSQL: python tools/programs.py installs it, or says how.",
            pytrace=False,
        )
    # A socket's path may have 107 characters, which pytest's own folders use up.
    folder = Path(tempfile.mkdtemp(prefix="unmask-pg-", dir="/tmp"))
    pg_ctl = place / "pg_ctl"
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
        as_nobody = "exec setpriv --reuid=nobody --regid=nogroup --clear-groups"
        pg_ctl = folder / "pg_ctl"
        pg_ctl.write_text(f'#!/bin/sh\n{as_nobody} {shlex.quote(str(place / "pg_ctl"))} "$@"\n')
        pg_ctl.chmod(0o755)
    server = Postgres(folder, port=free_port())
    try:
        with PostgreSQLExecutor(
            str(pg_ctl), "127.0.0.1", server.port, str(folder / "data"), str(folder),
            str(folder / "log"), "-w -t 100", server.name, user=SUPERUSER, timeout=100,
            postgres_options=HASTY,
        ):  # fmt: skip
            server.create(server.name)
            server.prepare(server.name)
            server.migrate(server.name)
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres():
    """The server of this test process."""
    with serve() as server:
        yield server


if __name__ == "__main__":
    with serve() as running:
        print(f"psql -h {running.folder} -U {SUPERUSER} {running.name}", flush=True)
        sys.stdin.read()
