"""Push Unmask to a Space of Hugging Face, which builds its Dockerfile, or to a Git remote.

    python deploy/space.py OWNER/NAME             lists what would be sent
    HF_TOKEN=hf_... python deploy/space.py OWNER/NAME --push [--private]
    python deploy/space.py https://... --push     the branch main of this remote

Only the image's files that git tracks are sent, and nothing if one of them seems to hold a secret.
Files that are no longer part of it are deleted there. The Space's settings go before the README.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRONT_MATTER = """\
---
title: Unmask
emoji: 🔎
colorFrom: blue
colorTo: gray
sdk: docker
app_port: 8501
pinned: false
license: apache-2.0
short_description: Was a face in this video or picture made by a machine?
---

"""
AT_ROOT = {"deploy/Dockerfile": "Dockerfile", "deploy/Dockerfile.dockerignore": ".dockerignore"}
"""Where the Space expects them."""
PICTURES = tuple(f"docs/{name}.webp" for name in ("analyze", "result", "compare", "live", "report"))
ALSO = (*AT_ROOT, "README.md", *PICTURES, "docs/hosting.md")
"""Sent in addition to the image's files."""
SECRET_FILES = re.compile(r"(^|/)(\.env(\..+)?|secrets\.toml|id_(rsa|ed25519)|.*\.(pem|key|p12))$")
SECRETS = re.compile(
    rb"""
    -----BEGIN\ (?:RSA\ |EC\ |OPENSSH\ |ENCRYPTED\ )?PRIVATE\ KEY-----\s*[A-Za-z0-9+/=]{40}
    | \bhf_[A-Za-z0-9]{30,} | \bsb_secret_[A-Za-z0-9_-]{20,}
    | \bgh[opsur]_[A-Za-z0-9]{36,} | \bgithub_pat_[A-Za-z0-9_]{40,}
    | \bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}
    | \bAKIA[A-Z0-9]{16}\b | \bAIza[A-Za-z0-9_-]{35}\b | \bxox[abp]-[A-Za-z0-9-]{20,}
    | \beyJhbGciOi[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}
    | (?i:\b[A-Z0-9_]*(?:SECRET|PASSWORD|API_KEY|ACCESS_KEY)[A-Z0-9_]*\s*[=:]\s*
        ["'][A-Za-z0-9+/=_-]{24,}["'])
    """,
    re.VERBOSE,
)


def tracked(root: Path = ROOT) -> list[str]:
    """Return the path of every file that git tracks and that exists."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]


def leaks(names: Iterable[str], root: Path = ROOT) -> Iterator[str]:
    """Yield where a secret seems to be: "path" for a file of secrets, else "path:line"."""
    for name in names:
        if SECRET_FILES.search(name):
            yield name
        if name.endswith(".safetensors"):  # 100 MB
            continue
        content = (root / name).read_bytes()
        for match in SECRETS.finditer(content):
            line = content.count(b"\n", 0, match.start()) + 1
            yield f"{name}:{line}"


def sent(root: Path = ROOT) -> dict[str, bytes | Path]:
    """Return what goes into the Space: a file, or its content where that differs, by path there."""
    lines = (root / "deploy/Dockerfile.dockerignore").read_text("utf-8").splitlines()
    parts = {*ALSO, *(line[1:] for line in lines if line.startswith("!"))}
    names = [n for n in tracked(root) if any(n == p or n.startswith(f"{p}/") for p in parts)]
    if places := list(leaks(names, root)):
        sys.exit("unmask: nothing was sent, this looks like a secret: " + ", ".join(places))
    readme = FRONT_MATTER.encode() + (root / "README.md").read_bytes()
    return {**{AT_ROOT.get(name, name): root / name for name in names}, "README.md": readme}


def push(content: dict[str, bytes | Path], remote: str) -> None:
    """Replace what the branch main of a Git remote holds by a commit."""
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=Unmask", "-c", "user.email=unmask@localhost"]
        subprocess.run(["git", "clone", "-qn", remote, folder], check=True)
        for name, file in content.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_bytes(file if type(file) is bytes else file.read_bytes())
        for words in ("add --all", "commit -q --allow-empty -m Update", "push -q origin HEAD:main"):
            subprocess.run([*git, *words.split()], check=True)


def main(arguments: list[str] | None = None) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("space", metavar="OWNER/NAME")
    parser.add_argument("--push", action="store_true", help="send it; else only list it")
    parser.add_argument("--private", action="store_true", help="visible to you alone")
    chosen = parser.parse_args(arguments)
    content = sent()
    if not chosen.push:
        print(*content, f"unmask: {len(content)} files; --push sends them", sep="\n")
        return
    if ":" in chosen.space or Path(chosen.space).is_absolute():
        return push(content, chosen.space)
    token = os.environ.get("HF_TOKEN") or sys.exit("unmask: set HF_TOKEN to a token that may write")
    api = HfApi(token=token, endpoint=os.environ.get("HF_ENDPOINT"))
    kind = {"repo_type": "space", "repo_id": chosen.space}
    try:
        url = api.create_repo(**kind, space_sdk="docker", private=chosen.private, exist_ok=True)
        gone = {*api.list_repo_files(**kind)} - {".gitattributes", *content}
        operations = [CommitOperationDelete(name) for name in sorted(gone)]
        operations += [CommitOperationAdd(name, file) for name, file in content.items()]
        api.create_commit(**kind, operations=operations, commit_message="Update Unmask")
    except (HfHubHTTPError, HFValidationError) as error:  # 402: a Docker Space needs a paid plan
        sys.exit(f"unmask: nothing was sent: {error}")
    print(f"unmask: {len(content)} files were sent; it is being built at {url}")


if __name__ == "__main__":
    main()
