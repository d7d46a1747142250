"""yt-dlp runner for a worker (`ytdlp.downloader`): download a page's video as one file.

Imported in the worker with nothing else of Unmask."""

import heapq
import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from detector.errors import UsageError
from detector.sentences import _

BY_HAND = _("Download the video yourself and send the file.")
_SENTENCES: tuple[tuple[str, str, str], ...] = (
    (r"sign.?in|log.?in|logged|cookies|password|private video|members.only|subscri|registered"
     r"|\bage\b",
     "link_sign_in",
     _("This video requires a login at its site, and we never sign in.")),
    (r"unsupported url|no video formats|no media found|not a valid url", "link_unsupported",
     _("No video that can be fetched was found on this page.")),
    (r"\bdrm\b", "link_unsupported", _("This video is encrypted (DRM) and can't be fetched.")),
    (r"not available in your|\bgeo|your country|blocked it in", "link_status",
     _("This video is not shown where this server is.")),
    (r"live event|will begin|premieres|is live", "link_live",
     _("This is a live broadcast. Watch it on the Live page, or send a recording.")),
    (r"removed|unavailable|not exist|http error 4(04|10)\b|terminated", "link_status",
     _("This video does not exist any more.")),
    (r"larger than max|too large", "too_large", _("The video of this page is too large here.")),
)  # fmt: skip
"""Pattern of yt-dlp's message, error code, our message. The first match applies."""


_SILENT = logging.Logger("yt-dlp", logging.CRITICAL + 1)
"""Discards yt-dlp's output, which contains addresses with tokens."""


def video(url: str, folder: str, proxy: str, max_bytes: int, max_minutes: int) -> dict[str, str]:
    """Download a page's video into a folder and return its name, and who posted it and when if the
    page states it; raise UsageError."""
    from yt_dlp import YoutubeDL

    with YoutubeDL(_options(folder, proxy, max_bytes)) as downloader:
        try:
            found = _one(downloader.extract_info(url, download=False, process=True))
            _check(found, max_bytes, max_minutes)
            if tracks := found.get("requested_formats"):
                # One by one: yt-dlp would have ffmpeg join them, and no program may run.
                shared = {key: value for key, value in found.items() if key != "requested_formats"}
                for number, track in enumerate(tracks):
                    downloader.process_info({**shared, **track, "part": f".{number}"})
            else:
                downloader.process_ie_result(found, download=True)
        except UsageError:
            raise
        except Exception as error:
            raise explained(str(error)) from None
    files = [path for path in Path(folder).iterdir() if path.is_file() and path.stat().st_size]
    if tracks and len(files) == len(tracks):
        files = [_join(files, Path(folder))]
    if len(files) != 1:
        text = _("The video of this page is too large here, or did not come whole.")
        raise UsageError(text, code="link_broken", hint=BY_HAND)
    return {"name": files[0].name, **_posted(found)}


def _join(tracks: list[Path], folder: Path) -> Path:
    """Remux separate tracks into one file, without re-encoding."""
    import av

    endings = {path.suffix for path in tracks}
    ending = ".mp4" if endings <= {".mp4", ".m4a"} else ".mkv"
    target = folder / f"{tracks[0].name.partition('.')[0]}{ending}"
    joined = folder / f"joined{ending}"
    with ExitStack() as opened:
        output = opened.enter_context(av.open(str(joined), "w"))
        packets: list[Iterator[Any]] = []
        for path in tracks:
            stream = opened.enter_context(av.open(str(path))).streams[0]
            copy = output.add_stream_from_template(stream)
            packets.append(_packets(stream, copy))
        for packet in heapq.merge(*packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    for path in tracks:
        path.unlink()
    return joined.replace(target)


def _packets(stream: Any, copy: Any) -> Iterator[Any]:
    for packet in stream.container.demux(stream):
        if packet.dts is not None:
            packet.stream = copy
            yield packet


def _posted(found: dict[str, Any]) -> dict[str, str]:
    stated = {
        "title": found.get("title"),
        "by": found.get("uploader") or found.get("channel") or found.get("creator"),
        "date": re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", found.get("upload_date") or ""),
        "site": found.get("webpage_url_domain"),
    }
    return {name: str(value) for name, value in stated.items() if value}


def _options(folder: str, proxy: str, max_bytes: int) -> dict[str, Any]:
    return {
        "proxy": proxy,
        "format": f"bv*[filesize_approx<?{max_bytes}]+ba/best[vcodec!=none]/best/bv*",
        "format_sort": ["res:1080"],
        "outtmpl": {"default": f"{folder}/%(title).80B%(part|)s.%(ext)s"},
        "restrictfilenames": True,
        "max_filesize": max_bytes,
        "playlist_items": "1:2",
        "quiet": True, "no_warnings": True, "noprogress": True, "logger": _SILENT,
        "cachedir": False, "updatetime": False, "nopart": True, "overwrites": True,
        "hls_prefer_native": True, "fixup": "never", "postprocessors": [],
        "retries": 2, "fragment_retries": 2, "extractor_retries": 1, "file_access_retries": 0,
        "socket_timeout": 15, "geo_bypass": False, "enable_file_urls": False,
        "skip_unavailable_fragments": False,
    }  # fmt: skip


def _one(found: Any) -> dict[str, Any]:
    entries = [found]
    while entries and entries[0] is not None and entries[0].get("_type") == "playlist":
        entries = [entry for entry in entries[0].get("entries") or () if entry]
    if len(entries) != 1 or not entries[0]:
        raise UsageError(
            _("There are several videos on this page, or none.")
            if entries
            else _("No video that can be fetched was found on this page."),
            code="link_unsupported",
            hint=_("Use the address of one of them."),
        )
    return dict(entries[0])


def _check(found: dict[str, Any], max_bytes: int, max_minutes: int) -> None:
    if found.get("is_live") or found.get("live_status") in ("is_live", "is_upcoming"):
        text = _("This is a live broadcast. Watch it on the Live page, or send a recording.")
        raise UsageError(text, code="link_live")
    if (found.get("duration") or 0) > 60 * max_minutes:
        text = _("This video is longer than {max_minutes} minutes, the limit for pages.")
        hint = _("Cut out the part that matters.")
        raise UsageError(text.format(max_minutes=max_minutes), code="link_too_long", hint=hint)
    tracks = found.get("requested_formats") or [found]
    size = sum(track.get("filesize") or track.get("filesize_approx") or 0 for track in tracks)
    if size > max_bytes:
        text = _("The video of this page is larger than {number:,} MB, the limit here.")
        hint = _("Cut out the part that matters.")
        raise UsageError(text.format(number=max_bytes >> 20), code="too_large", hint=hint)


def explained(message: str) -> UsageError:
    """Return our error for a message of yt-dlp, which may contain addresses and is not shown."""
    plain = re.sub(r"https?://\S+", "", message).lower()
    for pattern, code, sentence in _SENTENCES:
        if re.search(pattern, plain):
            return UsageError(sentence, code=code, hint=BY_HAND)
    return UsageError(_("No video could be fetched of this page."), code="link_page", hint=BY_HAND)
