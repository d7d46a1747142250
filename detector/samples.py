"""Sample gallery to try the program with, generated on first use and free to use.

The pictures ship with scikit-image and matplotlib: NASA's Eileen Collins, the US Navy's Grace
Hopper (public domain), a man at his camera by Lav Varshney and Rachel Michetti's coffee cup (CC0).
The generated picture is a sample that the makers of FLUX.1 [schnell] published (Apache-2.0): a part
of `assets/schnell_grid.jpg` of github.com/black-forest-labs/flux. In the manipulated samples a face
is blended with an altered copy of itself, as a face swap leaves it. One man's voice is there twice:
as he recorded it for github.com/NabuCasa/voice-datasets (CC0, `en_US/joe`), and cloned by Piper
(piper-tts 1.8.0 with the voice en_US-joe-medium, CC0). The genuine speaker is talker 1 of the GRID
audio-visual corpus (Cooke, Barker, Cunningham and Shao 2006, doi 10.5281/zenodo.3625687, CC BY
4.0): his sentences bbal8p, bgig8p, bwag6p and lbij6n, joined and encoded in H.264. Every sample
says what it is."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Literal

import av
import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageOps
from skimage import data

from detector import media, paths
from detector.media.writer import write_mp4

Kind = Literal["video", "image", "audio"]
Person = Literal["collins", "hopper"]
Alteration = Literal["swap", "small", "blend"]

VERSION = 7
"""Increment it when a sample changes: the old set stays for running sessions."""

FPS = 25
SECONDS = 8.0  # of a clip
_RECORDED = {"cloned": 8.3, "spoken": 8.4, "speaker": 12.0}  # Seconds
MANIPULATED_FROM = 1.0  # Seconds: until then the manipulated clips are untouched

_CLIP = (640, 360)
_CALL = (768, 432)
_PICTURE = (640, 700)
_THUMBNAIL = (480, 270)
_PAPER, _BARS = (242, 241, 236), (0, 99, 156)  # RGB of the drawing of a voice
_NOISE = 2.0  # Standard deviation of the sensor noise, in levels of 255
_KINDS: dict[str, Kind] = {"mp4": "video", "jpg": "image", "mp3": "audio"}

_CENTER, _RADII = (224.0, 119.0), (41.0, 53.0)  # of the face in the astronaut's portrait, px
_VIEWS: dict[Person, tuple[tuple[float, float], float]] = {
    "collins": ((236.0, 132.0), 1.62),
    "hopper": ((262.0, 210.0), 0.98),
}
"""Center of the camera's view of a portrait, px, and its zoom."""

# Gain of red, green and blue, and contrast of the altered copy.
_GAIN = (0.97, 0.985, 1.07)
_CONTRAST = 0.95


@dataclass(frozen=True)
class Sample:
    """One entry of the gallery."""

    id: str
    title: str
    subtitle: str  # Description of its origin, for a person
    path: Path
    thumbnail: Path  # A 16:9 JPEG
    kind: Kind
    duration: float | None  # Seconds; None for a picture
    manipulated: bool  # Whether a face in it was altered, or all of it generated
    credit: str  # Credit of the source
    offered: bool = True  # Whether the first screen shows it


Draw = Callable[[float], np.ndarray]  # Time, s -> frame, uint8 [H, W, 3] RGB
_NASA = "Eileen Collins, portrait by NASA, public domain"
_NAVY = "Grace Hopper, portrait by the US Navy, public domain"
_CAMERA = "Man at a camera by Lav Varshney, CC0"
_COFFEE = "Coffee cup by Rachel Michetti, CC0"
_FLUX = "FLUX.1 [schnell] by Black Forest Labs, Apache-2.0"
_JOE = "Joe, recorded for the voice datasets of Nabu Casa, CC0"
_GRID = "Talker 1 of the GRID corpus, University of Sheffield, CC BY 4.0"
_PIPER = "Piper with the voice Joe, CC0"


def make_samples(folder: Path) -> list[Sample]:
    """Return the gallery, generating its files in `folder` on first use (a few seconds). Safe for
    concurrent threads and processes and after an interruption: the set gets its final name once it
    is complete. Raise OSError."""
    final = folder / f"samples-{VERSION}"
    samples = [sample for sample, _, _ in gallery(final)]
    if _complete(samples):
        return samples
    folder.mkdir(parents=True, exist_ok=True)
    with paths.locked(folder / ".samples.lock"):
        if not _complete(samples):
            making = folder / ".samples-making"
            shutil.rmtree(making, ignore_errors=True)
            try:
                making.mkdir()
                for sample, draw, poster in gallery(making):
                    _write(sample, draw, poster)
                shutil.rmtree(final, ignore_errors=True)
                making.rename(final)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return samples


def gallery(folder: Path) -> list[tuple[Sample, Draw, float]]:
    """Return each sample with its files in `folder`, its draw function, and its poster's second."""
    scene = _Scene()
    camera = "Made here: a camera moves over a public-domain portrait."
    altered = "the face is blended with an altered copy of itself."
    since = f"From {MANIPULATED_FROM:g} s on"

    def made(
        name: str, title: str, subtitle: str, credit: str, drawn: tuple[Draw, float],
        *, altered: bool = False, offered: bool = True,
    ) -> tuple[Sample, Draw, float]:  # fmt: skip
        id, ending = name.split(".")
        kind = _KINDS[ending]
        sample = Sample(
            id=id,
            title=title,
            subtitle=subtitle,
            path=folder / name,
            thumbnail=folder / f"{id}-thumbnail.jpg",
            kind=kind,
            duration=None if kind == "image" else _RECORDED.get(id, SECONDS),
            manipulated=altered,
            credit=credit,
            offered=offered,
        )
        return sample, *drawn

    return [
        made("manipulated.mp4", "Manipulated clip", f"{camera} {since}, {altered}", _NASA,
             (scene.manipulated, 3.6), altered=True),
        made("two-people.mp4", "Two people, one manipulated",
             "Made here from two public-domain portraits: left untouched, right mirrored. "
             f"{since}, the right face is blended with an altered copy of itself.",
             f"{_NAVY}; {_NASA}", (scene.call, 3.0), altered=True),
        made("speaker.mp4", "Genuine speaker",
             "A volunteer of the GRID corpus (University of Sheffield, CC BY 4.0) reads four "
             "sentences to a camera. As recorded, joined here.", _GRID, (scene.speaker, 1.2)),
        made("portrait.mp4", "Untouched clip", f"{camera} The face is as it was photographed.",
             _NAVY, (scene.portrait, 3.0), offered=False),
        made("picture.jpg", "Manipulated picture",
             f"Made here from a public-domain portrait: {altered}", _NASA, (scene.picture, 3.6),
             altered=True),
        made("side.jpg", "Untouched picture",
             "Made here from a photograph that is free of rights (CC0): a face from the side, "
             "in gray.", _CAMERA, (scene.side, 0.0), offered=False),
        made("generated.jpg", "Generated picture",
             "A published sample of the generator FLUX.1 [schnell]. It shows no person.", _FLUX,
             (scene.generated, 0.0), altered=True),
        made("photo.jpg", "Genuine photo",
             "A photograph that is free of rights (CC0), as it was taken. It shows no person.",
             _COFFEE, (scene.photo, 0.0)),
        made("cloned.mp3", "Cloned voice",
             "The voice of a man, imitated by the free program Piper. He never said this.", _PIPER,
             (partial(_waveform, "cloned"), 0.0), altered=True),
        made("spoken.mp3", "Genuine voice",
             "The man of the cloned voice, as he recorded himself (CC0).", _JOE,
             (partial(_waveform, "spoken"), 0.0)),
        made("untouched.mp4", "Untouched clip", f"{camera} The face is as it was photographed.",
             _NASA, (scene.untouched, 3.0), offered=False),
        made("no-face.mp4", "No face",
             "Made here: a camera moves over a photograph of a coffee cup (CC0).", _COFFEE,
             (scene.coffee, 2.0), offered=False),
    ]  # fmt: skip


def _complete(samples: list[Sample]) -> bool:
    return all(sample.path.is_file() and sample.thumbnail.is_file() for sample in samples)


def _write(sample: Sample, draw: Draw, poster: float) -> None:
    picture = Image.fromarray(draw(poster))
    if (shipped := _shipped(sample.path.name)).is_file():
        shutil.copyfile(shipped, sample.path)
    elif sample.kind == "video":
        _write_clip(sample.path, draw)
    else:
        picture.save(sample.path, quality=92)
    # The upper part of a tall picture: a portrait has its face there.
    shown = ImageOps.fit(picture, _THUMBNAIL, Image.Resampling.LANCZOS, centering=(0.5, 0.0))
    shown.save(sample.thumbnail, quality=88)


def _write_clip(path: Path, draw: Draw) -> None:
    """Write a clip for browsers; the number of threads is fixed for equal bytes."""
    times = (number / FPS for number in range(round(SECONDS * FPS)))
    options = {"crf": "17", "preset": "veryfast", "threads": "2"}
    write_mp4(path, ((draw(time), time) for time in times), options, FPS)


class _Scene:
    """Source pictures, and a moving camera in front of them; `t` is in seconds."""

    @cached_property
    def collins(self) -> np.ndarray:
        return np.asarray(data.astronaut())

    @cached_property
    def hopper(self) -> np.ndarray:
        path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
        return np.asarray(Image.open(path).convert("RGB"))

    @cached_property
    def man(self) -> np.ndarray:
        return np.asarray(Image.fromarray(data.camera()).convert("RGB"))

    @cached_property
    def cup(self) -> np.ndarray:
        return np.asarray(data.coffee())

    def seen(self, person: Person, t: float, zoom: float = 1.0) -> np.ndarray:
        """Return a portrait as a moving camera sees it."""
        center, usual = _VIEWS[person]
        return _shoot(getattr(self, person), _CLIP, t, center=center, zoom=usual * zoom)

    def portrait(self, t: float) -> np.ndarray:
        return self.seen("hopper", t)

    def untouched(self, t: float) -> np.ndarray:
        return self.seen("collins", t)

    def manipulated(self, t: float) -> np.ndarray:
        center, zoom = _VIEWS["collins"]
        return _shoot(self._altered(t), _CLIP, t, center=center, zoom=zoom)

    def picture(self, t: float) -> np.ndarray:
        return _shoot(self._altered(t), _PICTURE, t, center=(224, 232), zoom=1.75, sway=0)

    def side(self, t: float) -> np.ndarray:
        return _shoot(self.man, _PICTURE, t, center=(228, 218), zoom=2.0, sway=0)

    def call(self, t: float) -> np.ndarray:
        """Two people side by side, as in a video call."""
        width, height = _CALL
        tile = (width // 2 - 2, height)
        left = _shoot(self.hopper, tile, t, center=(262, 235), zoom=0.86)
        right = _shoot(
            self._altered(t)[:, ::-1], tile, t + 2.3, center=(512 - 226, 156), zoom=1.5, seed=1
        )
        gap = np.full((height, 4, 3), 24, dtype=np.uint8)
        return np.concatenate([left, gap, right], axis=1)

    def photo(self, t: float) -> np.ndarray:
        return self.cup

    def generated(self, t: float) -> np.ndarray:
        return np.asarray(Image.open(_shipped("generated.jpg")))

    def speaker(self, t: float) -> np.ndarray:
        """Return a frame without its upper part, for a picture of the face."""
        path = _shipped("speaker.mp4")
        return media.frame_at(path, media.probe(path), t).rgb[44:]

    def coffee(self, t: float) -> np.ndarray:
        return _shoot(self.cup, _CLIP, t, center=(300, 190), zoom=1.28)

    def _altered(self, t: float) -> np.ndarray:
        return _blend(self.collins, t) if t >= MANIPULATED_FROM else self.collins


def _shoot(
    picture: np.ndarray,
    size: tuple[int, int],
    t: float,
    *,
    center: tuple[float, float],
    zoom: float,
    sway: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Return a handheld camera's view of a picture: slow pan and zoom, shake, noise."""
    width, height = size
    zoom *= 1 + 0.05 * sway * np.sin(0.9 * t)
    x = center[0] + sway * (11 * np.sin(0.8 * t) + 0.5 * np.sin(7.1 * t))
    y = center[1] + sway * (5 * np.sin(0.6 * t + 1) + 0.4 * np.sin(8.3 * t + 2))
    angle = np.deg2rad(0.7 * sway * np.sin(0.5 * t))
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    view = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    view[:, 2] = (width / 2, height / 2) - view[:, :2] @ (x, y)
    seen = cv2.warpAffine(
        picture, view, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return cv2.add(seen, _noise(size, round(t * FPS) + 1000 * seed), dtype=cv2.CV_8U)


def _noise(size: tuple[int, int], number: int) -> np.ndarray:
    """Return float32 [H, W, 3]: another part of one noise field for each frame, which is faster."""
    width, height = size
    row, column = np.random.default_rng(number).integers(0, 512, 2)
    return _noise_field()[row : row + height, column : column + width]


@lru_cache(maxsize=1)
def _noise_field() -> np.ndarray:
    side = 512 + max(*_CLIP, *_CALL, *_PICTURE)
    field = np.random.default_rng(0).standard_normal((side, side, 3), dtype=np.float32)
    return field * np.float32(_NOISE)


def _blend(portrait: np.ndarray, t: float) -> np.ndarray:
    """Blend an altered copy of the face over it, under a soft ellipse that drifts a little."""
    center, radii = _CENTER, _RADII
    left, top, right, bottom = (
        int(center[i] + sign * 1.6 * radii[i]) for sign in (-1, 1) for i in (0, 1)
    )
    face = portrait[top:bottom, left:right]
    x = center[0] - left + 1.4 * np.sin(2.1 * t)
    y = center[1] - top + 1.1 * np.sin(1.7 * t + 1)
    # Slightly larger than the face it covers, and off by a pixel or two.
    grow, turn = 1.045, np.deg2rad(1.2 * np.sin(1.3 * t))
    view = grow * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.array([x + 1.5, y - 1]) - view @ (x, y)
    copy = cv2.warpAffine(
        cv2.GaussianBlur(face, (0, 0), 1.0),
        np.column_stack([view, shift]),
        face.shape[1::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    altered = portrait.copy()
    inside = _ellipse(face, (x, y), radii)
    altered[top:bottom, left:right] = _laid_over(face, _tinted(copy), inside)
    return altered


def _ellipse(
    rgb: np.ndarray, center: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    reach = np.hypot((columns - center[0]) / radii[0], (rows - center[1]) / radii[1])
    return np.asarray(reach < 1)


def _tinted(rgb: np.ndarray) -> np.ndarray:
    color = rgb.astype(np.float32) * np.array(_GAIN, dtype=np.float32)
    return np.asarray(128 + _CONTRAST * (color - 128))


def _laid_over(rgb: np.ndarray, drawn: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 [H, W, 3], blended with another inside a mask with soft edges."""
    mask = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 3.0)[:, :, None]
    return np.clip(mask * drawn + (1 - mask) * rgb + 0.5, 0, 255).astype(np.uint8)


def portrait_of(person: Person, t: float, zoom: float) -> np.ndarray:
    """Return a public-domain portrait as a moving camera sees it after `t` s: uint8 [360, 640, 3]
    RGB."""
    return _scene().seen(person, t, zoom)


def altered(
    rgb: np.ndarray,
    box: tuple[float, float, float, float],
    points: Sequence[tuple[float, float]],
    how: Alteration,
    donor: np.ndarray,
    donor_points: np.ndarray,
) -> np.ndarray:
    """Return a picture, uint8 [H, W, 3] RGB, with an altered face at `box` (x0, y0, x1, y1, px).

    swap: the donor's face, warped to the five `points`, in the colors of the covered face. small:
    the face itself at 64 px. blend: a softer, larger copy of itself."""
    width, height = box[2] - box[0], box[3] - box[1]
    center = (box[0] + width / 2, box[1] + height / 2)
    size, inside = rgb.shape[1::-1], _ellipse(rgb, center, (0.45 * width, 0.48 * height))
    if how == "swap":
        view, _ = cv2.estimateAffinePartial2D(donor_points, np.array(points, np.float32))
        drawn = cv2.warpAffine(donor, view, size, flags=cv2.INTER_CUBIC).astype(np.float32)
        own, covered = drawn[inside], rgb[inside]
        drawn = (drawn - own.mean(0)) / (own.std(0) + 1e-3) * covered.std(0) + covered.mean(0)
    elif how == "small":
        few = cv2.resize(rgb, None, fx=64 / width, fy=64 / width, interpolation=cv2.INTER_AREA)
        drawn = cv2.resize(few, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    else:
        view = np.array([[1.045, 0.02, 0.0], [-0.02, 1.045, 0.0]])
        view[:, 2] = (center[0] + 1.5, center[1] - 1.0) - view[:, :2] @ center
        drawn = _tinted(cv2.warpAffine(cv2.GaussianBlur(rgb, (0, 0), 1.0), view, size))
    return _laid_over(rgb, drawn, inside)


@lru_cache(maxsize=1)
def _scene() -> _Scene:
    return _Scene()


def _shipped(name: str) -> Path:
    return Path(__file__).with_name(name)


def _waveform(id: str, t: float) -> np.ndarray:
    with av.open(str(_shipped(f"{id}.mp3"))) as container:
        mono = av.AudioResampler("flt", "mono")
        heard = [part for frame in container.decode(audio=0) for part in mono.resample(frame)]
    bars = np.array_split(np.abs(np.concatenate([part.to_ndarray()[0] for part in heard])), 60)
    width, height = _THUMBNAIL
    drawn = np.full((height, width, 3), _PAPER, np.uint8)
    for place, bar in enumerate(bars):
        half = int(4 + 0.8 * height / 2 * bar.max())
        x = int((place + 0.5) * width / len(bars))
        cv2.line(drawn, (x, height // 2 - half), (x, height // 2 + half), _BARS, 3)
    return drawn
