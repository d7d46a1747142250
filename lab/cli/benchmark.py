"""`unmask benchmark`: a leaderboard of the models here, and the check of another's."""

from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, ids, line, make_folder, tell
from cli.options import Device, Sign, arg, opt
from cli.verify import public_key
from detector import paths
from detector.errors import UsageError
from detector.evaluation.scores import Scoring
from detector.sentences import _


def benchmark(
    labels: Annotated[Path | None, arg("", "LABELS.csv")] = None,
    out: Annotated[
        Path | None, opt("write tables and submission; go on from there", "-o", "--out", "DIR")
    ] = None,
    models: Annotated[str | None, opt("instead of all whose weights are here", "ID,ID")] = None,
    frames: Annotated[int, opt("", "N", min=1)] = 32,
    sign: Sign = None,
    check: Annotated[
        Path | None, opt("verify it, and recompute its figures", "SUBMISSION.json")
    ] = None,
    public: Annotated[
        str | None, opt("with --check: it must be signed with this key", "--key", "PUBLIC")
    ] = None,
    device: Device = "auto",
) -> int:
    """Rank every model on labelled files, each alone, beside two baselines. Or check a submission:
    exit status 2 when something does not agree."""
    from detector.report import signing_key
    from lab.evaluation import benchmark as benchmarks  # of the extra `report`

    if check:
        found = benchmarks.check(check, labels, public_key(public) if public else None)
        tell(line(_sentence(found)))
        return 0 if all(found.values()) else 2
    if labels is None or out is None:
        raise UsageError(_("Name LABELS.csv and --out DIR, or --check SUBMISSION.json."))
    key = signing_key(sign)
    make_folder(out)
    scoring = Scoring(frames=frames, device=device, on_progress=ProgressBar(_("scored")))
    submission = benchmarks.run(labels, out, models=ids(models), scoring=scoring)
    files = {
        "leaderboard.md": benchmarks.to_markdown(submission).encode(),
        "leaderboard.html": benchmarks.to_html(submission).encode(),
        "submission.json": benchmarks.to_json(submission, key),
    }
    for name, data in files.items():
        paths.write(out / name, data)
        print(out / name)
    if key is None:
        tell(_("unmask: not signed; --sign KEY.pem lets others see who measured it"), error=True)
    return 0


def _sentence(found: dict[str, bool]) -> str:
    words = {True: "These agree", False: "these do NOT"}
    parts = {holds: [name for name in found if found[name] is holds] for holds in words}
    return "; ".join(f"{words[h]}: {', '.join(names)}" for h, names in parts.items() if names) + "."
