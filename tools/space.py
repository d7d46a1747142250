"""Puts Unmask into a Space of Hugging Face.

    python tools/space.py OWNER/NAME             shows exactly what would be sent, and sends nothing
    HF_TOKEN=hf_... python tools/space.py OWNER/NAME --push [--private]

A Space builds the Dockerfile of its repository. What is sent is what the image is made of, and only
files that git tracks: never data, uploads or secrets, and not at all when one of the files looks as
if it held a secret. Files that are no longer part of it are deleted there. The token is read from
the environment and needs the right to write.

A Space's settings are the front matter of its README. It is put before ours on the way, since
elsewhere it would be shown as a table.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.leaks import ROOT, leaks, tracked

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
ALSO = ("Dockerfile", ".dockerignore", "README.md", "docs/analyze.png", "docs/hosting.md")
"""Sent beside what the image is made of."""
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def sent(root: Path = ROOT) -> dict[str, bytes | Path]:
    """What goes into the Space: path there -> file here, or its content where that differs.

    Raises
    ------
    SystemExit
        Something is missing, or looks like a secret.
    """
    kept = _kept(root)
    files = [path for path in tracked(root) if kept(path.relative_to(root).as_posix())]
    if places := list(leaks(files, root)):
        sys.exit("unmask: nothing was sent, this looks like a secret: " + ", ".join(places))
    content: dict[str, bytes | Path] = {
        path.relative_to(root).as_posix(): path for path in sorted(files)
    }
    if missing := [name for name in ("Dockerfile", "README.md", "app.py") if name not in content]:
        sys.exit(f"unmask: not tracked by git: {', '.join(missing)}")
    content["README.md"] = FRONT_MATTER.encode() + (root / "README.md").read_bytes()
    return content


def _kept(root: Path) -> Callable[[str], bool]:
    """Whether a path belongs to the image, by .dockerignore (all out, some back in), or to ALSO."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    back = [line[1:] for line in lines if line.startswith("!")]
    return lambda name: (
        name in ALSO or any(name == place or name.startswith(f"{place}/") for place in back)
    )


def push(space: str, content: dict[str, bytes | Path], token: str, *, private: bool) -> str:
    """Send it as one commit; returns the Space's address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(token=token, endpoint=os.environ.get("HF_ENDPOINT"))
    address = api.create_repo(
        space, repo_type="space", space_sdk="docker", private=private, exist_ok=True
    )
    there = api.list_repo_files(space, repo_type="space")
    gone = [name for name in there if name not in content and name != ".gitattributes"]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(name, source if isinstance(source, bytes) else str(source))
        for name, source in content.items()
    ]
    operations += [CommitOperationDelete(name) for name in gone]
    api.create_commit(
        space, operations, commit_message="Unmask as of this commit", repo_type="space"
    )
    return str(address)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("space", metavar="OWNER/NAME")
    parser.add_argument("--push", action="store_true", help="send it; else only show what would be")
    parser.add_argument("--private", action="store_true", help="when it is made: only for yourself")
    asked = parser.parse_args(arguments)
    if not _NAME.fullmatch(asked.space):
        sys.exit(f"unmask: {asked.space!r} is not the name of a Space: OWNER/NAME")
    content = sent()
    if not asked.push:
        for name, source in content.items():
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            print(f"{size:>12,}  {name}")
        print(f"unmask: {len(content)} files would be sent to {asked.space}; --push sends them")
        return
    token = os.environ.get("HF_TOKEN", "")
    if not token:
        sys.exit("unmask: HF_TOKEN is not set. Make a token that may write, and put it there.")
    from huggingface_hub.errors import HfHubHTTPError

    try:
        address = push(asked.space, content, token, private=asked.private)
    except HfHubHTTPError as error:
        status = error.response.status_code
        why = {401: "the token is not valid", 403: "the token may not write there"}.get(
            status, f"the hub answered {status}"
        )
        if status == 402:
            why = "a Docker Space needs a paid plan"
        sys.exit(f"unmask: nothing was sent: {why}.")
    print(f"unmask: {len(content)} files sent; it is being built at {address}")


if __name__ == "__main__":
    main()
