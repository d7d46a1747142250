"""How long robustness trials take, and what each says: this tree beside another one.

    python -m bench.robustness FILE... [--beside CHECKOUT]

`CHECKOUT` is another working tree of this project, such as `git worktree add` makes of an older
commit: its trials run in turn with ours, in a process of their own, so that a busy machine slows
both alike. Processor seconds and seconds on the clock, without loading the models.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TRIED = """
import json, sys, time
from detector.pipeline import Analyzer
from detector.perturbation.robustness import try_out
path = sys.argv[1]
analyzer = Analyzer(device="cpu")
analysis = analyzer.analyze(path)
begun, clock = time.process_time(), time.perf_counter()
found = try_out(path, analysis, analyzer)
print(json.dumps({
    "cpu": time.process_time() - begun,
    "wall": time.perf_counter() - clock,
    "trials": [
        [t.title, t.probability, t.label, t.error]
        for t in (found.unchanged, *found.trials)
    ],
}))
"""


def tried(tree: Path, path: Path) -> dict[str, Any]:
    """The trials of one file with the program in `tree`."""
    done = subprocess.run(
        [sys.executable, "-c", TRIED, str(path.resolve())],
        env=os.environ | {"PYTHONPATH": str(tree.resolve())},
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT")
    args = parser.parse_args()
    here = Path(__file__).parent.parent
    for path in args.files:
        print(path.name)
        runs = {"here": tried(here, path)}
        if args.beside:
            runs["beside"] = tried(args.beside, path)
        for name, run in runs.items():
            print(f"  {name:8} {run['cpu']:6.1f} s of processor, {run['wall']:6.1f} s")
        for trials in zip(*(run["trials"] for run in runs.values()), strict=True):
            said = [
                f"{label:12} {'–' if p is None else f'{100 * p:5.1f} %'} {error or ''}"
                for _, p, label, error in trials
            ]
            print(f"    {trials[0][0]:24} {'  |  '.join(said)}")


if __name__ == "__main__":
    main()
