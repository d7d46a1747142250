"""`tools/postgres.py`, `tools/standin.py` and `tools/caddy.py` find what the tests of accounts
need, bring it, or say what to type."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tools import caddy, postgres, standin


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def server(folder: Path, version: str) -> Path:
    for name in ("initdb", "pg_ctl"):
        program(folder, name, f"echo '{name} (PostgreSQL) {version}'")
    return folder


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it, and no PostgreSQL where systems keep them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("POSTGRES", "NODE", "CADDY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(postgres, "PLACES", (str(tmp_path / "lib" / "*" / "bin"),))
    return folder


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_the_newest_is_taken_that_the_migrations_can_use(path: Path, tmp_path: Path) -> None:
    assert postgres.find() is None
    server(tmp_path / "lib" / "14" / "bin", "14.9")
    assert postgres.find() is None
    fifteen = server(tmp_path / "lib" / "15" / "bin", "15.18 (Debian 15.18-0+deb12u1)")
    assert postgres.find() == fifteen
    seventeen = server(tmp_path / "lib" / "17" / "bin", "17.2")
    assert postgres.find() == seventeen
    assert postgres.find() != server(path, "16.1")


def test_a_named_one_is_taken_or_none(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(path, "16.1")
    other = server(tmp_path / "other", "15.1")
    monkeypatch.setenv("POSTGRES", str(other))
    assert postgres.find() == other
    monkeypatch.setenv("POSTGRES", str(tmp_path))
    assert postgres.find() is None


def test_what_is_missing_is_installed_by_root_and_named_to_others(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    place = tmp_path / "lib" / "15" / "bin"
    program(
        path,
        "apt-get",
        f"echo $* >> {log}\ncase $1 in install) /bin/mkdir -p {place}\n"
        f"for name in initdb pg_ctl; do\n"
        f"printf '#!/bin/sh\\necho initdb 15.1\\n' > {place}/$name\n"
        f"/bin/chmod +x {place}/$name; done;; esac",
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="apt-get install postgresql"):
        postgres.main()
    assert not log.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    postgres.main()
    assert capfd.readouterr().out.splitlines()[-1] == str(place)
    assert log.read_text().splitlines()[-1].endswith("postgresql")


# --- the stand-in of Supabase's API ---------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path / "cache"


NPM = """while [ "$1" != --prefix ]; do shift; done
/bin/mkdir "$2/node_modules" && echo fetched > "$2/node_modules/it"
"""


def test_packages_are_fetched_once_for_each_lock(
    path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(path, "node", "echo v20.20.2")
    npm = program(path, "npm", NPM)
    assert standin.find() is None
    standin.main()
    folder = Path(capfd.readouterr().out.strip())
    assert folder.is_relative_to(cache) and (folder / "it").read_text() == "fetched\n"
    npm.unlink()  # not asked again
    standin.main()
    assert Path(capfd.readouterr().out.strip()) == folder
    assert [entry.name for entry in folder.parent.parent.iterdir()] == [folder.parent.name]


def test_a_fetch_that_fails_leaves_nothing_and_stops(path: Path, cache: Path) -> None:
    program(path, "node", "echo v22.1.0")
    program(path, "npm", NPM + "exit 1")
    with pytest.raises(SystemExit, match="npm could not fetch"):
        standin.main()
    assert standin.find() is None and not list((cache / "unmask").iterdir())


@pytest.mark.parametrize("version", ["", "echo v18.19.0", "echo what"])
def test_an_old_node_or_none_stops(path: Path, cache: Path, version: str) -> None:
    if version:
        program(path, "node", version)
    program(path, "npm", NPM)
    with pytest.raises(SystemExit, match="Node 20 or newer"):
        standin.main()


def test_the_lock_names_exact_versions_by_their_hashes_and_no_host() -> None:
    lock = json.loads((standin.SOURCE / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {"node_modules/nano-supabase", "node_modules/@electric-sql/pglite"} <= set(packages)
    for entry in packages.values():
        assert entry["integrity"].startswith("sha512-") and "resolved" not in entry
    wanted = json.loads((standin.SOURCE / "package.json").read_text("utf-8"))["dependencies"]
    assert all(version[0].isdigit() for version in wanted.values())


# --- the gateway ----------------------------------------------------------------------------------

DOWNLOAD = "case $1 in download) : > caddy_2.6.2-5_amd64.deb;; esac"
EXTRACT = """/bin/mkdir -p "$3/usr/bin"
printf '#!/bin/sh\\n' > "$3/usr/bin/caddy" && /bin/chmod +x "$3/usr/bin/caddy"
"""


def test_a_caddy_is_unpacked_beside_the_system(
    path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="apt-get install caddy"):
        caddy.main()
    program(path, "apt-get", DOWNLOAD)
    dpkg = program(path, "dpkg-deb", EXTRACT)
    caddy.main()
    found = Path(capfd.readouterr().out.strip())
    assert found == cache / "unmask" / "caddy" / "usr" / "bin" / "caddy"
    dpkg.unlink()  # not asked again
    caddy.main()
    assert [entry.name for entry in (cache / "unmask").iterdir()] == ["caddy"]
    systems = program(path, "caddy", "")
    assert caddy.find() == str(systems)


def test_a_caddy_that_does_not_unpack_leaves_nothing(path: Path, cache: Path) -> None:
    program(path, "apt-get", DOWNLOAD)
    program(path, "dpkg-deb", "exit 1")
    with pytest.raises(SystemExit, match="needs Caddy"):
        caddy.main()
    assert not list((cache / "unmask").iterdir())
