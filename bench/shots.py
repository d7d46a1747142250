"""What finding the shots of a clip costs beside analyzing it, both ways.

    python -m bench.shots [FILE...]

Processor seconds, since other programs may be running. Without files: a made clip of two minutes.
"""

from __future__ import annotations

import argparse
import time

from bench.clips import face_clip, repeated
from detector import media
from detector.pipeline import Analyzer, estimate
from detector.schema.analysis import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE")
    args = parser.parse_args()
    analyzer = Analyzer(device="cpu")
    analyzer.warm_up()
    for path in args.files or [str(repeated(face_clip(20, 1280, 720), 6))]:
        info = media.probe(path)
        assert info.duration
        print(f"{info.name}: {info.duration:.0f} s of {info.width}x{info.height} {info.codec}")
        for name, thorough in (("key frames", False), ("thorough", True)):
            begun = time.process_time()
            found = media.shots(path, info, (0.0, info.duration), 32, thorough=thorough)
            took = time.process_time() - begun
            print(f"  {name:12} {took:6.2f} s  {'not searched' if found is None else len(found)}")
        begun = time.process_time()
        usual = analyzer.analyze(path)
        print(f"  {'analysis':12} {time.process_time() - begun:6.2f} s  {usual.coverage}")
        guess = estimate(usual)
        if guess is not None:
            begun, wall = time.process_time(), time.perf_counter()
            closer = analyzer.analyze(path, Settings(sampling="closer", frames=480))
            took, wall = time.process_time() - begun, time.perf_counter() - wall
            print(f"  {'closer':12} {took:6.2f} s  {closer.coverage}")
            print(f"  closer took {wall:.1f} s on the clock, estimated {guess:.1f} s")


if __name__ == "__main__":
    main()
