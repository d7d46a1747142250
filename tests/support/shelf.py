"""Faces of made people with their surroundings, cached as training has them."""

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from detector.evaluation.labels import read_labels
from lab.evaluation.features import path_of
from lab.training.cache import FACES

CACHED = 77
"""px: what is cached for 64 px that show 1.5 of a box."""
SOURCES = ("iperov/DeepFaceLive", "yuangan/eat", "cnnlstm/cnnlstm.github.io")


@pytest.fixture()
def shelf(tmp_path):
    """Faces of 24 people with their surroundings, and labels of the files they would be of."""
    rng = np.random.default_rng(0)
    checker = (np.indices((CACHED, CACHED)).sum(0) // 5 % 2)[..., None] * 90
    inside = np.zeros((CACHED, CACHED, 1), np.int64)
    inside[17:-17, 17:-17] = 1
    cuts, rows = {}, ["file,label,kind,group,source,method"]
    for person in range(24):
        source = SOURCES[max(0, person - 16) // 4 + (person >= 16)] if person >= 16 else SOURCES[0]
        colors = rng.integers(40, 160, (4, 4, 3)).astype(np.uint8)
        real = cv2.resize(colors, (CACHED, CACHED), interpolation=cv2.INTER_CUBIC)
        fake = (real + inside * checker).clip(0, 255).astype(np.uint8)
        for label, picture in ((0, real), (1, fake)):
            name = f"{person}-{label}.mp4"
            method = "swap" if label else "none"
            k = CACHED / 1.8
            box = [(CACHED - k) / 2, (CACHED - k) / 2, (CACHED + k) / 2, (CACHED + k) / 2]
            points = [(30.0, 33.0), (47.0, 33.0), (38.0, 41.0), (32.0, 50.0), (45.0, 50.0)]
            places = np.array([box[:2], box[2:], *points])[None]
            room = np.array(1.0)
            cuts[name] = {"crops": picture[None], "places": places, "room": room}
            rows.append(f"{name},{'fake' if label else 'real'},video,g{person}x,{source},{method}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    folder = tmp_path / "faces" / f"video-1.8-{CACHED}-mirror"
    folder.mkdir(parents=True)
    for item in read_labels(tmp_path / "labels.csv"):
        save_file(cuts[item.name], path_of(item, folder, FACES))
    return tmp_path
