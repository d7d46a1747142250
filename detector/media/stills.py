"""Still pictures and animations, read with Pillow.

Pixels come out as 8-bit RGB, upright (EXIF), with anything transparent laid over white: that is
how a page shows them, and what a person means by "the picture".
"""

import io
import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from typing import BinaryIO, cast

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from detector.errors import Canceled, MediaError
from detector.isolation import Frame
from detector.media.files import open_file, sniff, top_box
from detector.media.limits import MAX_ANIMATION_FRAMES, MAX_PIXELS, MAX_SIDE, SNIFF_BYTES
from detector.media.upright import HDR, in_srgb
from detector.schema.analysis import Media
from detector.sentences import _

with suppress(ModuleNotFoundError):  # of the extra `full`
    import pillow_heif

    pillow_heif.register_heif_opener()
# Pillow's own guard warns at half of this and refuses at twice; ours refuses before any decoding.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# It also warns of odd metadata, on the command line's error channel, which is kept for real errors.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_HEIF = ("HEIF",) if "HEIF" in Image.OPEN else ()
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", *_HEIF, "BMP", "TIFF")
_ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
# What Pillow's parsers raise on damaged files; RuntimeError comes from the AVIF and HEIF libraries.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError,
    RuntimeError, AttributeError, struct.error,
)  # fmt: skip
_ROTATIONS = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}  # EXIF orientation -> clockwise

_SRGB = ImageCms.createProfile("sRGB")

PALETTE, SHADES = 256, 64  # colors, and shades of gray, that are few

_EPSILON = 0.0005
"""Half a millisecond: times that were rounded to a millisecond still find their picture."""

_SHORTEST_DELAY = 0.02
_USUAL_DELAY = 0.1
"""Browsers show a delay under 20 ms as 100 ms: old encoders wrote 0 for "as fast as you can"."""


def probe_still(path: str | os.PathLike[str]) -> Media:
    """Describe a picture or animation, but for its name and hash.

    A still is decoded once, so that a damaged one is refused here rather than later.
    """
    size = os.stat(path).st_size
    with open_still(path) as image:
        turned = _orientation(image) in (5, 6, 7, 8)
        width, height = image.size[:: -1 if turned else 1]
        notes: list[str] = []
        if note := HDR.get(image.info.get("nclx", (0, 0))[1]):
            notes.append(note)
        duration = fps = uneven = None
        ends: list[float] = []
        with _parsing():
            stated = getattr(image, "n_frames", 1)
        if stated > 1 and image.format in ("TIFF", "HEIF"):
            notes.append(_(f"There are {stated} pictures in this file; one was judged."))
        if stated > 1 and image.format in _ANIMATED:  # others hold previews or pages
            ends = [end for _, end in _timeline(image, min(stated, MAX_ANIMATION_FRAMES))]
            if stated > len(ends):
                notes.append(_(f"We looked at the first {len(ends)} of its {stated} pictures."))
        else:
            with _parsing():
                image.load()
        if len(ends) > 1:
            duration, fps = ends[-1], len(ends) / ends[-1]
            uneven = bool(np.ptp(np.diff([0.0, *ends])) > 0.002)
        return Media(
            name="",
            sha256="",
            kind="image" if duration is None else "animation",
            size=size,
            width=width,
            height=height,
            duration=duration,
            fps=fps,
            frame_count=max(1, len(ends)),
            variable_frame_rate=uneven,
            container=(image.format or "").lower(),
            codec="jpeg" if image.format == "MPO" else (image.format or "").lower(),
            pixel_format=image.mode,
            colors=_colors(image),
            bit_rate=None if duration is None else size * 8 / duration,
            rotation=_ROTATIONS.get(_orientation(image), 0),
            notes=notes,
        )


def _colors(image: Image.Image) -> int | None:
    """Return how many colors a picture has; None of more than 256, or 64 shades of gray."""
    if image.format == "GIF":
        return PALETTE
    if image.mode not in ("1", "L", "P", "RGB", "RGBA"):
        return None
    with _parsing():
        shown = image if image.mode == "RGB" else image.convert("RGB")
        counted = shown.getcolors(PALETTE)
    if counted is None:
        return None
    colors = [cast("tuple[int, int, int]", color) for _count, color in counted]
    gray = all(r == g == b for r, g, b in colors)
    return None if gray and len(colors) > SHADES else len(colors)


def decode_still(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    *,
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the one picture, or those of an animation that are on screen at `times`."""
    if not times:
        return
    with open_still(path) as image:
        if media.kind == "image":
            yield Frame(0, 0.0, flatten(image))
            return
        wanted = list(enumerate(times))
        count = media.frame_count or 1
        for number, (start, end) in enumerate(_timeline(image, count)):
            if cancel is not None and cancel.is_set():
                raise Canceled()
            last = number == count - 1
            here = [index for index, time in wanted if last or time < end - _EPSILON]
            if here:
                yield Frame(here[0], start, flatten(image))
                wanted = wanted[len(here) :]
            if not wanted:
                return


@contextmanager
def open_still(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a picture by content; what is too large is refused before a pixel is decoded."""
    with open_file(path) as file:
        sniff(file)
        coded = _coded_colors(file)
        file.seek(0)
        with _parsing():
            try:
                image = Image.open(file, formats=_FORMATS)
            except UnidentifiedImageError:
                file.seek(4)
                if _HEIF or file.read(4) != b"ftyp":
                    raise
                raise MediaError(
                    "HEIC pictures are read by the extra `full`.",
                    code="unsupported",
                    hint="Type: pip install 'unmask[full]'",
                ) from None
        with image:
            if image.format == "HEIF":
                index = top_box(file, b"meta")
                if b"irot" not in index and b"imir" not in index:  # else EXIF's orientation is void
                    turn = image.info.get("original_orientation")
                    image.getexif()[ExifTags.Base.Orientation] = turn or 1
            if coded is not None and "icc_profile" not in image.info:
                image.info["nclx"] = coded
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise _too_large(image.size)
            if image.format == "TIFF":
                with _parsing():
                    image.load()  # which turns it, and forgets how
            yield image


def _coded_colors(file: BinaryIO) -> tuple[int, int] | None:
    """Return a file's color primaries and transfer function, by the numbers of ITU-T H.273."""
    file.seek(0)
    stated = re.search(rb"\0\0\0\x04cICP(.)(.)", file.read(SNIFF_BYTES), re.DOTALL)
    if stated is None:
        stated = re.search(rb"colrnclx(..)(..)", top_box(file, b"meta"), re.DOTALL)
    if stated is None:
        return None
    return int.from_bytes(stated[1], "big"), int.from_bytes(stated[2], "big")


def flatten(image: Image.Image) -> np.ndarray:
    """Return uint8 [H, W, 3] RGB, upright, over white, whatever the mode of `image`."""
    with _parsing():
        if _orientation(image) in range(2, 9):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I") or image.mode == "F":
            return np.repeat(_gray8(image)[:, :, None], 3, axis=2)
        nclx = image.info.get("nclx")
        image = _in_srgb(image)
        if "A" in image.getbands() or image.mode == "PA" or "transparency" in image.info:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        rgb = np.asarray(image.convert("RGB"))
        return in_srgb(rgb, *nclx) if nclx else rgb


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return a picture in the colors of sRGB, by its ICC profile; as it is without a valid one."""
    data = image.info.get("icc_profile")
    if not data:
        return image
    try:
        if image.mode in ("P", "PA", "LA", "RGBA"):
            image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        shown = image if alpha is None else image.convert("RGB")
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        mapping = ImageCms.buildTransform(profile, _SRGB, shown.mode, "RGB")
        mapped = ImageCms.applyTransform(shown, mapping)
        if mapped is not None and alpha is not None:
            mapped.putalpha(alpha)
        return mapped or image
    except (ImageCms.PyCMSError, *_BROKEN):  # damaged, or of another color model
        return image


def _gray8(image: Image.Image) -> np.ndarray:
    """8 bits of a 16-bit, 32-bit or floating-point gray picture; Pillow itself would clip."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        scale = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
    else:
        scale = 1.0 / 257.0 if image.mode != "I" or values.max(initial=0.0) > 255 else 1.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


@contextmanager
def _parsing() -> Iterator[None]:
    """Whatever a parser raises on foreign bytes becomes one sentence."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _BROKEN as error:
        raise MediaError(
            "We can't read this picture: it is damaged, incomplete or of a rare kind.",
            hint="Download or copy it again.",
        ) from error


def _timeline(image: Image.Image, count: int) -> Iterator[tuple[float, float]]:
    """Step through an animation: when each picture comes and goes. It is loaded meanwhile."""
    start = 0.0
    for number in range(count):
        try:
            with _parsing():
                image.seek(number)
                image.load()
                delay = float(image.info.get("duration") or 0.0) / 1000.0
        except MediaError:
            if number == 0:
                raise
            return
        end = start + (delay if delay >= _SHORTEST_DELAY else _USUAL_DELAY)
        yield start, end
        start = end


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return 1


def _too_large(size: tuple[int, int] | None = None) -> MediaError:
    text = _("This picture has too many pixels; the limit is {limit} megapixels.")
    if size:
        text = _("This picture has {width} × {height} pixels; the limit is {limit} megapixels.")
    width, height = size or (0, 0)
    return MediaError(
        text.format(width=width, height=height, limit=MAX_PIXELS // 1_000_000),
        code="too_many_pixels",
        hint="Use a smaller copy.",
    )
