"""Stand-ins of Supabase's API for tests, spoken to with `supabase`'s own client.

`standin` is somebody else's work behind our bridge (tests/supabase_standin/bridge.mjs): sign-up,
sign-in, refresh, wrong passwords and what follows from them is not our idea of it. Who may see what
is claimed on a real PostgreSQL, by tests/integration/service/test_rls.py; deploy/supabase/README.md
says what this one gets wrong.

    UNMASK_TEST_SUPABASE_URL, UNMASK_TEST_SUPABASE_KEY     a project to ask instead, with
    UNMASK_TEST_DATABASE                                   its database: those of `supabase start`
"""

import json
import os
import secrets
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import jwt
import psycopg
import pytest
from psycopg.rows import dict_row
from supabase import ClientOptions, create_client

from tests.support.postgres import MIGRATIONS
from tools import programs

REAL = ("UNMASK_TEST_SUPABASE_URL", "UNMASK_TEST_SUPABASE_KEY", "UNMASK_TEST_DATABASE")
PASSWORD = "correct horse battery staple"
START = 100.0
"""s that PGlite may take on a busy machine; 2 s on an idle one."""


@dataclass(frozen=True)
class Standin:
    """An address that answers as a Supabase project does. Tokens are signed with `secret`, to age
    one: nobody knows that of a real project, of which `database` is the address."""

    url: str
    key: str
    secret: str = ""
    database: str = ""

    def client(self, **options):
        """A client of nobody yet, for one browser session."""
        chosen = ClientOptions(persist_session=False, auto_refresh_token=False, **options)
        return create_client(self.url, self.key, chosen)

    def person(self, email=None, **options):
        """The client of a new account, signed in."""
        client = self.client(**options)
        email = email or f"{secrets.token_hex(6)}@example.org"
        client.auth.sign_up({"email": email, "password": PASSWORD})
        return client

    def sql(self, statement, *parameters):
        """Run a statement as Supabase's SQL editor would: to prepare a case, or to look behind.
        Parameters stand in it as $1, $2, …"""
        if self.database:
            with psycopg.connect(self.database, row_factory=dict_row) as connection:
                cursor = psycopg.RawCursor(connection, row_factory=dict_row)
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []
        answer = httpx.post(
            f"{self.url}/standin/sql", json={"sql": statement, "params": parameters}, timeout=100
        )
        answer.raise_for_status()
        return answer.json()


def token(secret, *, lasts=3600, **claims):
    """A signed token; of the past with a negative `lasts`."""
    now = int(time.time())
    whole = {"iss": "supabase", "iat": now, "exp": now + int(lasts), **claims}
    return jwt.encode(whole, secret, algorithm="HS256")


@contextmanager
def serve_bridge():
    """Start the bridge on a free port of this computer."""
    node, modules = programs.node(), programs.standin()
    if node is None or modules is None:
        pytest.fail(
            "These tests need the stand-in of Supabase: python tools/programs.py installs it, or "
            "says what is missing.",
            pytrace=False,
        )
    secret = secrets.token_hex(32)
    process = subprocess.Popen(
        [node, programs.STANDIN / "bridge.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "MODULES": str(modules),
            "MIGRATIONS": str(MIGRATIONS),
            "JWT_SECRET": secret,
        },
    )
    said: list[str] = []  # read all the time, or a full pipe would stop it
    reader = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)
    reader.start()
    watchdog = threading.Timer(START, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        if not line:
            process.wait()
            reader.join()
            raise RuntimeError(f"The stand-in did not start: {''.join(said)[-2000:]}")
        watchdog.cancel()
        yield Standin(json.loads(line)["url"], f"sb_publishable_{secrets.token_hex(8)}", secret)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def standin():
    """The bridge of this test process, or the project that the environment names."""
    url, key, database = (os.environ.get(name, "") for name in REAL)
    if url or key:
        if not (url and key and database):
            pytest.fail(f"Of {', '.join(REAL)} all must be set.", pytrace=False)
        yield Standin(url, key, database=database)
        return
    with serve_bridge() as running:
        yield running
