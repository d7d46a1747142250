"""What the check for ordinary speech says of recordings: sentences it should pass, and music.

    python -m lab.bench.speech FOLDER… [--most 1000] [--seconds 60]

Each folder is a group, such as acted sentences, songs and music: of its sounds so many are measured
(chosen by a fixed seed), the first seconds of each. "Tones" is the share of a sound without speech
that holds tones, "notes" the share of voiced speech that stays on notes
(`detector.decision.voice.MUSIC`, `SINGING`).
"""

import argparse
import random
from collections import Counter
from pathlib import Path

from detector.audio.recording import Recording
from detector.decision import voice
from detector.errors import UnmaskError
from detector.pipeline.modalities.voice import measured
from detector.schema.analysis import SpeechMeasurement

SOUNDS = {".wav", ".ogg", ".opus", ".mp3", ".m4a", ".flac", ".au"}


def outcome(heard: SpeechMeasurement) -> str:
    """Return the reason without an answer, or "judged"."""
    code = voice.unscorable(heard) or voice.abstains(heard)
    return "judged" if code is None else code.value


def main() -> None:
    """Measure each folder, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print("| folder | files | no speech found | highest tones | highest notes | outcomes |")
    print("|---|---|---|---|---|---|")
    for folder in options.folders:
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SOUNDS)
        random.Random(0).shuffle(files)
        found: list[SpeechMeasurement] = []
        outcomes: Counter[str] = Counter()
        for path in files[: options.most]:
            try:
                heard = measured(Recording.of(path, [(0.0, options.seconds)], notes=[]))
            except UnmaskError:
                outcomes["unread"] += 1
                continue
            found.append(heard)
            outcomes[outcome(heard)] += 1
        silent = [heard for heard in found if not heard.spans]
        tones = max((heard.music_ratio for heard in silent), default=0.0)
        notes = max((heard.sustained_ratio or 0.0 for heard in found), default=0.0)
        each = ", ".join(f"{count} {what}" for what, count in outcomes.most_common())
        print(
            f"| {folder.name} | {len(found)} | {len(silent)} | {tones:.2f} | {notes:.2f} | {each} |"
        )


if __name__ == "__main__":
    main()
