"""Writes .env with the keys of a Supabase of one's own, for compose.yaml's profile `supabase`.

    python tools/keys.py                                     to look at it on this computer
    python tools/keys.py --no-mail                           the same, and no address is confirmed
    python tools/keys.py --address https://unmask.example.org      for others, behind a proxy

Needs Python alone. The file is readable by its owner only, and one that is there is never touched:
the database was made with its password, and everybody is signed in by its keys.
"""

from __future__ import annotations

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

FILE = Path(__file__).resolve().parent.parent / ".env"
HERE = "http://localhost:8501"
YEARS = 10
"""that the two keys are good for, as those of Supabase itself"""

ENV = """\
# Written by tools/keys.py for compose.yaml. It opens the database: keep it to yourself, and a copy.
COMPOSE_PROFILES=supabase

{settings}
SUPABASE_URL=http://gateway:8000
SUPABASE_ANON_KEY={anon}

# Of the services, never of Unmask.
SUPABASE_SECRET_KEY={secret}
JWT_SECRET={signing}
POSTGRES_PASSWORD={superuser}
SERVICES_PASSWORD={services}

# Whether an address counts without a mail that confirms it: for trying out.
GOTRUE_MAILER_AUTOCONFIRM={autoconfirm}
# Who sends mails. Without one nobody can confirm an address, or ask for a new password.
# GOTRUE_SMTP_HOST=smtp.example.org
# GOTRUE_SMTP_PORT=587
# GOTRUE_SMTP_USER=
# GOTRUE_SMTP_PASS=
# GOTRUE_SMTP_ADMIN_EMAIL=unmask@example.org
# GOTRUE_SMTP_SENDER_NAME=Unmask
"""


def text(address: str = HERE, *, mail: bool = True) -> str:
    """The content of the file, with new keys in it.

    Parameters
    ----------
    address : str
        What people type. Other than this computer's, it stands for a proxy with HTTPS in front.
    mail : bool
        Addresses are confirmed by mail.
    """
    signing = secrets.token_hex(32)
    settings = [f"UNMASK_PUBLIC_URL={address}"]
    if urlsplit(address).hostname not in ("localhost", "127.0.0.1"):
        settings += ["UNMASK_LOCAL=off", "UNMASK_TRUST_PROXY=1"]
    return ENV.format(
        settings="\n".join(settings),
        anon=token("anon", signing),
        secret=token("service_role", signing),
        signing=signing,
        superuser=secrets.token_hex(24),
        services=secrets.token_hex(24),
        autoconfirm="false" if mail else "true",
    )


def token(role: str, signing: str) -> str:
    """A key of this role: a JWT, signed by HMAC-SHA256."""
    now = int(time.time())
    claims = {"role": role, "iss": "supabase", "iat": now, "exp": now + YEARS * 365 * 86400}
    said = ".".join(
        _base64(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return f"{said}.{_base64(hmac.digest(signing.encode(), said.encode(), hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _address(written: str) -> str:
    parts = urlsplit(written)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or written.strip("/") != (f"{parts.scheme}://{parts.netloc}")
    ):
        raise argparse.ArgumentTypeError(f"{written!r} is no address like https://example.org")
    return written.rstrip("/")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--address", type=_address, default=HERE, help="what people type")
    parser.add_argument(
        "--no-mail", action="store_true", help="addresses count unconfirmed: for trying out"
    )
    asked = parser.parse_args(arguments)
    content = text(asked.address, mail=not asked.no_mail)
    try:
        file = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"unmask: {FILE} is there, and its keys may be in use. Move it away for new ones.")
    with os.fdopen(file, "w", encoding="utf-8") as writing:
        writing.write(content)
    print(f"unmask: wrote {FILE}")
    if not asked.no_mail:
        print("unmask: now name in it who sends mails (GOTRUE_SMTP_...)")


if __name__ == "__main__":
    main()
