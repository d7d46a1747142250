"""Still images and animations, decoded by Pillow.

Output is upright (EXIF) 8-bit RGB with transparency over white, as a web page shows it."""

import io
import os
import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any, BinaryIO, cast

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import Disposal, PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from detector.errors import Canceled, MediaError
from detector.installation import install
from detector.isolation import Frame
from detector.media.files import jpegs_behind, open_file, sniff, top_box
from detector.media.film import film_note, locate_film
from detector.media.limits import MAX_ANIMATION_FRAMES, MAX_PIXELS, MAX_SIDE, SNIFF_BYTES
from detector.media.png import Gamma, read_gamma
from detector.media.upright import HDR, in_srgb
from detector.media.views import VIEWS, view_of_still
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

_APPLE = b"Apple iOS\x00"
_CONTENT_IDENTIFIER = b"\x00\x11"  # tag that the picture and the film of a Live Photo share
_MAX_NOTES = 256

_GAMMA = "unmask gamma"  # key of a PNG's `Gamma` in Pillow's `info`

_SRGB = ImageCms.createProfile("sRGB")

PALETTE, SHADES = 256, 64  # colors, and shades of gray, that are few

_ROWS = 256  # converted at a time

_EPSILON = 0.0005
"""Half a millisecond: matches times that were rounded to a millisecond."""

_SHORTEST_DELAY = 0.02
_USUAL_DELAY = 0.1
"""Browsers show a delay under 20 ms as 100 ms: old encoders wrote 0 for "as fast as you can"."""


def probe_still(path: str | os.PathLike[str]) -> Media:
    """Return the metadata of a picture or animation without name and hash. A still is decoded once,
    so that a damaged one is refused here."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        film = locate_film(file)
        behind = jpegs_behind(file, film[0] if film else None)
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
            notes.append(
                _("There are {stated} pictures in this file; one was judged.").format(stated=stated)
            )
        if stated > 1 and image.format in _ANIMATED:  # other formats hold previews or pages
            hidden = _hidden(image)
            ends = [end for _, end in _timeline(image, min(stated - hidden, MAX_ANIMATION_FRAMES))]
            if hidden:
                notes.append(
                    _("It holds a picture beside its animation, which browsers do not show; it was "
                      "not judged.")
                )  # fmt: skip
            if stated - hidden > len(ends):
                total = stated - hidden
                text = _("The first {ends} of its {total} pictures were analyzed.")
                notes.append(text.format(ends=len(ends), total=total))
        else:
            with _parsing():
                image.load()
        if others := [one for one in behind if not _is_preview(image, one)]:
            sizes = ", ".join(f"{w} × {h}" for w, h in others)
            notes.append(
                _("Behind the picture lie others, such as the original or a depth map of a phone; "
                  "not judged: {sizes} pixels.").format(sizes=sizes)
            )  # fmt: skip
        gamma: Gamma | None = image.info.get(_GAMMA)
        if gamma is not None and gamma.note:
            notes.append(gamma.note)
        if film is not None:
            notes.append(film_note(film[2]))
        elif _of_live_photo(image):
            notes.append(
                _("This is the picture of a Live Photo; its film is a file of its own, which was "
                  "not judged.")
            )  # fmt: skip
        packet = image.info.get("xmp") or b""
        view = view_of_still(packet.encode() if isinstance(packet, str) else packet, width, height)
        notes += [VIEWS[view]] if view is not None else []
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
            film=None if film is None else film[2],
            view=view,
            notes=notes,
        )


def _is_preview(image: Image.Image, size: tuple[int, int]) -> bool:
    """Return True for a smaller copy that a camera lists as a preview (MPF)."""
    listed = (getattr(image, "mpinfo", None) or {}).get(0xB002) or ()
    kinds = [str((entry.get("Attribute") or {}).get("MPType")) for entry in listed[1:]]
    previews = bool(kinds) and all(kind.startswith("Large Thumbnail") for kind in kinds)
    return previews and size[0] < image.width


def _of_live_photo(image: Image.Image) -> bool:
    """Return True if Apple's maker notes in EXIF reference a separate video."""
    try:
        note = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote, b"")
    except _BROKEN:
        return False
    if not isinstance(note, bytes) or not note.startswith(_APPLE):
        return False
    begin = len(_APPLE) + 4  # behind a version and the byte order, which is big-endian
    count = int.from_bytes(note[begin : begin + 2], "big")
    entries = (note[begin + 2 + 12 * n :][:2] for n in range(min(count, _MAX_NOTES)))
    return _CONTENT_IDENTIFIER in entries


def _colors(image: Image.Image) -> int | None:
    """Return the number of colors; None above 256, or 64 shades of gray."""
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
    if media.kind == "image":
        yield Frame(0, 0.0, _still(path), len(times) - 1)
        return
    with open_still(path) as image:
        wanted = list(enumerate(times))
        count = media.frame_count or 1
        for number, (start, end) in enumerate(_timeline(image, count)):
            if cancel is not None and cancel.is_set():
                raise Canceled()
            last = number == count - 1
            here = [index for index, time in wanted if last or time < end - _EPSILON]
            if here:
                yield Frame(here[0], start, flatten(image), here[-1])
                wanted = wanted[len(here) :]
            if not wanted:
                return


def _still(path: str | os.PathLike[str]) -> np.ndarray:
    with open_still(path) as image:
        with _parsing():
            _show(image, 0)
        return flatten(image)


@contextmanager
def open_still(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open a picture by content; refuses oversized ones before decoding a pixel."""
    with open_file(path) as file:
        sniff(file)
        coded = _coded_colors(file)
        file.seek(0)
        with _parsing():
            try:
                image: Image.Image = Image.open(file, formats=_FORMATS)
            except UnidentifiedImageError:
                file.seek(4)
                if _HEIF or file.read(4) != b"ftyp":
                    raise
                raise MediaError(
                    _("HEIC pictures are read by the extra `full`."),
                    code="unsupported",
                    hint=_("Type: {command}").format(command=install("full")),
                ) from None
        with image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
                raise _too_large(image.size)
            stated = _by_exif(image)
            if image.format == "HEIF":
                index = top_box(file, b"meta")
                if b"irot" not in index and b"imir" not in index:  # else EXIF's orientation is void
                    stated = image.info.get("original_orientation") or 1
            if image.format == "WEBP" and not getattr(image, "is_animated", False):
                image = _decoded_webp(file, image)
            with _parsing():
                image.getexif()[ExifTags.Base.Orientation] = stated
            if coded is None and (gamma := read_gamma(image)) is not None:
                image.info[_GAMMA] = gamma
            if coded is not None and "icc_profile" not in image.info:
                image.info["nclx"] = coded
            if image.format == "TIFF":
                with _parsing():
                    image.load()  # which turns it, and forgets how
            yield image


def _decoded_webp(file: BinaryIO, image: Image.Image) -> Image.Image:
    """Decode a still WebP by OpenCV: Pillow decodes an animation, at 16 bytes a px."""
    file.seek(0)
    pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[1::-1] != image.size:
        return image
    alpha = pixels.shape[2] == 4
    cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if alpha else cv2.COLOR_BGR2RGB, dst=pixels)
    decoded = Image.fromarray(pixels)
    decoded.format, decoded.info = image.format, image.info
    return decoded


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
        gamma: Gamma | None = image.info.get(_GAMMA)
        if image.mode.startswith("I") or image.mode == "F":
            gray = _gray8(image) if gamma is None else _gray16(image)
            gray = gray[:, :, None] if gamma is None else gamma.apply(gray[:, :, None])
            return np.broadcast_to(gray, (*gray.shape[:2], 3)).copy()
        nclx = image.info.get("nclx")
        image = _in_srgb(image)
        if gamma is not None:
            image = _with_gamma(image, gamma)
        if "A" in image.getbands() or image.mode == "PA" or "transparency" in image.info:
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image.convert("RGBA"))
        rgb = _rgb8(image)
        return in_srgb(rgb, *nclx) if nclx else rgb


def recompressed(rgb: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture, uint8 [H, W, 3] RGB, as a JPEG of this quality shows it."""
    stored = io.BytesIO()
    Image.fromarray(rgb).save(stored, "JPEG", quality=quality)
    return np.asarray(Image.open(stored))


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert a picture to sRGB by its ICC profile, if it has a valid one."""
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


def _with_gamma(image: Image.Image, gamma: Gamma) -> Image.Image:
    """Apply a PNG's gamma, leaving transparency unchanged."""
    clear = "A" in image.getbands() or image.mode == "PA" or "transparency" in image.info
    values = np.asarray(image.convert("RGBA" if clear else "RGB"))
    shown = gamma.apply(values[:, :, :3])
    return Image.fromarray(np.concatenate([shown, values[:, :, 3:]], axis=2) if clear else shown)


def _gray16(image: Image.Image) -> np.ndarray:
    return np.clip(np.asarray(image), 0, 65535).astype(np.uint16)


def _rgb8(image: Image.Image) -> np.ndarray:
    """Convert a picture to uint8 [H, W, 3] in strips: Pillow takes four copies."""
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _ROWS):
        bottom = min(image.height, top + _ROWS)
        strip = image.crop((0, top, image.width, bottom))
        rgb[top:bottom] = np.asarray(strip.convert("RGB"))
    return rgb


def _gray8(image: Image.Image) -> np.ndarray:
    """Convert 16-bit, 32-bit or float gray to 8 bits; Pillow clips."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        scale = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
    else:
        scale = 1.0 / 257.0 if image.mode != "I" or values.max(initial=0.0) > 255 else 1.0
    return np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)


@contextmanager
def _parsing() -> Iterator[None]:
    """Convert any parser exception to a MediaError."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _BROKEN as error:
        text = _("We can't read this picture: it is damaged, incomplete or of a rare kind.")
        raise MediaError(text, hint=_("Download or copy it again.")) from error


def _timeline(image: Image.Image, count: int) -> Iterator[tuple[float, float]]:
    """Yield start and end, s, of each picture of an animation, loaded meanwhile."""
    start = 0.0
    for number in range(count):
        try:
            with _parsing():
                _show(image, number)
                _load(image)
                delay = float(image.info.get("duration") or 0.0) / 1000.0
        except MediaError:
            if number == 0:
                raise
            return
        end = start + (delay if delay >= _SHORTEST_DELAY else _USUAL_DELAY)
        yield start, end
        start = end


def _load(image: Image.Image) -> None:
    """Load a picture of an animation without Pillow's crop, which copies 130 MB for 8K."""

    def cropped(whole: Any, box: tuple[float, ...]) -> Any:
        return whole if box == (0, 0, *whole.size) else whole.crop(box)

    image._crop = cropped  # type: ignore[assignment,method-assign]
    try:
        image.load()
    finally:
        del image._crop


def _hidden(image: Image.Image) -> int:
    """Return the number of pictures before a PNG's animation (its default picture)."""
    return int(bool(image.info.get("default_image")))


def _show(image: Image.Image, number: int) -> None:
    hidden = _hidden(image)
    if hidden and number == 0 and isinstance(image, PngImageFile):
        # The animation begins on an empty canvas; Pillow would draw it over the default picture.
        image.load()
        image.dispose_op, image.dispose_extent = Disposal.OP_BACKGROUND, (0, 0, *image.size)
    image.seek(hidden + number)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _BROKEN:
        return 1


def _by_exif(image: Image.Image) -> int:
    """Return the orientation as browsers read it: Pillow falls back to XMP and text."""
    exif = Image.Exif()
    try:
        if isinstance(image, TiffImageFile):
            return int(image.tag_v2.get(ExifTags.Base.Orientation, 1))
        exif.load(image.info.get("exif") or b"")
        return int(exif.get(ExifTags.Base.Orientation, 1))
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
        hint=_("Use a smaller copy."),
    )
