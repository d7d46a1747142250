"""Evaluate the check for ordinary speech on recordings of sentences, songs and music.

    python -m lab.bench.speech FOLDER… [--most 1000] [--seconds 60]

Each folder is a group, such as acted sentences, songs and music: the first seconds of a random
sample of its sounds are measured. "Tones" is the share of a sound without speech that holds tones,
"notes" the share of voiced speech that stays on notes (`detector.decision.voice.MUSIC`, `SINGING`).
"""

import random
from collections import Counter
from pathlib import Path

from detector.audio.recording import Recording
from detector.decision import voice
from detector.errors import UnmaskError
from detector.evaluation.labels import SOUNDS
from detector.schema.analysis import SpeechMeasurement
from lab.bench import command
from lab.evaluation.tables import markdown


def outcome(heard: SpeechMeasurement) -> str:
    """Return the reason of an abstention, or "judged"."""
    code = voice.unscorable(heard) or voice.abstains(heard)
    return "judged" if code is None else code.value


def main(folders: list[Path], most: int = 1000, seconds: float = 60.0) -> None:
    """Measure each folder, and print the table."""
    rows = []
    for folder in folders:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in {*SOUNDS, ".au"})
        random.Random(0).shuffle(files)
        found: list[SpeechMeasurement] = []
        outcomes: Counter[str] = Counter()
        for path in files[:most]:
            try:
                heard = Recording.of(path, [(0.0, seconds)], notes=[]).measured
            except UnmaskError:
                outcomes["unread"] += 1
                continue
            found.append(heard)
            outcomes[outcome(heard)] += 1
        silent = [heard for heard in found if not heard.spans]
        tones = max((heard.music_ratio for heard in silent), default=0.0)
        notes = max((heard.sustained_ratio or 0.0 for heard in found), default=0.0)
        each = ", ".join(f"{count} {what}" for what, count in outcomes.most_common())
        rows.append((folder.name, len(found), len(silent), f"{tones:.2f}", f"{notes:.2f}", each))
    heads = "folder", "files", "no speech found", "highest tones", "highest notes", "outcomes"
    print(markdown(heads, rows))


if __name__ == "__main__":
    command(main)
