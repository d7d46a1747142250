"""Write .env with new keys for compose.yaml's profile `supabase`. Needs nothing but Python.

    python deploy/keys.py                                        for this computer
    python deploy/keys.py --no-mail                              the same, addresses unconfirmed
    python deploy/keys.py --address https://unmask.example.org   for others, behind a proxy

Only the owner can read the file. An existing one is never changed: the database was made with its
password, and its keys sign everybody in.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(__file__).resolve().parent
FILE = FOLDER / ".env"
TEMPLATE = FOLDER / "supabase" / "env.template"
HERE = "http://localhost:8501"
YEARS = 10
"""Lifetime of both keys, as Supabase's own."""


def text(address: str = HERE, *, mail: bool = True) -> str:
    """Return the file's content with new keys; with `mail`, addresses are confirmed by mail."""
    signing = secrets.token_hex(32)
    settings = [f"UNMASK_PUBLIC_URL={address}"]
    if urlsplit(address).hostname not in ("localhost", "127.0.0.1"):
        settings += ["UNMASK_LOCAL=off", "UNMASK_TRUST_PROXY=1"]
    return TEMPLATE.read_text("utf-8").format(
        settings="\n".join(settings),
        anon=token("anon", signing),
        secret=token("service_role", signing),
        signing=signing,
        superuser=secrets.token_hex(24),
        services=secrets.token_hex(24),
        autoconfirm="false" if mail else "true",
    )


def token(role: str, signing: str) -> str:
    """Return a key of this role: a JWT, signed by HMAC-SHA256."""
    now = int(time.time())
    claims = {"role": role, "iss": "supabase", "iat": now, "exp": now + YEARS * 365 * 86400}
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    signed = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{signed}.{_base64(hmac.digest(signing.encode(), signed.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--address", default=HERE, help="where people reach it")
    parser.add_argument("--no-mail", action="store_true", help="no confirmed addresses: for trials")
    chosen = parser.parse_args(arguments)
    address = chosen.address.rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or address != f"{parts.scheme}://{parts.netloc}":
        parser.error(f"{chosen.address!r} is not an address like https://example.org")
    content = text(address, mail=not chosen.no_mail)
    try:
        descriptor = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"unmask: {FILE} is there, and its keys may be in use. Move it away for new ones.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    print(f"unmask: wrote {FILE}")
    if not chosen.no_mail:
        print("unmask: now set the mail server in it (GOTRUE_SMTP_...)")


if __name__ == "__main__":
    main()
