"""The settings of accounts: read from the environment, and refused when they would do harm."""

import base64
import json
import re
from pathlib import Path

import pytest

from service import config
from service.auth.config import accounts
from service.context import Role

NAMES = (
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_PUBLISHABLE_KEY",
    "UNMASK_ACCOUNTS_KEY",
    "UNMASK_SIGN_IN",
    "UNMASK_SIGN_IN_WITH",
    "UNMASK_DEFAULT_ROLE",
    "UNMASK_SESSION_DAYS",
)


pytestmark = pytest.mark.usefixtures("no_settings")


def settle(monkeypatch, **settings):
    usual = {"SUPABASE_URL": "https://project.example/", "SUPABASE_ANON_KEY": "sb_publishable_x"}
    for name, value in (usual | settings).items():
        monkeypatch.setenv(name, value)


def token(role):
    """A key of the old form."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.signature"


def test_without_a_project_there_are_no_accounts():
    assert accounts() is None


def test_a_project_is_enough(monkeypatch):
    settle(monkeypatch)
    kept = accounts()
    assert (kept.url, kept.required, kept.providers) == ("https://project.example", False, ())
    assert (kept.default_role, kept.days) == (Role.ANALYST, 30)


@pytest.mark.parametrize("key", ["sb_publishable_abc", token("anon")])
def test_keys_of_both_forms(monkeypatch, key):
    settle(monkeypatch, SUPABASE_ANON_KEY="", SUPABASE_PUBLISHABLE_KEY=key)
    assert accounts().key == key


@pytest.mark.parametrize("key", ["sb_secret_abc", token("service_role")])
def test_a_key_that_passes_by_every_rule_is_refused(monkeypatch, key):
    settle(monkeypatch, SUPABASE_ANON_KEY=key)
    with pytest.raises(SystemExit, match="publishable", check=lambda e: key not in str(e)):
        accounts()


def test_streamlits_secrets_will_do(monkeypatch):
    secrets = {"SUPABASE_URL": "https://other.example", "SUPABASE_ANON_KEY": "sb_publishable_y"}
    config.set_fallback(secrets)
    kept = accounts()
    assert kept.url == "https://other.example"
    monkeypatch.setenv("SUPABASE_URL", "https://project.example")  # the environment goes first
    kept = accounts()
    assert kept.url == "https://project.example"


def test_off_is_off(monkeypatch):
    settle(monkeypatch, UNMASK_SIGN_IN="off")
    assert accounts() is None


def test_required_and_who_may_vouch(monkeypatch):
    settle(monkeypatch, UNMASK_SIGN_IN="Required", UNMASK_SIGN_IN_WITH="Google, github")
    kept = accounts()
    assert kept.required
    assert kept.providers == ("google", "github")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"SUPABASE_ANON_KEY": ""}, "SUPABASE_ANON_KEY"),
        ({"SUPABASE_URL": ""}, "SUPABASE_URL"),
        ({"SUPABASE_URL": "", "SUPABASE_ANON_KEY": "", "UNMASK_SIGN_IN": "required"}, "need both"),
        ({"SUPABASE_URL": "project.example"}, "not a valid URL"),
        ({"UNMASK_SIGN_IN": "maybe"}, "must be optional, required or off, not .maybe"),
        ({"UNMASK_SIGN_IN_WITH": "facebook"}, "facebook"),
        ({"UNMASK_DEFAULT_ROLE": "admin"}, "can't be admin"),
        ({"UNMASK_DEFAULT_ROLE": "king"}, "must be analyst or viewer, not .king"),
        ({"UNMASK_SESSION_DAYS": "ever"}, "UNMASK_SESSION_DAYS"),
        ({"UNMASK_SESSION_DAYS": "0"}, "UNMASK_SESSION_DAYS"),
    ],
)
def test_settings_that_make_no_sense_stop_the_server(monkeypatch, settings, complaint):
    settle(monkeypatch, **settings)
    with pytest.raises(SystemExit, match=complaint):
        accounts()


def test_the_document_names_every_setting():
    root = Path(__file__).parents[3]
    named = re.compile(r"\b(?:UNMASK|SUPABASE)_[A-Z_]+\b")
    told = set(named.findall((root / "docs" / "accounts.md").read_text("utf-8")))
    fields = {name for name in config.Config.model_fields if name.endswith("_files_per_hour")}
    fields |= {"guest_max_mb", "local", "trust_proxy", "public_url", "secret_key"}
    about = {name for field in fields for name in config.names(config.Config)[field]} | set(NAMES)
    assert told - {"UNMASK_FRAME_BY"} == about
