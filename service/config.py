"""Environment variables of the server, beside those of the library, each declared once with type,
bounds and default.

    python -m service.config     the purpose and current value of each

An invalid value stops the server with a message that names the variable: guessing how long private
files are stored, or which proxy to trust, would be worse.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from detector.config import (
    Amount,
    Count,
    Expected,
    LibraryConfig,
    Ports,
    Secret,
    Snapshot,
    Switch,
    Text,
    as_text,
    names,
    sentence,
    setting,
    snapshot,
    split,
)
from detector.seals import key_of

MIN_SECRET_KEY = 32  # characters of UNMASK_SECRET_KEY

_lower = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"is not a valid URL: {value!r}.")
    return value.rstrip("/")


PROVIDERS = {"google": "Google", "github": "GitHub"}  # Who can vouch for somebody


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            ip_network(value)
        except ValueError as error:
            raise ValueError(f"names no network: {value!r} ({error}).") from None
    return values


def _public_keys(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            key_of(value)
        except ValueError:
            raise ValueError(f"{value!r} is no Ed25519 public key in base64.") from None
    return values


Address = Annotated[str, AfterValidator(_address), Expected("an address with http:// or https://")]
Networks = Annotated[
    tuple[str, ...],
    split(","),
    AfterValidator(_networks),
    Expected("networks such as 192.168.7.0/24 with commas between"),
]
SignInMode = Literal["optional", "required", "off"]


class Config(LibraryConfig):
    """Settings of a server."""

    retention_hours: Amount = setting(
        "UNMASK_RETENTION_HOURS", 24.0, "how long uploads are kept, in hours"
    )
    database: Secret = setting(
        "UNMASK_DATABASE",
        SecretStr(""),
        "PostgreSQL for the records, as `postgresql://user:password@host/name` "
        "([records.md](records.md))",
        usual="the file `unmask.db` in the data folder",
    )
    s3_bucket: Annotated[
        str,
        Field(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$"),
        Expected("the name of a bucket, without s3://"),
    ] = setting(
        "UNMASK_S3_BUCKET",
        "",
        "an S3-compatible bucket that keeps the media ([several servers](#several-servers))",
        usual="the data folder",
    )
    s3_endpoint: Address = setting(
        "UNMASK_S3_ENDPOINT", "", "of another service than Amazon's", usual="Amazon's"
    )
    s3_prefix: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.!'()*/-]*$"),
        Expected("a folder of the bucket such as unmask"),
    ] = setting("UNMASK_S3_PREFIX", "", "the folder of the bucket that the media is in")
    keep_records_days: Amount = setting(
        "UNMASK_KEEP_RECORDS_DAYS", 30.0, "how long results are kept at most, in days"
    )
    max_upload_mb: Amount | None = setting(
        "UNMASK_MAX_UPLOAD_MB", None, "the largest upload, in MB", usual="500"
    )
    workers: Count = setting(
        "UNMASK_WORKERS",
        0,
        "files analyzed at once",
        usual="one for two cores, at most 2; 1 in the image",
    )
    warm_up: Switch = setting(
        "UNMASK_WARM_UP", True, "off: models are loaded by the first analysis, not ahead"
    )
    live_viewers: Count | None = setting(
        "UNMASK_LIVE_VIEWERS",
        None,
        "cameras at a time",
        usual="one for a core, 2 at least; 2 in the image",
    )
    cameras: Switch = setting(
        "UNMASK_CAMERAS",
        False,
        "on: Live also watches cameras by their address ([live.md](live.md))",
    )
    camera_networks: Networks = setting(
        "UNMASK_CAMERA_NETWORKS",
        (),
        "private networks that cameras may be in; without, those of the Internet alone",
    )
    camera_ports: Ports = setting(
        "UNMASK_CAMERA_PORTS", (), "ports of cameras, besides 80, 443, 554, 322 and 8554"
    )
    webhook_ports: Ports = setting(
        "UNMASK_WEBHOOK_PORTS", (), "ports that webhooks may call, besides 80 and 443"
    )
    sandbox: Switch = setting(
        "UNMASK_SANDBOX", True, "off: parse uploads in the server's own process"
    )

    frame_by: Annotated[
        tuple[Annotated[str, Field(pattern=r"^https?://[\w.*:-]+$")], ...],
        split(None),
        Expected("origins such as https://a.org"),
    ] = setting("UNMASK_FRAME_BY", (), "who may show the pages in a frame; spaces between")
    space_id: Text = setting("SPACE_ID", "", "set by a Space of Hugging Face: its frame is allowed")
    local: Annotated[Literal["", "off", "all"], _lower, Expected("off or all")] = setting(
        "UNMASK_LOCAL",
        "",
        "who is the owner of this computer: `off` nobody, `all` everybody",
        usual="who browses from it",
    )
    trust_proxy: Annotated[int, Field(ge=0, le=10), Expected("a number of proxies, 0 to 10")] = (
        setting(
            "UNMASK_TRUST_PROXY",
            0,
            "proxies of yours before the server, whose `X-Forwarded-For` counts",
        )
    )
    public_url: Address = setting(
        "UNMASK_PUBLIC_URL", "", "the address people use", usual="by the request"
    )

    guest_files_per_hour: Count = setting(
        "UNMASK_GUEST_FILES_PER_HOUR", 20, "a guest's files in an hour; 0: no limit"
    )
    user_files_per_hour: Count = setting(
        "UNMASK_USER_FILES_PER_HOUR", 120, "an account's files in an hour; 0: no limit"
    )
    address_files_per_hour: Count = setting(
        "UNMASK_ADDRESS_FILES_PER_HOUR",
        60,
        "files in an hour of all guests behind one address; 0: no limit",
    )
    guest_max_mb: Count = setting(
        "UNMASK_GUEST_MAX_MB", 0, "a guest's largest file, in MB", usual="as anybody's"
    )

    requests_per_minute: Count = setting(
        "UNMASK_REQUESTS_PER_MINUTE",
        600,
        "requests of a key in a minute, and of all keys at one address; 0: no limit",
    )

    supabase_url: Address = setting("SUPABASE_URL", "", "the project that keeps accounts")
    supabase_key: Secret = setting(
        "SUPABASE_ANON_KEY|SUPABASE_PUBLISHABLE_KEY",
        SecretStr(""),
        "its key that browsers may know, of either form",
    )
    accounts_key: Secret = setting(
        "UNMASK_ACCOUNTS_KEY",
        SecretStr(""),
        "the project's secret key, for administrators to list, disable and promote accounts",
    )
    sign_in: Annotated[SignInMode, _lower, Expected("optional, required or off")] = setting(
        "UNMASK_SIGN_IN", "optional", "whether guests may work too"
    )
    sign_in_with: Annotated[
        tuple[Literal["google", "github"], ...],
        split(","),
        _lower,
        Expected("google, github or both with a comma between"),
    ] = setting("UNMASK_SIGN_IN_WITH", (), "those switched on in the project")
    default_role: Annotated[Literal["analyst", "viewer"], _lower, Expected("analyst or viewer")] = (
        setting("UNMASK_DEFAULT_ROLE", "analyst", "of accounts without a role")
    )
    session_days: Annotated[float, Field(gt=0, le=365), Expected("a number between 0 and 365")] = (
        setting("UNMASK_SESSION_DAYS", 30.0, "how long a browser stays signed in, in days")
    )
    secret_key: Secret | None = setting(
        "UNMASK_SECRET_KEY",
        None,
        "protects sessions on the disk, seals results",
        usual="a file in the data folder",
    )
    seal_keys: Annotated[
        tuple[str, ...],
        split(","),
        AfterValidator(_public_keys),
        Expected("public keys with commas between"),
    ] = setting(
        "UNMASK_SEAL_KEYS", (), "public keys of other servers whose results count as this one's"
    )
    supabase_media: Switch = setting(
        "UNMASK_SUPABASE_MEDIA", False, "on: copies of media in the project's bucket"
    )

    stun: Text = setting(
        "UNMASK_STUN",
        "",
        "STUN servers that help cameras through firewalls, commas between; `none`",
        usual="a public one",
    )
    turn_url: Text = setting("UNMASK_TURN_URL", "", "TURN servers that pass video on")
    turn_username: Text = setting("UNMASK_TURN_USERNAME", "", "of the TURN servers")
    turn_credential: Secret = setting(
        "UNMASK_TURN_CREDENTIAL", SecretStr(""), "of the TURN servers"
    )
    cloudflare_turn_key_id: Text = setting(
        "CLOUDFLARE_TURN_KEY_ID", "", "TURN servers by Cloudflare"
    )
    cloudflare_turn_key_api_token: Secret = setting(
        "CLOUDFLARE_TURN_KEY_API_TOKEN", SecretStr(""), "of that key"
    )
    twilio_account_sid: Text = setting("TWILIO_ACCOUNT_SID", "", "TURN servers by Twilio")
    twilio_auth_token: Secret = setting("TWILIO_AUTH_TOKEN", SecretStr(""), "of that account")

    @field_validator("default_role", mode="before")
    @classmethod
    def _no_admin(cls, value: str) -> str:
        if value.lower() == "admin":
            raise ValueError("can't be admin: anybody can make an account.")
        return value

    @field_validator("supabase_key")
    @classmethod
    def _publishable(cls, value: SecretStr) -> SecretStr:
        if _is_secret(value.get_secret_value()):
            raise ValueError(
                "holds a secret key, which passes by every rule of the database. "
                "Use the publishable (anon) key."
            )
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < MIN_SECRET_KEY:
            raise ValueError(f"needs {MIN_SECRET_KEY} characters or more.")
        return value


_ACCOUNTS = (
    "supabase_url", "supabase_key", "sign_in", "sign_in_with", "default_role", "session_days",
)  # fmt: skip
FALLBACK = tuple(variable for field in _ACCOUNTS for variable in names(Config)[field])
"""What may also stand in the file of secrets of the framework that draws the pages."""

_fallback: dict[str, str] = {}


def set_fallback(values: Mapping[str, str]) -> None:
    """Use these values, of `FALLBACK`, where the environment has none."""
    _fallback.clear()
    stripped = {name: values.get(name, "").strip() for name in FALLBACK}
    _fallback.update({name: value for name, value in stripped.items() if value})


def get_config() -> Config:
    """Return the settings, cached until the environment changes. Raise SystemExit for an invalid
    value."""
    return _read(snapshot(Config), tuple(_fallback.items()))


@lru_cache(maxsize=8)
def _read(environment: Snapshot, fallback: Snapshot) -> Config:
    stated = dict(environment)
    overruled = {
        name
        for aliases in names(Config).values()
        if not stated.keys().isdisjoint(aliases)
        for name in aliases
    }
    values = {name: value for name, value in fallback if name not in overruled}
    try:
        return Config.model_validate(values | stated)
    except ValidationError as error:
        raise SystemExit(sentence(Config, error)) from None


def _is_secret(key: str) -> bool:
    """Return whether a Supabase key is secret: of the new form, or a token that states so."""
    if key.startswith("sb_secret_"):
        return True
    try:
        body = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and claims.get("role") == "service_role"


if __name__ == "__main__":
    print(as_text(get_config()), end="")
