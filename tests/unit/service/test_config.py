"""Settings from the environment, accounts' too: typed, bounded, refused in one sentence."""

import ast
import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from detector import config as library
from detector.errors import UsageError
from service.auth import accounts
from service.config import Config, get_config, set_fallback
from service.context import Role
from service.storage import uploads

ROOT = Path(__file__).parents[3]
ROOMS = [
    path
    for room in ("detector", "service", "dashboard", "cli", "plugins")
    for path in (ROOT / room).rglob("*.py")
]
CONFIG = {ROOT / "detector" / "config.py", ROOT / "service" / "config.py"}
VARIABLES = {name for several in library.names(Config).values() for name in several}
BUCKET = "the name of a bucket, without s3://"
AMOUNT = "an amount of memory such as 4GB, 1500MB or 25%"


pytestmark = pytest.mark.usefixtures("no_settings")


def test_nothing_set_is_every_default():
    config = get_config()
    assert (config.retention_hours, config.trust_proxy, config.sandbox) == (24.0, 0, True)
    assert all(not line.value for line in library.table(config))


def test_a_change_is_seen_at_once_and_read_once(monkeypatch):
    first = get_config()
    assert get_config() is first
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", " 72 ")
    assert uploads.retention() == timedelta(hours=72)
    monkeypatch.setenv("UNMASK_OFFLINE", "1")
    assert get_config().offline and library.get_config().offline


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_is_not_set(monkeypatch, blank):
    for name in VARIABLES:
        monkeypatch.setenv(name, blank)
    assert all(not line.value for line in library.table(get_config()))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("UNMASK_RETENTION_HOURS", "forever", "must be a positive number, not 'forever'."),
        ("UNMASK_RETENTION_HOURS", "0", "must be a positive number, not '0'."),
        ("UNMASK_RETENTION_HOURS", "-1", "must be a positive number, not '-1'."),
        ("UNMASK_RETENTION_HOURS", "nan", "must be a positive number, not 'nan'."),
        ("UNMASK_KEEP_RECORDS_DAYS", "inf", "must be a positive number, not 'inf'."),
        ("UNMASK_MAX_UPLOAD_MB", "much", "must be a positive number, not 'much'."),
        ("UNMASK_WORKERS", "two", "must be a whole number, not 'two'."),
        ("UNMASK_ADDRESS_FILES_PER_HOUR", "-1", "must be a whole number, not '-1'."),
        ("UNMASK_GUEST_MAX_MB", "2.5", "must be a whole number, not '2.5'."),
        ("UNMASK_TRUST_PROXY", "11", "must be a number of proxies, 0 to 10, not '11'."),
        ("UNMASK_LIVE_VIEWERS", "many", "must be a whole number, not 'many'."),
        ("UNMASK_OFFLINE", "of", "must be on or off, not 'of'."),
        ("UNMASK_SUPABASE_MEDIA", "yes please", "must be on or off, not 'yes please'."),
        ("UNMASK_MEMORY", "much", f"must be {AMOUNT}, not 'much'."),
        ("UNMASK_LOCAL", "of", "must be off or all, not 'of'."),
        ("UNMASK_FRAME_BY", "a.org", "must be origins such as https://a.org, not 'a.org'."),
        ("UNMASK_PUBLIC_URL", "http://[x", "is not a valid URL: 'http://[x'."),
        ("SUPABASE_URL", "project.example", "is not a valid URL: 'project.example'."),
        ("UNMASK_S3_BUCKET", "s3://media", f"must be {BUCKET}, not 's3://media'."),
        ("UNMASK_S3_BUCKET", "Media", f"must be {BUCKET}, not 'Media'."),
        ("UNMASK_S3_ENDPOINT", "minio:9000", "is not a valid URL: 'minio:9000'."),
        ("UNMASK_S3_PREFIX", "a b", "must be a folder of the bucket such as unmask, not 'a b'."),
        ("UNMASK_SESSION_DAYS", "366", "must be a number between 0 and 365, not '366'."),
        ("UNMASK_SESSION_DAYS", "0", "must be a number between 0 and 365, not '0'."),
        ("UNMASK_SESSION_DAYS", "ever", "must be a number between 0 and 365, not 'ever'."),
    ],
)
def test_a_typo_is_one_sentence_that_names_the_variable(monkeypatch, name, value, told):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, check=lambda e: str(e) == f"{name} {told}"):
        get_config()
    if name in {n for several in library.names(library.LibraryConfig).values() for n in several}:
        with pytest.raises(UsageError, match=name):
            library.get_config()


def test_a_secret_is_never_told(monkeypatch):
    monkeypatch.setenv("UNMASK_SECRET_KEY", "hunter2")
    with pytest.raises(SystemExit, match="needs 32 characters") as refused:
        get_config()
    assert "hunter2" not in str(refused.value)
    monkeypatch.delenv("UNMASK_SECRET_KEY")
    monkeypatch.setenv("UNMASK_DATABASE", "postgresql://me:hunter2@host/name")
    monkeypatch.setenv("UNMASK_SECRET_KEY", "hunter2" * 9)
    monkeypatch.setenv("UNMASK_TURN_CREDENTIAL", "hunter2")
    told = library.as_text(get_config()) + repr(get_config())
    assert "hunter2" not in told and told.count("(set)") == 3


def test_a_file_of_secrets_is_believed_after_the_environment(monkeypatch):
    set_fallback({"UNMASK_SIGN_IN": "required", "UNMASK_SANDBOX": "off"})
    assert get_config().sign_in == "required"
    assert get_config().sandbox, "only what is about accounts"
    monkeypatch.setenv("UNMASK_SIGN_IN", "off")
    assert get_config().sign_in == "off"
    set_fallback({"SUPABASE_ANON_KEY": " sb_publishable_file "})
    assert get_config().supabase_key.get_secret_value() == "sb_publishable_file"
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_here")
    assert get_config().supabase_key.get_secret_value() == "sb_publishable_here"


def test_documents_name_settings_that_exist():
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(path.read_text("utf-8") for path in documents)
    assert set(re.findall(r"`(UNMASK_\w+)`", text)) <= VARIABLES


def test_each_setting_has_its_words_and_is_used():
    code = "\n".join(path.read_text("utf-8") for path in ROOMS if path not in CONFIG)
    used = set(re.findall(r"config(?:\(\))?\.(\w+)\b", code))
    assert set(Config.model_fields) - used == set()
    for line in library.table(get_config()):
        assert line.kind and line.purpose, line.name


def test_nobody_else_reads_the_environment():
    """But for what a process of ours or another library has to find there."""
    theirs = {
        "detector/_torchvision.py": set(),
        "detector/models/__init__.py": {"TRANSFORMERS_VERBOSITY"},
        "cli/__init__.py": set(),  # Typer's own, by which a shell asks for completions
        "cli/bundle.py": {"TORCH_INDEX"},
        "detector/paths.py": {"LOCALAPPDATA", "XDG_DATA_HOME"},
        "plugins/cluster/connection.py": {"RAY_USAGE_STATS_ENABLED", "RAY_AUTH_TOKEN"},
        "detector/isolation/sandbox.py": set(),
        "detector/helper_process.py": set(),
        "detector/provenance/credential.py": set(),
        "service/records/supabase/purge.py": {"SUPABASE_URL", "SUPABASE_SECRET_KEY"},
    }
    for path in ROOMS:
        if path in CONFIG:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        uses = [n for n in ast.walk(tree) if _name(n) in {"environ", "getenv", "environb"}]
        where = path.relative_to(ROOT).as_posix()
        assert not uses or where in theirs, where
        asked = {
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)
            and isinstance(node.func, ast.Attribute) and _name(node.func.value) == "environ"
        }  # fmt: skip
        assert asked <= theirs.get(where, set()) and not asked & VARIABLES, where


def _name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


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


def settle(monkeypatch, **settings):
    usual = {"SUPABASE_URL": "https://project.example/", "SUPABASE_ANON_KEY": "sb_publishable_x"}
    for name, value in (usual | settings).items():
        monkeypatch.setenv(name, value)


def token(role):
    """A key of the old form."""
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.signature"


def test_without_a_project_or_turned_off_there_are_no_accounts(monkeypatch):
    assert accounts() is None
    settle(monkeypatch, UNMASK_SIGN_IN="off")
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
        ({"UNMASK_SIGN_IN": "maybe"}, "must be optional, required or off, not .maybe"),
        ({"UNMASK_SIGN_IN_WITH": "facebook"}, "facebook"),
        ({"UNMASK_DEFAULT_ROLE": "admin"}, "can't be admin"),
        ({"UNMASK_DEFAULT_ROLE": "king"}, "must be analyst or viewer, not .king"),
    ],
)
def test_settings_that_make_no_sense_stop_the_server(monkeypatch, settings, complaint):
    settle(monkeypatch, **settings)
    with pytest.raises(SystemExit, match=complaint):
        accounts()
