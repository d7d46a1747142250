"""Facts of a media file."""

from detector import messages
from detector.messages.format import size
from detector.presentation import Block, Grid, Row, Section, Text, facts, summary
from detector.schema.analysis import Analysis, Audio, Media
from detector.sentences import NBSP, _, count, ngettext, numeral, say

CODECS = {
    "h264": "H.264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mjpeg": "MJPEG",
    "mpeg4": "MPEG-4", "aac": "AAC", "mp3": "MP3", "opus": "Opus", "vorbis": "Vorbis",
    "png": "PNG", "jpeg": "JPEG", "gif": "GIF", "webp": "WebP",
}  # fmt: skip


def section(analysis: Analysis) -> Section:
    """Return the facts of the file with its compression and hash."""
    rows = list(rows_of_media(analysis.media))
    rated = [item for item in analysis.evidence if item.code == "compression"]
    rows += [Row(_("Compression"), messages.detail(item)) for item in rated[:1]]
    if not analysis.media.live:
        rows.append(hash_row(analysis.media.sha256))
    return Section("file", _("File"), (facts(rows),))


def hash_row(sha256: str) -> Row:
    """Return the hash of a file, abbreviated, with its exact value."""
    return Row("SHA-256", f"{sha256[:4]} {sha256[4:8]} … {sha256[-4:]}", exact=sha256)


def rows_of_media(media: Media) -> tuple[Row, ...]:
    """Return the facts of a media file as rows."""
    rows = [Row(_("Name"), media.name)]
    if media.kind != "audio":
        rows.append(_picture(media))
    if media.duration:
        long = summary.length(media.duration)
        if media.frame_count:
            long = f"{long}, {count(media.frame_count, 'frame', 'frames')}"
        rows.append(Row(_("Length"), long, f"{numeral(media.duration, '.2f')}{NBSP}s"))
    if media.live:
        none = _("none: frames of a live session were scored as they came")
        return (*rows, Row(_("File"), none))
    if media.kind in ("audio", "video"):
        rows.append(Row(_("Sound"), sound(media.audio)))
    rate = f" ({numeral(media.bit_rate / 1e6, '.2g')}{NBSP}Mbit/s)" if media.bit_rate else ""
    exact = _("{number}\u00a0bytes").format(number=numeral(media.size))
    rows.append(Row(_("Size"), f"{size(media.size)}{rate}", f"{exact}, {media.container}"))
    if media.rotation:
        turned = _("turned {degrees}° to stand upright").format(degrees=media.rotation)
        rows.append(Row(_("Rotation"), turned))
    if media.turned:
        why = _("{degrees}° clockwise, beyond the file’s own rotation")
        rows.append(Row(_("Turned"), why.format(degrees=media.turned)))
    return tuple(rows)


def received(media: Media, now: str | None) -> Section:
    """Return the facts of a file with its hash on receipt and `now` (None: the file is missing)."""
    blocks: list[Block] = [hashed(media, now, _("SHA-256 on receipt"))]
    if now not in (None, media.sha256):
        blocks.append(Text(_("The file has changed since it was analyzed."), "strong"))
    blocks += [Text(say(note), "note") for note in media.notes]
    return Section("file", _("The session") if media.live else _("The file"), tuple(blocks))


def hashed(media: Media, now: str | None, before: str) -> Grid:
    """Return the facts of a file with its recorded hash, labeled `before`, and its hash `now`
    (None: the file is missing)."""
    same = _("the same") if now == media.sha256 else now
    same = same or _("not checked: the file was not there")
    name, *rows = rows_of_media(media)
    hashes = (before, media.sha256), (_("SHA-256 at export"), same)
    return facts((name, *(() if media.live else hashes), *rows))


def sound(audio: Audio | None) -> str:
    """Return "AAC, stereo, 44.1 kHz"."""
    if audio is None:
        return _("none")
    codec = CODECS.get(audio.codec, audio.codec)
    many = ngettext("{number} channel", "{number} channels", audio.channels)
    named = {1: _("mono"), 2: _("stereo")}
    channels = named.get(audio.channels, many.format(number=audio.channels))
    return f"{codec}, {channels}, {numeral(audio.sample_rate / 1000, 'g')}{NBSP}kHz"


def _picture(media: Media) -> Row:
    kinds = {"video": _("Video"), "image": _("Picture"), "animation": _("Animation")}
    parts = [f"{media.width}×{media.height}"]
    if media.fps and media.kind != "image":
        rate = f"{numeral(media.fps, '.4g')}{NBSP}fps"
        average = _("{rate} on average").format(rate=rate)
        parts.append(average if media.variable_frame_rate else rate)
    parts.append(CODECS.get(media.codec, media.codec))
    return Row(kinds[media.kind], ", ".join(parts), media.pixel_format or "")
