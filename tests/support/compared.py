"""A made original and copies of it: one whose face was changed, one that was only written again."""

from detector.vision import load_detector
from tests.support.portrait import altered, footage, write


def write_pair(folder):
    """Write "original", "copy" (its face was changed) and "again"."""
    frames = footage()
    return {
        "original": write(folder / "press.mp4", frames, 18),
        "copy": write(folder / "shared.mp4", altered(frames, load_detector(), "face"), 24),
        "again": write(folder / "again.mp4", frames, 30),
    }
