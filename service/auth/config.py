"""Whether there are accounts here, and how they are kept."""

from dataclasses import dataclass

from service.config import get_config
from service.context import Role


@dataclass(frozen=True)
class Accounts:
    """The project that keeps the accounts."""

    url: str
    key: str
    required: bool = False  # Nobody works here without one
    providers: tuple[str, ...] = ()  # Of `service.config.PROVIDERS`
    default_role: Role = Role.ANALYST
    days: float = 30.0  # A browser stays signed in


def accounts() -> Accounts | None:
    """Return the account settings, None where off; raise SystemExit if one lacks the other."""
    config = get_config()
    if config.sign_in == "off":
        return None
    url, key = config.supabase_url, config.supabase_key.get_secret_value()
    required = config.sign_in == "required"
    if not url or not key:
        if required or bool(url) != bool(key):
            raise SystemExit("Accounts need both SUPABASE_URL and SUPABASE_ANON_KEY.")
        return None
    role = Role(config.default_role)
    return Accounts(url, key, required, config.sign_in_with, role, config.session_days)
