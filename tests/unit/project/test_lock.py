"""uv.lock: it fits pyproject.toml, every file has its hash, and set-up asks for nothing else."""

import json
import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from detector import installation
from tests.support.dependencies import OTHERS, PROJECT, declared
from tools import programs, setup

PACKAGES = {p["name"]: p for p in tomllib.loads(setup.LOCK.read_text("utf-8"))["package"]}
OURS = {"unmask", "unmask-weights", *OTHERS}
LOCKED = {name: package for name, package in PACKAGES.items() if name not in OURS}


def test_the_lock_satisfies_what_is_declared():
    extras = PROJECT["project"]["optional-dependencies"]
    build = map(Requirement, PROJECT["dependency-groups"]["build"])
    for requirement in (*declared(*extras, "lab"), *build):
        version = PACKAGES[canonicalize_name(requirement.name)]["version"]
        assert requirement.specifier.contains(version), f"{requirement}: make lock"


def test_every_file_is_of_the_public_index_and_has_its_hash():
    assert len(LOCKED) > 200
    for name, package in LOCKED.items():
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        assert files, name
        for file in files:
            assert file["url"].startswith("https://files.pythonhosted.org/"), name
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), name
    assert [name for name, package in LOCKED.items() if "wheels" not in package] == [setup.SOURCE]


def test_the_cpu_build_is_of_the_locked_version():
    text = setup.CPU_BUILD.read_text("utf-8")
    torch, torchvision = re.findall(r"^(\S+==\S+) \\$", text, re.M)
    assert torch == f"torch=={LOCKED['torch']['version']}+cpu", "make lock"
    assert torchvision == f"torchvision=={LOCKED['torchvision']['version']}", "make lock"
    hashes = set(re.findall(r"sha256:[0-9a-f]{64}", text))
    assert not hashes & {wheel["hash"] for wheel in LOCKED["torch"]["wheels"]}


def test_set_up_asks_for_what_is_needed_with_hashes():
    dashboard = setup.requirements(["base", "dashboard"], cpu=True)
    assert {"numpy", "streamlit", "grad-cam", "sympy", "h2", "h5py"} <= set(dashboard)
    assert not {"pytest", "torch", "torchvision", "triton", "uv", *OURS} & set(dashboard)
    assert not [name for name in dashboard if name.startswith("nvidia")]
    for name, line in dashboard.items():
        pin, *hashes = line.split()
        assert pin == f"{name}=={LOCKED[name]['version']}"
        assert hashes and all(value.startswith("--hash=sha256:") for value in hashes)
    assert {"pytest", "ray"} <= set(setup.requirements(["base", "dashboard", "test"]))
    assert setup.folders(["base", "dashboard"]) == [setup.ROOT / "plugins" / "published"]
    everything = setup.folders(["base", "dashboard", "test", "lab"])
    assert everything == [setup.ROOT / name for name in OTHERS.values()]
    assert {"torch", "torchvision"} <= set(setup.requirements(["base"]))
    assert {"uv", "hatchling", "editables", "setuptools"} <= set(setup.requirements(["build"]))


def test_advice_to_install_names_the_packages_of_this_repository():
    """Which no index has, so that pip finds none by its name."""
    for extra in PROJECT["project"]["optional-dependencies"]:
        folders = {setup.ROOT / installation.folder(name) for name in installation.needed(extra)}
        assert folders == set(setup.folders([extra])), extra
    for name, folder in OTHERS.items():
        project = tomllib.loads((setup.ROOT / folder / "pyproject.toml").read_text("utf-8"))
        extras = [
            one for line in project["project"]["dependencies"] for one in Requirement(line).extras
        ]
        assert installation.folder(name) == folder
        assert installation.needed(name) == installation.needed(",".join(extras)), name


def test_the_npm_lock_has_exact_versions_with_hashes_and_names_no_host():
    lock = json.loads((programs.STANDIN / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert {"node_modules/nano-supabase", "node_modules/@electric-sql/pglite"} <= set(packages)
    for entry in packages.values():
        assert entry["integrity"].startswith("sha512-") and "resolved" not in entry
    wanted = json.loads((programs.STANDIN / "package.json").read_text("utf-8"))["dependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
