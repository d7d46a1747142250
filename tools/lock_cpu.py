"""Write tools/requirements-cpu.txt for `make lock`: hashes of the locked PyTorch without CUDA.

uv.lock has the builds on PyPI, which bring 3 GB for a GPU; these are on PyTorch's own index.
"""

import re
import sys
import tomllib
import urllib.request
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.setup import CPU_BUILD, CPU_INDEX, LOCK

HEAD = """\
# PyTorch without CUDA for Linux, for tools/setup.py. Written by tools/lock_cpu.py (`make lock`).
# torchvision is small with CUDA, too: that of PyPI is accepted where the index has no other.
"""


def main() -> None:
    """Write the file if uv.lock has another version of PyTorch than it has."""
    packages = {p["name"]: p for p in tomllib.loads(LOCK.read_text("utf-8"))["package"]}
    text = HEAD
    for name, build in (("torch", "+cpu"), ("torchvision", "")):
        version, wheels = packages[name]["version"], packages[name]["wheels"]
        pin = f"{name}=={version}{build}"
        if f"{pin} " in CPU_BUILD.read_text("utf-8"):
            return
        try:
            with urllib.request.urlopen(f"{CPU_INDEX}/{name}/", timeout=30) as answer:
                page = unquote(answer.read().decode())
        except OSError as error:
            sys.exit(f"unmask: {pin} needs its hashes from {CPU_INDEX}: {error}")
        wheel = rf"/{name}-{re.escape(version)}\+cpu-[^\"#]*linux[^\"#]*\.whl#(sha256)=(\w+)"
        hashes = {":".join(found) for found in re.findall(wheel, page)}
        hashes |= set() if build else {file["hash"] for file in wheels}
        text += " \\\n    ".join([pin, *(f"--hash={value}" for value in sorted(hashes))]) + "\n"
    CPU_BUILD.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
