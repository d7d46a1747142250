"""Peak memory of an analysis of a long clip beside that of a short one.

    python -m bench.memory

Each runs in a process of its own: `unmask analyze` on 20 s and on 10 minutes of 1080p h264.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.clips import face_clip, repeated


def peak(path: Path) -> float:
    """MiB, the largest resident size of one analysis in a fresh process."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run([sys.executable, '-m', 'detector', 'analyze', sys.argv[1]], check=True,"
        " stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return int(out.stdout) / scale


def main() -> None:
    short = face_clip(20, 1920, 1080)
    long = repeated(short, 30)
    pairs = [(peak(short), peak(long)) for _ in range(3)]
    for a, b in pairs:
        print(f"20 s: {a:.0f} MiB   10 min: {b:.0f} MiB   ratio {b / a:.3f}")


if __name__ == "__main__":
    main()
