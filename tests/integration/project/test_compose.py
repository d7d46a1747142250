"""compose.yaml and its Supabase, as far as that goes without Docker."""

import base64
import hashlib
import hmac
import os
import re
import shutil
import stat
import subprocess
import time
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import yaml
from supabase import AuthApiError, ClientOptions, create_client

from deploy import keys
from detector.config import table
from service import auth
from service.auth import flows
from service.config import get_config
from tests.support.links import PRIVATE, everywhere, serving, whole
from tests.support.ports import free_port
from tests.support.postgres import postgres
from tests.support.processes import ROOT, running
from tools import programs

__all__ = ["postgres"]

DEPLOY = ROOT / "deploy"
FOLDER = DEPLOY / "supabase"
TEXT = (DEPLOY / "compose.yaml").read_text("utf-8")
MADE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = MADE["services"]
PROFILE = {name: service for name, service in SERVICES.items() if name != "unmask"}


def settings(content):
    """The variables of an .env."""
    lines = [line for line in content.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def environment(service, given):
    """What Compose gives a service, by its rules."""
    wanted = SERVICES[service].get("environment", {})
    passed = {name: given.get(name) for name, value in wanted.items() if value is None}
    filled = {
        name: re.sub(r"\${(\w+):-([^}]*)}", lambda found: given.get(found[1]) or found[2], value)
        for name, value in wanted.items()
        if value is not None
    }
    return filled | {name: value for name, value in passed.items() if value is not None}


def test_without_the_profile_there_is_unmask_alone():
    app = SERVICES["unmask"]
    assert set(SERVICES) - set(PROFILE) == {"unmask"} and "profiles" not in app
    assert all(service["profiles"] == ["supabase"] for service in PROFILE.values())
    assert app["read_only"] and app["cap_drop"] == ["ALL"] and app["init"]
    assert app["volumes"] == ["data:/data"] and "depends_on" not in app
    # Everybody who reaches it is taken for the owner, so it may only be reached from here.
    assert app["ports"] == ["127.0.0.1:${PORT:-8501}:8501"]
    assert environment("unmask", {}) == {"UNMASK_LOCAL": "all"}
    # Compose fills in the whole file whatever the profile: a variable that must be there would stop
    # who only wants Unmask, and one without a default would warn them.
    assert TEXT.count("$") == len(re.findall(r"\${\w+:-[^}$]*}", TEXT))


def test_unmask_gets_its_own_settings_and_no_others():
    text = (ROOT / "docs" / "hosting.md").read_text("utf-8").split("## Several servers")[1]
    listed = set(re.findall(r"`(AWS_\w+)`", text)) | {v.name for v in table(get_config())}
    wanted = set(SERVICES["unmask"]["environment"])
    assert wanted == listed - {"UNMASK_DATA", "SPACE_ID"} | {"STREAMLIT_SERVER_BASE_URL_PATH"}
    assert "env_file" not in SERVICES["unmask"]
    packages = ("detector", "service", "dashboard")
    known = " ".join(p.read_text("utf-8") for r in packages for p in (ROOT / r).rglob("*.py"))
    assert [n for n in wanted if n not in known and not n.startswith("STREAMLIT_")] == []


@pytest.mark.parametrize("name", PROFILE)
def test_a_service_of_the_profile(name):
    service = PROFILE[name]
    image, _, version = service["image"].partition(":")
    assert image and re.fullmatch(r"v?\d+\.\d+(\.\d+)*(-alpine)?", version)
    once = service["restart"] == "no"
    assert once or service["restart"] == "unless-stopped"
    assert service["healthcheck"] == {"disable": True} or service["healthcheck"]["test"][0] == "CMD"
    assert once == (service["healthcheck"] == {"disable": True})
    for other, how in service.get("depends_on", {}).items():
        ends = SERVICES[other]["restart"] == "no"
        wanted = "service_completed_successfully" if ends else "service_healthy"
        assert how == {"condition": wanted}
    for port in service.get("ports", []):
        assert name == "gateway" and port.startswith("127.0.0.1:")
    for volume in service.get("volumes", []):
        source, target, *options = volume.split(":")
        assert target.startswith("/")
        if source.startswith("./"):
            assert (DEPLOY / source).exists() and options[0].split(",")[0] == "ro"
        else:
            assert source in MADE["volumes"]
    # All but the database's, whose start changes users.
    assert (name in ("db", "migrate")) or service["cap_drop"] == ["ALL"]


def test_the_services_wait_in_an_order_that_ends():
    left = {name: set(service.get("depends_on", {})) for name, service in PROFILE.items()}
    while left:
        ready = {name for name, waits in left.items() if not waits & set(left)}
        assert ready, f"wait for each other: {sorted(left)}"
        left = {name: waits for name, waits in left.items() if name not in ready}
    assert PROFILE["db"]["image"] == PROFILE["migrate"]["image"]


def test_what_reads_strangers_files_does_not_reach_the_database():
    reach = {name: set(service.get("networks", ["default"])) for name, service in SERVICES.items()}
    assert MADE["networks"]["database"] == {"internal": True}
    assert reach["db"] == reach["migrate"] == {"database"}
    assert reach["unmask"] == reach["gateway"] == {"default"}
    used = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])}
    assert {name for name in used if not name.startswith("./")} == set(MADE["volumes"])


def test_every_key_is_made_and_goes_where_it_belongs():
    given = settings(keys.text())
    assert given["COMPOSE_PROFILES"] == "supabase"
    must = set(re.findall(r"\${(\w+):-}", TEXT))
    assert must and must <= {name for name, value in given.items() if value}
    holders = {
        "POSTGRES_PASSWORD": {"db", "migrate"},
        "SERVICES_PASSWORD": {"db", "auth", "rest", "storage"},
        "JWT_SECRET": {"auth", "rest", "storage"},
        "SUPABASE_SECRET_KEY": {"storage"},
        "SUPABASE_ANON_KEY": {"unmask", "storage"},
    }
    for key, expected in holders.items():
        passed = {name: environment(name, given).values() for name in SERVICES}
        having = {n for n, values in passed.items() if any(given[key] in v for v in values)}
        assert having == expected, key
    assert len({given[key] for key in holders}) == len(holders)
    roles = (FOLDER / "services.sql").read_text("utf-8")
    for name in ("auth", "rest", "storage"):
        (address,) = [v for v in environment(name, given).values() if v.startswith("postgres://")]
        known = rf"postgres://(\w+):{given['SERVICES_PASSWORD']}@db:5432/postgres"
        user = re.fullmatch(known, address)
        assert user and f"alter role {user[1]} password" in roles


def test_the_keys_are_tokens_that_unmask_takes(monkeypatch):
    given = settings(keys.text())
    for name, role in (("SUPABASE_ANON_KEY", "anon"), ("SUPABASE_SECRET_KEY", "service_role")):
        claims = jwt.decode(given[name], given["JWT_SECRET"], ["HS256"])
        assert claims["role"] == role
        years = (claims["exp"] - time.time()) / 86400 / 365
        assert keys.YEARS - 0.01 < years <= keys.YEARS
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(given[name], "another" * 5, ["HS256"])
    app = environment("unmask", given)
    for name in ("SUPABASE_URL", "SUPABASE_ANON_KEY"):
        monkeypatch.setenv(name, app[name])
    monkeypatch.setenv("UNMASK_SIGN_IN", "required")
    assert auth.accounts().url == "http://gateway:8000"
    monkeypatch.setenv("SUPABASE_ANON_KEY", given["SUPABASE_SECRET_KEY"])
    with pytest.raises(SystemExit, match="secret key"):
        auth.accounts()


def test_the_file_is_its_owners_and_written_once(tmp_path, monkeypatch, capsys):
    file = tmp_path / ".env"
    monkeypatch.setattr(keys, "FILE", file)
    before = os.umask(0)
    try:
        keys.main([])
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = file.read_text("utf-8")
    said = capsys.readouterr().out
    secrets = [value for value in settings(written).values() if len(value) > 30]
    assert "GOTRUE_SMTP" in said and not any(secret in said for secret in secrets)
    with pytest.raises(SystemExit, match="is there"):
        keys.main(["--no-mail"])
    assert file.read_text("utf-8") == written
    assert settings(keys.text())["JWT_SECRET"] != settings(written)["JWT_SECRET"]


def test_mails_and_strangers_are_a_choice():
    here, trying = settings(keys.text()), settings(keys.text(mail=False))
    assert environment("auth", here)["GOTRUE_MAILER_AUTOCONFIRM"] == "false"
    assert environment("auth", trying)["GOTRUE_MAILER_AUTOCONFIRM"] == "true"
    assert environment("unmask", here)["UNMASK_LOCAL"] == "all"
    # No port or switch that is not set may reach the service as an empty text, which it can't read.
    assert all(environment("auth", here).values())
    given = settings(keys.text("https://unmask.example.org"))
    app, auth = environment("unmask", given), environment("auth", given)
    assert app["UNMASK_LOCAL"] == "off" and app["UNMASK_TRUST_PROXY"] == "1"
    assert app["UNMASK_PUBLIC_URL"] == auth["GOTRUE_SITE_URL"] == "https://unmask.example.org"
    assert auth["GOTRUE_URI_ALLOW_LIST"] == "https://unmask.example.org/session/return/*"


@pytest.mark.parametrize(
    "written", ["a.org", "https://a.org/b", "ftp://a.org", "https://a.org\nX=1"]
)
def test_an_address_that_is_none_is_refused(written, tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "FILE", tmp_path / ".env")
    with pytest.raises(SystemExit):
        keys.main(["--address", written])
    assert not (tmp_path / ".env").exists()


def run(server, name, *command, **given):
    place = programs.postgres()
    return subprocess.run(
        command,
        env={
            "PATH": f"{place}:{os.environ['PATH']}", "PGHOST": str(server.folder),
            "PGPORT": str(server.port), "PGDATABASE": name, **given,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip


@pytest.fixture
def fresh(postgres):
    """A database as the other services leave it."""
    postgres.prepare(name := postgres.fresh())
    with postgres.connect(name) as database:
        database.execute("grant supabase_storage_admin to postgres")
        database.execute(f"grant create on database {name} to postgres")
    yield name
    with postgres.connect(name) as database:
        database.execute("revoke supabase_storage_admin from postgres")


def migrate(server, name, folder=FOLDER):
    return run(server, name, "/bin/sh", str(folder / "migrate.sh"), PGUSER="postgres")


def test_the_migrations_are_applied_once(postgres, fresh):
    assert PROFILE["migrate"]["entrypoint"] == ["/bin/sh", "/supabase/migrate.sh"]
    files = sorted(path.name for path in (FOLDER / "migrations").glob("*.sql"))
    first = migrate(postgres, fresh)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [f"unmask: applied {name}" for name in files]
    with postgres.transaction(fresh) as database:
        applied = "select version, name from supabase_migrations.schema_migrations order by version"
        rows = database.rows(applied)
        assert [f"{row['version']}_{row['name']}.sql" for row in rows] == files
        database.run("update instance set keep_days = 7")
        database.connection.commit()
        made = database.rows("select oid, relname from pg_class order by oid")
    second = migrate(postgres, fresh)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    with postgres.transaction(fresh) as database:
        assert database.value("select keep_days from instance") == 7
        assert database.rows("select oid, relname from pg_class order by oid") == made


def test_only_what_is_new_is_applied_and_whole_or_not_at_all(postgres, fresh, tmp_path):
    (tmp_path / "migrations").mkdir()
    shutil.copy(FOLDER / "migrate.sh", tmp_path)
    one, two = (tmp_path / "migrations" / f"2026010{n}_a_thing.sql" for n in (1, 2))
    one.write_text("create table one (a int);")
    assert migrate(postgres, fresh, tmp_path).returncode == 0
    two.write_text("create table two (a int); insert into nowhere values (1);")
    broken = migrate(postgres, fresh, tmp_path)
    assert broken.returncode != 0 and "nowhere" in broken.stderr
    with postgres.transaction(fresh) as database:
        assert database.value("select to_regclass('two') is null")
        assert database.value("select count(*) from supabase_migrations.schema_migrations") == 1
    two.write_text("create table two (a int);")
    assert migrate(postgres, fresh, tmp_path).stdout == "unmask: applied 20260102_a_thing.sql\n"


def test_a_database_that_does_not_answer_is_no_success(postgres):
    assert migrate(postgres, "there_is_none").returncode != 0


def test_the_services_get_a_password_of_their_own(postgres):
    """As PostgreSQL keeps it: salted, and by the verifier of RFC 5802 that this password has."""
    postgres.need_our_own()
    options = ("--set", "ON_ERROR_STOP=1", "--file", str(FOLDER / "services.sql"))
    done = run(
        postgres, postgres.name, "psql", *options,
        PGUSER="supabase_admin", SERVICES_PASSWORD="a'b$c of nobody else",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with postgres.connect() as database:
        rows = database.execute(
            "select rolname, rolpassword from pg_authid where rolpassword is not null"
        ).fetchall()
    assert {row["rolname"] for row in rows} == {
        "authenticator", "supabase_auth_admin", "supabase_storage_admin"
    }  # fmt: skip
    for row in rows:
        method, rounds, salt, stored, server = re.split(r"[$:]", row["rolpassword"])
        assert method == "SCRAM-SHA-256"
        password, salt = b"a'b$c of nobody else", base64.b64decode(salt)
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, int(rounds))
        assert hmac.digest(salted, b"Server Key", "sha256") == base64.b64decode(server)
        client = hmac.digest(salted, b"Client Key", "sha256")
        assert hashlib.sha256(client).digest() == base64.b64decode(stored)


@dataclass
class Gateway:
    """A Caddy with supabase/Caddyfile, before servers that note what reaches them."""

    url: str
    log: Path
    asked: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)
    """Service, method, path with its question, and headers in small letters."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    program = programs.caddy()
    if program is None:
        pytest.fail(
            "This test needs Caddy: python tools/programs.py installs it, or says how.",
            pytrace=False,
        )
    place = tmp_path_factory.mktemp("gateway")
    port = free_port()
    made = Gateway(f"http://127.0.0.1:{port}", place / "log")
    text = (FOLDER / "Caddyfile").read_text("utf-8")
    changes = {":8000 {": f":{port} {{", "/srv/mail": str(FOLDER / "mail")}
    with ExitStack() as stack:
        for service, upstream in (("auth", 9999), ("rest", 3000), ("storage", 5000)):
            notes = everywhere(partial(_note, made, service))
            server = stack.enter_context(serving(PRIVATE, notes))
            changes[f"{service}:{upstream}"] = f"{PRIVATE}:{server.server_port}"
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file = place / "Caddyfile"
        file.write_text(text)
        command = [program, "run", "--config", file, "--adapter", "caddyfile"]
        home = {"HOME": str(place), "PATH": os.environ["PATH"]}
        stack.enter_context(running(command, f"{made.url}/health", made.log, env=home))
        yield made


ANSWERS = {
    "/token": (400, b'{"code": "invalid_credentials", "msg": "no such account"}'),
    "/object/sign/media/o/r/media.mp4": (200, b'{"signedURL": "/object/sign/x"}'),
}
"""Of the services; others answer with an empty list."""


def _note(gateway, service, asked):
    headers = {name.lower(): value for name, value in asked.headers.items()}
    gateway.asked.append((service, asked.command, asked.path, headers))
    if "break" not in asked.path:
        status, body = ANSWERS.get(asked.path.split("?")[0], (200, b"[]"))
        whole(body, status, Content_Type="application/json")(asked)


def test_the_clients_paths_reach_the_services_without_their_beginning(gateway):
    """What `supabase`'s own client asks for, and what its large uploads ask for."""
    gateway.asked.clear()
    key = settings(keys.text())["SUPABASE_ANON_KEY"]
    client = create_client(gateway.url, key, ClientOptions(httpx_client=httpx.Client()))
    client.table("records").select("id").eq("owner", "x").execute()
    client.rpc("shared_analysis", {"token": "x"}).execute()
    client.storage.from_("media").list("a b")
    client.storage.from_("media").create_signed_url("o/r/media.mp4", 60)
    with pytest.raises(AuthApiError, match="no such account"):
        client.auth.sign_in_with_password({"email": "a@b.org", "password": "x" * 8})
    start = str(client.storage_url.joinpath("upload", "resumable"))
    httpx.post(start, headers={"X-Forwarded-Path": "/evil", "X-Forwarded-Prefix": "/evil"})
    reached = [(service, method, path) for service, method, path, _ in gateway.asked]
    assert reached == [
        ("rest", "GET", "/analyses?select=id&owner=eq.x"),
        ("rest", "POST", "/rpc/shared_analysis"),
        ("storage", "POST", "/object/list/media"),
        ("storage", "POST", "/object/sign/media/o/r/media.mp4"),
        ("auth", "POST", "/token?grant_type=password"),
        ("storage", "POST", "/upload/resumable"),
    ]
    for service, _, _, headers in gateway.asked[:-1]:
        assert headers["apikey"] == key, service
        assert headers["authorization"] == f"Bearer {key}", service
    last = gateway.asked[-1][3]
    assert last["x-forwarded-prefix"] == "/storage/v1" and "x-forwarded-path" not in last
    assert last["x-forwarded-host"] == gateway.url.removeprefix("http://")


def test_nothing_else_is_reached(gateway):
    gateway.asked.clear()
    others = "/ /auth/v2/x /rest /rest/v1 /realtime/v1/x /pg/x /mail/../Caddyfile"
    for path in others.split():
        assert httpx.get(gateway.url + path).status_code in (308, 404), path
    assert httpx.get(f"{gateway.url}/mail/").status_code == 404
    assert gateway.asked == []


def test_a_large_file_goes_through(gateway):
    gateway.asked.clear()
    url = f"{gateway.url}/storage/v1/upload/resumable/x"
    assert httpx.patch(url, content=b"0" * 6 * 1024 * 1024, timeout=30).status_code == 200
    assert gateway.asked[0][3]["content-length"] == str(6 * 1024 * 1024)


def test_a_service_that_fails_leaves_no_key_in_the_log(gateway):
    url = f"{gateway.url}/rest/v1/break?token=hidden-one"
    assert httpx.get(url, headers={"apikey": "hidden-two"}).status_code == 502
    assert "hidden" not in gateway.log.read_text()


def test_the_texts_of_mails_lead_to_unmask(gateway):
    auth = environment("auth", {})
    config = tomllib.loads((FOLDER / "config.toml").read_text("utf-8"))
    templates = config["auth"]["email"]["template"]
    assert set(templates) == {"confirmation", "magic_link", "recovery"}
    for name, template in templates.items():
        address = auth[f"GOTRUE_MAILER_TEMPLATES_{name.upper()}"]
        assert address.startswith("http://gateway:8000/mail/")
        fetched = httpx.get(address.replace("http://gateway:8000", gateway.url))
        file = DEPLOY / template["content_path"]
        assert fetched.status_code == 200 and fetched.text == file.read_text("utf-8")
        assert auth[f"GOTRUE_MAILER_SUBJECTS_{name.upper()}"] == template["subject"]
        (link,) = re.findall(r'href="([^"]+)"', fetched.text)
        begin, kind = link.split("&amp;type=")
        assert begin == "{{ .RedirectTo }}?token_hash={{ .TokenHash }}"
        assert kind in flows.KINDS
