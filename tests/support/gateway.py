"""The part of Supabase's API that the dashboard uses, over a real PostgreSQL: what `supabase`'s own
client asks for is done in a transaction with the role and the claims of its token, so row-level
security and grants decide, in the database and for storage alike.

Our own reading of the API, and only of what we use: PostgREST's filters, representations and
errors, and storage with its bucket limits, signed addresses and resumable uploads. That the client
is understood by something that is not ours is the business of
tests/integration/service/test_supabase_api.py.
Accounts are made by SQL here, and tokens signed by the test: there is no /auth.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql
from supabase import Client, ClientOptions, create_client

from tests.support.links import PRIVATE, everywhere, serving, whole
from tests.support.postgres import Database, Postgres
from tests.support.standin import token

Fields = dict[str, Any]
OPERATORS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
STATUS = {"42501": 403, "23505": 409, "23503": 409, "42P01": 404, "42883": 404}
CHUNK = 6 * 1024 * 1024
"""bytes; the service takes pieces of exactly this size, but for the last."""


class Refused(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, status, body):
        self.status, self.body = status, body


@dataclass(frozen=True)
class Account:
    """A person with their own client."""

    id: str
    client: Client


@dataclass
class Project:
    """A Supabase project of the tests, with a database of its own. `files` is what lies in the
    bucket, by path. `broken` is asked before each request (method, path) for a status to answer
    instead, or None: to test what happens when the service fails."""

    server: Postgres
    database: str
    url: str = ""
    key: str = "sb_publishable_of_the_tests"
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    files: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, Fields] = field(default_factory=dict)
    broken: Callable[[str, str], int | None] = field(default=lambda method, path: None)
    # One for all: to make one reads the system's certificates, which takes longer than a test.
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=100))
    idle: list[Any] = field(default_factory=list)

    def client(self, access=None):
        """A client with this token; of nobody without one."""
        options = ClientOptions(
            persist_session=False, auto_refresh_token=False, httpx_client=self.http
        )
        if access:
            options.headers["Authorization"] = f"Bearer {access}"
        return create_client(self.url, self.key, options)

    def token(self, person, *, role=None, **more):
        """A token as the auth service signs one."""
        app = {"provider": "email"} | ({"role": role} if role else {})
        claims = {"sub": person, "role": "authenticated", "app_metadata": app, **more}
        return token(self.secret, **claims)

    def operator(self):
        """A client with the project's secret key, which passes by every policy."""
        return self.client(token(self.secret, role="service_role"))

    def person(self, role=None):
        """A new account, with this role of ours."""
        with self.sql() as database:
            id = str(database.person())
        return Account(id, self.client(self.token(id, role=role)))

    @contextmanager
    def sql(self):
        """The database as its superuser sees it; what is done is kept."""
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = self.server.connect(self.database)
        try:
            yield Database(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            self.idle.append(connection)  # role and claims ended with the transaction

    @contextmanager
    def acting(self, claims):
        """A request's transaction, with the rights of its token."""
        with self.sql() as database:
            rest = {k: v for k, v in claims.items() if k not in ("role", "sub", "app_metadata")}
            database.act_as(
                claims["role"], claims.get("sub"), app=claims.get("app_metadata"), **rest
            )
            yield database

    def claims(self, bearer):
        """Who asks. Only a token of this project's counts, and only while it lasts."""
        if bearer in ("", self.key):
            return {"role": "anon"}
        try:
            return jwt.decode(bearer, self.secret, ["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise Refused(401, {"code": "PGRST303", "message": "JWT expired"}) from None
        except jwt.PyJWTError:
            reason = {"code": "PGRST301", "message": "No suitable key or wrong key type"}
            raise Refused(401, reason) from None


def columns(names):
    if not names or names == "*":
        return sql.SQL("*")
    return sql.SQL(", ").join(map(sql.Identifier, names.split(",")))


def condition(column, asked):
    """`eq.5`, `in.(a,b)`, `is.null` and their negations, as SQL."""
    negated = asked.startswith("not.")
    operator, _, value = asked.removeprefix("not.").partition(".")
    name = sql.Identifier(column)
    values: list[Any] = []
    if operator == "is" and value == "null":
        clause = sql.SQL("{} is null").format(name)
    elif operator == "in":
        values = next_values(value.removeprefix("(").removesuffix(")"))
        marks = sql.SQL(", ").join(sql.SQL("%s") for _ in values)
        clause = sql.SQL("{} in ({})").format(name, marks) if values else sql.SQL("false")
    elif operator in OPERATORS:
        clause = sql.SQL("{} {} %s").format(name, sql.SQL(OPERATORS[operator]))
        values = [value]
    else:
        raise Refused(400, {"code": "PGRST100", "message": f"operator {operator} is not ours"})
    return (sql.SQL("not ({})").format(clause) if negated else clause), values


def next_values(text):
    """Values of a list, those with commas in quotes."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,]+)', text)
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in found]


def filters(query):
    clauses, values = [sql.SQL("true")], []
    for column, asked in query.items():
        if column not in ("select", "order", "limit", "offset", "columns"):
            clause, more = condition(column, asked)
            clauses.append(clause)
            values += more
    return sql.SQL(" and ").join(clauses), values


def order(asked):
    if not asked:
        return sql.SQL("")
    parts = []
    for part in asked.split(","):
        column, *ways = part.split(".")
        way = "desc" if "desc" in ways else "asc"
        parts.append(sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(way)))
    return sql.SQL(" order by ") + sql.SQL(", ").join(parts)


def rest(project, claims, asked):
    """What PostgREST does with a request: one statement, in the asker's transaction."""
    name, query = asked.path.removeprefix("/rest/v1/"), asked.query
    where, values = filters(query)
    table, shown = sql.Identifier("public", name), columns(query.get("select"))
    status = 200
    if name.startswith("rpc/"):
        given: Fields = asked.json() or {}
        named = [sql.SQL("{} => %s").format(sql.Identifier(key)) for key in given]
        function = sql.Identifier("public", name.removeprefix("rpc/"))
        statement = sql.SQL("select * from {}({})").format(function, sql.SQL(", ").join(named))
        values = list(given.values())
    elif asked.method == "GET":
        statement = sql.SQL("select {} from {} where {}{}").format(
            shown, table, where, order(query.get("order"))
        )
        if "limit" in query:
            statement += sql.SQL(" limit {}").format(sql.Literal(int(query["limit"])))
    elif asked.method == "POST":
        body = asked.json()
        rows = body if isinstance(body, list) else [body]
        names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
        statement = sql.SQL(
            "insert into {} ({}) select {} from json_populate_recordset(null::{}, %s)"
        ).format(table, names, names, table)
        values, status = [json.dumps(rows)], 201
    elif asked.method == "PATCH":
        names = sql.SQL(", ").join(map(sql.Identifier, asked.json()))
        statement = sql.SQL(
            "update {} set ({}) = (select {} from json_populate_record(null::{}, %s)) where {}"
        ).format(table, names, names, table, where)
        values = [json.dumps(asked.json()), *values]
    elif asked.method == "DELETE":
        statement = sql.SQL("delete from {} where {}").format(table, where)
    else:
        raise Refused(405, {"message": "method not allowed"})
    reads = asked.method == "GET" or name.startswith("rpc/")
    with project.acting(claims) as database:
        if not reads and "return=representation" not in asked.headers.get("prefer", ""):
            database.connection.execute(statement, values)
            return Answer(status if status == 201 else 204)
        if not reads:
            statement += sql.SQL(" returning {}").format(shown)
        whole = sql.SQL(
            "with done as ({}) select coalesce(json_agg(done), '[]')::text from done"
        ).format(statement)
        text = database.value(whole, values)
    return Answer(status, text.encode())


def storage(project, claims, asked):
    """What storage-api does: the row of `storage.objects` is written with the asker's rights."""
    kind, *parts = asked.path.removeprefix("/storage/v1/").split("/")
    path = unquote("/".join(parts[1:]))
    if kind == "upload":
        return resumable(project, claims, asked)
    if parts[0] == "sign" and asked.method == "POST":
        name = path.removeprefix("media/")
        look_up(project, claims, name)
        lasts = float(asked.json()["expiresIn"])
        signed = token(project.secret, lasts=lasts, url=f"media/{name}")
        return Answer.of({"signedURL": f"/object/sign/media/{name}?token={signed}"})
    if parts[0] == "sign":
        try:
            said = jwt.decode(asked.query["token"], project.secret, ["HS256"])
        except (KeyError, jwt.PyJWTError):
            raise missing(400, "InvalidJWT") from None
        if not hmac.compare_digest(said["url"], path) or path.removeprefix("media/") not in (
            project.files
        ):
            raise missing()
        return Answer(200, project.files[path.removeprefix("media/")], "application/octet-stream")
    if asked.method in ("POST", "PUT"):
        data, content_type = uploaded(asked)
        put(project, claims, path, data, content_type, asked.headers.get("x-upsert") == "true")
        return Answer.of({"Id": secrets.token_hex(4), "Key": f"media/{path}"})
    if asked.method == "DELETE":
        with project.acting(claims) as database:
            database.run("select set_config('storage.allow_delete_query', 'true', true)")
            rows = database.rows(
                "delete from storage.objects where bucket_id = %s and name = any(%s) "
                "returning name",
                [parts[0], asked.json()["prefixes"]],
            )
        for row in rows:
            project.files.pop(row["name"], None)
        return Answer.of(rows)
    raise missing()


def missing(status=404, error="not_found"):
    return Refused(status, {"statusCode": str(status), "error": error, "message": error})


def look_up(project, claims, name):
    """A file that the asker may read, or the same answer as for none."""
    with project.acting(claims) as database:
        if not database.rows(
            "select from storage.objects where bucket_id = 'media' and name = %s", [name]
        ):
            raise missing()


def admit(project, claims, name, size, kind, upsert):
    """The bucket's limits, then the policies; writes the row as the asker."""
    with project.sql() as database:
        bucket = database.rows("select * from storage.buckets where id = 'media'")[0]
    if size > bucket["file_size_limit"]:
        raise missing(413, "Payload too large")
    if kind not in bucket["allowed_mime_types"]:
        raise missing(415, "invalid_mime_type")
    with project.acting(claims) as database:
        conflict = "on conflict (bucket_id, name) do update set version = excluded.version"
        try:
            database.run(
                "insert into storage.objects (bucket_id, name, owner_id, version) "
                f"values ('media', %s, %s, %s) {conflict if upsert else ''}",
                [name, claims.get("sub"), secrets.token_hex(8)],
            )
        except psycopg.errors.InsufficientPrivilege:
            raise missing(403, "new row violates row-level security policy") from None
        except psycopg.errors.UniqueViolation:
            raise missing(409, "Duplicate") from None


def put(project, claims, name, data, kind, upsert):
    admit(project, claims, name, len(data), kind, upsert)
    with project.sql() as database:
        database.run(
            "update storage.objects set metadata = %s where name = %s",
            [json.dumps({"size": len(data), "mimetype": kind}), name],
        )
    project.files[name] = data


def uploaded(asked):
    """The file of a form, and its type."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    for part in BytesParser(policy=HTTP).parsebytes(head + asked.body).iter_parts():
        if part.get_filename():
            return part.get_payload(decode=True), part.get_content_type()
    raise missing(400, "no file in the form")


def resumable(project, claims, asked):
    """The creation, the pieces and the position of an upload by the tus protocol."""
    if asked.method == "POST":
        said = dict(part.split(" ") for part in asked.headers["upload-metadata"].split(","))
        said = {key: base64.b64decode(value).decode() for key, value in said.items()}
        size, upsert = int(asked.headers["upload-length"]), asked.headers.get("x-upsert") == "true"
        admit(project, claims, said["objectName"], size, said["contentType"], upsert)
        id = secrets.token_hex(8)
        project.uploads[id] = {"data": b"", "size": size, "claims": claims, **said}
        where = f"{project.url}/storage/v1/upload/resumable/{id}"
        return Answer(201, headers={"Location": where, "Tus-Resumable": "1.0.0"})
    upload = project.uploads.get(asked.path.rsplit("/", 1)[1])
    if upload is None or upload["claims"].get("sub") != claims.get("sub"):
        raise missing()
    if asked.method == "PATCH":
        if int(asked.headers["upload-offset"]) != len(upload["data"]):
            raise missing(409, "offset")
        rest_of_it = upload["size"] - len(upload["data"])
        if len(asked.body) != min(CHUNK, rest_of_it):
            raise missing(400, "a piece of another size")
        upload["data"] += asked.body
        if len(upload["data"]) == upload["size"]:
            name = upload["objectName"]
            put(project, claims, name, upload["data"], upload["contentType"], True)
    headers = {"Upload-Offset": str(len(upload["data"])), "Tus-Resumable": "1.0.0"}
    return Answer(204 if asked.method == "PATCH" else 200, headers=headers)


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, body, status=200):
        return cls(status, json.dumps(body, default=str).encode())


def answer(project, asked):
    if status := project.broken(asked.method, asked.path):
        return Answer.of({"message": "made to fail", "code": str(status)}, status)
    try:
        claims = project.claims(asked.headers.get("authorization", "").removeprefix("Bearer "))
        if asked.path.startswith("/rest/v1/"):
            return rest(project, claims, asked)
        if asked.path.startswith("/storage/v1/"):
            return storage(project, claims, asked)
        return Answer.of({"message": "no such path"}, 404)
    except Refused as refused:
        return Answer.of(refused.body, refused.status)
    except psycopg.Error as error:
        said, state = error.diag, error.sqlstate or "XX000"
        status = int(state[2:]) if state.startswith("PT") else STATUS.get(state, 400)
        return Answer.of(
            {
                "code": state,
                "message": said.message_primary,
                "details": said.message_detail,
                "hint": said.message_hint,
            },
            status,
        )


def serve(project, asked):
    asked.close_connection = False  # the client of all tests keeps its connections
    url = urlsplit(asked.path)
    headers = {name.lower(): value for name, value in asked.headers.items()}
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    given = answer(project, Asked(asked.command, url.path, query, headers, asked.body))
    whole(given.body, given.status, **{"Content-Type": given.type, **given.headers})(asked)


@pytest.fixture(scope="module")
def project(postgres):
    """A project of this test file; each test makes accounts of its own in it."""
    made = Project(postgres, postgres.copy())
    with serving(PRIVATE, everywhere(partial(serve, made))) as server:
        made.url = server.url(PRIVATE, "")
        yield made
    made.http.close()
    for connection in made.idle:
        connection.close()
