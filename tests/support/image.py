"""The image of the Dockerfile, built without Docker: each stage is a folder that its steps run in.

It needs Linux, root and debootstrap. No registry of images is asked: Debian's packages stand in for
the base image, with Debian's Python of the same version.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from deploy.space import AT_ROOT
from tests.support.processes import ROOT

Step = tuple[str, str]
"""An instruction and its arguments."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENTER = """
root=$1; shift
mount --bind "$root" "$root"
for name in dev proc sys; do mount --rbind /$name "$root/$name"; done
for path in $SHARED; do
    mkdir -p "$root${path%/*}"
    if [ -d "$path" ]; then mkdir -p "$root$path"; else touch "$root$path"; fi
    mount --bind "$path" "$root$path"
done
if [ "$READ_ONLY" ]; then
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount --bind "$root/data" "$root/data"
    mount -o remount,bind,ro "$root"
fi
exec chroot "$root" "$@"
"""
"""Mounts what Docker mounts, in a namespace of the command's own, and enters the folder."""


def possible() -> bool:
    """Return whether this computer and this user can build it."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("debootstrap"):
        return False
    return not subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode


def _described(source: Path, name: str) -> str:
    """Return the text of a file of deploy/, which a Space has at its root."""
    place = source / name
    return (place if place.exists() else source / AT_ROOT[name]).read_text("utf-8")


def stages(source: Path = ROOT) -> list[list[Step]]:
    """Return the instructions of the Dockerfile, by stage."""
    text = re.sub(r"^\s*#.*\n", "", _described(source, "deploy/Dockerfile"), flags=re.M)
    found: list[list[Step]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip():
            continue
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def of(steps: list[Step], wanted: str) -> list[str]:
    """Return the arguments of each instruction of this name."""
    return [rest for word, rest in steps if word == wanted]


def environment(steps: list[Step]) -> dict[str, str]:
    """Return the variables that ENV sets."""
    return dict(pair.split("=", 1) for rest in of(steps, "ENV") for pair in shlex.split(rest))


def ignored(name: str, source: Path = ROOT) -> bool:
    """Apply Dockerfile.dockerignore: the last line that matches a path or a parent decides."""
    out = False
    for line in _described(source, "deploy/Dockerfile.dockerignore").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        parts = name.split("/")
        above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch.fnmatch(p, pattern.replace("**/", "*")) for p in above):
            out = not line.startswith("!")
    return out


@dataclass
class Stage:
    """A stage: its folder, and what its instructions have set."""

    root: Path
    source: Path
    """The checkout, as the build's context."""
    variables: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0"
    commands: dict[str, list[str]] = field(default_factory=dict)
    """CMD and HEALTHCHECK."""

    def run(self, line: str) -> None:
        """Run a line of a shell, with this computer's package indexes."""
        indexes = {
            name: value
            for name, value in os.environ.items()
            if re.match("(PIP|UV|SSL|REQUESTS|CURL)_", name) and name not in self.variables
        }
        shared = " ".join(path for path in indexes.values() if Path(path).exists())
        command = self.command("/bin/sh", "-c", line, **indexes, HOME="/root", **self.arguments)
        subprocess.run(command, env=os.environ | {"SHARED": shared}, check=True)

    def command(self, *words: str, **more: str) -> list[str]:
        """Return the command that runs these words inside, with `READ_ONLY` as docs/hosting.md
        says."""
        variables = self.variables | more
        given = [f"{name}={value}" for name, value in variables.items()]
        become = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        if self.user != "0":
            become += ["--no-new-privs", "--bounding-set=-all"]
        enter = ["unshare", "--mount", "sh", "-ec", ENTER, "sh", str(self.root)]
        return [
            *enter, "setpriv", *become, "env", "-i", f"--chdir={self.folder}", *given, *words,
        ]  # fmt: skip

    def copy(self, rest: str, built: dict[str, "Stage"]) -> None:
        """Copy files of the checkout, or link a folder of a stage that is done."""
        *sources, target = shlex.split(rest)
        there = self.root / os.path.join(self.folder, target).lstrip("/")
        if sources[0].startswith("--from="):
            other = built[sources.pop(0).partition("=")[2]].root
            for source in sources:
                there.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-al", other / source.lstrip("/"), there], check=True)
            return
        for source in sources:
            place = self.source / source
            for file in [place, *place.rglob("*")]:
                name = file.relative_to(self.source).as_posix()
                if file.is_file() and not ignored(name, self.source):
                    inside = file.relative_to(place) if place.is_dir() else Path()
                    to = (
                        there
                        / inside
                        / ("" if place.is_dir() or not target.endswith("/") else place.name)
                    )
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, to)


def build(folder: Path, source: Path = ROOT) -> tuple[Stage, list[str]]:
    """Do every instruction in order; return the last stage, and the instructions that could not
    be done or that ask for nothing."""
    base = folder / "base"
    packages = "python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", base]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (base / "usr/local/bin/python").symlink_to("/usr/bin/python3.11")
    built: dict[str, Stage] = {}
    left = []
    for steps in stages(source):
        for word, rest in steps:
            match word:
                case "FROM":
                    image, _, name = rest.partition(" AS ")
                    built[name] = stage = Stage(folder / (name or "last"), source)
                    subprocess.run(["cp", "-a", base, stage.root], check=True)
                    left.append(f"FROM {image}")
                case "ARG":
                    name, _, value = rest.partition("=")
                    stage.arguments[name] = value
                case "ENV":
                    for name, value in environment([(word, rest)]).items():
                        stage.variables[name] = Template(value).substitute(stage.variables)
                case "WORKDIR":
                    stage.folder = os.path.join(stage.folder, rest)
                    (stage.root / stage.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    stage.copy(rest, built)
                case "RUN":
                    stage.run(rest)
                case "USER":
                    stage.user = rest
                case "CMD" | "HEALTHCHECK":
                    stage.commands[word] = json.loads(rest[rest.index("[") :])
                case _:
                    left.append(f"{word} {rest}")
    return stage, left
